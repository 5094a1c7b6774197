"""Retries, timeouts, going on after errors, clean-up paths, conditions."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.orch import Orch, Workflow, wait_for

TOPOLOGY = Path(__file__).with_name("policies") / "topology.yaml"


@pytest.fixture
def folder(orch: Orch, tmp_path: Path) -> Path:
    traces = tmp_path / "traces"
    traces.mkdir()
    orch("deploy", TOPOLOGY, "-i", f"folder={traces}")
    return traces


def trace(folder: Path) -> str:
    file = folder / "trace"
    return file.read_text() if file.exists() else ""


def tries(folder: Path) -> int:
    return len((folder / "tries").read_text().splitlines())


def test_a_policy_of_the_topology_retries(orch: Orch, folder: Path) -> None:
    said = orch("run", "retried").stdout
    assert tries(folder) == 3
    assert trace(folder) == "after\n"
    assert "tried again" in said


def test_without_a_policy_nothing_is_retried(orch: Orch, folder: Path) -> None:
    orch("run", "not_retried", status=1)
    assert tries(folder) == 1
    assert trace(folder) == ""


def test_the_command_line_can_go_on_after_an_error(orch: Orch, folder: Path) -> None:
    orch("run", "not_retried", "--continue-on-error", "B")
    assert (tries(folder), trace(folder)) == (1, "after\n")


def test_the_command_line_wins_over_the_topology(orch: Orch, folder: Path) -> None:
    orch("run", "retried", "--retries", "A=0", status=1)
    assert tries(folder) == 1


@pytest.mark.parametrize("tries_before", [0, 2], ids=["after a failure", "after a success"])
def test_a_clean_up_runs_in_both_cases(orch: Orch, folder: Path, tries_before: int) -> None:
    (folder / "tries").write_text("try\n" * tries_before)
    orch("run", "cleaned_up")
    assert trace(folder) == "cleaned\n"


def test_on_cancel_runs_after_a_cancel(orch: Orch, folder: Path) -> None:
    process = orch.start("run", "cancelled")
    wait_for((folder / "waiting").exists, "the slow operation")
    orch("executions", "cancel", orch.executions()[0]["id"])
    process.communicate(timeout=60)
    assert trace(folder) == "undone\n"
    assert orch.executions()[0]["status"] == "cancelled"


def test_a_cancel_takes_over_from_a_process_that_died_in_two_steps(orch: Orch, folder: Path) -> None:
    process = orch.start("run", "two_at_once")

    def both_run() -> bool:
        execution = orch.executions()[0]["id"]
        return [step["state"] for step in orch.json("executions", "show", execution)["steps"]] == ["running"] * 2

    wait_for((folder / "waiting").exists, "an operation")
    wait_for(both_run, "both operations")
    process.kill()
    process.communicate()
    orch("executions", "cancel", orch.executions()[0]["id"])
    assert orch.executions()[0]["status"] == "cancelled"


def test_a_timeout_of_an_operation_is_a_failure(orch: Orch, folder: Path) -> None:
    said = orch("run", "cancelled", "--timeout", "B=1s", status=1)
    assert "1 s" in said.stderr + said.stdout
    assert orch.executions()[0]["status"] == "failed"
    assert trace(folder) == ""


def test_a_timeout_of_the_whole_cancels(orch: Orch, folder: Path) -> None:
    said = orch("run", "cancelled", "--timeout", "1s", status=1)
    assert "took longer than 1 s" in said.stderr + said.stdout
    assert orch.executions()[0]["status"] == "cancelled"
    assert trace(folder) == "undone\n"


def test_filters_and_preconditions(orch: Orch, folder: Path) -> None:
    refused = orch("run", "guarded", status=2)
    assert "precondition on A does not hold" in refused.stderr
    orch("run", "filtered")
    assert trace(folder) == "matched\n"
    orch("run", "guarded")
    assert trace(folder) == "matched\nguarded\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [(["--timeout", "soon"], "no duration"), (["--retries", "A=-1"], "less than 0"), (["--retries", "C=1"], "'C'")],
)
def test_nonsense_is_refused(orch: Orch, folder: Path, words: list[str], says: str) -> None:
    assert says in orch("run", "retried", *words, status=2).stderr


def test_a_job_that_takes_too_long_is_cancelled(deployed: Workflow, orch: Orch) -> None:
    deployed.hold()
    said = orch("run", "exec_job", *deployed.arguments(), "--timeout", "PyCOMPSJob=5s", status=1)
    assert "took longer than 5 s, it was cancelled" in said.stderr + said.stdout


def test_a_failed_job_is_submitted_again(deployed: Workflow, orch: Orch) -> None:
    fail = deployed.result() / "fail"
    fail.parent.mkdir(parents=True)
    fail.touch()
    orch("run", "exec_job", *deployed.arguments(), "--retries", "PyCOMPSJob=1", status=1)
    assert len(deployed.trace()) == 2
    assert len(orch.job_folders("PyCOMPSJob")) == 2


def test_as_many_at_once_as_the_topology_or_the_command_line_says(orch: Orch, tmp_path: Path) -> None:
    orch("deploy", TOPOLOGY.with_name("parallel.yaml"), "-i", f"folder={tmp_path}")
    orch("run", "all")
    assert sorted(trace(tmp_path).split()) == ["A", "B", "C"]
    said = orch("run", "all", "--parallel", "3", status=1).stdout
    assert "See that nobody else is here" in said
    assert "a whole number, 1 or more" in orch("run", "all", "--parallel", "local=0", status=2).stderr
