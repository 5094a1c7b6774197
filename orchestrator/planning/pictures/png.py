"""Graphs and SVG documents as PNG, by the library ``resvg_py``."""

from __future__ import annotations

from orchestrator.planning.pictures.graph import Graph
from orchestrator.planning.pictures.svg import to_svg


def to_png(picture: Graph | str, zoom: int = 2) -> bytes:
    """The picture (a graph, or an SVG document) as PNG, ``zoom`` times as large as its SVG."""
    import resvg_py  # heavy: only where it is used

    svg = picture if isinstance(picture, str) else to_svg(picture)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, zoom=zoom))
