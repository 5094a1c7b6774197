"""Generated workflows: ``install``, ``uninstall``, ``start``, ``stop``, ``run``, ``cancel`` out of the lifecycles.

Steps whose operation has no implementation are left out together with the states around it; the first and the last
state of a node stay, for other nodes wait for them. Edges that others imply are left out, as by
Alien4Cloud.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import networkx as nx

from orchestrator.errors import UserError
from orchestrator.model.plan import Edge, Plan, PlanStep, StepKind
from orchestrator.model.topology import CONFIGURE, NodeTemplate, Operation, Relationship, Topology
from orchestrator.planning.graph import arranged
from orchestrator.planning.lifecycle import LIFECYCLES, Hook, Lifecycle, Moment, Phase, Side

GENERATED_WORKFLOWS: tuple[str, ...] = tuple(LIFECYCLES)
"""The names of the workflows that every topology has without declaring them."""

Level = tuple[PlanStep, ...]


@dataclass(frozen=True)
class Chain:
    """The steps of one node: each level runs after the one before; steps of a level are independent.

    ``closing`` are operations of its relationships that run when it and the other node (second value) are through.
    """

    levels: tuple[Level, ...]
    closing: tuple[tuple[PlanStep, str], ...] = ()

    def steps(self) -> Iterator[PlanStep]:
        """All steps, in order."""
        for level in self.levels:
            yield from level
        for step, _ in self.closing:
            yield step

    def edges(self) -> Iterator[Edge]:
        """The edges inside the chain."""
        for before, after in zip(self.levels, self.levels[1:], strict=False):
            yield from (Edge(a.id, b.id) for a in before for b in after)
        yield from (Edge(last.id, step.id) for step, _ in self.closing for last in self.levels[-1])


class StepNames:
    """Gives out step ids that are unique in a plan: the wanted one, or with ``.2``, ``.3`` after it."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: str) -> str:
        """A name nobody has yet."""
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}.{number}"
        self._taken.add(name)
        return name


@dataclass
class _Hooks:
    """The implemented operations of relationships that run among the steps of one node."""

    around: dict[tuple[Moment, str], list[tuple[str, Relationship, Hook, Operation]]] = field(default_factory=dict)
    closing: list[tuple[str, Relationship, Hook, Operation]] = field(default_factory=list)


def generated_plan(topology: Topology, workflow: str) -> Plan:
    """The plan of a generated workflow for the whole topology.

    Cyclic requirements give a cyclic plan, which :func:`plan_problems` tells. Raises UserError for another name.
    """
    lifecycle = _lifecycle(workflow)
    chains = node_chains(topology, workflow)
    steps = [step for chain in chains.values() for step in chain.steps()]
    edges = [edge for chain in chains.values() for edge in chain.edges()]
    for chain in chains.values():
        edges += [Edge(last.id, step.id) for step, other in chain.closing for last in chains[other].levels[-1]]
    for waiting, other in waits(topology, lifecycle, chains):
        edges += [Edge(a.id, b.id) for a in chains[other].levels[-1] for b in chains[waiting].levels[0]]
    return arranged(workflow, steps, edges, reduce=True)


def node_chains(topology: Topology, workflow: str) -> dict[str, Chain]:
    """The steps of a generated workflow node by node, in document order; nodes that it does not concern are left out.

    Raises UserError for a name that is not one of :data:`GENERATED_WORKFLOWS`.
    """
    lifecycle = _lifecycle(workflow)
    hooks = _hooks(topology, lifecycle)
    names = StepNames()
    chains = {}
    for node in topology.node_templates.values():
        chain = _chain(node, lifecycle, hooks[node.name], topology, names)
        if chain.levels:
            chains[node.name] = chain
    return chains


def _lifecycle(workflow: str) -> Lifecycle:
    if workflow not in LIFECYCLES:
        raise UserError(
            f"there is no generated workflow named {workflow!r}",
            hint="the generated workflows are " + ", ".join(LIFECYCLES),
        )
    return LIFECYCLES[workflow]


def implemented(operations: Mapping[str, Operation] | None, name: str) -> Operation | None:
    """The operation of that name if something carries it out."""
    operation = operations.get(name) if operations else None
    return operation if operation and operation.implementation else None


def relationship_host(operation: str, implementation_host: str | None) -> str | None:
    """Where an operation of a relationship runs: as its implementation says, else on the side that its name says.

    None means the source, as for Yorc.
    """
    on_target = any(h.operation == operation and h.side is Side.TARGET for c in LIFECYCLES.values() for h in c.hooks)
    return implementation_host or ("TARGET" if on_target else None)


