"""Graphs as SVG: one self-contained file, made without any other program.

Only plain attributes are used, no style sheet, marker or filter, so that every viewer shows the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape

from orchestrator.planning.pictures.graph import Graph, GraphEdge, GraphNode, LineStyle, NodeKind, StepLook
from orchestrator.planning.pictures.layout import Layout, Piece, Point, layered
from orchestrator.planning.pictures.style import (
    FONT,
    INK,
    KIND_COLOURS,
    KIND_NAMES,
    LINE,
    LINE_SIZE,
    LOOK_COLOURS,
    MUTED,
    NAME_SIZE,
    PILL_SIZE,
    Colours,
    node_colours,
    shortened,
    text_width,
)

MARGIN = 32.0
HEAD = 78.0
FOOT = 54.0
LEAST_WIDTH = 420.0
WIDEST_BOX = 290.0
NARROWEST_BOX = 112.0
SIGN = 34.0
MOST_LABELS = 60
CORNER = 7.0
TIP = 7.0
LINE_COLOURS = {
    LineStyle.PLAIN: LINE,
    LineStyle.HOSTED: "#475569",
    LineStyle.FAILURE: "#dc2626",
    LineStyle.CANCEL: "#ea580c",
}
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(graph: Graph) -> str:
    """The graph as an SVG document with title and legend."""
    sizes = _sizes(graph.nodes)
    place = {node.id: index for index, node in enumerate(graph.nodes)}
    edges = [edge for edge in graph.edges if edge.source in place and edge.target in place]
    pairs = [(place[edge.source], place[edge.target]) for edge in edges]
    labelled = any(edge.label for edge in edges) and len(edges) <= MOST_LABELS
    layout = layered(sizes, pairs, gap=54.0 if labelled else 30.0, wrap=graph.flow)
    title = shortened(graph.title, 19, max(layout.width, LEAST_WIDTH), bold=True)
    legend_width = sum(width for _, width in _legend(graph))
    inner = max(layout.width, LEAST_WIDTH, legend_width, text_width(graph.subtitle, 12))
    left = MARGIN + (inner - layout.width) / 2
    width, height = inner + 2 * MARGIN, HEAD + layout.height + FOOT + MARGIN / 2
    size = f'width="{_n(width)}" height="{_n(height)}"'
    frame = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" {size} role="img"'
    return "\n".join(
        [
            f'<svg {frame} font-family="{escape(FONT)}">',
            f"<title>{_text(graph.title)}</title>",
            f"<desc>{_text(graph.subtitle)}</desc>",
            f'<rect {size} fill="#ffffff"/>',
            _words(title, MARGIN, 38, 19, INK, bold=True),
            _words(graph.subtitle, MARGIN, 57, 12, MUTED),
            f'<g transform="translate({_n(left)} {_n(HEAD)})">',
            *_arrows(edges, layout, sizes, pairs),
            *(_box(node, layout.centres[i], sizes[i]) for i, node in enumerate(graph.nodes)),
            *(_labels(edges, layout) if labelled else ()),
            "</g>",
            f'<g transform="translate({_n(MARGIN)} {_n(height - MARGIN)})">',
            *_legend_row(graph),
            "</g>",
            "</svg>",
            "",
        ]
    )


def _n(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def _text(text: str) -> str:
    return escape(_ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text))


def _words(
    text: str, x: float, y: float, size: float, colour: str, *, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    side = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}"{weight}{side} fill="{colour}">{_text(text)}</text>'


def _sizes(nodes: Sequence[GraphNode]) -> list[tuple[float, float]]:
    """The size of each box; all boxes of one sort are equally wide."""
    widest: dict[bool, float] = {}
    for node in nodes:
        pill = node.kind is NodeKind.STATE
        widest[pill] = max(widest.get(pill, NARROWEST_BOX), min(_wanted_width(node), WIDEST_BOX))
    return [(widest[node.kind is NodeKind.STATE], _height(node)) for node in nodes]


def _height(node: GraphNode) -> float:
    return 24.0 if node.kind is NodeKind.STATE else 30.0 + 15.0 * (len(node.lines) - 1)


def _wanted_width(node: GraphNode) -> float:
    if node.kind is NodeKind.STATE:
        return text_width(f"{node.lines[0]} → ", PILL_SIZE) + text_width(node.lines[-1], PILL_SIZE, bold=True) + 42
    name, *rest = node.lines
    widths = [text_width(name, NAME_SIZE, bold=True), *(text_width(line, LINE_SIZE) for line in rest)]
    return max(widths) + SIGN + 16


def _box(node: GraphNode, centre: Point, size: tuple[float, float]) -> str:
    colours = node_colours(node)
    (x, y), (width, height) = centre, size
    left, top = x - width / 2, y - height / 2
    tip = f"<title>{_text(node.tooltip)}</title>" if node.tooltip else ""
    if node.kind is NodeKind.STATE:
        return f"<g>{tip}{_pill(node, colours, left, top, width, height)}</g>"
    dashes = ' stroke-dasharray="5 4"' if node.abstract else ""
    running = node.look is StepLook.RUNNING
    area = f'width="{_n(width)}" height="{_n(height)}" rx="8"'
    border = f'stroke="{colours.line}" stroke-width="{1.8 if running else 1.2}"{dashes}'
    parts = [
        f'<rect x="{_n(left + 1)}" y="{_n(top + 2)}" {area} fill="#0f172a" fill-opacity="0.07"/>',
        f'<rect x="{_n(left)}" y="{_n(top)}" {area} fill="{colours.fill}" {border}/>',
        _sign(node, colours, left + 18, y),
    ]
    room = width - SIGN - 10
    baseline = y - (len(node.lines) - 1) * 7.5 + 4.5
    name = shortened(node.lines[0], NAME_SIZE, room, bold=True)
    parts.append(_words(name, left + SIGN, baseline, NAME_SIZE, colours.text, bold=True))
    for index, line in enumerate(node.lines[1:], 1):
        words = shortened(line, LINE_SIZE, room)
        parts.append(_words(words, left + SIGN, baseline + index * 15 + 0.5, LINE_SIZE, MUTED))
    return f"<g>{tip}{''.join(parts)}</g>"


def _pill(node: GraphNode, colours: Colours, left: float, top: float, width: float, height: float) -> str:
    room = width - 40
    state = shortened(node.lines[-1], PILL_SIZE, room * 0.85, bold=True)
    name = shortened(
        node.lines[0], PILL_SIZE, room - text_width(" → ", PILL_SIZE) - text_width(state, PILL_SIZE, bold=True)
    )
    return (
        f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(height / 2)}" '
        f'fill="{colours.fill}" stroke="{colours.line}"/>'
        + _sign(node, colours, left + 15, top + height / 2, small=True)
        + f'<text x="{_n(left + 27)}" y="{_n(top + height / 2 + 4)}" font-size="{_n(PILL_SIZE)}" fill="{MUTED}">'
        f'{_text(name)} → <tspan fill="{colours.text}" font-weight="600">{_text(state)}</tspan></text>'
    )


def _sign(node: GraphNode, colours: Colours, x: float, y: float, *, small: bool = False) -> str:
    """A small sign at the left of a box: how far a step is, else what the box stands for."""
    radius = 5.0 if small else 8.5
    return _sign_shape(node.look, node.kind, colours.accent, x, y, radius)


def _sign_shape(look: StepLook | None, kind: NodeKind, colour: str, x: float, y: float, r: float) -> str:
    middle = f'cx="{_n(x)}" cy="{_n(y)}"'
    disc = f'<circle {middle} r="{_n(r)}" fill="{colour}"/>'
    stroke = 'fill="none" stroke="#ffffff" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
    u = r / 8.5
    if look is StepLook.WAITING:
        return f'<circle {middle} r="{_n(r - 1)}" fill="#ffffff" stroke="{colour}" stroke-width="1.6"/>'
    if look:
        return disc + _at(x, y, u, f"<path d={_LOOK_SHAPES[look]} />", stroke)
    if kind is NodeKind.STATE:
        return f'<circle {middle} r="{_n(r * 0.7)}" fill="{colour}"/>'
    tile = (
        f'<rect x="{_n(x - r)}" y="{_n(y - r)}" width="{_n(2 * r)}" height="{_n(2 * r)}" rx="{_n(r * 0.5)}" '
        f'fill="{colour}"/>'
    )
    return tile + _at(x, y, u, f"<path d={_KIND_SHAPES[kind]} />", stroke)


def _at(x: float, y: float, scale: float, shape: str, attributes: str) -> str:
    return f'<g transform="translate({_n(x)} {_n(y)}) scale({scale:.2f})" {attributes}>{shape}</g>'


_LOOK_SHAPES = {
    StepLook.RUNNING: '"M-2 -3.4L3.6 0L-2 3.4Z" fill="#ffffff"',
    StepLook.DONE: '"M-3.6 0.2L-1 2.8L3.8 -2.6"',
    StepLook.FAILED: '"M-3 -3L3 3M3 -3L-3 3"',
    StepLook.CANCELLED: '"M-3.6 0H3.6"',
    StepLook.SKIPPED: '"M-3.4 -2.8L-0.4 0L-3.4 2.8M0.4 -2.8L3.4 0L0.4 2.8"',
}
_KIND_SHAPES = {
    NodeKind.SITE: '"M-4.5 -4.2H4.5V-0.6H-4.5ZM-4.5 1H4.5V4.6H-4.5ZM-2.4 -2.4H-2.2M-2.4 2.8H-2.2"',
    NodeKind.JOB: '"M-2.4 -4L4 0L-2.4 4Z"',
    NodeKind.DATA: '"M-4 -3C-4 -5 4 -5 4 -3V3C4 5 -4 5 -4 3ZM-4 -3C-4 -1.2 4 -1.2 4 -3M-4 0C-4 1.8 4 1.8 4 0"',
    NodeKind.IMAGE: '"M0 -4.8L4.4 -2.4V2.4L0 4.8L-4.4 2.4V-2.4ZM-4.4 -2.4L0 0L4.4 -2.4M0 0V4.8"',
    NodeKind.NODE: '"M-3.8 -3.8H3.8V3.8H-3.8Z"',
    NodeKind.OPERATION: '"M-4 -2.8L-1 0L-4 2.8M0.4 3.2H4.2"',
}


def _arrows(
    edges: Sequence[GraphEdge], layout: Layout, sizes: Sequence[tuple[float, float]], pairs: Sequence[tuple[int, int]]
) -> Iterator[str]:
    for index, edge in enumerate(edges):
        colour = LINE_COLOURS[edge.style]
        look = ' stroke-dasharray="6 4"' if edge.style in (LineStyle.FAILURE, LineStyle.CANCEL) else ""
        look += ' stroke-width="2.2"' if edge.style is LineStyle.HOSTED else ' stroke-width="1.4"'
        pieces = layout.arrows[index]
        if pieces:
            yield _arrow(pieces, colour, look, upward=index in layout.upward)
        else:
            yield _loop(layout.centres[pairs[index][0]], sizes[pairs[index][0]], colour, look)


def _arrow(pieces: Sequence[Piece], colour: str, look: str, *, upward: bool) -> str:
    points = [list(piece.points) for piece in pieces]
    if upward:
        x, y = points[0][0]
        points[0][0] = (x, y + TIP)
        tip = f"M{_n(x)} {_n(y)}l-4 {_n(TIP + 1)}h8z"
    else:
        x, y = points[-1][-1]
        points[-1][-1] = (x, y - TIP)
        tip = f"M{_n(x)} {_n(y)}l-4 {_n(-TIP - 1)}h8z"
    start = points[0][0]
    path = f"M{_n(start[0])} {_n(start[1])}"
    for piece, way in zip(pieces, points, strict=True):
        path += _curve(way[0], way[1]) if piece.curved else _rounded(way)
    return f'<path d="{path}" fill="none" stroke="{colour}"{look}/><path d="{tip}" fill="{colour}"/>'


def _curve(start: Point, end: Point) -> str:
    (x1, y1), (x2, y2) = start, end
    if abs(x1 - x2) < 0.5:
        return f"L{_n(x2)} {_n(y2)}"
    middle = (y1 + y2) / 2
    return f"C{_n(x1)} {_n(middle)} {_n(x2)} {_n(middle)} {_n(x2)} {_n(y2)}"


def _rounded(points: Sequence[Point]) -> str:
    """A line through the points with rounded corners; begins at the first without drawing to it."""
    path = ""
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        a, b = _towards(corner, before), _towards(corner, after)
        path += f"L{_n(a[0])} {_n(a[1])}Q{_n(corner[0])} {_n(corner[1])} {_n(b[0])} {_n(b[1])}"
    return path + f"L{_n(points[-1][0])} {_n(points[-1][1])}"


def _towards(start: Point, end: Point) -> Point:
    """The point a corner's radius away from ``start``, at most half the way to ``end``."""
    length = max(abs(end[0] - start[0]) + abs(end[1] - start[1]), 0.001)
    share = min(CORNER / length, 0.5)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _loop(centre: Point, size: tuple[float, float], colour: str, look: str) -> str:
    """An arrow of a box to itself, at its right side."""
    x, y = centre[0] + size[0] / 2, centre[1]
    path = f"M{_n(x)} {_n(y - 8)}c22 -6 22 22 7 16"
    tip = f"M{_n(x)} {_n(y + 8)}l8 -4v8z"
    return f'<path d="{path}" fill="none" stroke="{colour}"{look}/><path d="{tip}" fill="{colour}"/>'


