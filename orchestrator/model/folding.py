"""Every expression of a topology, with the nodes that it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from orchestrator.model.expressions import Expression
from orchestrator.model.topology import Interface, NodeTemplate, SetState, Topology


class Use(NamedTuple):
    """An expression that something uses: ``node`` is what SELF and SOURCE stand for in it, ``target`` TARGET; or empty.

    ``user`` says for people who uses it.
    """

    expression: Expression
    user: str
    node: str = ""
    target: str = ""


def expressions_of(topology: Topology) -> Iterator[Use]:
    """Every expression that may be evaluated: of operations only where there is something that carries them out."""
    for node in topology.node_templates.values():
        yield from _of_node(node)
    for group in topology.groups.values():
        yield from (Use(expression, group.name) for expression in group.properties.values())
    for policy in topology.policies:
        yield from (Use(expression, policy.name) for expression in policy.properties.values())
    for name, definition in topology.outputs.items():
        if definition.default is not None:
            yield Use(definition.default, f"the output {name}")
    for workflow in topology.workflows.values():
        yield from (Use(e, f"the output {name} of {workflow.name}") for name, e in workflow.outputs.items())
        for step in workflow.steps.values():
            for activity in step.activities:
                if not isinstance(activity, SetState):
                    for expression in activity.inputs.values():
                        yield Use(expression, f"the step {step.name} of {workflow.name}", step.target or "")


def _of_node(node: NodeTemplate) -> Iterator[Use]:
    sources = [node.attributes, node.properties]
    for capability in node.capabilities.values():
        sources += [capability.attributes, capability.properties]
    for values in sources:
        yield from (Use(expression, node.name, node.name) for expression in values.values())
    yield from _inputs(node.interfaces, node.name, "")
    for relationship in node.relationships:
        for expression in relationship.properties.values():
            yield Use(expression, f"{node.name}.{relationship.name}", node.name, relationship.target)
        yield from _inputs(relationship.interfaces, node.name, relationship.target)


def _inputs(interfaces: Mapping[str, Interface], node: str, target: str) -> Iterator[Use]:
    for interface in interfaces.values():
        for operation in interface.operations.values():
            if operation.implementation is not None:
                user = f"{node}: {interface.name}.{operation.name}"
                yield from (Use(expression, user, node, target) for expression in operation.inputs.values())
