"""Circles in directed graphs, found without recursion in time linear in nodes and edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def find_cycles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """One circle of every group of nodes that reach each other: its nodes in order, the first one not repeated.

    A circle begins with the node of it that comes first in ``edges``. Targets that are not keys are ignored.
    """
    found: list[list[str]] = []
    state: dict[str, int] = {}  # 1: on the path, 2: done
    in_circle: set[str] = set()
    for start in edges:
        if start in state:
            continue
        path = [start]
        state[start] = 1
        waiting = [iter(edges[start])]
        while waiting:
            step = next((node for node in waiting[-1] if node in edges and state.get(node) != 2), None)
            if step is None:
                waiting.pop()
                state[path.pop()] = 2
            elif state.get(step) == 1:
                circle = path[path.index(step) :]
                if not in_circle.intersection(circle):
                    found.append(_turned(circle, edges))
                in_circle.update(circle)
            else:
                state[step] = 1
                path.append(step)
                waiting.append(iter(edges[step]))
    return found


def _turned(circle: list[str], edges: Mapping[str, Iterable[str]]) -> list[str]:
    members = set(circle)
    first = circle.index(next(node for node in edges if node in members))
    return circle[first:] + circle[:first]