def _labels(edges: Sequence[GraphEdge], layout: Layout) -> Iterator[str]:
    """The names of the arrows, each in the middle of its first free stretch, on white."""
    for edge, pieces in zip(edges, layout.arrows, strict=True):
        if not (edge.label and pieces):
            continue
        (x1, y1), (x2, y2) = pieces[0].points[0], pieces[0].points[-1]
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        words = shortened(edge.label, 10, 130)
        width = text_width(words, 10) + 8
        yield (
            f'<rect x="{_n(x - width / 2)}" y="{_n(y - 8)}" width="{_n(width)}" height="15" rx="4" fill="#ffffff" '
            'fill-opacity="0.88"/>' + _words(words, x, y + 3.5, 10, MUTED, anchor="middle")
        )


def _legend(graph: Graph) -> list[tuple[str, float]]:
    """The entries of the legend: what is drawn at its place, and how wide it is."""
    entries: list[tuple[str, str]] = []
    looks = {node.look for node in graph.nodes}
    kinds = {node.kind for node in graph.nodes if node.look is None}
    for look in StepLook:
        if look in looks:
            sign = _sign_shape(look, NodeKind.STATE, LOOK_COLOURS[look].accent, 7, 0, 6)
            entries.append((sign, look.value))
    for kind in NodeKind:
        if kind in kinds:
            entries.append((_sign_shape(None, kind, KIND_COLOURS[kind].accent, 7, 0, 6.5), KIND_NAMES[kind]))
    if any(node.abstract for node in graph.nodes):
        area = 'x="0" y="-5.5" width="14" height="11" rx="3"'
        box = f'<rect {area} fill="none" stroke="{MUTED}" stroke-dasharray="3 2"/>'
        entries.append((box, "abstract: a site is matched"))
    for style in LineStyle:
        if style is not LineStyle.PLAIN and any(edge.style is style for edge in graph.edges):
            dashes = "" if style is LineStyle.HOSTED else ' stroke-dasharray="5 3"'
            line = f'<path d="M-3 0H16" fill="none" stroke="{LINE_COLOURS[style]}" stroke-width="2"{dashes}/>'
            entries.append((line, style.value))
    return [
        (sign + _words(words, 21, 4, LINE_SIZE, MUTED), text_width(words, LINE_SIZE) + 42) for sign, words in entries
    ]


def _legend_row(graph: Graph) -> Iterator[str]:
    x = 0.0
    for drawn, width in _legend(graph):
        yield f'<g transform="translate({_n(x)} 0)">{drawn}</g>'
        x += width
