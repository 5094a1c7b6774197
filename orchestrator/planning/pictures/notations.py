"""Graphs as text for other programs: DOT (Graphviz) and Mermaid."""

from __future__ import annotations

import re

from orchestrator.planning.pictures.graph import Graph, GraphNode, LineStyle, NodeKind
from orchestrator.planning.pictures.style import node_colours

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MERMAID_SPECIAL = re.compile(r"[^\w .,/:+\-]")


def to_dot(graph: Graph) -> str:
    """The graph in the DOT language, with the colours of the SVG."""
    lines = [
        f"digraph {_quoted(graph.title)} {{",
        '  graph [rankdir=TB, fontname="Helvetica", labelloc=t, label=' + _quoted(graph.title) + "];",
        '  node [shape=box, style="rounded,filled", fontname="Helvetica", fontsize=11];',
        '  edge [fontname="Helvetica", fontsize=9, color="#64748b"];',
    ]
    for node in graph.nodes:
        colours = node_colours(node)
        style = ', style="rounded,filled,dashed"' if node.abstract else ""
        label = _quoted("\n".join(node.lines))
        lines.append(
            f'  {_quoted(node.id)} [label={label}, fillcolor="{colours.fill}", color="{colours.line}"{style}];'
        )
    for edge in graph.edges:
        words = [f"label={_quoted(edge.label)}"] if edge.label else []
        words += {
            LineStyle.HOSTED: ["penwidth=2"],
            LineStyle.FAILURE: ["style=dashed", 'color="#b91c1c"'],
            LineStyle.CANCEL: ["style=dashed", 'color="#c2410c"'],
        }.get(edge.style, [])
        suffix = f" [{', '.join(words)}]" if words else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{suffix};")
    return "\n".join([*lines, "}", ""])


def to_mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flow chart, as code hosts show it inside Markdown."""
    ids = {node.id: f"n{index}" for index, node in enumerate(graph.nodes)}
    title = _CONTROL.sub(" ", graph.title).replace("\\", "\\\\").replace('"', '\\"')
    lines = ["---", f'title: "{title}"', "---", "flowchart TB"]
    lines += [f"  {ids[node.id]}{_mermaid_box(node)}" for node in graph.nodes]
    for edge in graph.edges:
        if edge.source not in ids or edge.target not in ids:
            continue
        arrow = {LineStyle.PLAIN: "-->", LineStyle.HOSTED: "==>"}.get(edge.style, "-.->")
        label = f'|"{_mermaid_text(edge.label)}"|' if edge.label else ""
        lines.append(f"  {ids[edge.source]} {arrow}{label} {ids[edge.target]}")
    classes: dict[tuple[str, str, str, bool], list[str]] = {}
    for node in graph.nodes:
        colours = node_colours(node)
        classes.setdefault((colours.fill, colours.line, colours.text, node.abstract), []).append(ids[node.id])
    for index, ((fill, line, text, abstract), members) in enumerate(classes.items()):
        dashes = ",stroke-dasharray:5 4" if abstract else ""
        lines.append(f"  classDef c{index} fill:{fill},stroke:{line},color:{text}{dashes}")
        lines.append(f"  class {','.join(members)} c{index}")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    words = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_CONTROL.sub(" ", words)}"'


def _mermaid_box(node: GraphNode) -> str:
    first, *rest = (_mermaid_text(line) for line in node.lines)
    text = "<br/>".join([f"<b>{first}</b>", *rest])
    return f'(["{text}"])' if node.kind is NodeKind.STATE else f'("{text}")'


def _mermaid_text(text: str) -> str:
    """Everything that Mermaid or HTML might read as more than text becomes a character code."""
    return _MERMAID_SPECIAL.sub(lambda found: f"#{ord(found[0])};", _CONTROL.sub(" ", text))
