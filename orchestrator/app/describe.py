"""Use cases: what is deployed, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import OrchError
from orchestrator.model.expressions import Expression, Lookup, evaluate
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.model.values import Value, masked
from orchestrator.operations import FIRST_INSTANCE, Surroundings, lookup_for
from orchestrator.state import Deployment

_OF_EVERY_NODE = ("state", "tosca_id", "tosca_name")


@dataclass(frozen=True)
class NodeView:
    """A node of a deployment: its type, site, state, and the attributes that have a value.

    ``state`` and ``attributes`` are those of the first instance; ``instances`` has the state of each by its id.
    """

    name: str
    type: str
    site: str | None
    state: str
    attributes: dict[str, Value]
    instances: dict[str, str]


@dataclass(frozen=True)
class DeploymentView:
    """A deployment with its nodes."""

    deployment: Deployment
    topology: Topology
    nodes: list[NodeView]


def describe(home: Home, deployment: Deployment) -> DeploymentView:
    """What is known of a deployment and its nodes; secrets are masked."""
    from orchestrator.app.engine_wiring import surroundings  # heavy: imports Ansible

    topology = topology_of(deployment)
    around = surroundings(home, deployment, None, topology)
    states = home.store.node_states(deployment.id)
    stored = home.store.attributes(deployment.id)
    nodes = []
    for node in topology.node_templates.values():
        known = {**_attributes(around, node), **stored.get((node.name, FIRST_INSTANCE), {})}
        attributes = {name: value for name, value in known.items() if value not in (None, "")}
        of_node = states.get(node.name, {FIRST_INSTANCE: "initial"})
        instances = {i: of_node[i] for i in sorted(of_node, key=lambda i: (len(i), i))}
        state = instances.get(FIRST_INSTANCE, "initial")
        nodes.append(NodeView(node.name, node.type, deployment.matches.get(node.name), state, attributes, instances))
    return DeploymentView(deployment, topology, nodes)


def outputs(home: Home, deployment: Deployment) -> dict[str, Value]:
    """The outputs of a deployment's topology, with secrets masked."""
    from orchestrator.app.engine_wiring import surroundings  # heavy: imports Ansible

    topology = topology_of(deployment)
    around = surroundings(home, deployment, None, topology)
    if not topology.node_templates:
        return {}
    lookup = lookup_for(around, next(iter(topology.node_templates)))
    values = {}
    for name, definition in topology.outputs.items():
        values[name] = _value(definition.default, lookup)
    return values


def _attributes(around: Surroundings, node: NodeTemplate) -> dict[str, Value]:
    lookup = lookup_for(around, node.name)
    own = {name: expression for name, expression in node.attributes.items() if name not in _OF_EVERY_NODE}
    return {name: _value(expression, lookup) for name, expression in own.items()}


def _value(expression: Expression | None, lookup: Lookup) -> Value:
    if expression is None:
        return None
    try:
        return masked(evaluate(expression, lookup))
    except OrchError:
        return None
