"""What can be told of expressions before anything runs: what only a run brings is a mark inside of the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.model.expressions import Expression, evaluate
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.model.values import Secret, Value, value_at

UNKNOWN = "<?not-known-yet?>"
"""Stands for what is not known yet; texts that are made of it hold it. It is in no text that people write."""

_HOSTED_ON = "tosca.relationships.HostedOn"


def is_known(value: Value) -> bool:
    """Whether nothing unknown is in a value."""
    if isinstance(value, str):
        return UNKNOWN not in value
    if isinstance(value, Secret):
        return UNKNOWN not in value.reveal()
    if isinstance(value, Mapping):
        return all(is_known(key) and is_known(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(is_known(item) for item in value)
    return True


def foretold(
    expression: Expression, topology: Topology, node: NodeTemplate | None, inputs: Mapping[str, Value]
) -> Value:
    """The value of an expression as far as it can be told. Never raises for what the expression says.

    ``node`` is SELF. ``inputs`` are those of the topology and the workflow, those that are not given yet UNKNOWN.
    """
    if node is None:
        return UNKNOWN
    try:
        return evaluate(expression, _Foresight(topology, node, inputs))
    except (LookupError, TypeError, ValueError):
        return UNKNOWN


@dataclass(frozen=True)
class _Foresight:
    """Implements :class:`orchestrator.model.expressions.Lookup`."""

    topology: Topology
    node: NodeTemplate
    inputs: Mapping[str, Value]
    visited: tuple[tuple[str, str], ...] = field(default=())

    def input(self, path: list[Value]) -> Value:
        """An input; None where there is none of the name."""
        if not is_known(path):
            return UNKNOWN
        value = self.inputs.get(str(path[0])) if path else None
        return value if value is None or len(path) == 1 else UNKNOWN

    def property(self, entity: str, path: list[Value]) -> Value:
        """A property of a node, or of the node that a requirement names."""
        if not is_known([entity, *path]) or not path:
            return UNKNOWN
        rest = path[1:] if entity == "REQ_TARGET" else path
        nodes = self._nodes(entity, path)
        if nodes is None:
            return UNKNOWN
        for node in nodes:
            name = str(rest[0])
            if name in node.properties:
                value = self._of(node, name, node.properties[name])
                return value_at(value, rest[1:], lambda found: None if is_known(found) else UNKNOWN)
            if len(rest) > 1:
                return UNKNOWN  # of a capability, or of a requirement's target
        return None

    def _of(self, node: NodeTemplate, name: str, expression: Expression) -> Value:
        if (node.name, name) in self.visited:
            return UNKNOWN
        return evaluate(expression, replace(self, node=node, visited=(*self.visited, (node.name, name))))

    def _nodes(self, entity: str, path: list[Value]) -> list[NodeTemplate] | None:
        """The nodes that are asked, None where they cannot be told."""
        if entity == "SELF":
            return [self.node]
        if entity == "REQ_TARGET":
            targets = [r.target for r in self.node.relationships if path[0] in (r.name, r.requirement)]
        elif entity == "HOST":
            targets = [r.target for r in self.node.relationships if _HOSTED_ON in r.lineage]
        else:
            targets = [entity]
        found = [self.topology.node_templates.get(target) for target in targets]
        return None if None in found else [node for node in found if node is not None]

    def attribute(self, entity: str, path: list[Value]) -> Value:
        """Known only where there is nobody who could have it."""
        return None if self._nodes(entity, path) == [] else UNKNOWN

    def operation_output(self, entity: str, interface: str, operation: str, name: str) -> Value:
        """Not known before the operation has run."""
        return UNKNOWN

    def secret(self, path: str, key: str | None) -> Value:
        """A secret whose text is not known."""
        return Secret(UNKNOWN)

    def artifact(self, entity: str, name: str) -> Value:
        """The path of an artifact, else None."""
        nodes = self._nodes(entity, [])
        if nodes is None:
            return UNKNOWN
        return next((node.artifacts[name].path for node in nodes if name in node.artifacts), None)

    def nodes_of_type(self, type_name: str) -> Value:
        """Names of node templates of a type."""
        return [node.name for node in self.topology.node_templates.values() if type_name in node.lineage]
