"""The faults of a plan: found before anything is executed."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from difflib import get_close_matches

import networkx as nx

from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.planning.graph import predecessors

SHOWN_STEPS = 12
"""How many steps of a cycle a message names."""


class PlanFault(enum.Enum):
    """The codes of this room's problems."""

    UNKNOWN_STEP = "P0001"
    CYCLE = "P0002"
    NEVER_RUNS = "P0003"
    INLINE_RECURSION = "P0004"
    UNKNOWN_WORKFLOW = "P0005"
    UNKNOWN_TARGET = "P0006"
    TOO_LARGE = "P0007"
    BAD_INSTANCES = "P0008"
    RUN_BEFORE_SUBMIT = "P0009"


def fault(code: PlanFault, message: str, span: Span | None, hint: str | None = None) -> Problem:
    """A problem that keeps a plan from being executed."""
    return Problem(code.value, Severity.ERROR, message, span, hint)


def suggestion(name: str, names: list[str]) -> str | None:
    """A hint with the name that was probably meant."""
    close = get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else None


def plan_problems(plan: Plan) -> list[Problem]:
    """Edges to steps that do not exist, cycles (each with its steps in order), and steps that can never run.

    The last are warnings: the other steps of such a plan can be executed.
    """
    cycles, stuck = _cycles(plan)
    return [*_unknown_steps(plan), *cycles, *_never(plan, stuck)]


def _unknown_steps(plan: Plan) -> Iterator[Problem]:
    by_id = {step.id: step for step in plan.steps}
    told = set()
    for edge in plan.edges:
        for name, other in ((edge.target, edge.source), (edge.source, edge.target)):
            if name not in by_id and (name, other) not in told:
                told.add((name, other))
                span = by_id[other].span if other in by_id else None
                message = f"step {other!r} of workflow {plan.workflow!r} is linked with {name!r}, not a step of it"
                yield fault(PlanFault.UNKNOWN_STEP, message, span, suggestion(name, list(by_id)))


def _cycles(plan: Plan) -> tuple[list[Problem], set[str]]:
    """A problem for every knot of steps that wait for one another, and all steps of such knots."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    steps = {step.id: step for step in plan.steps}
    graph.add_nodes_from(steps)
    graph.add_edges_from((e.source, e.target) for e in plan.edges if e.source in steps and e.target in steps)
    place = {step_id: index for index, step_id in enumerate(steps)}
    knots = [
        sorted(knot, key=place.__getitem__)
        for knot in nx.strongly_connected_components(graph)
        if len(knot) > 1 or any(graph.has_edge(name, name) for name in knot)
    ]
    knots.sort(key=lambda knot: place[knot[0]])
    return [_cycle_problem(plan, steps, graph, knot) for knot in knots], {name for knot in knots for name in knot}


def _cycle_problem(plan: Plan, steps: dict[str, PlanStep], graph: nx.DiGraph[str], knot: list[str]) -> Problem:
    ring = [source for source, _ in nx.find_cycle(graph.subgraph(knot), knot[0])]
    place = {name: index for index, name in enumerate(knot)}
    first = min(range(len(ring)), key=lambda index: place[ring[index]])
    ring = ring[first:] + ring[:first]
    shown = ring if len(ring) <= SHOWN_STEPS else [*ring[: SHOWN_STEPS - 1], "…"]
    message = f"steps of workflow {plan.workflow!r} wait for each other: {' -> '.join([*shown, ring[0]])}"
    nodes = list(dict.fromkeys(steps[name].node for name in ring))
    if len(nodes) > 1:
        listed = ", ".join(nodes[:SHOWN_STEPS]) + (", …" if len(nodes) > SHOWN_STEPS else "")
        hint = f"the nodes {listed} depend on one another: take one of the links between them away"
    else:
        hint = "take one of these links away"
    return fault(PlanFault.CYCLE, message, steps[ring[0]].span, hint)


Fact = tuple[str, Outcome]


def _never(plan: Plan, stuck: set[str]) -> Iterator[Problem]:
    """Steps that only contradictory outcomes would start; steps behind a cycle are the cycle's fault, not told again.

    For each step the outcomes that must have happened before it are gathered, of those steps on whose failure or
    cancellation something depends: only they can contradict.
    """
    watched = {edge.source for edge in plan.edges if edge.when is not Outcome.SUCCESS}
    if not watched:
        return
    incoming = predecessors(plan)
    kinds = {step.id: step.kind for step in plan.steps}
    facts: dict[str, frozenset[Fact] | None] = dict.fromkeys(stuck, frozenset())
    for step in plan.steps:
        if step.id in facts:
            continue
        edges = incoming[step.id]
        ways = [way for way in _ways(edges) if all(_possible(edge, kinds) for edge in way)]
        needed = [_needed(way, facts, watched) for way in ways]
        possible = [need for need in needed if need is not None and not _contradictory(need)]
        facts[step.id] = frozenset.intersection(*possible) if possible else None if edges else frozenset()
        if facts[step.id] is None and not any(facts.get(edge.source, frozenset()) is None for edge in edges):
            yield Problem(
                PlanFault.NEVER_RUNS.value,
                Severity.WARNING,
                f"step {step.id!r} of workflow {plan.workflow!r} can never run: {_reason(edges)}",
                step.span,
                "change the on_success, on_failure and on_cancel of the steps before it",
            )


def _ways(edges: list[Edge]) -> list[list[Edge]]:
    """The ways to start a step: all SUCCESS edges together, or any other edge."""
    together = [edge for edge in edges if edge.when is Outcome.SUCCESS]
    return ([together] if together else []) + [[edge] for edge in edges if edge.when is not Outcome.SUCCESS]


def _possible(edge: Edge, kinds: dict[str, StepKind]) -> bool:
    """Setting a state cannot fail."""
    return edge.when is not Outcome.FAILURE or kinds[edge.source] is StepKind.OPERATION


def _needed(way: list[Edge], facts: dict[str, frozenset[Fact] | None], watched: set[str]) -> frozenset[Fact] | None:
    needed: set[Fact] = set()
    for edge in way:
        before = facts.get(edge.source, frozenset())
        if before is None:
            return None
        needed |= before
        if edge.source in watched:
            needed.add((edge.source, edge.when))
    return frozenset(needed)


def _contradictory(needed: frozenset[Fact]) -> bool:
    return len({step for step, _ in needed}) < len(needed)


def _reason(edges: list[Edge]) -> str:
    return "it would take " + " and ".join(f"the {edge.when.value} of {edge.source!r}" for edge in edges[:4])
