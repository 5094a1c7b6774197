"""How many instances a node has: from the capability ``scalable``, its own or that of what it is hosted on.

Sources: Simple Profile 1.3 section 5.5.10 (tosca.capabilities.Scalable); Yorc, where a node on several hosts has an
instance on each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from orchestrator.model.expressions import Call, Expression, Function, Literal
from orchestrator.model.plan import Plan
from orchestrator.model.problems import Problem
from orchestrator.model.topology import CapabilityAssignment, NodeTemplate, Topology
from orchestrator.model.values import Value
from orchestrator.planning.problems import PlanFault, fault

HOSTED_ON = "tosca.relationships.HostedOn"
_SCALABLE = "tosca.capabilities.Scalable"
_DEFAULT, _MINIMUM, _MAXIMUM = "default_instances", "min_instances", "max_instances"
_ONE = ("0",)


@dataclass(frozen=True)
class Scaling:
    """How many instances a node may have, and has at first."""

    minimum: int
    default: int
    maximum: int

    def admits(self, number: int) -> bool:
        """Whether a node may have so many: at least one in any case."""
        return max(1, self.minimum) <= number <= self.maximum


class _Wrong(Exception):
    """A value of the capability that makes no sense: why, and what to do."""


def instance_ids(number: int) -> tuple[str, ...]:
    """The ids of so many instances: ``0``, ``1`` and so on (Yorc)."""
    return tuple(map(str, range(number)))


def decider(topology: Topology, node: str) -> str | None:
    """The node whose capability ``scalable`` says how many instances a node has; None: nobody's does, it has one.

    That is the node itself, else the nearest one along HostedOn. A hosted node whose own capability is as its type has
    it, with at most one instance, follows its host all the same.
    """
    found = None
    for name in _with_hosts(topology, node):
        template = topology.node_templates[name]
        capability = _scalable(topology, template)
        if capability is None:
            continue
        found = name
        if f"capabilities.{capability.name}" in template.spans or _written(capability, _MAXIMUM) not in (None, 1):
            return name
    return found


def followers(topology: Topology, node: str) -> list[str]:
    """The nodes that have as many instances as a node because of its capability, itself first if it is one."""
    found = [name for name in topology.node_templates if decider(topology, name) == node]
    return sorted(found, key=lambda name: name != node)


def scaling_of(topology: Topology, node: str, inputs: Mapping[str, Value] | None = None) -> Scaling | None:
    """What a node's own capability says, given the inputs; None when it has none.

    Where the capability makes no sense (see :func:`instance_problems`), it counts as that of a single instance.
    """
    capability = _scalable(topology, topology.node_templates[node])
    if capability is None:
        return None
    try:
        return _scaling(topology, capability, inputs or {})
    except _Wrong:
        return Scaling(1, 1, 1)


def initial_instances(topology: Topology, inputs: Mapping[str, Value] | None = None) -> dict[str, tuple[str, ...]]:
    """The ids of the instances that every node has when it is deployed, given the topology's inputs."""
    found = {}
    for name in topology.node_templates:
        decides = decider(topology, name)
        scaling = scaling_of(topology, decides, inputs) if decides is not None else None
        found[name] = instance_ids(scaling.default) if scaling is not None else _ONE
    return found


def instance_problems(topology: Topology, inputs: Mapping[str, Value] | None = None) -> list[Problem]:
    """What is wrong with the numbers of instances; inputs that are not given have their defaults."""
    return list(_problems(topology, inputs or {}))


def with_instances(plan: Plan, instances: Mapping[str, Sequence[str]]) -> Plan:
    """The plan with the instances that each step works on, by node; one for nodes that are not named."""
    if all(tuple(ids) == _ONE for ids in instances.values()):
        return plan
    steps = tuple(
        msgspec.structs.replace(step, instances=tuple(instances.get(step.node) or _ONE)) for step in plan.steps
    )
    return msgspec.structs.replace(plan, steps=steps)


def host_of(node: NodeTemplate) -> str | None:
    """The node that a node is hosted on."""
    return next((r.target for r in node.relationships if HOSTED_ON in r.lineage), None)


def _with_hosts(topology: Topology, node: str) -> Iterator[str]:
    """A node, its host, the host of that, and so on."""
    seen: set[str] = set()
    name: str | None = node
    while name is not None and name not in seen and name in topology.node_templates:
        yield name
        seen.add(name)
        name = host_of(topology.node_templates[name])


def _scalable(topology: Topology, node: NodeTemplate) -> CapabilityAssignment | None:
    for capability in node.capabilities.values():
        declared = topology.capability_types.get(capability.type)
        if capability.type == _SCALABLE or (declared is not None and _SCALABLE in declared.lineage):
            return capability
    return None


def _written(capability: CapabilityAssignment, name: str) -> Value:
    """A constant of the capability; for anything else, its expression."""
    expression = capability.properties.get(name)
    return expression.value if isinstance(expression, Literal) else expression


def _problems(topology: Topology, inputs: Mapping[str, Value]) -> Iterator[Problem]:
    for node in topology.node_templates.values():
        capability = _scalable(topology, node)
        if capability is None:
            continue
        try:
            _scaling(topology, capability, inputs)
        except _Wrong as wrong:
            message, hint = wrong.args
            span = node.spans.get(f"capabilities.{capability.name}") or node.span
            yield fault(PlanFault.BAD_INSTANCES, f"node {node.name!r}: {message}", span, hint)


def _scaling(topology: Topology, capability: CapabilityAssignment, inputs: Mapping[str, Value]) -> Scaling:
    def number(name: str) -> int | None:
        return _number(topology, name, capability.properties.get(name), inputs)

    low, high, first = number(_MINIMUM), number(_MAXIMUM), number(_DEFAULT)
    minimum = 1 if low is None else low
    default = max(1, minimum) if first is None else first
    maximum = default if high is None else high
    if minimum < 0 or maximum < max(1, minimum):
        raise _Wrong(
            f"it can have no number of instances: min_instances is {minimum}, max_instances {maximum}",
            "min_instances is 0 or more, max_instances 1 or more and not less than min_instances",
        )
    scaling = Scaling(minimum, default, maximum)
    if not scaling.admits(default):
        raise _Wrong(
            f"default_instances is {default}, which is not within {max(1, minimum)} to {maximum}",
            "change it, or min_instances and max_instances (both are 1 where nothing is written)",
        )
    return scaling


def _number(topology: Topology, name: str, expression: Expression | None, inputs: Mapping[str, Value]) -> int | None:
    value = _value(topology, name, expression, inputs)
    if value is None:
        return None
    try:
        if isinstance(value, bool | float):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise _Wrong(f"{name} is {value!r}, which is no whole number", "write a number like 3") from None


def _value(topology: Topology, name: str, expression: Expression | None, inputs: Mapping[str, Value]) -> Value:
    match expression:
        case None:
            return None
        case Literal(value=value):
            return value
        case Call(function=Function.GET_INPUT, arguments=(Literal(value=str(word)),)):
            if inputs.get(word) is not None:
                return inputs[word]
            declared = topology.inputs.get(word)
            default = declared.default if declared is not None else None
            return default.value if isinstance(default, Literal) else None
    raise _Wrong(
        f"{name} cannot be told before anything is deployed", "write a number, or get_input of an input of the topology"
    )
