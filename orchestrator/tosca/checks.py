"""Phase 8: checks over the whole topology, when all of it is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems, Related
from orchestrator.model.topology import NodeTemplate, Relationship, Topology
from orchestrator.tosca import codes
from orchestrator.tosca.cycles import find_cycles
from orchestrator.tosca.function_checks import FunctionChecker, property_edges
from orchestrator.tosca.types import TypeTable


def check_topology(topology: Topology, types: TypeTable, problems: Problems) -> None:
    """Circles of requirements and of properties, and functions that name what is not there."""
    check_requirement_circles(topology.node_templates, problems)
    check_property_circles(topology.node_templates, problems)
    check_capability_occurrences(topology, types, problems)
    checker = FunctionChecker(topology, types, problems)
    for template in topology.node_templates.values():
        checker.template(template)
    for value in _of_no_node(topology):
        checker.expression(value, None)
    for workflow in topology.workflows.values():
        for step in workflow.steps.values():
            owner = topology.node_templates.get(step.target or "")
            for activity in step.activities:
                for value in getattr(activity, "inputs", {}).values():
                    checker.expression(value, owner)


def _of_no_node(topology: Topology) -> Iterator[Expression]:
    """Values in which SELF means nothing: outputs, and the properties of policies and groups."""
    yield from (output.default for output in topology.outputs.values() if output.default is not None)
    for workflow in topology.workflows.values():
        yield from workflow.outputs.values()
    owned = (*(p.properties for p in topology.policies), *(g.properties for g in topology.groups.values()))
    for value in (value for properties in owned for value in properties.values()):
        if value.span is not None and value.span.file == topology.file:
            yield value


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


def check_capability_occurrences(topology: Topology, types: TypeTable, problems: Problems) -> None:
    """Capabilities that more relationships use than the upper bound of their occurrences allows."""
    taken: dict[tuple[str, str], list[Relationship]] = {}
    for template in topology.node_templates.values():
        for relationship in template.relationships:
            if relationship.capability is not None:
                taken.setdefault((relationship.target, relationship.capability), []).append(relationship)
    for (target, name), relationships in taken.items():
        node_type = types.whole_node(topology.node_templates[target].type)
        definition = node_type.capabilities.get(name) if node_type is not None else None
        high = definition.occurrences[1] if definition is not None else None
        if high is not None and len(relationships) > high:
            message = (
                f"the capability {name} of {target} is used {len(relationships)} times, {high} at most are allowed"
            )
            place = relationships[high].span or topology.node_templates[target].span
            problems.error(codes.TOO_MANY_REQUIREMENTS, message, place, "let it require another node")


def check_property_circles(templates: Mapping[str, NodeTemplate], problems: Problems) -> None:
    """Properties whose values are defined by each other through ``get_property``."""
    edges: dict[str, Iterable[str]] = {}
    for template in templates.values():
        edges.update(property_edges(template, templates))
    for circle in find_cycles(edges):
        node, _, name = circle[0].partition(" ")
        shown = " -> ".join(member.replace(" ", ".") for member in [*circle, circle[0]])
        place = templates[node].spans.get(f"properties.{name}") or templates[node].span
        message = f"the properties are defined by each other: {shown}"
        problems.error(codes.CYCLIC_PROPERTIES, message, place, "give one of them a value of its own")
