"""Resuming from a step, skipping steps, cancelling one step, outputs of workflows, what the log is asked for."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.orch import Orch, Workflow, wait_for

SOURCE = Path(__file__).with_name("resume")


class Place:
    """A deployed topology of one's own, and the folder where its steps leave their traces."""

    def __init__(self, orch: Orch, folder: Path) -> None:
        self.orch = orch
        self.topology = folder / "topology"
        shutil.copytree(SOURCE, self.topology)
        self.playbook = self.topology / "playbooks" / "work.yaml"
        self.folder = folder / "traces"
        self.folder.mkdir()
        orch("secrets", "set", "resume", "key", stdin="canary-7f3a\n")
        orch("deploy", self.topology / "topology.yaml", "-i", f"folder={self.folder}")

    def trace(self) -> list[str]:
        """The nodes that have worked, in order."""
        file = self.folder / "trace"
        return [line.split()[0] for line in file.read_text().splitlines()] if file.exists() else []

    def let(self, *names: str) -> None:
        for name in names:
            (self.folder / name).unlink()

    def make(self, *names: str) -> None:
        for name in names:
            (self.folder / name).touch()

    def states(self, execution: str) -> dict[str, str]:
        return {step["id"]: step["state"] for step in self.shown(execution)["steps"]}

    def shown(self, execution: str = "") -> dict[str, Any]:
        found: dict[str, Any] = self.orch.json("executions", "show", *([execution] if execution else []))
        return found

    def begun(self, workflow: str, *nodes: str) -> tuple[subprocess.Popen[str], str]:
        """A run in the background of which some nodes are at work; its execution."""
        process = self.orch.start("run", workflow)
        wait_for(lambda: set(nodes) <= set(self.trace()), f"{nodes} to work")
        return process, str(self.orch.executions()[0]["id"])


@pytest.fixture
def place(orch: Orch, tmp_path: Path) -> Place:
    return Place(orch, tmp_path)


def test_only_what_has_changed_is_done_again(place: Place, orch: Orch) -> None:
    said = orch("run", "chain").stdout
    assert "OUTPUT" in said
    execution = place.shown()
    assert execution["outputs"] == {"said": "nothing" * 3, "key": "***"}
    run = execution["id"]

    told = orch("executions", "resume", run, "--from", "first").stdout
    assert place.trace() == list("ABCA")
    assert "not done again, because nothing had changed for them: second, third" in told
    assert "unchanged: not repeated" in orch("executions", "logs", run, "--step", "second").stdout

    (place.folder / "value-A").write_text("something")
    said = orch("executions", "resume", run, "--from", "first").stdout
    assert place.trace() == list("ABCAABC")
    assert "not done again" not in said
    assert place.shown(run)["outputs"]["said"] == "nothingnothingsomething"
    assert place.shown(run)["attempt"] == 3

    # a named step is done whatever is the same; what is before it is not
    orch("executions", "resume", run, "--from", "second", "--from", "third")
    assert place.trace() == list("ABCAABCBC")

    place.playbook.write_text(place.playbook.read_text() + "# mended\n")
    orch("executions", "resume", run, "--from", "first")
    assert place.trace() == list("ABCAABCBCABC")
    # a secret that a workflow gives out is nowhere
    assert b"canary-7f3a" not in b"".join(file.read_bytes() for file in orch.home.glob("*.sqlite*"))


