"""Colours and measures of the pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.planning.pictures.graph import GraphNode, NodeKind, StepLook

FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
INK = "#0f172a"
MUTED = "#64748b"
LINE = "#94a3b8"
NAME_SIZE = 13.0
LINE_SIZE = 11.0
PILL_SIZE = 11.0


@dataclass(frozen=True)
class Colours:
    """The colours of a box: inside, border, text, and the strip and sign at its left."""

    fill: str
    line: str
    text: str
    accent: str


KIND_COLOURS: Mapping[NodeKind, Colours] = {
    NodeKind.SITE: Colours("#f0fdfa", "#99d5cb", "#134e4a", "#0d9488"),
    NodeKind.JOB: Colours("#f5f3ff", "#c4b5fd", "#3b0764", "#7c3aed"),
    NodeKind.DATA: Colours("#fffbeb", "#f3cf7a", "#713f12", "#d97706"),
    NodeKind.IMAGE: Colours("#eff6ff", "#a9c8fb", "#172554", "#2563eb"),
    NodeKind.NODE: Colours("#f8fafc", "#cbd5e1", "#0f172a", "#64748b"),
    NodeKind.OPERATION: Colours("#eef2ff", "#b4bffa", "#1e1b4b", "#4f46e5"),
    NodeKind.STATE: Colours("#f8fafc", "#d5dde8", "#334155", "#94a3b8"),
}
LOOK_COLOURS: Mapping[StepLook, Colours] = {
    StepLook.WAITING: Colours("#ffffff", "#d5dde8", "#64748b", "#cbd5e1"),
    StepLook.RUNNING: Colours("#eff6ff", "#60a5fa", "#172554", "#2563eb"),
    StepLook.DONE: Colours("#f0fdf4", "#86d9a4", "#14532d", "#16a34a"),
    StepLook.FAILED: Colours("#fef2f2", "#f58a8a", "#7f1d1d", "#dc2626"),
    StepLook.CANCELLED: Colours("#fff7ed", "#f5b27a", "#7c2d12", "#ea580c"),
    StepLook.SKIPPED: Colours("#fefce8", "#dcc95c", "#713f12", "#a16207"),
}
KIND_NAMES: Mapping[NodeKind, str] = {
    NodeKind.SITE: "site",
    NodeKind.JOB: "job",
    NodeKind.DATA: "data",
    NodeKind.IMAGE: "container image",
    NodeKind.NODE: "other node",
    NodeKind.OPERATION: "operation",
    NodeKind.STATE: "state",
}


def node_colours(node: GraphNode) -> Colours:
    """The colours of a box: by how far a step is, else by what it stands for."""
    return LOOK_COLOURS[node.look] if node.look else KIND_COLOURS[node.kind]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a text in pixels: an upper estimate (metrics of DejaVu Sans, the widest of the usual fonts)."""
    return sum(_advance(character) for character in text) * size * (1.09 if bold else 1.0)


def _advance(character: str) -> float:
    if character in "ijlI.,:;'|!()[] ":
        return 0.36
    if character in "mwMW@%":
        return 0.96
    if ord(character) > 0x2E80:
        return 1.1
    return 0.72 if character.isupper() else 0.61


def shortened(text: str, size: float, width: float, *, bold: bool = False) -> str:
    """The text, with an ellipsis in its middle when it is wider than ``width``."""
    if text_width(text, size, bold=bold) <= width:
        return text
    keep = len(text) - 1
    while keep > 2:
        head = (keep + 1) // 2
        candidate = f"{text[:head]}…{text[len(text) - (keep - head) :]}"
        if text_width(candidate, size, bold=bold) <= width:
            return candidate
        keep = min(keep - 1, int(keep * width / text_width(candidate, size, bold=bold)) + 1)
    return f"{text[:1]}…"
