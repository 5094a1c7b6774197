"""The order that a generated workflow has to keep, stated from what Alien4Cloud and Yorc do and not from our planner.

An event is a state or an operation of a node, or an operation of a relationship. The rules speak of all events that
there could be; states and operations that a workflow leaves out still order what is before and behind them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import networkx as nx


class Bond(NamedTuple):
    """A relationship: ``name`` is that of the requirement assignment of ``source``."""

    source: str
    name: str
    target: str


Event = tuple[str, ...]
"""``(node, word)`` or ``(source, requirement, operation)``."""

OF_NODES = {
    "install": "initial→creating→create→created→configuring→configure→configured→starting→start→started",
    "uninstall": "stopping→stop→stopped→deleting→delete→deleted",
    "start": "starting→start→started",
    "stop": "stopping→stop→stopped",
    "run": "submitting→submit→submitted→executing→run→executed",
    "cancel": "cancelling→cancel→cancelled",
}
OF_RELATIONSHIPS = {
    "install": [
        "source.configuring→pre_configure_source→source.configure→post_configure_source→source.configured",
        "target.configuring→pre_configure_target→target.configure→post_configure_target→target.configured",
        "source.started→add_source",
        "target.started→add_source",
        "source.started→add_target",
        "target.started→add_target",
        "target.started→source.initial",
    ],
    "uninstall": ["remove_source→target.stop", "remove_target→source.stop", "source.deleted→target.stopping"],
    "start": [
        "source.started→add_source",
        "target.started→add_source",
        "source.started→add_target",
        "target.started→add_target",
        "target.started→source.starting",
    ],
    "stop": ["remove_source→target.stop", "remove_target→source.stop", "source.stopped→target.stopping"],
    "run": ["target.executed→source.submitting"],
    "cancel": [],
}
WORKFLOWS = tuple(OF_NODES)
NODE_OPERATIONS = ("create", "configure", "start", "stop", "delete", "submit", "run", "cancel")
RELATIONSHIP_OPERATIONS = (
    *("pre_configure_source", "pre_configure_target", "post_configure_source", "post_configure_target"),
    *("add_source", "add_target", "remove_source", "remove_target"),
)
OPERATIONS = {*NODE_OPERATIONS, *RELATIONSHIP_OPERATIONS}


def words_of(workflow: str) -> set[str]:
    """The operations of nodes and relationships that a workflow calls."""
    words = {word for rule in (OF_NODES[workflow], *OF_RELATIONSHIPS[workflow]) for word in rule.split("→")}
    return words & OPERATIONS


def _pairs(rule: str) -> Iterator[tuple[str, str]]:
    yield from itertools.pairwise(rule.split("→"))


def _event(word: str, bond: Bond) -> Event:
    side, dot, rest = word.partition(".")
    if not dot:
        return (bond.source, bond.name, word)
    return (bond.source if side == "source" else bond.target, rest)


def earlier(workflow: str, nodes: Iterable[str], bonds: Iterable[Bond]) -> dict[Event, set[Event]]:
    """What has to be over before each event begins."""
    graph: nx.DiGraph[Event] = nx.DiGraph()
    for node in nodes:
        graph.add_edges_from(((node, a), (node, b)) for a, b in _pairs(OF_NODES[workflow]))
    for bond in bonds:
        for rule in OF_RELATIONSHIPS[workflow]:
            graph.add_edges_from((_event(a, bond), _event(b, bond)) for a, b in _pairs(rule))
    return closure(graph)


def closure(graph: nx.DiGraph[Event]) -> dict[Event, set[Event]]:
    """All that is before each event of a graph without cycles."""
    found: dict[Event, set[Event]] = {}
    for event in nx.topological_sort(graph):
        before = list(graph.predecessors(event))
        found[event] = set(before).union(*(found[b] for b in before))
    return found


def violations(
    earlier: dict[Event, set[Event]], began: dict[Event, int], ended: dict[Event, int]
) -> list[tuple[Event, Event]]:
    """The pairs of which the first was not over when the second began; moments are any growing numbers."""
    return [
        (before, event)
        for event, moment in began.items()
        for before in earlier.get(event, ())
        if before in ended and ended[before] >= moment
    ]