def test_what_has_changed_since_is_said_with_what_to_do(place: Place, orch: Orch) -> None:
    place.make("fail-B")
    orch("run", "chain", status=1)
    run = orch.executions()[0]["id"]
    assert "has changed since" not in orch("executions", "resume", run, status=1).stderr
    topology = place.topology / "topology.yaml"
    was = topology.read_text()

    place.playbook.write_text(place.playbook.read_text() + "# another\n")
    topology.write_text(was + "\n# nothing else\n")
    said = " ".join(orch("executions", "resume", run, status=1).stderr.split())
    assert f"{place.playbook} has changed since first was done with it" in said
    assert f"orch executions resume {run} --from first" in said
    assert "topology.yaml has changed" not in said

    topology.write_text(was.replace("folder: { type: string }", "folder: { type: string, default: /nowhere }"))
    said = " ".join(orch("executions", "resume", run, "--from", "first", status=1).stderr.split())
    assert "topology.yaml has changed since it was deployed: this goes on with what was deployed" in said
    assert f"orch deploy {topology}" in said
    assert "was done with it" not in said

    topology.write_text("no: [")
    assert "cannot be read as it is now" in " ".join(orch("executions", "resume", run, status=1).stderr.split())


def test_a_mended_playbook_is_used_and_a_step_can_be_skipped(place: Place, orch: Orch) -> None:
    good = place.playbook.read_text()
    place.playbook.write_text(good.replace("shell: |", "no_such_module: |"))
    orch("run", "chain", status=1)
    run = orch.executions()[0]["id"]
    assert place.trace() == []
    place.playbook.write_text(good)
    place.make("fail-B")
    orch("executions", "resume", run, status=1)
    assert place.trace() == list("AB")

    unknown = orch("executions", "resume", run, "--skip", "secnd", status=2)
    assert "no step 'secnd'" in unknown.stderr
    assert "did you mean 'second'? its steps are: first, second, third" in unknown.stderr
    both = orch("executions", "resume", run, "--skip", "second", "--from", "second", status=2)
    assert "cannot both" in both.stderr

    orch("executions", "resume", run, "--skip", "second")
    assert place.trace() == list("ABC")
    assert place.states(run) == {"first": "done", "second": "skipped", "third": "done"}
    assert "skipped" in orch("executions", "show", run).stdout
    assert "skipped on request" in orch("executions", "logs", run).stdout

    nothing = orch("executions", "resume", run, status=2)
    assert "--from STEP" in nothing.stderr
    place.let("fail-B")
    orch("executions", "resume", run, "--from", "second")
    assert place.states(run)["second"] == "done"
    assert place.trace() == list("ABCBC")


def test_one_step_is_cancelled_while_others_go_on(place: Place, orch: Orch) -> None:
    place.make("hold-A", "hold-D")
    process, run = place.begun("beside", "A", "D")
    said = orch("executions", "cancel", run, "--step", "right")
    assert "right is cancelled" in said.stdout
    assert place.states(run) == {"left": "running", "right": "cancelled", "join": "waiting"}
    place.let("hold-A")
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert place.states(run) == {"left": "done", "right": "cancelled", "join": "waiting"}
    assert orch.executions()[0]["status"] == "cancelled"
    assert "right was cancelled by request" in orch.executions()[0]["failure"]["message"]
    late = orch("executions", "cancel", run, "--step", "left", status=2)
    assert "has ended already" in late.stderr

    place.let("hold-D")
    orch("executions", "resume", run)
    assert sorted(place.trace()) == ["A", "D", "D", "E"]


def test_on_cancel_of_a_cancelled_step_runs_and_what_has_not_begun_does_not_begin(place: Place, orch: Orch) -> None:
    place.make("hold-A", "hold-D")
    process, run = place.begun("cleaned", "A", "D")
    orch("executions", "cancel", run, "--step", "after")
    assert place.states(run)["after"] == "cancelled"
    orch("executions", "cancel", run, "--step", "right")
    wait_for(lambda: "E" in place.trace(), "the clean-up")
    place.let("hold-A")
    process.communicate(timeout=60)
    states = place.states(run)
    assert states == {"left": "done", "after": "cancelled", "right": "cancelled", "cleanup": "done"}
    assert "C" not in place.trace()
    assert orch.executions()[0]["status"] == "cancelled"


