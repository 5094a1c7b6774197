"""How an execution's end is told, and that signals leave it in order."""

from __future__ import annotations

import os
import signal
from typing import Any

import msgspec
import pytest

from orchestrator.cli.following import end_text, execution_data, failure_facts, heeding_signals
from orchestrator.cli.session import Session
from orchestrator.model.source import Span
from orchestrator.state import Execution, ExecutionStatus, Failure

FAILURE = Failure(
    "Job: the job failed with exit code 3",
    step="count.2",
    node="Job",
    task="Submit",
    output="line\nlast \x1b[31mline\n",
    hint="look",
    span=Span("/t/topology.yaml", 7, 5, 7, 9),
)


def execution(status: ExecutionStatus, failure: Failure | None = None, **changes: Any) -> Execution:
    made = Execution("x1", "d1", "exec_job", status, 1, {"password": "p"}, b"{}", None, None, 1.0, 2.0, 5.0, failure)
    return msgspec.structs.replace(made, **changes)


def test_a_failure_is_told_with_all_that_is_known_and_what_to_do() -> None:
    assert end_text(Session({}), execution(ExecutionStatus.FAILED, FAILURE)).splitlines() == [
        "error: exec_job failed after 3.0 s: Job: the job failed with exit code 3",
        "  node: Job",
        "  step: count.2",
        "  task: Submit",
        "  place: /t/topology.yaml:7:5",
        "  output:",
        "    line",
        "    last line",
        "  hint: look",
        "  orch executions resume x1    when the cause is mended",
        "  orch executions logs x1      all that happened",
    ]


def test_the_time_between_attempts_is_not_told_as_work() -> None:
    assert "after" not in end_text(Session({}), execution(ExecutionStatus.FAILED, FAILURE, attempt=2))


def test_what_a_cancel_could_not_stop_is_named() -> None:
    failure = Failure("cancelled by request", output="Job: job 7 could not be cancelled: no answer")
    text = end_text(Session({}), execution(ExecutionStatus.CANCELLED, failure))
    assert text.startswith("cancelled: exec_job after 3.0 s")
    assert "  could not be stopped: Job: job 7 could not be cancelled: no answer" in text
    assert failure_facts(Failure("x")) == []


def test_a_lost_process_is_told() -> None:
    text = end_text(Session({}), execution(ExecutionStatus.RUNNING))
    assert "is gone" in text
    assert "orch executions resume x1" in text


def test_an_execution_in_json_has_neither_inputs_nor_plan() -> None:
    data = execution_data(execution(ExecutionStatus.FAILED, FAILURE), "demo", "failed")
    assert {"inputs", "plan"} & set(data) == set()
    assert data["failure"]["place"] == "/t/topology.yaml:7:5"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_are_noted_and_raise_nothing(number: signal.Signals) -> None:
    def own(number: int, frame: object) -> None:
        raise AssertionError("the handler that was there before was called")

    before = signal.signal(number, own)
    try:
        with heeding_signals() as asked:
            assert asked() is None
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # as make and timeout pass it on
            assert asked() == number
        assert signal.getsignal(number) is own
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ignored_signals_stay_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with heeding_signals() as asked:
            os.kill(os.getpid(), number)
            assert asked() is None
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
