"""What a picture shows: boxes and arrows, before anything is placed or coloured."""

from __future__ import annotations

import enum

import msgspec


class NodeKind(enum.Enum):
    """What a box stands for: the first five in pictures of topologies, the others in those of plans."""

    SITE = "site"
    JOB = "job"
    DATA = "data"
    IMAGE = "image"
    NODE = "node"
    OPERATION = "operation"
    STATE = "state"


class StepLook(enum.Enum):
    """How far a step of a plan is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class LineStyle(enum.Enum):
    """What an arrow stands for."""

    PLAIN = "plain"
    HOSTED = "hosted on"
    FAILURE = "on failure"
    CANCEL = "on cancel"


class GraphNode(msgspec.Struct, frozen=True):
    """A box: its text (the first line is its name), what it stands for, and for a step how far it is."""

    id: str
    lines: tuple[str, ...]
    kind: NodeKind
    look: StepLook | None = None
    abstract: bool = False
    tooltip: str = ""


class GraphEdge(msgspec.Struct, frozen=True):
    """An arrow between two boxes."""

    source: str
    target: str
    label: str = ""
    style: LineStyle = LineStyle.PLAIN


class Graph(msgspec.Struct, frozen=True):
    """A picture to be drawn. ``flow``: it reads like a text, so long ones are wrapped into columns."""

    title: str
    subtitle: str = ""
    nodes: tuple[GraphNode, ...] = ()
    edges: tuple[GraphEdge, ...] = ()
    flow: bool = False
