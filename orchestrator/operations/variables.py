"""The variables that the implementation of an operation is given, as Yorc has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.model.expressions import evaluate
from orchestrator.model.topology import NodeTemplate, Relationship
from orchestrator.model.values import Value
from orchestrator.operations.calls import ResolvedCall, Round
from orchestrator.operations.hosts import Side
from orchestrator.operations.lookup import Surroundings, hosts_of, lookup_for, same_or_first
from orchestrator.operations.naming import instance_name, yorc_text

JOB_ID = "TOSCA_JOB_ID"


def everyone(around: Surroundings, node: str, worked_on: Sequence[str] = ()) -> tuple[str, ...]:
    """The instances of a node, with those that are worked on and not recorded yet."""
    return tuple(sorted({*around.instances(node), *worked_on} if worked_on else around.instances(node), key=_order))


def _order(instance: str) -> tuple[int, str]:
    return len(instance), instance


def shared_variables(resolved: ResolvedCall, now: Round) -> dict[str, Value]:
    """``<Instance>_<INPUT>`` for every instance."""
    return {
        f"{instance_name(resolved.place.node, instance)}_{name}": value
        for instance, inputs in now.inputs.items()
        for name, value in carried(resolved, inputs).items()
    }


def host_variables(around: Surroundings, resolved: ResolvedCall, now: Round, instance: str) -> dict[str, Value]:
    """The variables of one instance: who it is, the artifacts, and its inputs."""
    common: dict[str, Value] = {
        "DEPLOYMENT_ID": around.deployment,
        **{name: artifact.path or artifact.file for name, artifact in resolved.node.artifacts.items()},
        **carried(resolved, now.inputs[instance]),
    }
    if resolved.call.job_id is not None:
        common[JOB_ID] = resolved.call.job_id
    node, relationship = resolved.node, resolved.relationship
    if relationship is not None:
        return {**_of_ends(around, resolved, relationship, now, instance), **common}
    own = instance_name(node.name, instance)
    return {
        "NODE": node.name,
        "INSTANCE": own,
        "INSTANCES": _names(node.name, now.inputs),
        "HOST": _host(around, node, own),
        **common,
    }


def carried(resolved: ResolvedCall, inputs: Mapping[str, Value]) -> dict[str, Value]:
    """Inputs as the implementation takes them."""
    return dict(inputs) if resolved.ours else {name: yorc_text(value) for name, value in inputs.items()}


def ends(around: Surroundings, resolved: ResolvedCall, now: Round, instance: str) -> tuple[str, str]:
    """The instances of the source and of the target of a relationship, for one that is worked on."""
    assert resolved.relationship is not None
    if resolved.side is Side.TARGET:
        return now.opposite or same_or_first(resolved.call.instances, instance), instance
    return instance, now.opposite or same_or_first(around.instances(resolved.relationship.target), instance)


def _of_ends(
    around: Surroundings, resolved: ResolvedCall, relationship: Relationship, now: Round, instance: str
) -> dict[str, Value]:
    target = around.node(relationship.target)
    source_instance, target_instance = ends(around, resolved, now, instance)
    found: dict[str, Value] = {}
    for end, node, at, worked_on in (
        ("SOURCE", resolved.node, source_instance, resolved.call.instances),
        ("TARGET", target, target_instance, ()),
    ):
        own = instance_name(node.name, at)
        found |= {f"{end}_NODE": node.name, f"{end}_INSTANCE": own, f"{end}_HOST": _host(around, node, own)}
        found[f"{end}_INSTANCES"] = _names(node.name, everyone(around, node.name, worked_on))
    return found | _of_capability(around, target, relationship.capability)


def _of_capability(around: Surroundings, target: NodeTemplate, name: str | None) -> dict[str, Value]:
    """What an operation of a relationship is told of the capability at its target."""
    capability = target.capabilities.get(name or "")
    if capability is None:
        return {}
    every = f"TARGET_CAPABILITY_{capability.name}"
    found: dict[str, Value] = {
        "TARGET_CAPABILITY_NAMES": capability.name,
        "TARGET_CAPABILITY_TYPE": capability.type,
        f"{every}_TYPE": capability.type,
    }
    lookup = lookup_for(around, target.name)
    for key, expression in capability.properties.items():
        value = yorc_text(evaluate(expression, lookup))
        found |= {f"TARGET_CAPABILITY_PROPERTY_{key}": value, f"{every}_PROPERTY_{key}": value}
    declared = around.topology.capability_types.get(capability.type)
    attributes = dict.fromkeys((*capability.attributes, *(declared.attributes if declared else ())))
    for instance in everyone(around, target.name):
        at = lookup_for(around, target.name, instance=instance)
        own = instance_name(target.name, instance)
        for key in attributes:
            value = yorc_text(at.attribute("SELF", [capability.name, key]))
            found |= {f"TARGET_CAPABILITY_{own}_ATTRIBUTE_{key}": value, f"{every}_{own}_ATTRIBUTE_{key}": value}
    return found


def _host(around: Surroundings, node: NodeTemplate, own: str) -> str:
    """The node that a node is hosted on; one that is on none is its own host."""
    hosts = hosts_of(around, node)
    return hosts[0].name if hosts else own


def _names(node: str, instances: Mapping[str, object] | Sequence[str]) -> str:
    return ",".join(instance_name(node, instance) for instance in instances)
