"""Checks of functions: do the nodes, properties, attributes, operations and artifacts that they name exist?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from orchestrator.model.expressions import Call, Expression, Function, Literal, calls
from orchestrator.model.problems import Problems
from orchestrator.model.source import Span
from orchestrator.model.topology import (
    NodeTemplate,
    NodeType,
    PropertyDefinition,
    Relationship,
    Schema,
    Topology,
)
from orchestrator.model.values import Value
from orchestrator.tosca import codes
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import BUILT_IN_TYPES
from orchestrator.tosca.templates import EVERY_NODE_HAS
from orchestrator.tosca.types import NODE, TypeTable

KEYWORDS = frozenset(("SELF", "SOURCE", "TARGET", "HOST", "REQ_TARGET", "ORCHESTRATOR"))
"""Words that stand for a node where the name of one may be (1.3 section 4.1; REQ_TARGET is Yorc's)."""

HOSTED_ON = "tosca.relationships.HostedOn"
_READS = (Function.GET_PROPERTY, Function.GET_ATTRIBUTE)


class Word:
    """A literal argument of a function with its place."""

    __slots__ = ("span", "value")

    def __init__(self, value: Value, span: Span | None) -> None:
        self.value = value
        self.span = span

    @property
    def text(self) -> str:
        """The argument as text."""
        return str(self.value)


class FunctionChecker:
    """Checks what a topology itself writes; the values that its types bring are the types' business."""

    def __init__(self, topology: Topology, types: TypeTable, problems: Problems) -> None:
        self._topology = topology
        self._types = types
        self._problems = problems
        self._types_seen: set[str] = set()
        self._ends: Mapping[str, NodeTemplate] = {}

    def template(self, template: NodeTemplate) -> None:
        """The values that a node template assigns, and what the operations of its type read of it."""
        for expression in _assigned(template):
            self.expression(expression, template)
        if template.type not in self._types_seen:
            self._types_seen.add(template.type)
            self._operations_of_type(template)
        for relationship in template.relationships:
            target = self._topology.node_templates.get(relationship.target)
            if target is not None:
                self._relationship(relationship, template, target)

    def _relationship(self, relationship: Relationship, source: NodeTemplate, target: NodeTemplate) -> None:
        """The values of a relationship, in which SELF is the relationship itself; what its type brings is left out."""
        self._ends = {"SOURCE": source, "TARGET": target}
        values = list(relationship.properties.values())
        for interface in relationship.interfaces.values():
            for operation in interface.operations.values():
                values += operation.inputs.values() if operation.implementation is not None else ()
        for value in values:
            if value.span is not None and value.span.file == self._topology.file:
                self.expression(value, None)
        self._ends = {}

    def _operations_of_type(self, template: NodeTemplate) -> None:
        """Properties of the node itself that its type's operations read and that it does not have.

        A warning, not an error: with Yorc too such an operation fails only when it is called. What it reads of inputs
        is not checked: real types read inputs that not every topology has.
        """
        node_type = self._types.whole_node(template.type)
        if node_type is None:
            return
        ends = {*node_type.capabilities, *node_type.requirements}
        for interface in node_type.interfaces.values():
            for operation in interface.operations.values():
                for expression in operation.inputs.values():
                    for call in calls(expression):
                        words = _words(call) if call.function is Function.GET_PROPERTY else []
                        if len(words) < 2 or words[0].text != "SELF" or words[1].text in ends:
                            continue
                        if _definition(call.function, node_type, words[1].text) is None:
                            message = (
                                f"{interface.name}.{operation.name} of {template.type} reads the property "
                                f"{words[1].text!r}, which the type does not have"
                            )
                            hint = did_you_mean(words[1].text, list(node_type.properties))
                            self._problems.warning(codes.UNKNOWN_FUNCTION_PROPERTY, message, words[1].span, hint)

    def expression(self, expression: Expression, owner: NodeTemplate | None) -> None:
        """Every function in an expression; ``owner`` is what SELF means, None where it means nothing."""
        if isinstance(expression, Literal):
            return
        for call in calls(expression):
            if call.function in _READS:
                self._read(call, owner)
            elif call.function is Function.GET_OPERATION_OUTPUT:
                self._operation_output(call, owner)
            elif call.function is Function.GET_ARTIFACT:
                self._artifact(call, owner)
            elif call.function is Function.GET_INPUT:
                self._input(call)
            elif call.function is Function.GET_NODES_OF_TYPE:
                self._type(call)

    def _node(self, words: list[Word], owner: NodeTemplate | None) -> tuple[NodeTemplate, NodeType] | None:
        """The node a function asks; None, with a problem where there is none, when it cannot be told."""
        if not words:
            return None
        name = words[0].text
        template: NodeTemplate | None = None
        if self._ends and name in ("SELF", "SOURCE", "TARGET"):
            template = self._ends.get(name)
        elif name == "TARGET" and owner is not None:
            self._nothing(words[0], "TARGET means nothing here: it is the target of a relationship", "name the node")
        elif name == "SELF":
            template = owner
            if owner is None:
                self._nothing(words[0], "SELF means nothing here", "name a node template")
        elif name == "HOST":
            template = self._host(words[0], owner)
        elif name not in KEYWORDS:
            template = self._topology.node_templates.get(name)
            if template is None:
                hint = did_you_mean(name, [*self._topology.node_templates, *KEYWORDS])
                self._nothing(words[0], f"there is no node template {name!r}", hint)
        node_type = self._types.whole_node(template.type) if template is not None else None
        return (template, node_type) if template is not None and node_type is not None else None

    def _nothing(self, word: Word, message: str, hint: str | None) -> None:
        self._problems.error(codes.UNKNOWN_FUNCTION_NODE, message, word.span, hint)

    def _host(self, word: Word, owner: NodeTemplate | None) -> NodeTemplate | None:
        """The node that the owner is hosted on, when that is the whole chain; else it cannot be told here."""
        if owner is None:
            self._nothing(word, "HOST means nothing here", "name a node template")
            return None
        hosts = [r.target for r in owner.relationships if HOSTED_ON in r.lineage]
        if not hosts:
            self._nothing(word, f"{owner.name} is hosted on nothing", "add a requirement for a host")
            return None
        host = self._topology.node_templates.get(hosts[0])
        if host is None or any(HOSTED_ON in r.lineage for r in host.relationships):
            return None
        return host

    def _read(self, call: Call, owner: NodeTemplate | None) -> None:
        words = _words(call)
        found = self._node(words, owner)
        if found is None or len(words) < 2:
            return
        template, node_type = found
        name, rest = words[1], words[2:]
        definition = _definition(call.function, node_type, name.text)
        if definition is not None:
            self._path(definition.schema, name, rest)
            return
        if name.text in template.attributes or (
            call.function is Function.GET_ATTRIBUTE and name.text in EVERY_NODE_HAS
        ):
            return
        if name.text in template.capabilities and (rest or name.text not in node_type.requirements):
            self._of_capability(call, template, name, rest)
            return
        relationship = next((r for r in template.relationships if name.text in (r.requirement, r.name)), None)
        if relationship is not None:
            target = self._topology.node_templates.get(relationship.target)
            if target is not None:
                self._of_target(call, target, relationship.capability, rest)
            return
        if name.text not in node_type.requirements:
            self._unknown(call, template, node_type, name)

    def _unknown(self, call: Call, template: NodeTemplate, node_type: NodeType, name: Word) -> None:
        attribute = call.function is Function.GET_ATTRIBUTE
        message = f"{template.name} has no {'attribute' if attribute else 'property'} {name.text!r}"
        owners = [
            c for c, d in node_type.capabilities.items() if name.text in d.properties or name.text in d.attributes
        ]
        if owners:
            hint = f"the capability {owners[0]} has one: write {owners[0]}, {name.text}"
            self._problems.warning(codes.UNKNOWN_FUNCTION_PROPERTY, message, name.span, hint)
            return
        known = [*node_type.properties, *(node_type.attributes if attribute else ())]
        hint = did_you_mean(name.text, [*known, *template.capabilities, *node_type.requirements]) or ""
        self._problems.error(codes.UNKNOWN_FUNCTION_PROPERTY, message, name.span, hint or None)

    def _of_capability(self, call: Call, template: NodeTemplate, name: Word, rest: list[Word]) -> None:
        definition = self._topology.node_types[template.type].capabilities.get(name.text)
        capability = template.capabilities[name.text]
        if definition is None or not rest:
            return
        wanted = rest[0].text
        known = {**definition.properties, **definition.attributes}
        if wanted in known:
            self._path(known[wanted].schema, rest[0], rest[1:])
            return
        if wanted in capability.attributes:
            return
        word = "property" if call.function is Function.GET_PROPERTY else "attribute"
        message = f"the capability {name.text} of {template.name} has no {word} {wanted!r}"
        self._problems.error(codes.UNKNOWN_FUNCTION_PROPERTY, message, rest[0].span, did_you_mean(wanted, known))

    def _of_target(self, call: Call, target: NodeTemplate, capability: str | None, rest: list[Word]) -> None:
        """``[SELF, requirement, name]``: of the target's capability, or of the target itself."""
        node_type = self._types.whole_node(target.type)
        if node_type is None or not rest:
            return
        wanted = rest[0].text
        own = node_type.capabilities.get(capability or "")
        known = {**(own.properties if own else {}), **(own.attributes if own else {})}
        definition = known.get(wanted) or _definition(call.function, node_type, wanted)
        if definition is not None:
            self._path(definition.schema, rest[0], rest[1:])
            return
        if wanted in target.capabilities or wanted in target.attributes or wanted in EVERY_NODE_HAS:
            return
        word = "property" if call.function is Function.GET_PROPERTY else "attribute"
        message = f"{target.name} has no {word} {wanted!r}"
        hint = did_you_mean(wanted, [*known, *node_type.properties, *node_type.attributes])
        self._problems.error(codes.UNKNOWN_FUNCTION_PROPERTY, message, rest[0].span, hint)

    def _path(self, schema: Schema, name: Word, rest: Sequence[Word]) -> None:
        """The words that go into a nested value: indexes of lists, keys of maps, fields of data types."""
        current: Schema | None = schema
        for word in rest:
            if current is None or current.type in ("any", "json", "xml"):
                return
            data_type = self._topology.data_types.get(current.type)
            if current.type == "map":
                current = current.entry
            elif current.type == "list":
                if not isinstance(word.value, int) and not word.text.isdigit():
                    message = f"{name.text} is a list: {word.text!r} is not an index"
                    self._problems.error(codes.BAD_FUNCTION, message, word.span, "write a whole number")
                    return
                current = current.entry
            elif data_type is not None and data_type.properties:
                field = data_type.properties.get(word.text)
                if field is None:
                    message = f"{data_type.name} has no field {word.text!r}"
                    hint = did_you_mean(word.text, data_type.properties)
                    self._problems.error(codes.UNKNOWN_FUNCTION_PROPERTY, message, word.span, hint)
                    return
                current = field.schema
            elif current.type in BUILT_IN_TYPES:
                message = f"{name.text} is of type {current.type}: {word.text!r} leads nowhere"
                self._problems.error(codes.BAD_FUNCTION, message, word.span, "remove it")
                return
            else:
                return
            name = word

    def _input(self, call: Call) -> None:
        words = _words(call)
        definition = self._topology.inputs.get(words[0].text) if words else None
        if definition is not None:
            self._path(definition.schema, words[0], words[1:])

    def _type(self, call: Call) -> None:
        words = _words(call)
        name = words[0].text if words else ""
        if words and self._types.find(NODE, name) is None and not self._types.may_be_imported(name):
            hint = did_you_mean(name, self._types.names(NODE))
            self._problems.error(codes.UNKNOWN_TYPE, f"there is no node type {name!r}", words[0].span, hint)

    def _operation_output(self, call: Call, owner: NodeTemplate | None) -> None:
        words = _words(call)
        found = self._node(words, owner)
        if found is None or len(words) < 3:
            return
        template, _ = found
        interface, operation = words[1], words[2]
        there = template.interfaces.get(interface.text)
        if there is not None and operation.text in there.operations:
            return
        known = [f"{name}.{o}" for name, i in template.interfaces.items() for o in i.operations]
        message = f"{template.name} has no operation {interface.text}.{operation.text}"
        hint = did_you_mean(f"{interface.text}.{operation.text}", known)
        span = interface.span if there is None else operation.span
        self._problems.error(codes.UNKNOWN_FUNCTION_ARTIFACT, message, span, hint)

    def _artifact(self, call: Call, owner: NodeTemplate | None) -> None:
        words = _words(call)
        found = self._node(words, owner)
        if found is None or len(words) < 2 or words[1].text in found[0].artifacts:
            return
        message = f"{found[0].name} has no artifact {words[1].text!r}"
        hint = did_you_mean(words[1].text, found[0].artifacts)
        self._problems.error(codes.UNKNOWN_FUNCTION_ARTIFACT, message, words[1].span, hint)


def _words(call: Call) -> list[Word]:
    """The literal arguments of a call up to the first one that is not."""
    words = []
    for argument in call.arguments:
        if not isinstance(argument, Literal):
            break
        words.append(Word(argument.value, argument.span))
    return words


def _definition(function: Function, node_type: NodeType, name: str) -> PropertyDefinition | None:
    """What a function reads: a property, or an attribute (which every property also is, 1.3 section 3.6.12)."""
    sources: Iterable[Mapping[str, PropertyDefinition]] = (node_type.properties,)
    if function is Function.GET_ATTRIBUTE:
        sources = (node_type.attributes, node_type.properties)
    base = name.partition(".")[0].partition("[")[0]  # Yorc's notation of nested values: a.b[0]
    for source in sources:
        if name in source:
            return source[name]
        if base in source:
            return PropertyDefinition(base, Schema("any"))
    return None


def _assigned(template: NodeTemplate) -> Iterator[Expression]:
    """The values that the template itself writes, told from inherited ones by their place."""
    for section, values in (("properties", template.properties), ("attributes", template.attributes)):
        for name, value in values.items():
            if f"{section}.{name}" in template.spans:
                yield value
    for name, capability in template.capabilities.items():
        if f"capabilities.{name}" in template.spans:
            yield from (v for v in capability.properties.values() if _within(v, template.spans[f"capabilities.{name}"]))
    for place, span in template.spans.items():
        if place.startswith("interfaces."):
            for interface in template.interfaces.values():
                for operation in interface.operations.values():
                    yield from (value for value in operation.inputs.values() if _within(value, span))


def _within(value: Expression, span: Span) -> bool:
    at = value.span
    return at is not None and at.file == span.file and span.line <= at.line <= span.end_line


def property_edges(template: NodeTemplate, templates: Mapping[str, NodeTemplate]) -> Iterator[tuple[str, list[str]]]:
    """For every property that is defined by others: ``node property`` -> the same of those."""
    for name, value in template.properties.items():
        if isinstance(value, Literal):
            continue
        reads = (_words(call) for call in calls(value) if call.function is Function.GET_PROPERTY)
        targets = [target for words in reads if (target := _property_read(words, template, templates))]
        if targets:
            yield f"{template.name} {name}", targets


def _property_read(words: list[Word], template: NodeTemplate, templates: Mapping[str, NodeTemplate]) -> str | None:
    """The property that a function reads, as ``node property``; None for one of a capability, or none at all.

    ``[SELF, requirement, property]`` reads that of the target of the requirement.
    """
    if len(words) < 2:
        return None
    first, second = words[0].text, words[1].text
    owner = template if first == "SELF" else templates.get(first)
    if first == "HOST":
        owner = next((templates.get(r.target) for r in template.relationships if HOSTED_ON in r.lineage), None)
    if owner is None:
        return None
    if second in owner.properties:
        return f"{owner.name} {second}" if len(words) == 2 else None
    relationship = next((r for r in owner.relationships if second in (r.requirement, r.name)), None)
    target = templates.get(relationship.target) if relationship is not None else None
    if target is None or len(words) != 3 or second in owner.capabilities:
        return None
    wanted = words[2].text
    capability = target.capabilities.get(relationship.capability or "") if relationship is not None else None
    of_capability = capability is not None and wanted in capability.properties
    return f"{target.name} {wanted}" if wanted in target.properties and not of_capability else None
