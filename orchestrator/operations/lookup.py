"""Evaluation of expressions against the state of a deployment and the inputs of an execution (Yorc's resolver)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.errors import WorkError
from orchestrator.model.expressions import Expression, Literal, evaluate
from orchestrator.model.topology import NodeTemplate, Relationship, Topology, interface_name
from orchestrator.model.values import Value, value_at
from orchestrator.secrets import SecretStore
from orchestrator.sites import Site, environment_attributes

FIRST_INSTANCE = "0"
HOSTED_ON = "tosca.relationships.HostedOn"
OutputOf = Callable[[str, str, tuple[str, str, str]], Value]
"""Gives an operation's output by node, instance and (interface, operation, name)."""


@dataclass(frozen=True)
class Surroundings:
    """All that an evaluation may look at: the deployment, its sites, the execution's inputs."""

    topology: Topology
    deployment: str
    execution: str
    topology_inputs: Mapping[str, Value]
    workflow_inputs: Mapping[str, Value]
    sites: Mapping[str, Site]
    """The site of each matched abstract node."""
    secrets: SecretStore
    output_of: OutputOf
    states: Callable[[], Mapping[str, Mapping[str, str]]] = field(default=dict)
    instances: Callable[[str], Sequence[str]] = field(default=lambda node: (FIRST_INSTANCE,))
    """The ids of a node's instances; at least one."""
    attribute_of: Callable[[str, str, str], Value] = field(default=lambda node, instance, name: None)
    """An attribute that an operation's output was stored as, by node, instance and name; None when there is none."""

    def node(self, name: str) -> NodeTemplate:
        """A node template by name. Raises WorkError."""
        try:
            return self.topology.node_templates[name]
        except KeyError as error:
            raise WorkError(f"the topology has no node template {name!r}") from error


def hosts_of(surroundings: Surroundings, node: NodeTemplate) -> list[NodeTemplate]:
    """The nodes that a node is hosted on, the nearest first."""
    hosts: list[NodeTemplate] = []
    last = node
    while target := next((r.target for r in last.relationships if HOSTED_ON in r.lineage), None):
        last = surroundings.node(target)
        if last in hosts or last is node:
            break
        hosts.append(last)
    return hosts


def lookup_for(
    surroundings: Surroundings,
    node: str,
    *,
    relationship: Relationship | None = None,
    inputs: Mapping[str, Value] | None = None,
    instance: str = FIRST_INSTANCE,
    target: str | None = None,
) -> _Lookup:
    """A lookup with ``SELF`` (or ``SOURCE``) standing for an instance of a node; ``inputs`` are those of the activity.

    ``target``: the instance that ``TARGET`` stands for; without it, it is found as for any other node.
    """
    return _Lookup(surroundings, surroundings.node(node), relationship, dict(inputs or {}), instance, target)


def same_or_first(instances: Sequence[str], instance: str) -> str:
    """Which instance of another node an instance deals with (Yorc): the one with the same id, else the first."""
    return instance if instance in instances or not instances else instances[0]