def test_a_step_is_cancelled_for_a_dead_owner(place: Place, orch: Orch) -> None:
    place.make("hold-A", "hold-D")
    process, run = place.begun("beside", "A", "D")
    process.kill()
    process.communicate()
    place.let("hold-A")
    said = orch("executions", "cancel", run, "--step", "right")
    assert "right is cancelled" in said.stdout
    assert place.states(run) == {"left": "done", "right": "cancelled", "join": "waiting"}
    assert orch.executions()[0]["status"] == "cancelled"


def test_the_job_of_a_cancelled_step_ends_and_is_submitted_anew(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process = orch.start("run", "exec_job", *deployed.arguments())
    pid = int(wait_for(deployed.trace, "the job to run")[0].split()[0])
    run = orch.executions()[0]["id"]
    orch("executions", "cancel", run, "--step", "count_words")
    process.communicate(timeout=60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert orch.executions()[0]["status"] == "cancelled"
    assert [job["state"] for job in orch.json("executions", "show", run)["jobs"]] == ["completed", "cancelled"]
    hold.unlink()
    orch("executions", "resume", run)
    assert len(deployed.trace()) == 2

    # done again from a step on: a job that has ended is submitted anew, but not those before it
    orch("executions", "resume", run, "--from", "count_words.2")
    assert len(deployed.trace()) == 3
    orch("executions", "resume", run, "--from", "count_words")
    assert len(deployed.trace()) == 4
    assert len(orch.job_folders("PyCOMPSJob")) == 4
    assert len(orch.job_folders("StageInData")) == 1
    jobs = orch.json("executions", "show", run)["jobs"]
    assert [j["state"] for j in jobs if j["node"] == "PyCOMPSJob"] == ["cancelled", *["completed"] * 3]


def test_the_running_job_of_a_step_that_is_done_again_is_cancelled_first(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process = orch.start("run", "exec_job", *deployed.arguments())
    pid = int(wait_for(deployed.trace, "the job to run")[0].split()[0])
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    again = orch.start("executions", "resume", "--from", "count_words")
    wait_for(lambda: len(deployed.trace()) == 2, "another job")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    hold.unlink()
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said
    assert len(orch.job_folders("StageInData")) == 1


def test_a_job_whose_submission_was_broken_off_is_cancelled_too(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    orch("run", "exec_job", *deployed.arguments(), status=-signal.SIGKILL, ORCH_KILL_AT="submit.after:PyCOMPSJob")
    pid = int(wait_for(deployed.trace, "the job to run")[0].split()[0])
    again = orch.start("executions", "resume", "--from", "count_words")
    wait_for(lambda: len(deployed.trace()) == 2, "another job")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    hold.unlink()
    said, _ = again.communicate(timeout=120)
    assert again.returncode == 0, said


def test_the_log_says_what_is_asked_for(place: Place, orch: Orch) -> None:
    place.make("fail-B")
    orch("run", "chain", status=1)

    def told(*words: str) -> list[dict[str, Any]]:
        lines = orch("--json", "executions", "logs", *words).stdout.splitlines()
        return [json.loads(line) for line in lines]

    assert {event["step"] for event in told("--step", "first")} == {"first"}
    assert {event["node"] for event in told("--node", "B", "--level", "debug")} == {"B"}
    assert {event["kind"] for event in told("--kind", "task", "--kind", "job", "--level", "debug")} == {"task"}
    assert {event["level"] for event in told("--level", "error")} == {"error"}
    everything = told("--level", "debug")
    assert told("--level", "debug", "--tail", "3") == everything[-3:]
    assert told("--tail", "0") == []
    assert told("--since", "1h", "--level", "debug") == everything
    assert told("--since", "2100-01-01") == []
    assert told("-f", "--tail", "2", "--level", "debug") == everything[-2:]
    assert "no step 'frist'" in orch("executions", "logs", "--step", "frist", status=2).stderr
    assert "is no time" in orch("executions", "logs", "--since", "yesterday", status=2).stderr
