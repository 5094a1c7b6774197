"""Ctrl-C detaches and leaves the job alone; only cancel ends it."""

from __future__ import annotations

import os
import signal
import subprocess

from support.orch import Orch, Workflow, wait_for


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def running(deployed: Workflow, orch: Orch) -> tuple[subprocess.Popen[str], int]:
    """A run whose job is held, and the pid of the job's program."""
    process = orch.start("run", "exec_job", *deployed.arguments())
    line = wait_for(deployed.trace, "the job to run")[0]
    return process, int(line.split()[0])


def interrupt(process: subprocess.Popen[str]) -> str:
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    return said


def test_ctrl_c_detaches_while_the_job_goes_on(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process, pid = running(deployed, orch)
    said = interrupt(process)
    execution = orch.executions()[0]
    assert execution["status"] == "interrupted"
    assert f"orch executions resume {execution['id']}" in said
    assert f"orch executions cancel {execution['id']}" in said
    assert alive(pid)
    hold.unlink()
    orch("executions", "resume", execution["id"])
    deployed.check()


def test_cancel_from_another_terminal_ends_the_processes_of_the_job(deployed: Workflow, orch: Orch) -> None:
    deployed.hold()
    process, pid = running(deployed, orch)
    shown = orch.executions()[0]["id"]

    def states() -> list[str]:
        return [job["state"] for job in orch.json("executions", "show", shown)["jobs"]]

    wait_for(lambda: states() == ["completed", "running"], "the job to be shown as running")
    orch("executions", "cancel", orch.executions()[0]["id"])
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1, said
    assert not alive(pid)
    assert orch.executions()[0]["status"] == "cancelled"
    assert not (deployed.result() / "result.txt").exists()


def test_cancel_of_a_detached_execution(deployed: Workflow, orch: Orch) -> None:
    deployed.hold()
    process, pid = running(deployed, orch)
    interrupt(process)
    assert alive(pid)
    orch("executions", "cancel", orch.executions()[0]["id"])
    assert not alive(pid)
    assert orch.executions()[0]["status"] == "cancelled"


def test_a_cancelled_execution_can_be_resumed(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process, _ = running(deployed, orch)
    execution = orch.executions()[0]["id"]
    orch("executions", "cancel", execution)
    process.communicate(timeout=60)
    hold.unlink()
    orch("executions", "resume", execution)
    assert orch.executions()[0]["status"] == "done"
    assert len(deployed.trace()) == 2
    assert (deployed.result() / "result.txt").exists()
    assert len(orch.job_folders("StageInData")) == 1


def test_logs_follow_what_another_process_carries_out(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process, _ = running(deployed, orch)
    follower = orch.start("executions", "logs", "-f", orch.executions()[0]["id"])
    hold.unlink()
    said, _ = follower.communicate(timeout=60)
    process.communicate(timeout=60)
    assert follower.returncode == 0, said
    assert "counting" in said
    assert "StageOutData" in said