@dataclass(frozen=True)
class _Lookup:
    """Implements :class:`orchestrator.model.expressions.Lookup`."""

    around: Surroundings
    node: NodeTemplate
    relationship: Relationship | None = None
    activity_inputs: Mapping[str, Value] = field(default_factory=dict)
    instance: str = FIRST_INSTANCE
    target: str | None = None
    visited: tuple[tuple[str, str], ...] = ()

    def input(self, path: list[Value]) -> Value:
        """The input of the activity, else of the workflow, else of the topology; None when there is none (as Yorc)."""
        name = str(path[0]) if path and path[0] is not None else ""
        for source in (self.activity_inputs, self.around.workflow_inputs, self.around.topology_inputs):
            if source.get(name) is not None:
                return value_at(source[name], path[1:])
        return None

    def property(self, entity: str, path: list[Value]) -> Value:
        """A property; None when it is declared and has no value. Raises WorkError when it is not declared."""
        nodes = self._nodes(entity, path)
        rest = path[1:] if entity == "REQ_TARGET" else path
        for node in nodes:
            found = self._property_of(node, rest)
            if found is not None:
                return found[0]
        if entity == "REQ_TARGET" or any(self._declares(node, str(rest[0])) for node in nodes):
            return None
        raise WorkError(f"{entity if entity != 'SELF' else self.node.name} has no property {str(rest[0])!r}")

    def _property_of(self, node: NodeTemplate, path: list[Value]) -> tuple[Value] | None:
        name = str(path[0])
        if self.relationship is not None and node is self.node and name in self.relationship.properties:
            return (self._evaluated(node, name, self.relationship.properties[name], path[1:]),)
        if name in node.properties:
            return (self._evaluated(node, name, node.properties[name], path[1:]),)
        capability = node.capabilities.get(name)
        if capability is not None and len(path) > 1 and str(path[1]) in capability.properties:
            return (self._evaluated(node, f"{name}.{path[1]}", capability.properties[str(path[1])], path[2:]),)
        for relationship in node.relationships:
            if name in (relationship.name, relationship.requirement) and len(path) > 1:
                target = self.around.node(relationship.target)
                if relationship.capability:
                    found = self._property_of(target, [relationship.capability, *path[1:]])
                    if found is not None:
                        return found
                return self._property_of(target, path[1:])
        return None

    def _declares(self, node: NodeTemplate, name: str) -> bool:
        declared = self.around.topology.node_types.get(node.type)
        return declared is not None and (name in declared.properties or name in declared.capabilities)

    def attribute(self, entity: str, path: list[Value]) -> Value:
        """An attribute of an instance; a property of that name where there is no attribute; else None."""
        rest = path[1:] if entity == "REQ_TARGET" else path
        if entity == "SELF" and self.relationship is not None:
            value = self._stored(self.node, self.instance, [self.relationship.name, *path])
            if value is not None:
                return value
        for node in self._nodes(entity, path):
            value = self._attribute_of(node, self._instance_of(entity, node), rest)
            if value not in (None, ""):
                return value
        return None

    def _attribute_of(self, node: NodeTemplate, instance: str, path: list[Value]) -> Value:
        name = str(path[0])
        site = self.around.sites.get(node.name)
        if site is not None and name in (of_site := environment_attributes(site)):
            return of_site[name]
        if name == "state":
            return self.around.states().get(node.name, {}).get(instance, "initial")
        if name in ("tosca_name", "tosca_id"):
            return node.name if name == "tosca_name" else f"{node.name}_{instance}"
        stored = self._stored(node, instance, path)
        if stored is not None:
            return stored
        at = replace(self, instance=instance)
        if name in node.attributes:
            return at._evaluated(node, name, node.attributes[name], path[1:])
        capability = node.capabilities.get(name)
        if capability is not None and len(path) > 1 and str(path[1]) in capability.attributes:
            return at._evaluated(node, f"{name}.{path[1]}", capability.attributes[str(path[1])], path[2:])
        found = at._property_of(node, path)
        return found[0] if found else self._attribute_of_target(node, instance, path)

    def _attribute_of_target(self, node: NodeTemplate, instance: str, path: list[Value]) -> Value:
        """``[SELF, requirement, attribute]``: of the capability that the requirement is fulfilled with, or its node."""
        for relationship in node.relationships:
            if len(path) > 1 and path[0] in (relationship.name, relationship.requirement):
                target = self.around.node(relationship.target)
                other = same_or_first(self.around.instances(target.name), instance)
                ways = [[relationship.capability, *path[1:]]] if relationship.capability else []
                for way in (*ways, path[1:]):
                    value = self._attribute_of(target, other, way)
                    if value is not None:
                        return value
        return None

    def _stored(self, node: NodeTemplate, instance: str, path: list[Value]) -> Value:
        """What the output mapping of an operation has set; it goes before what the topology declares."""
        name = str(path[0])
        if len(path) > 1 and (name in node.capabilities or any(name == r.name for r in node.relationships)):
            value = self.around.attribute_of(node.name, instance, f"{name}.{path[1]}")
            return value_at(value, path[2:])
        return value_at(self.around.attribute_of(node.name, instance, name), path[1:])

    def _instance_of(self, entity: str, node: NodeTemplate) -> str:
        if entity in ("SELF", "SOURCE") or node.name == self.node.name:
            return self.instance
        if entity == "TARGET" and self.target is not None:
            return self.target
        return same_or_first(self.around.instances(node.name), self.instance)

    def operation_output(self, entity: str, interface: str, operation: str, name: str) -> Value:
        """An output that an operation left in this execution, else in the last one that ran it."""
        for node in self._nodes(entity, []):
            key = (interface_name(interface), operation, name)
            value = self.around.output_of(node.name, self._instance_of(entity, node), key)
            if value is not None:
                return value
        return None

    def secret(self, path: str, key: str | None) -> Value:
        """A secret. Raises SecretError when the store has none."""
        return self.around.secrets.get(path, key or "value")

    def artifact(self, entity: str, name: str) -> Value:
        """The path of an artifact, else None."""
        for node in self._nodes(entity, []):
            if name in node.artifacts:
                return node.artifacts[name].path
        return None

    def nodes_of_type(self, type_name: str) -> Value:
        """Names of node templates of a type."""
        names = {type_name, f"tosca.nodes.{type_name.removeprefix('tosca:')}"}  # in full, or short
        return [node.name for node in self.around.topology.node_templates.values() if names & set(node.lineage)]

    def _nodes(self, entity: str, path: list[Value]) -> list[NodeTemplate]:
        match entity:
            case "SELF" | "SOURCE":
                return [self.node]
            case "TARGET" if self.relationship is not None:
                return [self.around.node(self.relationship.target)]
            case "HOST":
                return hosts_of(self.around, self.node)
            case "REQ_TARGET":
                wanted = str(path[0])
                return [
                    self.around.node(relationship.target)
                    for relationship in self.node.relationships
                    if wanted in (relationship.name, relationship.requirement)
                ]
            case _:
                return [self.around.node(entity)]

    def _evaluated(self, node: NodeTemplate, name: str, expression: Expression, path: list[Value]) -> Value:
        key = (node.name, name)
        if key in self.visited:
            circle = " -> ".join(f"{n}.{p}" for n, p in [*self.visited, key])
            raise WorkError(f"a value depends on itself: {circle}")
        inner = replace(self, node=node, relationship=None, target=None, visited=(*self.visited, key))
        if node is not self.node and not isinstance(expression, Literal):
            inner = replace(inner, instance=same_or_first(self.around.instances(node.name), self.instance))
        return value_at(evaluate(expression, inner), path)
