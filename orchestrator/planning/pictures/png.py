"""Graphs and SVG documents as PNG, by the library ``resvg_py`` where it is installed (the extra ``png``)."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import UserError
from orchestrator.planning.pictures.graph import Graph
from orchestrator.planning.pictures.svg import to_svg


def to_png(picture: Graph | str, zoom: int = 2) -> bytes:
    """The picture (a graph, or an SVG document) as PNG, ``zoom`` times as large as its SVG.

    Raises UserError when ``resvg_py`` is not installed.
    """
    svg = picture if isinstance(picture, str) else to_svg(picture)
    return bytes(_renderer().svg_to_bytes(svg_string=svg, zoom=zoom))


def _renderer() -> Any:
    try:
        import resvg_py
    except ImportError as error:
        raise UserError(
            "PNG pictures need the package resvg_py, which is not installed",
            hint="install it with: pip install 'tosca-orch[png]', or ask for SVG",
            code="E1202",
        ) from error
    return resvg_py
