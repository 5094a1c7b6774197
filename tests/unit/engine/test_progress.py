"""Which steps may start: the joins of on_success, on_failure and on_cancel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.engine.progress import Progress
from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind

SUCCESS, FAILURE, CANCEL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCEL


def plan(names: str, *edges: tuple[str, str] | tuple[str, str, Outcome]) -> Plan:
    steps = tuple(PlanStep(id=name, kind=StepKind.OPERATION, node=name) for name in names)
    return Plan("w", steps, tuple(Edge(e[0], e[1], e[2] if len(e) > 2 else SUCCESS) for e in edges))  # type: ignore[misc]


def trace(progress: Progress, outcomes: dict[str, Outcome]) -> str:
    """The steps in the order in which they were started, ended one at a time."""
    order = ""
    while progress.ready:
        step = progress.start(progress.ready[0].id)
        order += step.id
        progress.end(step.id, outcomes.get(step.id, SUCCESS))
    assert progress.finished
    return order


def test_a_chain_runs_in_order() -> None:
    assert trace(Progress(plan("abc", ("a", "b"), ("b", "c"))), {}) == "abc"


def test_a_join_waits_for_all_its_predecessors() -> None:
    progress = Progress(plan("abc", ("a", "c"), ("b", "c")))
    assert [s.id for s in progress.ready] == ["a", "b"]
    progress.start("a")
    progress.end("a", SUCCESS)
    assert [s.id for s in progress.ready] == ["b"]
    progress.start("b")
    progress.end("b", SUCCESS)
    assert [s.id for s in progress.ready] == ["c"]


def test_a_join_does_not_run_when_one_predecessor_failed() -> None:
    progress = Progress(plan("abc", ("a", "c"), ("b", "c")))
    assert trace(progress, {"b": FAILURE}) == "ab"
    assert progress.failed == ["b"]


def test_nothing_new_starts_after_a_failure() -> None:
    progress = Progress(plan("abcd", ("a", "b"), ("c", "d")))
    progress.start("a")
    progress.start("c")
    progress.end("a", FAILURE)
    progress.end("c", SUCCESS)
    assert progress.finished
    assert progress.failed == ["a"]


def test_a_failure_with_a_handler_is_handled() -> None:
    progress = Progress(plan("abc", ("a", "b"), ("a", "c", FAILURE)))
    assert trace(progress, {"a": FAILURE}) == "ac"
    assert progress.failed == []


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [({}, "abz"), ({"a": FAILURE}, "az"), ({"b": FAILURE}, "abz")],
    ids=["success", "first fails", "second fails"],
)
def test_a_clean_up_reached_from_success_and_failure_runs_in_both_cases(
    outcomes: dict[str, Outcome], expected: str
) -> None:
    shape = plan("abz", ("a", "b"), ("b", "z"), ("a", "z", FAILURE), ("b", "z", FAILURE))
    assert trace(Progress(shape), outcomes) == expected


def test_what_follows_a_clean_up_runs_after_an_unhandled_failure_elsewhere() -> None:
    progress = Progress(plan("abzy", ("a", "z", FAILURE), ("z", "y")))
    progress.start("a")
    progress.start("b")
    progress.end("b", FAILURE)
    progress.end("a", FAILURE)
    assert trace(progress, {}) == "zy"
    assert progress.failed == ["b"]


def test_done_steps_are_not_run_again() -> None:
    assert trace(Progress(plan("abc", ("a", "b"), ("b", "c")), done={"a", "b"}), {}) == "c"


def test_a_done_step_is_passed_whenever_it_could_start() -> None:
    assert trace(Progress(plan("abc", ("a", "b"), ("b", "c")), done={"b"}), {}) == "ac"


def test_a_done_step_beside_a_failed_one_is_not_done_again() -> None:
    shape = plan("srx", ("s", "r"), ("s", "x"))
    assert trace(Progress(shape, done={"x"}), {}) == "sr"


def test_a_clean_up_is_done_again_when_its_step_fails_again() -> None:
    shape = plan("azy", ("a", "z", FAILURE), ("z", "y"))
    progress = Progress(shape, done={"z", "y"})
    assert progress.done == frozenset()
    assert trace(progress, {"a": FAILURE}) == "azy"


def test_a_clean_up_of_a_done_step_stays_done() -> None:
    shape = plan("abz", ("a", "b"), ("a", "z", FAILURE), ("b", "z"))
    assert trace(Progress(shape, done={"a", "b", "z"}), {}) == ""


def test_halt_starts_nothing_more() -> None:
    progress = Progress(plan("ab", ("a", "b")))
    progress.start("a")
    progress.halt()
    progress.end("a", SUCCESS)
    assert progress.finished


@given(st.data())
def test_no_step_starts_before_its_predecessors_are_done(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    names = "abcdefghijkl"[:size]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    edges = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    progress = Progress(plan(names, *edges))
    ended: set[str] = set()
    while progress.ready:
        step = data.draw(st.sampled_from(progress.ready)).id
        assert {a for a, b in edges if b == step} <= ended
        progress.start(step)
        progress.end(step, SUCCESS)
        ended.add(step)
    assert ended == set(names)
