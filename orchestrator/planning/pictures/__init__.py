"""Pictures of topologies and plans: a graph as a value, and that value as SVG, PNG, DOT or Mermaid text.

Must never run another program: the layout is made here, so that a picture needs nothing installed.
"""

from orchestrator.planning.pictures.builders import plan_graph, topology_graph
from orchestrator.planning.pictures.graph import Graph, GraphEdge, GraphNode, LineStyle, NodeKind, StepLook
from orchestrator.planning.pictures.notations import to_dot, to_mermaid
from orchestrator.planning.pictures.png import to_png
from orchestrator.planning.pictures.svg import to_svg

__all__ = [
    "Graph",
    "GraphEdge",
    "GraphNode",
    "LineStyle",
    "NodeKind",
    "StepLook",
    "plan_graph",
    "to_dot",
    "to_mermaid",
    "to_png",
    "to_svg",
    "topology_graph",
]
