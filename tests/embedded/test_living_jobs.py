"""What becomes of jobs: their real ends count, whoever asks and however late; none is forgotten, none is run twice."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.orch import Orch, wait_for
from test_detach_and_cancel import alive

TOPOLOGY = Path(__file__).with_name("jobs") / "topology.yaml"


class Jobs:
    """A deployment with a job whose program each run brings along; programs are held until that is taken away."""

    def __init__(self, orch: Orch) -> None:
        self.orch = orch
        self.folder = orch.folder / "work"
        self.folder.mkdir()
        orch("deploy", TOPOLOGY)

    def program(self, then: str = "") -> str:
        """A program that tells its pid, waits as long as it is held, and does something then."""
        hold = self.folder / "hold"
        hold.touch()
        return f'echo $$ >>"{self.folder}/pids"; while [ -e "{hold}" ]; do sleep 0.1; done; {then or "true"}'

    def release(self) -> None:
        (self.folder / "hold").unlink()

    def pids(self) -> list[int]:
        file = self.folder / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def running(self, then: str = "", workflow: str = "go") -> tuple[subprocess.Popen[str], str]:
        """A run whose job runs: its process, and the id of the execution."""
        process = self.orch.start("run", workflow, "-i", f"program={self.program(then)}")
        wait_for(self.pids, "the job to run")
        if workflow == "go":
            wait_for(lambda: [job["state"] for job in self.jobs()] == ["running"], "the job to be seen")
        return process, self.newest()["id"]

    def abandoned(self, then: str = "") -> str:
        """A run whose process was killed while its job ran."""
        process, execution = self.running(then)
        process.kill()
        process.wait()
        return execution

    def newest(self) -> dict[str, Any]:
        return self.orch.executions()[0]

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.orch.json("executions", "show", self.newest()["id"])["jobs"]
        return found

    def job_folder(self) -> Path:
        (folder,) = self.orch.job_folders("Job")
        return folder

    def ended(self) -> None:
        wait_for((self.job_folder() / "exit.json").exists, "the end of the job")

    def elsewhere(self) -> None:
        """As if the job ran on a machine where it cannot be ended from here."""
        shutil.copy(self.job_folder() / "started", self.folder / "started")
        told = json.loads((self.job_folder() / "started").read_text())
        (self.job_folder() / "started").write_text(json.dumps({**told, "host": "elsewhere"}))

    def back(self) -> None:
        shutil.copy(self.folder / "started", self.job_folder() / "started")


@pytest.fixture
def jobs(orch: Orch) -> Jobs:
    return Jobs(orch)


class TestCancelAfterTheEnd:
    def test_a_completed_job_is_completed_and_not_run_again(self, jobs: Jobs) -> None:
        execution = jobs.abandoned()
        jobs.release()
        jobs.ended()
        jobs.orch("executions", "cancel", execution)
        assert jobs.newest()["status"] == "cancelled"
        assert [job["state"] for job in jobs.jobs()] == ["completed"]
        jobs.orch("executions", "resume", execution)
        assert jobs.newest()["status"] == "done"
        assert len(jobs.pids()) == 1

    def test_it_is_not_when_it_was_submitted_but_that_was_not_written_down(self, jobs: Jobs) -> None:
        process = jobs.orch.start("run", "go", "-i", f"program={jobs.program()}", ORCH_KILL_AT="submit.after:Job")
        process.wait(60)
        wait_for(jobs.pids, "the job to run")
        jobs.release()
        jobs.ended()
        execution = jobs.newest()["id"]
        jobs.orch("executions", "cancel", execution)
        jobs.orch("executions", "resume", execution)
        assert jobs.newest()["status"] == "done"
        assert len(jobs.pids()) == 1

    def test_a_failed_job_has_failed(self, jobs: Jobs) -> None:
        execution = jobs.abandoned("exit 3")
        jobs.release()
        jobs.ended()
        jobs.orch("executions", "cancel", execution)
        assert [(job["state"], job["detail"]) for job in jobs.jobs()] == [("failed", "exit code 3")]

    def test_from_its_submission_it_is_done_again(self, jobs: Jobs) -> None:
        execution = jobs.abandoned()
        jobs.release()
        jobs.ended()
        jobs.orch("executions", "cancel", execution)
        jobs.orch("executions", "resume", execution, "--from", "job")
        assert jobs.newest()["status"] == "done"
        assert len(jobs.pids()) == 2


class TestWhatCannotBeStopped:
    def test_it_is_named_and_can_be_ended_later(self, jobs: Jobs) -> None:
        execution = jobs.abandoned()
        (pid,) = jobs.pids()
        jobs.elsewhere()
        said = jobs.orch("executions", "cancel", execution, status=1)
        assert "runs on elsewhere" in said.stderr
        again = jobs.orch("executions", "cancel", execution, status=1)
        assert "runs on elsewhere" in again.stderr
        assert alive(pid)
        jobs.orch("prune", "--older-than", "0s")
        assert jobs.newest()["id"] == execution
        jobs.back()
        jobs.orch("executions", "cancel", execution)
        assert not alive(pid)
        assert [job["state"] for job in jobs.jobs()] == ["cancelled"]
        assert "has ended already" in jobs.orch("executions", "cancel", execution, status=2).stderr

    def test_undeploy_names_it(self, jobs: Jobs) -> None:
        execution = jobs.abandoned()
        jobs.elsewhere()
        jobs.orch("executions", "cancel", execution, status=1)
        said = jobs.orch("undeploy")
        assert "Job: job" in said.stderr
        assert "runs on elsewhere" in said.stderr
        jobs.back()

    def test_undeploy_ends_what_is_left(self, jobs: Jobs) -> None:
        process, _ = jobs.running(workflow="submit_only")
        assert process.wait(60) == 0
        (pid,) = jobs.pids()
        assert alive(pid)
        jobs.orch("undeploy")
        assert not alive(pid)


class TestNeverSubmitted:
    def test_what_makes_no_job_leaves_none(self, jobs: Jobs) -> None:
        jobs.orch("run", "go", "-i", "program=true", "-i", "array=many", status=1)
        assert jobs.jobs() == []
        jobs.orch("prune", "--older-than", "0s")
        assert [execution["workflow"] for execution in jobs.orch.executions()] == ["install"]

    def test_what_the_launcher_refuses_has_ended(self, jobs: Jobs) -> None:
        root = jobs.orch.home / "sites/local/jobs"
        shutil.rmtree(root, ignore_errors=True)
        root.parent.mkdir(parents=True, exist_ok=True)
        root.write_text("no folder")
        jobs.orch("run", "go", "-i", "program=true", status=1)
        assert [(job["state"], job["detail"]) for job in jobs.jobs()] == [("failed", "it was not submitted")]
        root.unlink()
        jobs.orch("executions", "resume", jobs.newest()["id"])
        assert [job["state"] for job in jobs.jobs()] == ["completed"]


@pytest.mark.parametrize("table", ["ledger", "jobs", "events"])
def test_a_step_that_cannot_be_written_down_is_not_awaited_for_ever(jobs: Jobs, table: str) -> None:
    """As when the disk is full for our records alone: those of the durable executions can be written."""
    with closing(sqlite3.connect(jobs.orch.home / "state.sqlite")) as database:
        for event in ("INSERT", "UPDATE"):
            when = "WHEN NEW.status = 'done'" if table == "ledger" else ""
            fails = "SELECT RAISE(ABORT, 'database or disk is full');"
            database.execute(f"CREATE TRIGGER full_{event} BEFORE {event} ON {table} {when} BEGIN {fails} END")
        said = jobs.orch("run", "go", "-i", "program=echo $$ >>../../../../pids", status=1)
        assert "database or disk is full" in said.stderr
        again = jobs.orch("executions", "resume", jobs.newest()["id"], status=1)
        assert "database or disk is full" in again.stderr
        for event in ("INSERT", "UPDATE"):
            database.execute(f"DROP TRIGGER full_{event}")
    jobs.orch("executions", "resume", jobs.newest()["id"])
    assert jobs.newest()["status"] == "done"
    assert len((jobs.orch.home / "pids").read_text().split()) == 1


def test_a_later_success_ends_the_error_of_a_node(jobs: Jobs) -> None:
    def state() -> str:
        (node,) = [n for n in jobs.orch.json("show")["nodes"] if n["name"] == "Job"]
        return str(node["state"])

    before = state()
    jobs.orch("run", "go", "-i", "program=exit 1", status=1)
    assert state() == "error"
    jobs.orch("run", "go", "-i", "program=true")
    assert state() == before != "error"


@pytest.mark.parametrize("cut", ["folder", "jobs"])
def test_a_job_whose_folder_is_removed_is_ended(jobs: Jobs, cut: str) -> None:
    process, execution = jobs.running()
    (pid,) = jobs.pids()
    shutil.rmtree(jobs.job_folder() if cut == "folder" else jobs.job_folder().parent)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 1, said
    assert "has vanished" in said
    assert not alive(pid)
    jobs.release()
    jobs.orch("executions", "resume", execution)
    assert len(jobs.pids()) == 2
