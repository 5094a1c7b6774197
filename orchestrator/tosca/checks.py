"""Phase 8: checks over the whole topology, when all of it is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

from orchestrator.model.expressions import Call, Expression, Function, Literal, calls
from orchestrator.model.problems import Problems, Related
from orchestrator.model.source import Span
from orchestrator.model.topology import NodeTemplate, NodeType, PropertyDefinition, Topology
from orchestrator.tosca import codes
from orchestrator.tosca.cycles import find_cycles
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.templates import EVERY_NODE_HAS

KEYWORDS = frozenset(("SELF", "SOURCE", "TARGET", "HOST", "REQ_TARGET", "ORCHESTRATOR"))
"""Words that stand for a node where the name of one may be (1.3 section 4.1; REQ_TARGET is Yorc's)."""


def check_topology(topology: Topology, problems: Problems) -> None:
    """Circles of requirements, and functions that name what is not there."""
    check_requirement_circles(topology.node_templates, problems)
    checker = _FunctionChecker(topology, problems)
    for template in topology.node_templates.values():
        checker.template(template)
    for output in topology.outputs.values():
        if output.default is not None:
            checker.expression(output.default, None)
    for workflow in topology.workflows.values():
        for step in workflow.steps.values():
            owner = topology.node_templates.get(step.target or "")
            for activity in step.activities:
                for value in getattr(activity, "inputs", {}).values():
                    checker.expression(value, owner)


def check_requirement_circles(templates: Mapping[str, NodeTemplate], problems: Problems) -> None:
    """Node templates that require each other in a circle."""
    edges = {name: [r.target for r in template.relationships] for name, template in templates.items()}
    for circle in find_cycles(edges):
        members = [*circle, circle[0]]
        message = f"the node templates require each other in a circle: {' -> '.join(members)}"
        notes = []
        for source, target in itertools.pairwise(members):
            relationship = next(r for r in templates[source].relationships if r.target == target)
            if relationship.span is not None:
                notes.append(Related(f"{source} requires {target}", relationship.span))
        place = notes[0].span if notes else templates[circle[0]].span
        problems.error(codes.CYCLIC_REQUIREMENTS, message, place, "remove one of these requirements", *notes[1:])


class _FunctionChecker:
    """Checks ``get_property`` and its like in what a topology itself writes."""

    def __init__(self, topology: Topology, problems: Problems) -> None:
        self._topology = topology
        self._problems = problems

    def template(self, template: NodeTemplate) -> None:
        """The values that a node template assigns; those that its type brings are the type's business."""
        for place, values in (("properties", template.properties), ("attributes", template.attributes)):
            for name, value in values.items():
                if not isinstance(value, Literal) and f"{place}.{name}" in template.spans:
                    self.expression(value, template)

    def expression(self, expression: Expression, owner: NodeTemplate | None) -> None:
        """Every function in an expression; ``owner`` is what SELF means, None where it means nothing."""
        if isinstance(expression, Literal):
            return
        for call in calls(expression):
            if call.function in (Function.GET_PROPERTY, Function.GET_ATTRIBUTE):
                self._property(call, owner)
            elif call.function is Function.GET_OPERATION_OUTPUT:
                self._operation_output(call, owner)
            elif call.function is Function.GET_ARTIFACT:
                self._artifact(call, owner)

    def _words(self, call: Call) -> Iterator[tuple[str, Span | None] | None]:
        for argument in call.arguments:
            known = isinstance(argument, Literal) and isinstance(argument.value, str)
            yield (str(argument.value), argument.span) if known and isinstance(argument, Literal) else None

    def _node(self, call: Call, owner: NodeTemplate | None) -> tuple[NodeTemplate, NodeType] | None:
        """The node a function asks; None, with a problem where there is none, when it cannot be told."""
        first = next(self._words(call), None)
        if first is None:
            return None
        name, span = first
        if name == "SELF":
            template = owner
        elif name in KEYWORDS:
            return None
        else:
            template = self._topology.node_templates.get(name)
            if template is None:
                hint = did_you_mean(name, [*self._topology.node_templates, *KEYWORDS])
                message = f"there is no node template {name!r}"
                self._problems.error(codes.UNKNOWN_FUNCTION_NODE, message, span, hint)
        node_type = self._topology.node_types.get(template.type) if template is not None else None
        return (template, node_type) if template is not None and node_type is not None else None

    def _property(self, call: Call, owner: NodeTemplate | None) -> None:
        found = self._node(call, owner)
        words = list(self._words(call))
        if found is None or len(words) < 2 or words[1] is None:
            return
        template, node_type = found
        name, span = words[1]
        own: Mapping[str, PropertyDefinition] = node_type.properties
        also: Mapping[str, PropertyDefinition] = {}
        if call.function is Function.GET_ATTRIBUTE:
            own, also = node_type.attributes, node_type.properties
            if name in EVERY_NODE_HAS:
                return
        base = name.partition(".")[0].partition("[")[0]
        if base in own or base in also or base in template.attributes:
            return
        if name in template.capabilities or name in node_type.requirements:
            self._of_capability(call, template, name, words)
            return
        if any(name == r.name for r in template.relationships):
            return
        word = "property" if call.function is Function.GET_PROPERTY else "attribute"
        hint = did_you_mean(name, [*own, *also, *template.capabilities, *node_type.requirements])
        message = f"{template.name} has no {word} {name!r}"
        self._problems.error(codes.UNKNOWN_FUNCTION_PROPERTY, message, span, hint)

    def _of_capability(
        self, call: Call, template: NodeTemplate, name: str, words: list[tuple[str, Span | None] | None]
    ) -> None:
        capability = template.capabilities.get(name)
        wanted = words[2] if len(words) > 2 else None
        definition = self._topology.node_types[template.type].capabilities.get(name)
        if capability is None or definition is None or wanted is None:
            return
        known = {**definition.properties, **definition.attributes}
        if wanted[0] in known or wanted[0] in capability.attributes:
            return
        word = "property" if call.function is Function.GET_PROPERTY else "attribute"
        message = f"the capability {name} of {template.name} has no {word} {wanted[0]!r}"
        self._problems.error(codes.UNKNOWN_FUNCTION_PROPERTY, message, wanted[1], did_you_mean(wanted[0], known))

    def _operation_output(self, call: Call, owner: NodeTemplate | None) -> None:
        found = self._node(call, owner)
        words = list(self._words(call))
        if found is None or len(words) < 3 or words[1] is None or words[2] is None:
            return
        template, _ = found
        interface, operation = words[1], words[2]
        there = template.interfaces.get(interface[0])
        if there is not None and operation[0] in there.operations:
            return
        known = [f"{i}.{o}" for i, found_interface in template.interfaces.items() for o in found_interface.operations]
        message = f"{template.name} has no operation {interface[0]}.{operation[0]}"
        hint = did_you_mean(f"{interface[0]}.{operation[0]}", known)
        span = interface[1] if there is None else operation[1]
        self._problems.error(codes.UNKNOWN_FUNCTION_ARTIFACT, message, span, hint)

    def _artifact(self, call: Call, owner: NodeTemplate | None) -> None:
        found = self._node(call, owner)
        words = list(self._words(call))
        if found is None or len(words) < 2 or words[1] is None or words[1][0] in found[0].artifacts:
            return
        message = f"{found[0].name} has no artifact {words[1][0]!r}"
        hint = did_you_mean(words[1][0], found[0].artifacts)
        self._problems.error(codes.UNKNOWN_FUNCTION_ARTIFACT, message, words[1][1], hint)
