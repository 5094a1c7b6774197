"""What is different between two topologies with their inputs: as data, for people and for the plan of an update.

Values are compared as they would be evaluated: ``get_input`` counts as the input's value, places in documents count for
nothing. What only people read (descriptions, metadata) concerns no node.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf
from orchestrator.model.topology import NodeTemplate, Operation, Relationship, Topology
from orchestrator.model.values import Value, value_at

_FOR_PEOPLE = frozenset({"span", "spans", "path", "description", "metadata"})
"""Fields that say where something is written or found, or that only people read."""


_AGAIN = "the last update did not come to its end"
_RECREATED = "it is to be made again"


class Change(enum.Enum):
    """What became of something. REPLACED: a node that is removed, and another one of its name added."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    REPLACED = "replaced"


class Aspect(enum.Enum):
    """What it is that is different."""

    TYPE = "type"
    SITE = "site"
    PROPERTY = "property"
    REQUIREMENT = "requirement"
    ARTIFACT = "artifact"
    OPERATION = "operation"
    STATE = "state"
    INPUT = "input"
    WORKFLOW = "workflow"


class Detail(msgspec.Struct, frozen=True):
    """One thing that is different, as it was and as it will be; None where there is nothing to show."""

    aspect: Aspect
    name: str
    change: Change
    before: Value = None
    after: Value = None


