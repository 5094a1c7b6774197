"""What may go wrong outside of orch: what the user is told, and that it can be gone on. See docs/faults.md."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from support import small_file_system
from support.orch import Orch, Workflow, processes_of, wait_for
from test_detach_and_cancel import alive, running

TOPOLOGY = Path(__file__).with_name("faults") / "topology.yaml"
LOCKED = 31.0
"""Seconds for which a database is locked: some more than half a minute."""


class Faults:
    """A deployment of which something fails until that is mended."""

    def __init__(self, orch: Orch) -> None:
        self.orch = orch
        self.folder = orch.folder / "faults"
        self.folder.mkdir()
        shutil.copytree(TOPOLOGY.parent, orch.folder / "topology")
        self.topology = orch.folder / "topology" / TOPOLOGY.name
        orch("deploy", self.topology, "-i", f"folder={self.folder}")

    def says(self, *states: str) -> None:
        """What the job system says, poll by poll; the last again and again."""
        new = self.folder / "says.new"
        new.write_text("".join(f"{state}\n" for state in states))
        new.replace(self.folder / "says")

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def failed(self, *words: str) -> str:
        """Run something that fails; what was said, in which the command to go on is named."""
        done = self.orch("run", *words, status=1)
        said = done.stdout + done.stderr
        execution = self.orch.executions()[0]
        assert execution["status"] == "failed"
        assert f"orch executions resume {execution['id']}" in said
        return said

    def resumed(self) -> None:
        """Go on with the newest execution, and see it done."""
        resumed(self.orch)


def resumed(orch: Orch) -> None:
    orch("executions", "resume", orch.executions()[0]["id"])
    assert orch.executions()[0]["status"] == "done"


def ended(process: subprocess.Popen[str], status: int) -> str:
    said, _ = process.communicate(timeout=120)
    assert process.returncode == status, said
    assert "Traceback (most recent call last)" not in said
    return said


@pytest.fixture
def faults(orch: Orch) -> Faults:
    return Faults(orch)


class TestPlaybook:
    def test_that_fails(self, faults: Faults) -> None:
        said = faults.failed("broken")
        assert "Use what has to be there" in said  # the task
        assert "No such file or directory" in said  # the end of what it said
        assert re.search(r"topology\.yaml:\d+", said)  # the line of TOSCA
        assert "mended.yaml:4" in said  # the line of the playbook
        assert faults.lines("trace") == ["A"]
        (faults.folder / "mended").touch()
        faults.resumed()
        assert faults.lines("trace") == ["A", "B", "A"]

    def test_whose_host_is_unreachable(self, faults: Faults) -> None:
        said = faults.failed("unreachable")
        assert "Look at the other machine" in said
        assert "Connection refused" in said
        assert re.search(r"topology\.yaml:\d+", said)
        (faults.folder / "mended").touch()
        faults.resumed()
        assert faults.lines("trace") == ["A", "B", "A"]


class TestMonitor:
    @pytest.mark.parametrize("fault", ["DOWN", "", "SINGING"])
    def test_some_failures_are_borne(self, faults: Faults, fault: str) -> None:
        faults.says("RUNNING", *[fault] * 4, "RUNNING", *[fault] * 4, "COMPLETED")
        faults.orch("run", "monitored")
        assert len(faults.lines("polls")) == 11
        assert len(faults.lines("submitted")) == 1

    @pytest.mark.parametrize(
        ("fault", "says"),
        [("DOWN", "no answer from the job system"), ("", "TOSCA_JOB_STATUS was not set"), ("SINGING", "'SINGING'")],
    )
    def test_more_are_a_failure(self, faults: Faults, fault: str, says: str) -> None:
        faults.says("RUNNING", fault)
        said = faults.failed("monitored")
        assert "the state of the job cannot be told, 5 times in a row" in said
        assert says in said
        assert "the job is not submitted again" in said
        assert re.search(r"topology\.yaml:\d+", said)
        assert len(faults.lines("polls")) == 6
        faults.says("COMPLETED")
        faults.resumed()
        assert len(faults.lines("submitted")) == 1
        assert faults.lines("trace") == ["A"]

    @pytest.mark.parametrize(
        "state", ["NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "BOOT_FAIL", "DEADLINE", "CANCELLED by 0"]
    )
    def test_final_states_of_slurm_end_the_job(self, faults: Faults, state: str) -> None:
        faults.says("CONFIGURING", "SUSPENDED", "SPECIAL_EXIT", "REQUEUED", "STAGE_OUT", state)
        assert f"the job ended as {state.upper()}" in faults.failed("monitored")
        assert len(faults.lines("polls")) == 6
        faults.says("COMPLETED")
        faults.resumed()
        assert len(faults.lines("submitted")) == 2  # that job was over: there is another


class TestVanishedJob:
    def test_killed_with_its_supervisor(self, deployed: Workflow, orch: Orch) -> None:
        hold = deployed.hold()
        process, program = running(deployed, orch)
        (folder,) = orch.job_folders("PyCOMPSJob")
        os.killpg(os.getpgid(json.loads((folder / "started").read_text())["pid"]), signal.SIGKILL)
        self.is_told_and_resumed(deployed, process, program, hold)

    def test_its_folder_is_removed(self, deployed: Workflow, orch: Orch) -> None:
        hold = deployed.hold()
        process, program = running(deployed, orch)
        shutil.rmtree(orch.job_folders("PyCOMPSJob")[0])
        self.is_told_and_resumed(deployed, process, program, hold)

    def is_told_and_resumed(self, deployed: Workflow, process: subprocess.Popen[str], program: int, hold: Path) -> None:
        said = ended(process, 1)
        assert "the job has vanished: neither running nor ended properly" in said
        assert "look for what ended it" in said
        assert "orch executions resume" in said
        wait_for(lambda: not alive(program), "what is left of the job to be ended", 10)
        hold.unlink()
        resumed(deployed.orch)
        assert len(deployed.trace()) == 2  # the lost job, and the one in its place
        assert (deployed.result() / "result.txt").exists()


class Locked:
    """A run whose job is under way when a database is locked by somebody else."""

    def __init__(self, folder: Path, *names: str) -> None:
        folder.mkdir()
        self.faults = Faults(Orch(folder))
        self.faults.says("RUNNING")
        self.process = self.faults.orch.start("run", "monitored")
        wait_for(lambda: len(self.faults.lines("polls")) > 2, "the job to run")
        self.names = names
        self.connections: list[sqlite3.Connection] = []

    def lock(self) -> None:
        for name in self.names:
            connection = sqlite3.connect(self.faults.orch.home / name, isolation_level=None, timeout=60)
            self.connections.append(connection)
            connection.execute("BEGIN EXCLUSIVE")
        self.faults.says("COMPLETED")

    def release(self) -> None:
        for connection in self.connections:
            connection.close()

    def check(self) -> None:
        assert self.faults.orch.executions()[0]["status"] == "done"
        assert len(self.faults.lines("submitted")) == 1
        assert self.faults.lines("trace") == ["A"]


def test_a_database_is_locked_for_a_while(tmp_path: Path) -> None:
    began: list[Locked] = []
    try:
        for number, names in enumerate([["state.sqlite"], ["dbos.sqlite"], ["state.sqlite", "dbos.sqlite"]]):
            began.append(Locked(tmp_path / str(number), *names))
        for_a_while = tuple(began)
        for name in ("state.sqlite", "dbos.sqlite"):
            began.append(Locked(tmp_path / f"too long {name}", name))
        since = time.monotonic()
        for locked in began:
            locked.lock()
        wait_for(lambda: time.monotonic() - since > LOCKED, "half a minute to go by")
        for locked in for_a_while:
            assert locked.process.poll() is None
            locked.release()
        for locked in for_a_while:
            ended(locked.process, 0)
            locked.check()
        for locked in began[len(for_a_while) :]:
            said = ended(locked.process, 1)
            assert re.search("cannot be used: .*locked", said), said
            assert "another program holds it" in said
            assert "resume" in said
            locked.release()
            locked.faults.resumed()
            locked.check()
    finally:
        for locked in began:
            locked.release()
            locked.faults.orch.stop()


def test_the_database_of_durable_executions_is_locked_from_the_start(tmp_path: Path) -> None:
    locked = Locked(tmp_path / "x", "dbos.sqlite")
    locked.faults.says("COMPLETED")
    ended(locked.process, 0)
    locked.lock()
    try:
        said = ended(locked.faults.orch.start("run", "monitored"), 1)
        assert re.search("cannot be used: .*locked", said), said
    finally:
        locked.release()
        locked.faults.orch.stop()
    locked.faults.resumed()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "small", "8m") as folder:
        yield folder


def test_the_disk_gets_full_in_the_middle_of_a_run(orch: Orch, small_disk: Path) -> None:
    orch.home = small_disk / "home"
    workflow = Workflow(orch)
    orch("deploy", workflow.topology)
    hold = workflow.hold()
    process, _ = running(workflow, orch)
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1k"], capture_output=True, check=False)
    hold.unlink()
    said = ended(process, 1)
    assert re.search("(?i)disk.*full|no space", said), said
    assert "resume" in said
    filler.unlink()
    resumed(orch)
    workflow.check()
    assert len(orch.job_folders("PyCOMPSJob")) == 1


def test_the_disk_gets_full_while_a_playbook_is_run_again_and_again(orch: Orch, small_disk: Path) -> None:
    orch.home = small_disk / "home"
    faults = Faults(orch)
    faults.says("RUNNING")
    process = orch.start("run", "monitored")
    wait_for(lambda: len(faults.lines("polls")) > 2, "the job to run")
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=1k"], capture_output=True, check=False)
    faults.says("COMPLETED")
    said = ended(process, 1)
    assert re.search("(?i)disk.*full|no space", said), said
    assert "fault of orch" not in said
    assert "resume" in said
    filler.unlink()
    resumed(orch)
    assert len(faults.lines("submitted")) == 1
    assert faults.lines("trace") == ["A"]


CLOCK = """\
# Python runs this first. Nobody may set the clock of the machine for a test, and libfaketime breaks sleeping.
import os, time
_time, _time_ns = time.time, time.time_ns
def _ahead():
    if "TESTS_CLOCK" not in os.environ:
        return 0  # Ansible is told where packages are, and little else
    with open(os.environ["TESTS_CLOCK"]) as file:
        return int(file.read())
