"""The faults of plans."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sketches import node, span, topology
from support.work import growth

from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind
from orchestrator.model.problems import Severity
from orchestrator.planning import generated_plan, plan_problems, predecessors, successors

SUCCESS, FAILURE, CANCEL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCEL


def plan(names: str, *edges: tuple[str, str, Outcome], kind: StepKind = StepKind.OPERATION) -> Plan:
    made = tuple(PlanStep(name, kind, name.upper(), span=span(index)) for index, name in enumerate(names, 1))
    return Plan("w", made, tuple(Edge(*edge) for edge in edges))


def test_cycle_names_its_steps_in_order() -> None:
    made = plan("abcd", ("a", "b", SUCCESS), ("b", "c", SUCCESS), ("c", "a", FAILURE), ("c", "d", SUCCESS))
    (problem,) = plan_problems(made)
    assert (problem.code, problem.severity, problem.span) == ("P0002", Severity.ERROR, span(1))
    assert problem.message == "steps of workflow 'w' wait for each other: a -> b -> c -> a"
    assert problem.hint == "the nodes A, B, C depend on one another: take one of the links between them away"


def test_step_that_waits_for_itself_is_a_cycle() -> None:
    (problem,) = plan_problems(plan("a", ("a", "a", SUCCESS)))
    assert problem.message.endswith("a -> a")


def test_every_knot_is_told() -> None:
    made = plan("abcd", *(pair for x, y in ("ab", "cd") for pair in ((x, y, SUCCESS), (y, x, SUCCESS))))
    assert [p.span for p in plan_problems(made)] == [span(1), span(3)]


def test_cyclic_requirements_name_the_nodes() -> None:
    made = topology(node("A", "", ["B"]), node("B", "", ["C"]), node("C", "", ["A"]), node("D"))
    cyclic = generated_plan(made, "install")
    assert {s.node for s in cyclic.steps} == set("ABCD")
    (problem,) = plan_problems(cyclic)
    assert problem.span == span(1)
    assert problem.hint is not None
    assert all(f" {name}" in problem.hint for name in "ABC")


def test_a_long_cycle_is_told_briefly_and_found_with_work_in_proportion_to_it() -> None:
    def telling(count: int) -> Callable[[], object]:
        made = topology(*(node(f"n{i}", "", [f"n{(i + 1) % count}"]) for i in range(count)))

        def tell() -> None:
            (problem,) = plan_problems(generated_plan(made, "install"))
            assert len(str(problem)) < 1000

        return tell

    assert growth(telling, 1_000) < 2.1


@pytest.mark.parametrize(("source", "target", "at"), [("a", "bb", 1), ("cc", "b", 2)])
def test_edge_to_an_unknown_step(source: str, target: str, at: int) -> None:
    (problem,) = plan_problems(plan("ab", (source, target, SUCCESS)))
    assert (problem.code, problem.span) == ("P0001", span(at))


def test_unknown_step_gets_a_suggestion() -> None:
    steps = tuple(PlanStep(name, StepKind.STATE, "A", span=span(1)) for name in ("StageIn_run", "StageIn_executed"))
    (problem,) = plan_problems(Plan("w", steps, (Edge("StageIn_run", "StageIn_exectued"),)))
    assert problem.hint == "did you mean 'StageIn_executed'?"


def test_step_after_contradictory_outcomes_never_runs() -> None:
    made = plan(
        "abcd",
        ("a", "b", SUCCESS),
        ("a", "c", FAILURE),
        ("b", "d", SUCCESS),
        ("c", "d", SUCCESS),
    )
    (problem,) = plan_problems(made)
    assert (problem.code, problem.severity, problem.span) == ("P0003", Severity.WARNING, span(4))


def test_only_the_first_of_the_steps_that_never_run_is_told() -> None:
    made = plan("abc", ("a", "b", FAILURE), ("b", "c", SUCCESS), kind=StepKind.STATE)
    assert [(p.code, p.span) for p in plan_problems(made)] == [("P0003", span(2))]


def test_clean_up_after_success_or_failure_can_run() -> None:
    made = plan("abc", ("a", "b", SUCCESS), ("b", "c", SUCCESS), ("a", "c", FAILURE), ("b", "c", CANCEL))
    assert plan_problems(made) == []


def test_neighbours_know_every_step_and_only_known_ones() -> None:
    made = plan("abc", ("a", "b", SUCCESS), ("a", "x", SUCCESS))
    assert predecessors(made) == {"a": [], "b": [made.edges[0]], "c": []}
    assert successors(made) == {"a": [made.edges[0]], "b": [], "c": []}


@given(st.lists(st.tuples(*[st.sampled_from("abcdef")] * 2, st.sampled_from(Outcome)), max_size=14))
def test_a_cycle_is_told_exactly_when_there_is_one(edges: list[tuple[str, str, Outcome]]) -> None:
    reach = {(a, b) for a, b, _ in edges}
    for middle in "abcdef":
        reach |= {(a, b) for a in "abcdef" for b in "abcdef" if {(a, middle), (middle, b)} <= reach}
    told = [p for p in plan_problems(plan("abcdef", *edges)) if p.code == "P0002"]
    assert bool(told) == any((x, x) in reach for x in "abcdef")
    knots = {frozenset(y for y in "abcdef" if {(x, y), (y, x)} <= reach) for x in "abcdef"}
    assert len(told) == len(knots - {frozenset()})
