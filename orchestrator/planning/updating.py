"""The plan that turns a deployed topology into another one, out of the generated lifecycles of the nodes concerned.

Nodes that are removed go through ``uninstall``, those that are added through ``install``; those that changed are
stopped, configured and started. Everything is torn down first, in reverse order of dependency, then the rest is built
up in order of dependency. Operations of a relationship that comes or goes are woven in, at the end that stays as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from orchestrator.model.plan import Edge, Plan, PlanStep, StepKind
from orchestrator.model.topology import CONFIGURE, Topology
from orchestrator.planning.difference import Change, Difference
from orchestrator.planning.generated import Chain, Level, StepNames, node_chains, waits
from orchestrator.planning.graph import arranged
from orchestrator.planning.lifecycle import LIFECYCLES, Moment, Side

UPDATE = "update"
"""The workflow name of the plan of an update."""
_DOWN, _UP = LIFECYCLES["uninstall"], LIFECYCLES["install"]
_STOPPING, _CONFIGURING, _STARTING = _DOWN.phases[0], _UP.phases[1], _UP.phases[2]
_DOWN_HOOKS = {hook.operation: hook for hook in _DOWN.hooks}
_DOWN_NAMES = frozenset(name for p in _DOWN.phases for name in (p.before, p.operation, p.after)) | set(_DOWN_HOOKS)
_ENDING = frozenset(hook.operation for hook in _UP.hooks if hook.moment is Moment.FINALLY)

_Bond = tuple[str, str]
"""A relationship: its source and its name."""


def tears_down(interface: str | None, word: str | None) -> bool:
    """Whether an operation (or, without an interface, a state) belongs to the tearing down of what was deployed.

    In an update such an operation is carried out on the topology as it was, all others on the topology as it will be.
    """
    return word in _DOWN_NAMES and interface in (None, _DOWN.interface, CONFIGURE)


def update_plan(old: Topology, new: Topology, difference: Difference) -> Plan:
    """The plan of an update; its steps name nodes of both topologies. Cyclic requirements give a cyclic plan."""
    gone = set(difference.names(Change.REMOVED, Change.REPLACED))
    come = set(difference.names(Change.ADDED, Change.REPLACED))
    changed = set(difference.names(Change.CHANGED))
    down, up = node_chains(old, "uninstall"), node_chains(new, "install")
    lost = _bonds(old, new, gone)
    gained = _bonds(new, old, come)
    first = Part({name: _removal(down[name], lost) for name in down if name in gone})
    second = Part(
        {
            name: _building(chain, gained) if name in come else _renewal(down.get(name), chain, lost, gained)
            for name, chain in up.items()
            if name in come or name in changed
        }
    )
    first.link(waits(old, _DOWN, first.chains))
    second.link(waits(new, _UP, second.chains))
    for name, chain in down.items():
        if name not in gone and name not in changed:
            first.add_leaving(name, _hooks(chain, lost), old)
    for name, chain in up.items():
        if name not in come and name not in changed:
            second.add_ending(entry for entry in chain.closing if _bond(entry[0]) in gained)
    return joined(UPDATE, first, second)


def _bonds(one: Topology, other: Topology, nodes: set[str]) -> set[_Bond]:
    """The relationships of a topology that the other one does not have, or that have one of the nodes at an end."""
    kept = {(n.name, r.name, r.target, r.type) for n in other.node_templates.values() for r in n.relationships}
    return {
        (node.name, r.name)
        for node in one.node_templates.values()
        for r in node.relationships
        if (node.name, r.name, r.target, r.type) not in kept or node.name in nodes or r.target in nodes
    }


def _removal(chain: Chain, lost: set[_Bond]) -> Chain:
    return _tidy(Chain(tuple(tuple(step for step in level if _stays(step, lost)) for level in chain.levels)))


def _building(chain: Chain, gained: set[_Bond]) -> Chain:
    return Chain(chain.levels, tuple(entry for entry in chain.closing if _bond(entry[0]) in gained))


def _renewal(down: Chain | None, up: Chain, lost: set[_Bond], gained: set[_Bond]) -> Chain:
    """Stop, configure and start, of those that are implemented; the last state comes in any case."""
    stop = _phase(down.levels if down else (), _STOPPING.before, _STOPPING.after)
    stop = _tidy(Chain(tuple(tuple(step for step in level if _stays(step, lost)) for level in stop))).levels
    configure = _phase(up.levels, _CONFIGURING.before, _CONFIGURING.after)
    start = _phase(up.levels, _STARTING.before, _STARTING.after) or up.levels[-1:]
    return _building(Chain((*stop, *configure, *start), up.closing), gained)


def _phase(levels: Sequence[Level], first: str, last: str) -> tuple[Level, ...]:
    """The levels from one state to another."""
    states = [level[0].state if level and level[0].kind is StepKind.STATE else None for level in levels]
    return tuple(levels[states.index(first) : states.index(last) + 1]) if first in states else ()


def _tidy(chain: Chain) -> Chain:
    """The chain without empty levels, and without the states around a stop that does nothing any more."""
    levels = [level for level in chain.levels if level]
    states = [level[0].state if level[0].kind is StepKind.STATE else None for level in levels]
    if _STOPPING.before in states and states.index(_STOPPING.after) == states.index(_STOPPING.before) + 1:
        del levels[states.index(_STOPPING.before) : states.index(_STOPPING.after) + 1]
    return Chain(tuple(levels))


def _bond(step: PlanStep) -> _Bond:
    return step.node, step.requirement or ""


def _stays(step: PlanStep, lost: set[_Bond]) -> bool:
    return step.requirement is None or _bond(step) in lost


def _hooks(chain: Chain, lost: set[_Bond]) -> list[PlanStep]:
    return [step for step in chain.steps() if step.requirement is not None and _bond(step) in lost]


@dataclass
class Part:
    """One half of an update or a scaling: chains of nodes, single steps at nodes that stay, the edges between them."""

    chains: dict[str, Chain]

    def __post_init__(self) -> None:
        self.steps = [step for chain in self.chains.values() for step in chain.steps()]
        self.edges = [edge for chain in self.chains.values() for edge in chain.edges()]
        for chain in self.chains.values():
            self.edges += [Edge(last, step.id) for step, other in chain.closing for last in self.last(other)]

    def first(self, node: str) -> list[str]:
        """The steps that a node begins with."""
        return [step.id for step in self.chains[node].levels[0]] if node in self.chains else []

    def last(self, node: str) -> list[str]:
        """The steps after which a node is through."""
        return [step.id for step in self.chains[node].levels[-1]] if node in self.chains else []

    def link(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Have nodes wait for others: (node, the node it waits for)."""
        self.edges += [Edge(a, b) for waiting, other in pairs for a in self.last(other) for b in self.first(waiting)]

    def add_leaving(self, owner: str, hooks: Sequence[PlanStep], old: Topology) -> None:
        """Operations at a node that stays, for relationships that end.

        A source that stays is told before its target is torn down, a target that stays after its source is gone.
        """
        for step in hooks:
            self.steps.append(step)
            hook = _DOWN_HOOKS[step.operation or ""]
            if hook.side is Side.TARGET:
                self.edges += [Edge(last, step.id) for last in self.last(step.node)]
                continue
            relationships = old.node_templates[owner].relationships
            targets = {r.target for r in relationships if r.name == step.requirement}
            self.edges += [Edge(step.id, first) for target in targets for first in self.first(target)]

    def add_ending(self, closing: Iterable[tuple[PlanStep, str]]) -> None:
        """Operations at a node that stays, for relationships that begin: when the other node is through."""
        for step, other in closing:
            self.steps.append(step)
            self.edges += [Edge(last, step.id) for last in self.last(other)]

    def ends(self) -> list[str]:
        """The steps that no other step waits for."""
        sources = {edge.source for edge in self.edges}
        return [step.id for step in self.steps if step.id not in sources]

    def beginnings(self) -> list[str]:
        """The steps that wait for no other."""
        targets = {edge.target for edge in self.edges}
        return [step.id for step in self.steps if step.id not in targets]


