"""What Slurm says of jobs, in our words: states that a test cluster cannot bring about, from recorded rows."""

from __future__ import annotations

import pytest

from orchestrator.jobs.slurm_states import STATES, job_number, merged, read_rows, report, state_of
from orchestrator.model.jobs import JobState

FINAL = ["BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"]
FINAL += ["REVOKED", "TIMEOUT"]
WAITING = ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"]
UNDER_WAY = ["RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"]


def test_every_state_is_in_the_table() -> None:
    assert all(STATES[name].final for name in FINAL)
    assert all(STATES[name] is JobState.QUEUED for name in WAITING)
    assert all(STATES[name] is JobState.RUNNING for name in UNDER_WAY)


@pytest.mark.parametrize(
    ("line", "state", "detail", "code"),
    [
        ("7|t|COMPLETED||2026-01-01T00:00:00|0:0", JobState.COMPLETED, "", 0),
        ("7|t|FAILED|||3:0", JobState.FAILED, "exit code 3", 3),
        ("7|t|FAILED|||0:9", JobState.FAILED, "ended by signal 9", None),
        ("7|t|CANCELLED by 1000|||0:0", JobState.CANCELLED, "by 1000", 0),
        ("7|t|OUT_OF_MEMORY|||0:125", JobState.FAILED, "OUT_OF_MEMORY", None),
        ("7|t|PREEMPTED|||0:0", JobState.FAILED, "PREEMPTED", 0),
        ("7|t|DEADLINE|||0:0", JobState.TIMEOUT, "DEADLINE", 0),
        ("7|t|PENDING|DependencyNeverSatisfied|N/A|", JobState.FAILED, "DependencyNeverSatisfied", None),
        ("7|t|PENDING|Priority|2026-01-01T00:00:00|", JobState.QUEUED, "Priority, expected to start 2026-01-01", None),
    ],
)
def test_single_jobs(line: str, state: JobState, detail: str, code: int | None) -> None:
    found = report(read_rows(line))
    assert found.state is state
    assert found.detail.startswith(detail) if detail else found.detail == ""
    assert found.exit_code == code


def test_an_array_with_tasks_left_has_not_ended() -> None:
    rows = read_rows("7_0|t|COMPLETED|||0:0\n7_[1-9%2]|t|PENDING|Resources|N/A|")
    assert report(rows, tasks=10).state is JobState.RUNNING
    assert report(rows, tasks=10).detail == "1 completed, 9 pending"


def test_an_array_of_which_nothing_is_seen_yet_has_not_ended() -> None:
    assert not report(read_rows("7_0|t|COMPLETED|||0:0"), tasks=3).state.final


def test_what_is_under_way_is_as_the_queue_says() -> None:
    queue, history = read_rows("7|t|RUNNING|None||"), read_rows("7|t|PREEMPTED|||0:0")
    assert report(merged(queue, history)).state is JobState.RUNNING


def test_lines_that_are_no_rows_are_passed_over() -> None:
    assert read_rows("slurm_load_jobs error: Unable to contact\n\n|t|RUNNING|") == []
    assert job_number("7_[0-9]") == job_number("7_3") == job_number("7") == "7"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("COMPLETED", JobState.COMPLETED),
        ("completed", JobState.COMPLETED),
        ("CANCELLED by 1000", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("CANCELED", JobState.CANCELLED),
        ("QUEUED", JobState.QUEUED),
        ("SPECIAL_EXIT", JobState.QUEUED),
        ("POWER_UP_NODE", JobState.QUEUED),
        ("UPDATE_DB", JobState.RUNNING),
        ("OUT_OF_ME+", None),
        ("SINGING", None),
        ("", None),
    ],
)
def test_one_table_serves_commands_and_playbooks(said: str, state: JobState | None) -> None:
    assert state_of(said) is state
