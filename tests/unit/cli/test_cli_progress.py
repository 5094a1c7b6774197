"""What is shown of an execution while it goes on, from hand-made events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from orchestrator.cli.commands.executions import log_text
from orchestrator.cli.live import picture
from orchestrator.cli.progress import Progress
from orchestrator.cli.terminal import ASCII, UNICODE, Terminal, text_width
from orchestrator.cli.views import change_lines, event_data
from orchestrator.model.plan import Edge, Plan, PlanStep, StepKind
from orchestrator.state import Event

T0 = datetime(2025, 1, 31, 18, 12, 6, tzinfo=timezone(timedelta(hours=1))).timestamp()


@pytest.fixture(autouse=True)
def in_the_zone_of_madrid(time_zone: Callable[[str], None]) -> None:
    time_zone("Europe/Madrid")


def plan(*nodes: str) -> Plan:
    steps = [
        PlanStep(f"{n}.run", StepKind.OPERATION, n, interface="Runnable", operation="run", site="local") for n in nodes
    ]
    state = PlanStep("A.state", StepKind.STATE, "A", state="started")
    return Plan("exec_job", (*steps, state), (Edge("A.run", "A.state"),))


def event(kind: str, text: str, step: str | None = None, at: float = 0.0, level: str = "info", **data: Any) -> Event:
    node = step.partition(".")[0] if step else None
    return Event(1, "x1", T0 + at, kind, level, text, step, node, data or None)


def started(step: str, at: float = 0.0) -> Event:
    return event("step", "started", step, at, state="running")


def ended(step: str, at: float, state: str = "done", text: str = "") -> Event:
    return event("step", text or state, step, at, "error" if state == "failed" else "info", state=state)


def shown(progress: Progress, size: tuple[int, int] = (100, 30), at: float = 10.0, **settings: Any) -> list[str]:
    terminal = settings.pop("terminal", Terminal(size[0], symbols=UNICODE))
    lines = picture(progress, "exec_job on demo", T0, T0 + at, size=size, terminal=terminal, **settings)
    return [line.plain for line in lines]


def test_steps_are_followed() -> None:
    progress = Progress(plan("A", "B"))
    for item in (started("A.run", 1), ended("A.run", 3), started("B.run", 3)):
        progress.apply(item)
    a, b = progress.steps.values()
    assert (a.state, a.elapsed(T0 + 9)) == ("done", 2.0)
    assert (b.state, b.elapsed(T0 + 9)) == ("running", 6.0)
    assert [s.step.id for s in progress.newest_done(3)] == ["A.run"]


def test_states_are_not_counted_as_steps_but_named() -> None:
    progress = Progress(plan("A"))
    assert list(progress.steps) == ["A.run"]
    assert progress.title("A.state", "A") == "A -> started"
    assert progress.title("unknown", "N") == "N"
    assert progress.title(None, None) == ""


def test_what_was_done_before_a_resume_is_done() -> None:
    progress = Progress(plan("A", "B"), {"A.run": "done", "B.run": "running"})
    assert [s.state for s in progress.steps.values()] == ["done", "waiting"]


def test_a_step_that_is_done_again_runs_again() -> None:
    progress = Progress(plan("A"))
    for item in (started("A.run", 1), ended("A.run", 2, "failed", "bad"), started("A.run", 5)):
        progress.apply(item)
    (a,) = progress.steps.values()
    assert (a.state, a.elapsed(T0 + 6), a.said) == ("running", 1.0, "")


def test_the_live_view_folds_what_is_done() -> None:
    nodes = [f"N{i:02}" for i in range(20)]
    progress = Progress(plan(*nodes))
    for i, node in enumerate(nodes[:15]):
        progress.apply(started(f"{node}.run", i))
        progress.apply(ended(f"{node}.run", i + 1))
    progress.apply(started("N15.run", 15))
    progress.apply(event("job", "running", "N15.run", 16, job="t1", state="running"))
    lines = shown(progress, at=17.0)
    assert lines[0] == "exec_job on demo · 17 s"
    assert lines[1] == "✔ 12 steps done"
    assert [line.split()[1] for line in lines[2:5]] == ["N12:", "N13:", "N14:"]
    assert "N15: Runnable.run" in lines[5]
    assert "local" in lines[5]
    assert "2.0 s" in lines[5]
    assert lines[5].endswith("job running")
    assert lines[6] == "○ 4 steps to go"


def test_the_live_view_shows_the_last_lines_of_output_while_something_runs() -> None:
    progress = Progress(plan("A"))
    progress.apply(started("A.run"))
    progress.apply(event("output", "\n".join(f"line {i}" for i in range(10)) + "\n50%\r\x1b[1m100%", "A.run"))
    assert [line for line in shown(progress) if "│" in line] == [
        "  │ A: line 7",
        "  │ A: line 8",
        "  │ A: line 9",
        "  │ A: 50%",
        "  │ A: 100%",
    ]
    progress.apply(ended("A.run", 1))
    assert not [line for line in shown(progress) if "│" in line]


def test_the_live_view_shows_failures_with_their_reason() -> None:
    progress = Progress(plan("A"))
    progress.apply(started("A.run"))
    progress.apply(ended("A.run", 1, "failed", "the job failed\nwith exit code 3"))
    line = shown(progress)[1]
    assert line.startswith("✘ A: Runnable.run")
    assert line.endswith("the job failed with exit code 3")


@pytest.mark.parametrize("size", [(200, 50), (80, 24), (40, 10), (20, 5)])
def test_the_live_view_fits_the_terminal(size: tuple[int, int]) -> None:
    nodes = [f"Node_with_a_rather_long_name_漢字_{i}" for i in range(60)]
    progress = Progress(plan(*nodes))
    for node in nodes[:55]:
        progress.apply(started(f"{node}.run"))
    for node in nodes[:5]:
        progress.apply(ended(f"{node}.run", 1))
    progress.apply(event("output", "word " * 100, f"{nodes[7]}.run"))
    lines = shown(progress, size)
    assert all(text_width(line) <= size[0] for line in lines)
    assert any("more" in line for line in lines)
    assert len(lines) < max(size[1], 12)


def test_a_terminal_without_symbols_gets_ascii_only() -> None:
    progress = Progress(plan("A", "B"))
    progress.apply(started("A.run"))
    lines = shown(progress, terminal=Terminal(80, symbols=ASCII))
    assert all(line.isascii() for line in lines)


def test_a_request_to_cancel_is_shown() -> None:
    progress = Progress(plan("A"))
    progress.apply(event("execution", "cancelling: cancelled by request", level="warning"))
    assert shown(progress)[0].endswith("cancelling")
    assert not shown(progress, ended=True)[0].endswith("cancelling")


def lines_of(*events: Event, verbose: bool = False) -> list[str]:
    progress = Progress(plan("A", "B"))
    lines = []
    for item in events:
        progress.apply(item)
        lines += change_lines(item, progress, Terminal(), verbose=verbose)
    return lines


RUN = (
    event("execution", "exec_job started (attempt 1)", status="running"),
    event("state", "A is started", "A.state", state="started"),
    started("A.run", 1),
    event("task", "ok: Submit the job", "A.run", 1, level="debug"),
    event("job", "submitted as t1", "A.run", 2, job="t1"),
    event("job", "running", "A.run", 2, job="t1", state="running"),
    event("output", "hello\nworld", "A.run", 3),
    ended("A.run", 4, "failed", "it broke\nbadly"),
    event("step", "Traceback ...", "A.run", 4, level="debug"),
    event("execution", "failed: it broke", at=4, level="error", status="failed"),
)


def test_without_a_terminal_there_is_one_line_per_change() -> None:
    assert lines_of(*RUN) == [
        "2025-01-31T18:12:06+01:00 exec_job started (attempt 1)",
        "2025-01-31T18:12:07+01:00 A: Runnable.run  started on local",
        "2025-01-31T18:12:08+01:00 A: Runnable.run  job submitted as t1",
        "2025-01-31T18:12:08+01:00 A: Runnable.run  job running (t1)",
        "2025-01-31T18:12:10+01:00 A: Runnable.run  failed (3.0 s): it broke",
        "2025-01-31T18:12:10+01:00 failed: it broke",
    ]


def test_verbose_lines_tell_output_tasks_and_states() -> None:
    lines = lines_of(*RUN, verbose=True)
    assert "2025-01-31T18:12:09+01:00 A | hello" in lines
    assert "2025-01-31T18:12:09+01:00 A | world" in lines
    assert "2025-01-31T18:12:07+01:00 A: Runnable.run  ok: Submit the job" in lines
    assert "2025-01-31T18:12:06+01:00 A -> started  A is started" in lines


def test_failed_tasks_are_told_in_any_case() -> None:
    assert lines_of(event("task", "failed: Copy", "B.run", level="error")) == [
        "2025-01-31T18:12:06+01:00 B: Runnable.run  error: failed: Copy"
    ]


def test_log_lines() -> None:
    progress = Progress(plan("A"))
    assert log_text(RUN[2], progress, Terminal()) == "2025-01-31T18:12:07+01:00 info    A: Runnable.run  started"
    assert log_text(RUN[6], progress, Terminal()).splitlines() == [
        "2025-01-31T18:12:09+01:00 info    A |  hello",
        "2025-01-31T18:12:09+01:00 info    A |  world",
    ]
    assert log_text(RUN[1], progress, Terminal()) == "2025-01-31T18:12:06+01:00 info    A is started"


def test_events_in_json() -> None:
    assert event_data(RUN[4]) == {
        "id": 1,
        "execution": "x1",
        "time": "2025-01-31T18:12:08.000+01:00",
        "kind": "job",
        "level": "info",
        "step": "A.run",
        "node": "A",
        "instance": None,
        "text": "submitted as t1",
        "data": {"job": "t1"},
    }
