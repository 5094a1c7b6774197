"""The list of steps: what comes after what, side by side, how far."""

from __future__ import annotations

import time

import pytest

from orchestrator.app.executions import ExecutionDetails, ExecutionSummary
from orchestrator.cli.step_list import levels, predecessors, steps_text
from orchestrator.cli.terminal import ASCII, UNICODE, Terminal
from orchestrator.cli.times import moment
from orchestrator.errors import UserError
from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind
from orchestrator.state import Execution, ExecutionStatus, LedgerEntry, StepStatus


def step(name: str, kind: StepKind = StepKind.OPERATION) -> PlanStep:
    return PlanStep(name, kind, name.upper(), "work", "work", state="x" if kind is StepKind.STATE else None)


PLAN = Plan(
    "w",
    (step("a"), step("s", StepKind.STATE), step("b"), step("c"), step("d"), step("z")),
    (
        Edge("a", "s"),
        Edge("s", "b"),
        Edge("s", "c"),
        Edge("b", "d"),
        Edge("c", "d"),
        Edge("c", "z", Outcome.FAILURE),
    ),
)


def details(**states: str) -> ExecutionDetails:
    execution = Execution("e", "d", "w", ExecutionStatus.RUNNING, 1, {}, b"", "me", None, 1.0, 1.0, None, None)
    ledger = {name: LedgerEntry("e", name, StepStatus(state), 1, 10.0, 12.0, None) for name, state in states.items()}
    return ExecutionDetails(ExecutionSummary(execution, "d", False), PLAN, ledger, [])


def test_steps_that_set_a_state_are_seen_through() -> None:
    success, failure = Outcome.SUCCESS, Outcome.FAILURE
    before = predecessors(PLAN)
    assert before == {
        "a": {},
        "b": {"a": success},
        "c": {"a": success},
        "d": {"b": success, "c": success},
        "z": {"c": failure},
    }
    assert levels(before) == [["a"], ["b", "c"], ["d", "z"]]


def test_what_is_side_by_side_is_bracketed_on_a_terminal() -> None:
    found = details(a="done", b="skipped", c="running", d="stale")
    lines = steps_text(found, Terminal(100, symbols=UNICODE)).splitlines()
    assert [line.split() for line in lines] == [
        ["STEP", "DOES", "SITE", "STATE", "TOOK", "AFTER"],
        ["a", "A:", "work.work", "done", "2.0", "s"],
        ["┌", "b", "B:", "work.work", "skipped"],
        ["└", "c", "C:", "work.work", "running", "2.0", "s"],
        ["┌", "d", "D:", "work.work", "waiting"],
        ["└", "z", "Z:", "work.work", "waiting", "c", "(on", "failure)"],
    ]


def test_elsewhere_every_predecessor_is_named() -> None:
    lines = steps_text(details(a="done"), Terminal(symbols=ASCII)).splitlines()
    assert [line.split()[-1] for line in lines[2:]] == ["a", "a", "c", "failure)"]
    assert "b, c" in lines[4]


def test_moments_are_ago_of_today_or_of_a_day() -> None:
    now = time.mktime((2025, 1, 31, 18, 12, 6, 0, 0, -1))
    assert moment("10m", now) == now - 600
    assert moment("18:10", now) == now - 126
    assert moment("2025-01-31 18:12:00", now) == now - 6
    assert moment("2025-01-31T17:12:06+00:00", now) == 1738343526.0
    with pytest.raises(UserError, match="'noon' is no time"):
        moment("noon", now)