def _hooks(topology: Topology, lifecycle: Lifecycle) -> dict[str, _Hooks]:
    found = {name: _Hooks() for name in topology.node_templates}
    for node in topology.node_templates.values():
        for relationship in node.relationships:
            interface = relationship.interfaces.get(CONFIGURE)
            if interface is None or relationship.target not in found:
                continue
            for hook in lifecycle.hooks:
                operation = implemented(interface.operations, hook.operation)
                if operation is None:
                    continue
                entry = (node.name, relationship, hook, operation)
                if hook.moment is Moment.FINALLY:
                    found[node.name].closing.append(entry)
                else:
                    owner = node.name if hook.side is Side.SOURCE else relationship.target
                    found[owner].around.setdefault((hook.moment, hook.around), []).append(entry)
    return found


def _chain(node: NodeTemplate, lifecycle: Lifecycle, hooks: _Hooks, topology: Topology, names: StepNames) -> Chain:
    levels: list[Level] = []
    if lifecycle.opening:
        levels.append((_state(node, lifecycle.opening, names),))
    for phase in lifecycle.phases:
        levels += _phase(node, lifecycle, phase, hooks, topology, names)
    if not levels and not lifecycle.idle:
        return Chain(())
    if not levels or levels[-1][0].state != lifecycle.last:
        levels.append((_state(node, lifecycle.last, names),))
    closing = tuple((_hook_step(topology, entry, names), entry[1].target) for entry in hooks.closing)
    return Chain(tuple(levels), closing)


def _phase(
    node: NodeTemplate, lifecycle: Lifecycle, phase: Phase, hooks: _Hooks, topology: Topology, names: StepNames
) -> list[Level]:
    interface = node.interfaces.get(lifecycle.interface)
    operation = implemented(interface.operations if interface else None, phase.operation)
    before = hooks.around.get((Moment.BEFORE, phase.operation), [])
    after = hooks.around.get((Moment.AFTER, phase.operation), [])
    if not (operation or before or after):
        return []
    levels = [
        (_state(node, phase.before, names),),
        tuple(_hook_step(topology, entry, names) for entry in before),
        (_operation(node, lifecycle.interface, operation, names),) if operation else (),
        tuple(_hook_step(topology, entry, names) for entry in after),
        (_state(node, phase.after, names),),
    ]
    return [level for level in levels if level]


def _state(node: NodeTemplate, state: str, names: StepNames) -> PlanStep:
    return PlanStep(names.unique(f"{node.name}_{state}"), StepKind.STATE, node.name, state=state, span=node.span)


def _operation(node: NodeTemplate, interface: str, operation: Operation, names: StepNames) -> PlanStep:
    return PlanStep(
        names.unique(f"{node.name}_{operation.name}"),
        StepKind.OPERATION,
        node.name,
        interface=interface,
        operation=operation.name,
        operation_host=operation.implementation.operation_host if operation.implementation else None,
        span=node.span,
    )


def _hook_step(topology: Topology, entry: tuple[str, Relationship, Hook, Operation], names: StepNames) -> PlanStep:
    source, relationship, hook, operation = entry
    host = operation.implementation.operation_host if operation.implementation else None
    return PlanStep(
        names.unique(f"{source}_{relationship.name}_{hook.operation}"),
        StepKind.OPERATION,
        source,
        interface=CONFIGURE,
        operation=hook.operation,
        requirement=relationship.name,
        operation_host=relationship_host(hook.operation, host),
        span=relationship.span or topology.node_templates[source].span,
    )


def waits(topology: Topology, lifecycle: Lifecycle, chains: Mapping[str, Chain]) -> Iterator[tuple[str, str]]:
    """Pairs (node, the node it waits for), seen through nodes that have no steps of their own."""
    if lifecycle.waits is None:
        return
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(topology.node_templates)
    for node in topology.node_templates.values():
        for relationship in node.relationships:
            if relationship.target in topology.node_templates:
                pair = (node.name, relationship.target)
                graph.add_edge(*(pair if lifecycle.waits is Side.SOURCE else pair[::-1]))
    idle = [name for name in topology.node_templates if name not in chains]
    between = _reached(graph.pred, chains) & _reached(graph.succ, chains) if idle else set()
    graph.remove_nodes_from([name for name in idle if name not in between])
    for name in idle:
        if name in between:
            graph.add_edges_from([(a, b) for a in graph.predecessors(name) for b in graph.successors(name)])
            graph.remove_node(name)
    yield from graph.edges


def _reached(neighbours: Mapping[str, Iterable[str]], starts: Iterable[str]) -> set[str]:
    found = set(starts)
    stack = list(found)
    while stack:
        fresh = [name for name in neighbours[stack.pop()] if name not in found]
        found.update(fresh)
        stack += fresh
    return found
