"""A layered layout (after Sugiyama): layers, order inside them, places, and the ways of the arrows.

Boxes are numbers 0, 1, … here. Layers run from top to bottom. A long layout can be wrapped into columns, like a text.
Crossings are reduced by barycentres; :mod:`.alignment` places the items of each layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from orchestrator.planning.graph import topological_order
from orchestrator.planning.pictures.alignment import BOX_GAP, aligned

COLUMN_GAP = 44.0
TRACK = 9.0
MAX_BENDS = 20_000
"""Above this number of bends, long arrows are drawn straight: the picture is beyond reading anyway."""
SWEEPS = 12
ASPECT = 1.5
"""The width of a wrapped layout over its height that is aimed at."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Piece:
    """A part of an arrow: a curve between two points with upright ends, or a line with rounded corners."""

    points: tuple[Point, ...]
    curved: bool


@dataclass(frozen=True)
class Layout:
    """The centre of each box, the pieces of each arrow from its source to its target, and the measures of it all.

    An arrow of a box to itself has no pieces. ``upward`` holds the arrows that run against the layers.
    """

    centres: tuple[Point, ...]
    arrows: tuple[tuple[Piece, ...], ...]
    upward: frozenset[int]
    width: float
    height: float


@dataclass
class _Net:
    """Boxes and bends in layers; all links lead from one layer to the next."""

    widths: list[float]
    layers: list[list[int]] = field(default_factory=list)
    up: list[list[int]] = field(default_factory=list)
    down: list[list[int]] = field(default_factory=list)

    def add(self, width: float, layer: int) -> int:
        """A new bend in a layer."""
        self.widths.append(width)
        self.up.append([])
        self.down.append([])
        self.layers[layer].append(len(self.widths) - 1)
        return len(self.widths) - 1

    def link(self, upper: int, lower: int) -> None:
        """Link two items of neighbouring layers."""
        self.down[upper].append(lower)
        self.up[lower].append(upper)


def layered(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    *,
    gap: float,
    wrap: bool = False,
) -> Layout:
    """Place boxes of these sizes (width, height) with these arrows; ``gap`` is the space between layers."""
    order, stuck = topological_order(range(len(sizes)), [(a, b) for a, b in edges if a != b])
    rank = {item: index for index, item in enumerate(order + stuck)}
    pairs = [(a, b) if rank[a] < rank[b] else (b, a) for a, b in edges]
    layer = _layers(order + stuck, pairs)
    net = _Net([width for width, _ in sizes])
    net.up, net.down = [[] for _ in sizes], [[] for _ in sizes]
    net.layers = [[] for _ in range(max(layer, default=0) + 1)]
    for item in order + stuck:
        net.layers[layer[item]].append(item)
    chains = _bends(net, layer, pairs)
    _untangle(net)
    heights = [max((sizes[i][1] for i in members if i < len(sizes)), default=0.0) for members in net.layers]
    bands = _bands(net, heights, gap) if wrap else [(0, len(net.layers))]
    placed = _Places(net, sizes, heights, bands, gap)
    arrows = placed.arrows(chains, pairs)
    upward = frozenset(i for i, (a, b) in enumerate(edges) if a != b and rank[a] > rank[b])
    centres = tuple((placed.x[item], placed.y[item]) for item in range(len(sizes)))
    return Layout(centres, tuple(arrows), upward, placed.width, placed.height)