time.time = lambda: _time() + _ahead()
time.time_ns = lambda: _time_ns() + _ahead() * 10**9
"""


@pytest.mark.parametrize("seconds", [7200, -7200])
def test_the_clock_jumps(deployed: Workflow, orch: Orch, seconds: int) -> None:
    """Limits of an hour do not misfire, and waits do not hang, when the clock of the day is set by two hours."""
    (orch.folder / "shim").mkdir()
    (orch.folder / "shim" / "sitecustomize.py").write_text(CLOCK)
    clock, new = orch.folder / "clock", orch.folder / "clock.new"
    clock.write_text("0")
    hold = deployed.hold()
    limits = ["--timeout", "1h", "--timeout", "PyCOMPSJob=1h"]
    path = f"{orch.folder / 'shim'}:{orch.environment()['PYTHONPATH']}"
    faked = {"PYTHONPATH": path, "TESTS_CLOCK": str(clock)}
    process = orch.start("run", "exec_job", *deployed.arguments(), *limits, **faked)
    wait_for(deployed.trace, "the job to run")
    new.write_text(str(seconds))
    new.replace(clock)
    hold.unlink()
    ended(process, 0)
    execution = orch.executions()[0]
    assert execution["status"] == "done"
    began, end = (datetime.fromisoformat(execution[name]) for name in ("started", "ended"))
    assert abs((end - began).total_seconds()) > 3600  # the clock did jump
    deployed.check()


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_run_detaches_and_its_playbook_is_ended(self, faults: Faults, number: int) -> None:
        hold = faults.folder / "hold"
        hold.touch()
        orch = faults.orch
        process = orch.start("run", "held")
        at_work = int(wait_for(lambda: faults.lines("waiting"), "the playbook to run")[0])
        process.send_signal(number)
        said = ended(process, 128 + number)
        execution = orch.executions()[0]
        assert execution["status"] == "interrupted"
        assert f"orch executions resume {execution['id']}" in said
        wait_for(lambda: not alive(at_work), "the playbook to be gone", 20)
        assert processes_of(orch.home / "runs") == []
        hold.unlink()
        faults.resumed()
        assert faults.lines("trace") == ["A", "B"]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_run_leaves_its_job_alone(self, deployed: Workflow, orch: Orch, number: int) -> None:
        hold = deployed.hold()
        process, program = running(deployed, orch)
        process.send_signal(number)
        assert "jobs of execution" in ended(process, 128 + number)
        assert alive(program)
        hold.unlink()
        resumed(orch)
        deployed.check()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_a_worker_leaves_its_executions(self, faults: Faults, number: int) -> None:
        hold = faults.folder / "hold"
        hold.touch()
        orch = faults.orch
        orch("run", "held", "--detach")
        process = orch.start("worker")
        at_work = int(wait_for(lambda: faults.lines("waiting"), "the playbook to run")[0])
        process.send_signal(number)
        assert "stopped; 1 execution left for other workers" in ended(process, 128 + number)
        wait_for(lambda: not alive(at_work), "the playbook to be gone", 20)
        hold.unlink()
        faults.resumed()
        assert faults.lines("trace") == ["A", "B"]

    def test_a_closed_terminal(self, faults: Faults) -> None:
        hold = faults.folder / "hold"
        hold.touch()
        orch = faults.orch
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(orch.folder)
            os.execve(sys.executable, [sys.executable, "-m", "orchestrator", "run", "held"], orch.environment())
        at_work = int(wait_for(lambda: faults.lines("waiting"), "the playbook to run")[0])
        os.close(terminal)  # the kernel sends SIGHUP
        _, raw = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(raw) == 128 + signal.SIGHUP
        wait_for(lambda: not alive(at_work), "the playbook to be gone", 20)
        assert orch.executions()[0]["status"] == "interrupted"
        hold.unlink()
        faults.resumed()
        assert faults.lines("trace") == ["A", "B"]
