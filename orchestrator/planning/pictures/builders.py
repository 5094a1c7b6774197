"""Topologies and plans as graphs to be drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from orchestrator.model.plan import Outcome, Plan, PlanStep, StepKind
from orchestrator.model.topology import NodeTemplate, Relationship, Topology
from orchestrator.planning.pictures.graph import Graph, GraphEdge, GraphNode, LineStyle, NodeKind, StepLook

KINDS: Mapping[str, NodeKind] = {
    "tosca.nodes.Compute": NodeKind.SITE,
    "eflows4hpc.env.": NodeKind.SITE,
    "imagecreation.": NodeKind.IMAGE,
    "dls.": NodeKind.DATA,
    "tosca.nodes.ObjectStorage": NodeKind.DATA,
    "tosca.nodes.Storage.": NodeKind.DATA,
    "tosca.nodes.BlockStorage": NodeKind.DATA,
    "tosca.nodes.Database": NodeKind.DATA,
    "org.alien4cloud.nodes.Job": NodeKind.JOB,
}
"""What a type stands for: the start of a type name to a kind; the nearest type of the lineage decides."""

LOOKS: Mapping[str, StepLook] = {
    "running": StepLook.RUNNING,
    "done": StepLook.DONE,
    "success": StepLook.DONE,
    "completed": StepLook.DONE,
    "failed": StepLook.FAILED,
    "failure": StepLook.FAILED,
    "error": StepLook.FAILED,
    "cancelled": StepLook.CANCELLED,
    "skipped": StepLook.SKIPPED,
    "cancel": StepLook.CANCELLED,
    "canceled": StepLook.CANCELLED,
}
"""The states of steps, in any case, as they are shown; all others look like waiting ones."""

STYLES = {Outcome.SUCCESS: LineStyle.PLAIN, Outcome.FAILURE: LineStyle.FAILURE, Outcome.CANCEL: LineStyle.CANCEL}


def topology_graph(topology: Topology) -> Graph:
    """The node templates and their relationships, each arrow from the node that requires to the one that fulfils."""
    templates = topology.node_templates
    edges = [
        GraphEdge(node.name, relationship.target, relationship.requirement, _style(relationship))
        for node in templates.values()
        for relationship in node.relationships
        if relationship.target in templates
    ]
    subtitle = f"topology · {_counted(len(templates), 'node')} · {_counted(len(edges), 'relationship')}"
    nodes = tuple(_topology_node(node) for node in templates.values())
    return Graph(topology.name, subtitle, nodes, tuple(dict.fromkeys(edges)))


def plan_graph(plan: Plan, states: Mapping[str, str] | None = None) -> Graph:
    """The steps of a plan; with ``states`` (step id to a word of :data:`LOOKS`) each shows how far it is.

    Steps that ``states`` does not name are waiting.
    """
    nodes = tuple(_plan_node(step, None if states is None else _look(states.get(step.id, ""))) for step in plan.steps)
    known = {step.id for step in plan.steps}
    edges = tuple(
        GraphEdge(edge.source, edge.target, "" if edge.when is Outcome.SUCCESS else f"on {edge.when.value}", style)
        for edge in plan.edges
        if edge.source in known and edge.target in known
        for style in [STYLES[edge.when]]
    )
    return Graph(plan.workflow, _summary(nodes), nodes, edges, flow=True)


def _style(relationship: Relationship) -> LineStyle:
    return LineStyle.HOSTED if "tosca.relationships.HostedOn" in relationship.lineage else LineStyle.PLAIN


def _topology_node(node: NodeTemplate) -> GraphNode:
    lines = (node.name, node.type.rsplit(".", 1)[-1])
    return GraphNode(node.name, lines, _kind(node), abstract=node.abstract, tooltip=f"{node.name}: {node.type}")


def _kind(node: NodeTemplate) -> NodeKind:
    for name in (node.type, *node.lineage):
        for start, kind in KINDS.items():
            if name.startswith(start):
                return kind
    return NodeKind.SITE if node.abstract else NodeKind.NODE


def _plan_node(step: PlanStep, look: StepLook | None) -> GraphNode:
    if step.kind is StepKind.STATE:
        return GraphNode(step.id, (_named(step), step.state or ""), NodeKind.STATE, look, tooltip=step.id)
    called = f"{step.interface}.{step.operation}" + (f" ({step.requirement})" if step.requirement else "")
    lines = (_named(step), called, *([f"on {step.site}"] if step.site else []))
    return GraphNode(step.id, lines, NodeKind.OPERATION, look, tooltip=step.id)


def _named(step: PlanStep) -> str:
    return f"{step.node} {step.several}".rstrip()


def _look(state: str) -> StepLook:
    return LOOKS.get(state.lower(), StepLook.WAITING)


def _summary(nodes: tuple[GraphNode, ...]) -> str:
    operations = sum(node.kind is NodeKind.OPERATION for node in nodes)
    parts = ["workflow", _counted(len(nodes), "step"), f"{_counted(operations, 'operation')}"]
    looks = Counter(node.look for node in nodes if node.look)
    parts += [f"{looks[look]} {look.value}" for look in StepLook if looks[look]]
    return " · ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
