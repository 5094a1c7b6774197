"""Places across for the items of ordered layers: straight lines where possible, nothing overlapping.

After Brandes and Koepf, "Fast and simple horizontal coordinate assignment" (2002): items are aligned with the median of
their neighbours into upright blocks, four times (upper or lower neighbours, from the left or from the right), and each
item gets the mean of the two middle ones of its four places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from orchestrator.planning.graph import topological_order

BOX_GAP = 26.0
LINE_GAP = 12.0

Neighbours = Sequence[Sequence[int]]


def aligned(
    layers: Sequence[Sequence[int]], up: Neighbours, down: Neighbours, widths: Sequence[float], boxes: int
) -> dict[int, float]:
    """The place of the centre of each item. Items from ``boxes`` on are bends of lines.

    Neighbours outside of the layers do not count. The order inside a layer is kept.
    """
    inside = {item for members in layers for item in members}
    near = [{item: [n for n in side[item] if n in inside] for item in inside} for side in (up, down)]
    conflicts = _conflicts(layers, near[0], boxes)
    found = []
    for upward in (False, True):
        rows = [list(members) for members in (reversed(layers) if upward else layers)]
        for leftward in (False, True):
            ordered = [members[::-1] for members in rows] if leftward else rows
            root = _blocks(ordered, near[1 if upward else 0], conflicts)
            places = _compacted(ordered, root, widths, boxes)
            found.append({item: -x for item, x in places.items()} if leftward else places)
    return _balanced(found, widths)


def _conflicts(layers: Sequence[Sequence[int]], up: Mapping[int, list[int]], boxes: int) -> set[tuple[int, int]]:
    """Links that cross a line between two bends: such lines are to be straight, so these links give way."""
    found = set()
    for upper, lower in pairwise(layers):
        place = {item: index for index, item in enumerate(upper)}
        left, scanned = -1, 0
        for index, item in enumerate(lower):
            inner = next((n for n in up[item] if item >= boxes and n >= boxes), None)
            if inner is None and index < len(lower) - 1:
                continue
            right = place[inner] if inner is not None else len(upper)
            for other in lower[scanned : index + 1]:
                for neighbour in up[other]:
                    straight = other >= boxes and neighbour >= boxes
                    if not (left <= place[neighbour] <= right or straight):
                        found.add((neighbour, other))
            left, scanned = right, index + 1
    return found


def _blocks(
    rows: Sequence[Sequence[int]], near: Mapping[int, list[int]], conflicts: set[tuple[int, int]]
) -> dict[int, int]:
    """The block of each item, named by its first item: items joined with a median neighbour of the row before."""
    root = {item: item for members in rows for item in members}
    for before, members in pairwise(rows):
        place = {item: index for index, item in enumerate(before)}
        reached = -1
        for item in members:
            others = sorted(near[item], key=place.__getitem__)
            for other in others[(len(others) - 1) // 2 : len(others) // 2 + 1]:
                free = (other, item) not in conflicts and (item, other) not in conflicts
                if free and root[item] == item and place[other] > reached:
                    root[item] = root[other]
                    reached = place[other]
    return root


def _compacted(
    rows: Sequence[Sequence[int]], root: Mapping[int, int], widths: Sequence[float], boxes: int
) -> dict[int, float]:
    """Places from left to right: each block as far left as its neighbours let it, then back to the right as far."""
    apart: dict[tuple[int, int], float] = {}
    for members in rows:
        for left, right in pairwise(members):
            gap = LINE_GAP if max(left, right) >= boxes else BOX_GAP
            pair = (root[left], root[right])
            apart[pair] = max(apart.get(pair, 0.0), (widths[left] + widths[right]) / 2 + gap)
    blocks = list(dict.fromkeys(root.values()))
    order, _ = topological_order(blocks, apart)
    before: dict[int, list[tuple[int, float]]] = {block: [] for block in blocks}
    after: dict[int, list[tuple[int, float]]] = {block: [] for block in blocks}
    for (left, right), gap in apart.items():
        before[right].append((left, gap))
        after[left].append((right, gap))
    x = dict.fromkeys(blocks, 0.0)
    for block in order:
        x[block] = max((x[other] + gap for other, gap in before[block]), default=0.0)
    for block in reversed(order):
        x[block] = max(x[block], min((x[other] - gap for other, gap in after[block]), default=x[block]))
    return {item: x[block] for item, block in root.items()}


def _balanced(found: Sequence[Mapping[int, float]], widths: Sequence[float]) -> dict[int, float]:
    """One place of four: all moved to the edges of the narrowest, then the mean of the two middle ones."""
    if not found[0]:
        return {}
    spans = [
        (min(x - widths[i] / 2 for i, x in places.items()), max(x + widths[i] / 2 for i, x in places.items()))
        for places in found
    ]
    low, high = min(spans, key=lambda span: span[1] - span[0])
    moves = [(high - span[1] if index % 2 else low - span[0]) for index, span in enumerate(spans)]
    result = {}
    for item in found[0]:
        four = sorted(places[item] + move for places, move in zip(found, moves, strict=True))
        result[item] = (four[1] + four[2]) / 2
    return result