def joined(workflow: str, first: Part, second: Part) -> Plan:
    """The plan of one half after the other."""
    names = StepNames()
    steps, edges = [], []
    renamed: list[dict[str, str]] = []
    for part in (first, second):
        ids = {step.id: names.unique(step.id) for step in part.steps}
        renamed.append(ids)
        steps += [msgspec.structs.replace(step, id=ids[step.id]) for step in part.steps]
        edges += [Edge(ids[edge.source], ids[edge.target]) for edge in part.edges]
    edges += _barrier([renamed[0][i] for i in first.ends()], [renamed[1][i] for i in second.beginnings()])
    return arranged(workflow, steps, edges, reduce=True)


def _barrier(before: Sequence[str], after: Sequence[str]) -> Iterator[Edge]:
    """Edges that have all of one set done before any of the other begins: as many as there are steps, not pairs."""
    if not before or not after:
        return
    *others, collector = before
    yield from (Edge(step, collector) for step in others)
    yield from (Edge(collector, step) for step in after)


def steps_by_node(plan: Plan) -> Mapping[str, tuple[tuple[PlanStep, ...], tuple[PlanStep, ...]]]:
    """For each node of an update the steps that tear it down, and those that build it up."""
    found: dict[str, tuple[list[PlanStep], list[PlanStep]]] = {}
    for step in plan.steps:
        halves = found.setdefault(step.node, ([], []))
        down = tears_down(step.interface, step.operation or step.state)
        halves[0 if down else 1].append(step)
    return {node: (tuple(down), tuple(up)) for node, (down, up) in found.items()}
