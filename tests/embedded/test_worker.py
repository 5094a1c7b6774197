"""Workers carry out what was queued, and what dead processes left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from support.orch import Orch, Workflow, wait_for

from orchestrator.state import Execution, FileOwner, Store

TAKEN_OVER_WITHIN = 10.0


def queued(workflow: Workflow, name: str) -> str:
    """Queue a run; the id of its execution."""
    return workflow.orch("run", "exec_job", *workflow.arguments(name), "--detach").stdout.strip()


def store(orch: Orch) -> Store:
    return Store(orch.home / "state.sqlite", alive=FileOwner(orch.home / "locks").alive)


def execution(orch: Orch, execution_id: str) -> Execution:
    return store(orch).execution(execution_id)


def wait_until_ended(orch: Orch, *ids: str) -> None:
    reader = store(orch)
    wait_for(lambda: all(reader.execution(i).status.final for i in ids), f"the end of {ids}")


def status(orch: Orch, execution_id: str) -> str:
    return execution(orch, execution_id).status.value


def worker_of(orch: Orch, execution_id: str) -> str:
    """The name of the worker that carries an execution out, or did so last."""
    return (execution(orch, execution_id).owner or "").rsplit("-", 2)[0]


def ready(orch: Orch, name: str) -> subprocess.Popen[str]:
    """A worker that has started."""
    worker = orch.start("worker", "--name", name)
    assert worker.stdout is not None
    assert "Ctrl-C stops it" in worker.stdout.readline()
    return worker


def stopped(process: subprocess.Popen[str], number: int) -> str:
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    return said


def test_two_workers_share_what_was_queued(deployed: Workflow, orch: Orch) -> None:
    names = [f"run{i}" for i in range(10)]
    ids = [queued(deployed, name) for name in names]
    assert {status(orch, i) for i in ids} == {"queued"}
    workers = [orch.start("worker", "--name", name, "--jobs", "4") for name in ("one", "two")]
    wait_until_ended(orch, *ids)
    assert {status(orch, i) for i in ids} == {"done"}
    shares = [worker_of(orch, i) for i in ids]
    assert set(shares) == {"one", "two"}
    for name in names:
        deployed.check(name)
    assert len(orch.job_folders("PyCOMPSJob")) == len(ids)
    said = [stopped(worker, signal.SIGTERM) for worker in workers]
    assert sum(text.count("\ndone: exec_job") for text in said) == len(ids)
    assert list((orch.home / "locks").iterdir()) == []


def test_a_killed_workers_executions_are_finished_by_another(deployed: Workflow, orch: Orch) -> None:
    names = ["a", "b"]
    holds = [deployed.hold(name) for name in names]
    ids = [queued(deployed, name) for name in names]
    first = orch.start("worker", "--name", "first")
    wait_for(lambda: all(deployed.trace(name) for name in names), "the jobs to run")
    second = ready(orch, "second")
    first.kill()
    first.communicate()
    died = time.monotonic()
    wait_for(lambda: all(worker_of(orch, i) == "second" for i in ids), "the other worker to take over")
    assert time.monotonic() - died < TAKEN_OVER_WITHIN
    for hold in holds:
        hold.unlink()
    wait_until_ended(orch, *ids)
    for name in names:
        deployed.check(name)
    assert len(orch.job_folders("PyCOMPSJob")) == len(ids)
    stopped(second, signal.SIGINT)


@pytest.mark.parametrize("place", ["attempt.begun", "submit.after:StageInData"])
def test_a_worker_killed_at_a_bad_moment_is_replaced(deployed: Workflow, orch: Orch, place: str) -> None:
    run = queued(deployed, "one")
    first = orch.start("worker", ORCH_KILL_AT=place)
    first.communicate(timeout=60)
    assert first.returncode == -signal.SIGKILL
    assert orch.executions()[0]["status"] == "interrupted"
    orch.start("worker")
    wait_until_ended(orch, run)
    deployed.check()
    for node in ("StageInData", "PyCOMPSJob", "StageOutData"):
        assert len(orch.job_folders(node)) == 1


def test_what_a_user_detached_from_is_picked_up(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process = orch.start("run", "exec_job", *deployed.arguments())
    wait_for(deployed.trace, "the job to run")
    run = orch.executions()[0]["id"]
    ready(orch, "here")
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    wait_for(lambda: worker_of(orch, run) == "here", "the worker to take over", TAKEN_OVER_WITHIN)
    hold.unlink()
    wait_until_ended(orch, run)
    deployed.check()


def test_a_stopped_worker_leaves_its_executions_to_the_next(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    run = queued(deployed, "one")
    first = orch.start("worker")
    wait_for(deployed.trace, "the job to run")
    assert "1 execution left" in stopped(first, signal.SIGTERM)
    assert orch.executions()[0]["status"] == "interrupted"
    hold.unlink()
    orch.start("worker")
    wait_until_ended(orch, run)
    deployed.check()


def test_a_worker_cancels_for_a_dead_owner(deployed: Workflow, orch: Orch) -> None:
    deployed.hold()
    process = orch.start("run", "exec_job", *deployed.arguments())
    pid = int(wait_for(deployed.trace, "the job to run")[0].split()[0])
    process.kill()
    process.communicate()
    run = orch.executions()[0]["id"]
    store(orch).request_cancel(run)
    orch.start("worker")
    wait_until_ended(orch, run)
    assert status(orch, run) == "cancelled"
    wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the job's program to end")


def test_what_changes_a_deployment_waits_for_runs_that_overlap(deployed: Workflow, orch: Orch) -> None:
    holds = [deployed.hold(name) for name in ("a", "b")]
    runs = [queued(deployed, name) for name in ("a", "b")]
    orch.start("worker")
    orch.start("worker")
    # both at the same time
    wait_for(lambda: deployed.trace("a") and deployed.trace("b"), "both jobs to run")
    gone = orch("undeploy", "--detach").stdout.strip()
    late = queued(deployed, "late")
    refused = orch("run", "exec_job", *deployed.arguments("later"), status=2)
    assert f"uninstall of the same deployment waits to be carried out (execution {gone})" in refused.stderr
    assert len(orch.executions()) == 5
    holds[0].unlink()
    wait_until_ended(orch, runs[0])
    assert [status(orch, i) for i in (runs[1], gone, late)] == ["running", "queued", "queued"]
    holds[1].unlink()
    wait_until_ended(orch, *runs, gone, late)
    reader = store(orch)
    ended = [reader.execution(i) for i in (runs[0], runs[1], gone, late)]
    assert ended[2].status.value == "done"
    assert ended[2].started is not None
    assert ended[2].started >= max(e.ended or 0 for e in ended[:2])
    assert (ended[3].started or 0) >= (ended[2].ended or 0)
    assert orch.json("list") == []


def test_what_is_queued_is_followed_and_cancelled_without_a_worker(deployed: Workflow, orch: Orch) -> None:
    run, kept = queued(deployed, "one"), queued(deployed, "two")
    follower = orch.start("executions", "logs", "-f", kept)
    orch("executions", "cancel", run)
    assert status(orch, run) == "cancelled"
    orch.start("worker")
    said, _ = follower.communicate(timeout=120)
    assert follower.returncode == 0, said
    assert "StageOutData" in said
    assert deployed.trace("one") == []
    deployed.check("two")


def test_detaching_says_the_id_in_text_and_json(deployed: Workflow, orch: Orch) -> None:
    told = orch.json("run", "exec_job", *deployed.arguments("one"), "--detach")
    assert told["queued"]["workflow"] == "exec_job"
    assert status(orch, told["queued"]["execution"]) == "queued"
    bad = orch("worker", "--name", "no name", status=2)
    assert "no name for a worker" in bad.stderr