class NodeDifference(msgspec.Struct, frozen=True):
    """What is different about a node template. ``type`` is the new type, of a removed node the old one."""

    name: str
    change: Change
    type: str
    details: tuple[Detail, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """All that is different. ``others`` names other parts of the document, which no node depends on."""

    nodes: tuple[NodeDifference, ...] = ()
    inputs: tuple[Detail, ...] = ()
    workflows: tuple[Detail, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is different."""
        return not (self.nodes or self.inputs or self.workflows or self.others)

    def names(self, *changes: Change) -> tuple[str, ...]:
        """The nodes of which one of these became."""
        return tuple(node.name for node in self.nodes if node.change in changes)


def difference(
    old: Topology,
    new: Topology,
    old_inputs: Mapping[str, Value],
    new_inputs: Mapping[str, Value],
    *,
    moved: Mapping[str, tuple[str, str]] | None = None,
    anew: Collection[str] = (),
    again: Collection[str] = (),
    recreated: Collection[str] = (),
) -> Difference:
    """The difference between two topologies, nodes in the order of the new document, removed ones first.

    ``moved`` are nodes whose work is done on another site (old, new): they are replaced, as those whose type changed.
    ``anew`` are nodes of both that are not wholly there and count as added, ``again`` those that count as changed,
    ``recreated`` those that are to be replaced, whatever else is different about them.
    """
    nodes: list[NodeDifference] = []
    for name, node in old.node_templates.items():
        if name not in new.node_templates:
            nodes.append(NodeDifference(name, Change.REMOVED, node.type))
    for name, node in new.node_templates.items():
        before = old.node_templates.get(name)
        if before is None or (name in anew and before.type == node.type):
            nodes.append(NodeDifference(name, Change.ADDED, node.type))
            continue
        states = [_AGAIN] if name in again else []
        states += [_RECREATED] if name in recreated else []
        found = _node(before, node, old_inputs, new_inputs, (moved or {}).get(name), states)
        if found is not None:
            nodes.append(found)
    return Difference(
        tuple(nodes),
        tuple(_compared(Aspect.INPUT, old_inputs, new_inputs)),
        tuple(_compared(Aspect.WORKFLOW, _comparable(old.workflows), _comparable(new.workflows), shown=False)),
        tuple(_others(old, new)),
    )


def _node(
    old: NodeTemplate,
    new: NodeTemplate,
    old_inputs: Mapping[str, Value],
    new_inputs: Mapping[str, Value],
    moved: tuple[str, str] | None,
    states: Sequence[str],
) -> NodeDifference | None:
    details = []
    if old.type != new.type:
        details.append(Detail(Aspect.TYPE, "type", Change.CHANGED, old.type, new.type))
    if moved is not None:
        details.append(Detail(Aspect.SITE, "site", Change.CHANGED, *moved))
    replaced = bool(details) or _RECREATED in states
    if states and not details:
        details.append(Detail(Aspect.STATE, "state", Change.CHANGED, states[-1], None))
    details += _compared(Aspect.PROPERTY, _properties(old, old_inputs), _properties(new, new_inputs))
    details += _requirements(old, new, old_inputs, new_inputs)
    details += _compared(Aspect.ARTIFACT, _artifacts(old), _artifacts(new))
    details += _compared(Aspect.OPERATION, _operations(old, old_inputs), _operations(new, new_inputs), shown=False)
    if not details:
        return None
    return NodeDifference(new.name, Change.REPLACED if replaced else Change.CHANGED, new.type, tuple(details))


def _compared(
    aspect: Aspect, old: Mapping[str, Value], new: Mapping[str, Value], *, shown: bool = True
) -> Iterator[Detail]:
    """The entries of two maps that differ. Without ``shown``, the values are left out of what is told."""
    for name in dict.fromkeys((*old, *new)):
        if name not in new:
            yield Detail(aspect, name, Change.REMOVED, old[name] if shown else None)
        elif name not in old:
            yield Detail(aspect, name, Change.ADDED, None, new[name] if shown else None)
        elif not _same(old[name], new[name]):
            values = (old[name], new[name]) if shown else (None, None)
            yield Detail(aspect, name, Change.CHANGED, *values)


def _same(one: Value, other: Value) -> bool:
    """Equality of JSON-like values in which ``true`` is not 1: playbooks are handed the texts of values."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and bool(one == other)


def _properties(node: NodeTemplate, inputs: Mapping[str, Value]) -> dict[str, Value]:
    found = {name: plain(expression, inputs) for name, expression in node.properties.items()}
    for capability in node.capabilities.values():
        found |= {f"{capability.name}.{name}": plain(e, inputs) for name, e in capability.properties.items()}
    return found


def _artifacts(node: NodeTemplate) -> dict[str, Value]:
    return {a.name: {"file": a.file, "type": a.type, "deploy_path": a.deploy_path} for a in node.artifacts.values()}


def _operations(node: NodeTemplate, inputs: Mapping[str, Value]) -> dict[str, Value]:
    return {
        f"{interface.name}.{operation.name}": _operation(operation, inputs)
        for interface in node.interfaces.values()
        for operation in interface.operations.values()
        if operation.implementation is not None
    }


def _operation(operation: Operation, inputs: Mapping[str, Value]) -> Value:
    # an input of the topology replaces what an operation declares for an input of its name
    values = {n: plain(e, inputs) if inputs.get(n) is None else inputs[n] for n, e in operation.inputs.items()}
    return {"inputs": values, "outputs": _comparable(operation.outputs), "by": _comparable(operation.implementation)}


def _requirements(
    old: NodeTemplate, new: NodeTemplate, old_inputs: Mapping[str, Value], new_inputs: Mapping[str, Value]
) -> Iterator[Detail]:
    before, after = _numbered(old.relationships), _numbered(new.relationships)
    told = _compared(
        Aspect.REQUIREMENT,
        {name: _relationship(r, old_inputs) for name, r in before.items()},
        {name: _relationship(r, new_inputs) for name, r in after.items()},
        shown=False,
    )
    for detail in told:
        was, will = before.get(detail.name), after.get(detail.name)
        yield msgspec.structs.replace(detail, before=was.target if was else None, after=will.target if will else None)


def _numbered(relationships: Iterable[Relationship]) -> dict[str, Relationship]:
    """The relationships by name; a second one of a name is called ``name.2``."""
    found: dict[str, Relationship] = {}
    for relationship in relationships:
        name, number = relationship.name, 1
        while name in found:
            number += 1
            name = f"{relationship.name}.{number}"
        found[name] = relationship
    return found


def _relationship(relationship: Relationship, inputs: Mapping[str, Value]) -> Value:
    return {
        "ends": [relationship.requirement, relationship.target, relationship.type, relationship.capability],
        "properties": {name: plain(e, inputs) for name, e in relationship.properties.items()},
        "operations": {
            f"{interface.name}.{operation.name}": _operation(operation, inputs)
            for interface in relationship.interfaces.values()
            for operation in interface.operations.values()
            if operation.implementation is not None
        },
    }


def _others(old: Topology, new: Topology) -> Iterator[str]:
    parts = zip(_other_parts(old).items(), _other_parts(new).values(), strict=True)
    yield from (name for (name, before), after in parts if not _same(before, after))


def _other_parts(topology: Topology) -> dict[str, Value]:
    """What no node depends on, by the name that people have for it."""
    nodes = topology.node_templates.values()
    workflows = topology.workflows.values()
    texts = [
        [topology.version, topology.description, dict(topology.metadata)],
        {node.name: [node.description, dict(node.metadata)] for node in nodes},
        {workflow.name: workflow.description for workflow in workflows},
        {definition.name: definition.description for definition in topology.inputs.values()},
    ]
    return {
        "inputs as they are declared": _comparable(topology.inputs),
        "outputs": _comparable(topology.outputs),
        "attributes": {node.name: _comparable(node.attributes) for node in nodes if node.attributes},
        "policies": _comparable(topology.policies),
        "groups": _comparable(topology.groups),
        "substitution mappings": _comparable(topology.substitution),
        "descriptions and metadata": texts,
    }


def plain(expression: Expression, inputs: Mapping[str, Value]) -> Value:
    """An expression as data: values as they are, inputs by their values, other functions as TOSCA writes them."""
    match expression:
        case Literal(value=value):
            return value
        case ListOf(items=items):
            return [plain(item, inputs) for item in items]
        case MapOf(entries=entries):
            return {key: plain(item, inputs) for key, item in entries.items()}
        case Call():
            return _call(expression, inputs)


def _call(call: Call, inputs: Mapping[str, Value]) -> Value:
    arguments = [plain(argument, inputs) for argument in call.arguments]
    if call.function is Function.GET_INPUT and arguments and inputs.get(str(arguments[0])) is not None:
        return value_at(inputs[str(arguments[0])], arguments[1:])
    return {call.function.value: arguments[0] if len(arguments) == 1 else arguments}


def _comparable(thing: Value) -> Value:
    """Anything of the normal form as data that can be compared, without what is only for people."""
    if isinstance(thing, Literal):
        return {"value": thing.value}
    if isinstance(thing, msgspec.Struct):
        fields = {name: getattr(thing, name) for name in thing.__struct_fields__ if name not in _FOR_PEOPLE}
        return {"is": type(thing).__name__, **{name: _comparable(value) for name, value in fields.items()}}
    if isinstance(thing, Mapping):
        return {str(key): _comparable(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_comparable(item) for item in thing]
    return thing.value if isinstance(thing, enum.Enum) else thing
