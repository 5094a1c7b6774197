"""Changes that an update does not bring about: only operations that it does not carry out take notice of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.model.expressions import Call, Function, Literal, calls
from orchestrator.model.plan import Plan, StepKind
from orchestrator.model.topology import STANDARD, NodeTemplate, Topology
from orchestrator.planning.difference import Aspect, Change, Difference
from orchestrator.planning.updating import tears_down

_BUILDS_UP = ("create", "configure", "start")


@dataclass(frozen=True)
class Unheard:
    """Something that changed at ``changed``, and the operations of ``node`` that read it and are not carried out."""

    node: str
    changed: str
    what: str
    operations: tuple[str, ...]


def unheard_changes(topology: Topology, difference: Difference, plan: Plan) -> list[Unheard]:
    """What is different and that no operation of an update takes notice of, although one would at an installation.

    ``topology`` is the new one. Operations that tear down work on what was before.
    """
    carried = {
        (step.node, step.operation)
        for step in plan.steps
        if step.kind is StepKind.OPERATION
        and step.interface == STANDARD
        and step.requirement is None
        and not tears_down(step.interface, step.operation)
    }
    found = []
    for told in difference.nodes:
        if told.change is not Change.CHANGED:
            continue
        for detail in told.details:
            for node, readers in _readers(topology, told.name, detail.aspect, detail.name):
                if readers and not any((node, operation) in carried for operation in readers):
                    what = f"{detail.aspect.value} {detail.name}"
                    found.append(Unheard(node, told.name, what, tuple(f"{STANDARD}.{name}" for name in readers)))
    return found


def _readers(topology: Topology, changed: str, aspect: Aspect, name: str) -> Iterator[tuple[str, list[str]]]:
    """By node, the operations of the standard lifecycle that build it up and that read something of a node."""
    node = topology.node_templates[changed]
    match aspect:
        case Aspect.PROPERTY:
            for other in topology.node_templates.values():
                yield other.name, [operation for operation in _built_up(other) if _reads(other, operation, node, name)]
        case Aspect.ARTIFACT:
            yield changed, list(_built_up(node))
        case Aspect.OPERATION:
            interface, _, operation = name.rpartition(".")
            yield changed, [operation] if interface == STANDARD and operation in _built_up(node) else []


def _built_up(node: NodeTemplate) -> list[str]:
    standard = node.interfaces.get(STANDARD)
    if standard is None:
        return []
    there = (standard.operations.get(name) for name in _BUILDS_UP)
    return [operation.name for operation in there if operation is not None and operation.implementation is not None]


def _reads(reader: NodeTemplate, operation: str, node: NodeTemplate, name: str) -> bool:
    """Whether an operation's inputs read a property of a node, by itself or over the reader's own properties."""
    found = reader.operation(STANDARD, operation)
    inputs = found.inputs.values() if found is not None else ()
    waiting = [call for expression in inputs for call in calls(expression)]
    seen: set[str] = set()
    while waiting:
        read = _property_read(waiting.pop(), reader)
        if read is None:
            continue
        owner, path = read
        if owner == node.name and name in (path[0], ".".join(path[:2])):
            return True
        if owner == reader.name and path[0] not in seen and path[0] in reader.properties:
            seen.add(path[0])
            waiting.extend(calls(reader.properties[path[0]]))
    return False


def _property_read(call: Call, reader: NodeTemplate) -> tuple[str, list[str]] | None:
    """Whose property a function reads, and its path there."""
    words = [str(a.value) for a in call.arguments if isinstance(a, Literal)]
    if call.function not in (Function.GET_PROPERTY, Function.GET_ATTRIBUTE) or len(words) < 2:
        return None
    entity, path = words[0], words[1:]
    if entity in ("SELF", "REQ_TARGET"):
        target = next((r.target for r in reader.relationships if path[0] in (r.name, r.requirement)), None)
        if target is not None and len(path) > 1 and (entity == "REQ_TARGET" or path[0] not in reader.properties):
            return target, path[1:]
        return reader.name, path
    return entity, path