def _layers(order: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each box: below all it follows; a layer takes only so many that the picture is not too wide."""
    before: list[list[int]] = [[] for _ in order]
    after: list[list[int]] = [[] for _ in order]
    for a, b in pairs:
        if a != b:
            before[b].append(a)
            after[a].append(b)
    most = max(6, math.ceil(math.sqrt(len(order))))
    layer = [0] * len(order)
    count: dict[int, int] = {}
    free = 0
    for item in order:
        place = max((layer[other] + 1 for other in before[item]), default=free)
        while count.get(place, 0) >= most:
            place += 1
            if not before[item]:
                free = place
        layer[item] = place
        count[place] = count.get(place, 0) + 1
    for item in reversed(order):
        nearest = min((layer[other] for other in after[item]), default=0) - 1
        if not before[item] and nearest > layer[item] and count.get(nearest, 0) < most:
            count[layer[item]] -= 1
            layer[item] = nearest
            count[nearest] = count.get(nearest, 0) + 1
    used = {place: index for index, place in enumerate(sorted({layer[item] for item in order}))}
    return [used[place] for place in layer]


def _bends(net: _Net, layer: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """For each arrow its boxes and bends from top to bottom; arrows over several layers get a bend in each."""
    bends = sum(max(layer[b] - layer[a] - 1, 0) for a, b in pairs)
    chains = []
    for a, b in pairs:
        chain = [a]
        if bends <= MAX_BENDS:
            for place in range(layer[a] + 1, layer[b]):
                bend = net.add(2.0, place)
                net.link(chain[-1], bend)
                chain.append(bend)
        if a != b and (bends <= MAX_BENDS or layer[b] - layer[a] == 1):
            net.link(chain[-1], b)
        chains.append([*chain, b])
    return chains


def _untangle(net: _Net) -> None:
    """Order each layer so that few arrows cross: barycentre sweeps down and up, the best order found is kept."""
    place = [0.0] * len(net.widths)

    def number(members: list[int]) -> None:
        for index, item in enumerate(members):
            place[item] = float(index)

    for members in net.layers:
        number(members)
    best = [list(members) for members in net.layers]
    fewest = _crossings(net, place)
    for sweep in range(SWEEPS if len(net.widths) < MAX_BENDS else 2):
        if fewest == 0:
            break
        downward = sweep % 2 == 0
        neighbours = net.up if downward else net.down
        for members in net.layers if downward else reversed(net.layers):
            weight = {i: _mean([place[n] for n in neighbours[i]], place[i]) for i in members}
            members.sort(key=lambda item: weight[item])
            number(members)
        crossings = _crossings(net, place)
        if crossings < fewest:
            fewest, best = crossings, [list(members) for members in net.layers]
    net.layers[:] = best


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _crossings(net: _Net, place: Sequence[float]) -> int:
    """How many pairs of links cross (counted with a binary indexed tree)."""
    total = 0
    for members in net.layers:
        ends = [int(place[low]) for item in members for low in sorted(net.down[item], key=place.__getitem__)]
        tree = [0] * (max(ends, default=0) + 2)
        for seen, end in enumerate(ends):
            index, smaller = end + 1, 0
            while index:
                smaller += tree[index]
                index &= index - 1
            total += seen - smaller
            index = end + 1
            while index < len(tree):
                tree[index] += 1
                index += index & -index
    return total


def _bands(net: _Net, heights: Sequence[float], gap: float) -> list[tuple[int, int]]:
    """Where to break the layers into columns, as (first, end): near equal heights, where few links are cut."""
    total = sum(heights) + gap * len(heights)
    width = max(sum(net.widths[i] + BOX_GAP for i in members) for members in net.layers)
    limit = max(1, min(9, len(heights) // 3))
    number = min(
        range(1, limit + 1),
        key=lambda k: abs(math.log((k * (width + COLUMN_GAP + 24)) / (total / k + 60) / ASPECT)),
    )
    tops = [0.0]
    for height in heights:
        tops.append(tops[-1] + height + gap)
    cuts = [0]
    for k in range(1, number):
        aim = total * k / number

        def cost(layer: int, aim: float = aim) -> float:
            links = sum(len(net.down[item]) for item in net.layers[layer - 1])
            return 3.0 * abs(tops[layer] - aim) / (total / number) + 0.5 * links

        candidates = range(cuts[-1] + 1, len(heights))
        if candidates:
            cuts.append(min(candidates, key=cost))
    return list(zip(cuts, [*cuts[1:], len(heights)], strict=True))


class _Places:
    """The coordinates of all items, and the ways between them."""

    def __init__(
        self,
        net: _Net,
        sizes: Sequence[tuple[float, float]],
        heights: Sequence[float],
        bands: Sequence[tuple[int, int]],
        gap: float,
    ) -> None:
        self.net, self.sizes, self.heights, self.bands = net, sizes, heights, bands
        self.x = [0.0] * len(net.widths)
        self.y = [0.0] * len(net.widths)
        self.layer = [0] * len(net.widths)
        for index, members in enumerate(net.layers):
            for item in members:
                self.layer[item] = index
        self.band_of = [band for band, (first, end) in enumerate(bands) for _ in range(first, end)]
        self.crossing = [self._over(band) for band in range(len(bands) - 1)]
        self.lefts: list[float] = []
        self.rights: list[float] = []
        self.bottoms: list[float] = []
        most = max((len(found) for found in self.crossing), default=0)
        self.head = 20.0 + TRACK * most if most else 0.0
        self.width = 0.0
        for band, (first, end) in enumerate(bands):
            self._place_band(band, first, end, gap)
        self.height = max(self.bottoms, default=0.0) + self.head
        self.ports_up, self.ports_down = self._ports(net.up), self._ports(net.down)

    def _over(self, band: int) -> list[tuple[int, int]]:
        """The links from a column to the next."""
        last = self.net.layers[self.bands[band][1] - 1]
        return [(item, low) for item in last for low in self.net.down[item]]

    def _place_band(self, band: int, first: int, end: int, gap: float) -> None:
        layers = self.net.layers[first:end]
        for item, x in aligned(layers, self.net.up, self.net.down, self.net.widths, len(self.sizes)).items():
            self.x[item] = x
        left = min((self.x[i] - self.net.widths[i] / 2 for members in layers for i in members), default=0.0)
        start = self.width + (COLUMN_GAP + TRACK * len(self.crossing[band - 1]) if band else 0.0)
        top = self.head
        for members, height in zip(layers, self.heights[first:end], strict=True):
            for item in members:
                self.x[item] += start - left
                self.y[item] = top + height / 2
            top += height + gap
        self.lefts.append(start)
        self.rights.append(max((self.x[i] + self.net.widths[i] / 2 for m in layers for i in m), default=start))
        self.bottoms.append(top - gap)
        self.width = self.rights[-1]

    def _ports(self, neighbours: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        """Where on its side each link meets a box: spread in the order of the other ends."""
        ports: list[dict[int, float]] = []
        for item, others in enumerate(neighbours):
            if item >= len(self.sizes) or len(others) < 2:
                ports.append({})
                continue
            step = min(18.0, (self.net.widths[item] - 36) / len(others))
            ordered = sorted(dict.fromkeys(others), key=lambda o: (self.band_of[self.layer[o]], self.x[o]))
            ports.append({other: (i - (len(ordered) - 1) / 2) * step for i, other in enumerate(ordered)})
        return ports

    def _height(self, item: int) -> float:
        return self.sizes[item][1] if item < len(self.sizes) else self.heights[self.layer[item]]

    def _leave(self, item: int, other: int) -> Point:
        return self.x[item] + self.ports_down[item].get(other, 0.0), self.y[item] + self._height(item) / 2

    def _enter(self, item: int, other: int) -> Point:
        return self.x[item] + self.ports_up[item].get(other, 0.0), self.y[item] - self._height(item) / 2

    def arrows(self, chains: Sequence[Sequence[int]], pairs: Sequence[tuple[int, int]]) -> list[tuple[Piece, ...]]:
        """The pieces of each arrow from top to bottom."""
        tracks = [self._tracks(band) for band in range(len(self.crossing))]
        drawn = []
        for chain, (a, b) in zip(chains, pairs, strict=True):
            pieces: list[Piece] = []
            for upper, lower in pairwise(chain):
                if a == b:
                    break
                start, end = self._leave(upper, lower), self._enter(lower, upper)
                band = self.band_of[self.layer[upper]]
                if self.band_of[self.layer[lower]] == band:
                    pieces.append(Piece((start, end), curved=True))
                else:
                    pieces.append(self._over_piece(start, end, band, tracks[band].get((upper, lower), 0)))
                if lower >= len(self.sizes):
                    pieces.append(Piece((end, self._leave(lower, -1)), curved=False))
            drawn.append(tuple(pieces))
        return drawn

    def _tracks(self, band: int) -> dict[tuple[int, int], int]:
        """Which track between two columns each link takes, so that they do not cross on the way."""
        links = sorted(dict.fromkeys(self.crossing[band]), key=lambda link: -self._leave(*link)[0])
        return {link: index for index, link in enumerate(links)}

    def _over_piece(self, start: Point, end: Point, band: int, track: int) -> Piece:
        low = self.bottoms[band] + 14.0 + TRACK * track
        high = self.head - 20.0 - TRACK * track
        x = self.rights[band] + COLUMN_GAP / 2 + TRACK * track
        return Piece((start, (start[0], low), (x, low), (x, high), (end[0], high), end), curved=False)
