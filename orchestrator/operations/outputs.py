"""Which outputs of operations are wanted, and which attributes they become."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from orchestrator.model.expressions import Function, Literal, calls
from orchestrator.model.folding import expressions_of
from orchestrator.model.topology import NodeTemplate, Relationship, Topology, interface_name
from orchestrator.model.values import Value
from orchestrator.operations.calls import ResolvedCall
from orchestrator.operations.lookup import Surroundings, hosts_of, same_or_first

Owned = tuple[str, str, str]
"""An operation: node, interface, name; of a relationship, its node is the source."""


def read_outputs(topology: Topology) -> Mapping[Owned, list[str]]:
    """The outputs of each operation that anything in the topology reads with ``get_operation_output``."""
    found: dict[Owned, list[str]] = defaultdict(list)
    for expression, _, node, target in expressions_of(topology):
        for inner in calls(expression):
            if inner.function is not Function.GET_OPERATION_OUTPUT or len(inner.arguments) < 4:
                continue
            entity, interface, operation, name = (
                str(a.value) if isinstance(a, Literal) else "" for a in inner.arguments[:4]
            )
            owner = {"SELF": node, "SOURCE": node, "TARGET": target}.get(entity, entity)
            names = found[(owner, interface_name(interface), operation)]
            if owner and name not in names:
                names.append(name)
    return found


def mapped_attributes(
    around: Surroundings, resolved: ResolvedCall, outputs: Mapping[str, Mapping[str, Value]]
) -> list[tuple[str, str, dict[str, Value]]]:
    """The attributes that an operation's output mappings set: (node, instance, values), given outputs by instance.

    A mapping is ``[SELF, attribute]`` or ``[SELF, capability, attribute]``, and may go into nested values (1.3 section
    3.6.15). ``SELF`` of a relationship is the relationship itself: its attributes are kept as ``requirement.attribute``
    of its source.
    """
    found: dict[tuple[str, str], dict[str, Value]] = {}
    for instance, values in outputs.items():
        for name, mapping in resolved.operation.outputs.items():
            if name not in values or not mapping:
                continue
            owner, prefix = _owner(around, resolved, mapping[0] if len(mapping) > 1 else "SELF")
            own = owner.name == (resolved.node.name if resolved.relationship is None else resolved.place.node)
            at = instance if own else same_or_first(around.instances(owner.name), instance)
            attributes = found.setdefault((owner.name, at), {})
            _put(around, owner, at, attributes, [*prefix, *mapping[len(mapping) > 1 :]], values[name])
    return [(node, instance, values) for (node, instance), values in found.items() if values]


def _owner(around: Surroundings, resolved: ResolvedCall, entity: str) -> tuple[NodeTemplate, list[str]]:
    node, relationship = resolved.node, resolved.relationship
    match entity:
        case "SELF" if relationship is not None:
            return node, [relationship.name]
        case "SELF" | "SOURCE":
            return node, []
        case "TARGET" if relationship is not None:
            return around.node(relationship.target), []
        case "HOST":
            return next(iter(hosts_of(around, node)), node), []
        case _:
            return around.node(entity), []


def _put(
    around: Surroundings,
    node: NodeTemplate,
    instance: str,
    attributes: dict[str, Value],
    path: list[str],
    value: Value,
) -> None:
    """Set an attribute, or an entry deep inside it."""
    deep = len(path) > 1 and (path[0] in node.capabilities or _requirement(node, path[0]) is not None)
    name, rest = (f"{path[0]}.{path[1]}", path[2:]) if deep else (path[0], path[1:])
    if not rest:
        attributes[name] = value
        return
    before = attributes.get(name, around.attribute_of(node.name, instance, name))
    whole: dict[str, Value] = dict(before) if isinstance(before, dict) else {}
    attributes[name] = last = whole
    for word in rest[:-1]:
        inner = last.get(word)
        last[word] = dict(inner) if isinstance(inner, dict) else {}
        last = last[word]
    last[rest[-1]] = value


def _requirement(node: NodeTemplate, name: str) -> Relationship | None:
    return next((r for r in node.relationships if r.name == name), None)
