"""Graphs of steps: neighbours, a stable topological order, transitive reduction.

How edges join (the meaning of a plan): a step starts when all its SUCCESS edges were taken, or when one of its FAILURE
or CANCEL edges was. So a clean-up step that follows both the success of one step and the failure of others can run,
which it never does in Yorc, where all edges must be taken.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import TypeVar

from orchestrator.model.plan import Edge, Plan, PlanStep

BLOCK = 4096
"""How many steps one pass of the transitive reduction looks at: bounds its memory to half a kilobyte per step."""

Id = TypeVar("Id", bound=Hashable)


def predecessors(plan: Plan) -> dict[str, list[Edge]]:
    """The edges that lead to each step, in the order of the plan; every step has an entry. Time O(steps + edges)."""
    found: dict[str, list[Edge]] = {step.id: [] for step in plan.steps}
    for edge in plan.edges:
        if edge.source in found and edge.target in found:
            found[edge.target].append(edge)
    return found


def successors(plan: Plan) -> dict[str, list[Edge]]:
    """The edges that leave each step, in the order of the plan; every step has an entry. Time O(steps + edges)."""
    found: dict[str, list[Edge]] = {step.id: [] for step in plan.steps}
    for edge in plan.edges:
        if edge.source in found and edge.target in found:
            found[edge.source].append(edge)
    return found


def topological_order(items: Sequence[Id], pairs: Iterable[tuple[Id, Id]]) -> tuple[list[Id], list[Id]]:
    """The items, each after those that lead to it, ties in the given order; and those that a cycle keeps from a place.

    Pairs that name anything else are ignored.
    """
    place = {item: index for index, item in enumerate(items)}
    following: list[list[int]] = [[] for _ in items]
    waiting = [0] * len(items)
    for before, after in pairs:
        if before in place and after in place:
            following[place[before]].append(place[after])
            waiting[place[after]] += 1
    free = [index for index, count in enumerate(waiting) if count == 0]
    order: list[Id] = []
    while free:
        index = heapq.heappop(free)
        order.append(items[index])
        for other in following[index]:
            waiting[other] -= 1
            if waiting[other] == 0:
                heapq.heappush(free, other)
    return order, [item for index, item in enumerate(items) if waiting[index] > 0]


def arranged(workflow: str, steps: Collection[PlanStep], edges: Collection[Edge], *, reduce: bool = False) -> Plan:
    """A plan of these steps in topological order (steps in or behind a cycle last), ties in the given order.

    With ``reduce``, edges that other edges imply are left out; all edges must be SUCCESS then.
    """
    by_id = {step.id: step for step in steps}
    unique = dict.fromkeys(edges)
    order, stuck = topological_order(list(by_id), [(e.source, e.target) for e in unique])
    if reduce and not stuck:
        unique = dict.fromkeys(_reduced(order, unique))
    place = {step_id: index for index, step_id in enumerate(order + stuck)}
    last = len(place)
    ordered = sorted(unique, key=lambda e: (place.get(e.source, last), place.get(e.target, last), e.when.value))
    return Plan(workflow, tuple(by_id[step_id] for step_id in order + stuck), tuple(ordered))


def _reduced(order: Sequence[str], edges: Iterable[Edge]) -> list[Edge]:
    """The edges without those that a longer path implies (transitive reduction of an acyclic graph).

    Ancestors are bit sets over one block of steps at a time, so time is O(edges * steps / BLOCK) big-integer
    operations and memory O(steps * BLOCK) bits.
    """
    place = {step_id: index for index, step_id in enumerate(order)}
    incoming: dict[str, list[Edge]] = {step_id: [] for step_id in order}
    unknown = []
    for edge in edges:
        if edge.source in place and edge.target in place:
            incoming[edge.target].append(edge)
        else:
            unknown.append(edge)
    implied: set[Edge] = set()
    if any(len(found) > 1 for found in incoming.values()):
        for base in range(0, len(order), BLOCK):
            implied |= _implied(order, place, incoming, base)
    return [edge for found in incoming.values() for edge in found if edge not in implied] + unknown


def _implied(
    order: Sequence[str], place: Mapping[str, int], incoming: Mapping[str, list[Edge]], base: int
) -> set[Edge]:
    """The implied edges whose source is one of the steps ``base`` to ``base + BLOCK``."""
    ancestors = [0] * len(order)
    implied: set[Edge] = set()
    for index in range(base, len(order)):
        direct = incoming[order[index]]
        beyond, nearest = 0, 0
        for edge in direct:
            source = place[edge.source]
            beyond |= ancestors[source]
            if base <= source < base + BLOCK:
                nearest |= 1 << (source - base)
        ancestors[index] = beyond | nearest
        doubled = beyond & nearest
        if doubled:
            implied.update(e for e in direct if _has(doubled, place[e.source] - base))
    return implied


def _has(bits: int, index: int) -> bool:
    return 0 <= index < BLOCK and bool(bits >> index & 1)
