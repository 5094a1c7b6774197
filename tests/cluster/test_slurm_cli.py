"""The command line and a real Slurm: runs of two users, ends of jobs, kills and outages, texts that mean harm."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.cluster import Account, Cluster
from support.orch import EXAMPLE, TEXT, Orch, wait_for

TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: {template_name: jobs, template_version: 1.0.0, template_author: tests}
imports: [eflows4hpc.env:1.1.0, yorc-slurm-types:1.1.0]
topology_template:
  node_templates:
    Site:
      type: eflows4hpc.env.nodes.AbstractEnvironment
    Job:
      type: orch.nodes.SlurmJob
      properties:
        command: /bin/sh
        arguments: [-c, "${program}", "${word}"]
        environment: {WORD: "${word}"}
        mem_per_node: 50M
        time: "${time}"
        array: "${array}"
        dependency: "${dependency}"
        partition: "${partition}"
        constraint: "${constraint}"
      requirements:
        - environment: Site
  workflows:
    go:
      inputs:
        program: {type: string}
        word: {type: string, default: word}
        qos: {type: string, default: ""}
        time: {type: string, default: ""}
        array: {type: string, default: ""}
        dependency: {type: string, default: ""}
        partition: {type: string, default: ""}
        constraint: {type: string, default: ""}
      steps:
        job:
          target: Job
          activities:
            - call_operation: Runnable.submit
            - call_operation: Runnable.run
"""
HOSTILE = ["; rm -rf ~", "$(touch ~/pwned)", "`touch ~/pwned`", "x' 'y\"; touch ~/pwned #", "--wrap=touch ~/pwned"]


class Bed:
    """One home of orch with the cluster as its site, and its jobs there."""

    def __init__(self, folder: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self.orch = Orch(folder)
        self.folder = folder
        self.orch.home.mkdir(parents=True)
        self.keys = {account.user: self._key(account) for account in (cluster.first, cluster.second)}
        (self.orch.home / "sites.yaml").write_text(cluster.site("bed", self.keys[cluster.user]))
        self._seen = set(self._jobs_of_slurm())

    def _key(self, account: Account) -> str:
        """A key that orch makes for a user; the public one goes to the cluster."""
        made = self.orch.json("ssh-keys", "generate", "--name", account.user)
        with (Path(account.home) / ".ssh" / "authorized_keys").open("a") as file:
            file.write(made["public_key"].strip() + "\n")
        return str(made["id"])

    def arguments(self, **inputs: Any) -> list[str]:
        words = ["run", "go", "--deployment", "jobs"]
        return words + [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]

    def run(self, status: int | None = 0, **inputs: Any) -> subprocess.CompletedProcess[str]:
        return self.orch(*self.arguments(**inputs), status=status)

    def latest(self) -> dict[str, Any]:
        return self.orch.executions()[0]

    def traces(self, name: str) -> Path:
        """A file at the cluster to which jobs write."""
        return Path(self.cluster.home) / f"{self.folder.name}-{name}"

    def _jobs_of_slurm(self) -> list[tuple[str, str]]:
        """Ids and names of all the jobs that Slurm has ever had, of both users; an array counts once."""
        users = f"{self.cluster.first.user},{self.cluster.second.user}"
        said = self.cluster.slurm("squeue", "-h", "-t", "all", "-u", users, "-o", "%F|%j")
        return sorted({(line.split("|")[0], line.split("|")[1]) for line in said.splitlines()})

    def submitted(self) -> Counter[str]:
        """How often each job of this home was submitted."""
        return Counter(name for number, name in self._jobs_of_slurm() if (number, name) not in self._seen)


@pytest.fixture(scope="module")
def bed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    keys = [Path(a.home) / ".ssh" / "authorized_keys" for a in (cluster.first, cluster.second)]
    before = [file.read_text() for file in keys]
    made = Bed(tmp_path_factory.mktemp("slurm") / f"bed-{uuid.uuid4().hex[:8]}", cluster)
    (made.folder / "jobs.yaml").write_text(TOPOLOGY)
    made.orch("deploy", made.folder / "jobs.yaml", "--site", "bed")
    yield made
    made.orch.stop()
    cluster.slurm("scancel", "--user", cluster.first.user)
    for file, text in zip(keys, before, strict=True):
        file.write_text(text)
    for account in (cluster.first, cluster.second):
        for path in Path(account.home).glob(f"{made.folder.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module", autouse=True)
def limited(bed: Bed) -> subprocess.Popen[str]:
    """A run whose job has a minute and needs more: begun first, looked at last."""
    return bed.orch.start(*bed.arguments(program="sleep 600", time="1"))


def begun(bed: Bed, process: subprocess.Popen[str]) -> tuple[str, str]:
    """The execution that a process has begun, and the id that Slurm has given its job, when that is under way."""

    def found() -> tuple[str, str] | None:
        assert process.poll() is None, process.communicate()[0]
        latest = bed.latest()["id"]
        running = bed.cluster.slurm("squeue", "-h", "-t", "R", "-o", "%i|%j").splitlines()
        return next(((latest, job.split("|")[0]) for job in running if f"|{latest}-Job" in job), None)

    answer: tuple[str, str] = wait_for(found, "the running job")
    return answer


@pytest.fixture(scope="module")
def deployed(bed: Bed) -> Bed:
    text = bed.folder / "data.txt"
    text.write_text(TEXT)
    bed.orch("catalogue", "add", text, "--oid", "text")
    images = bed.cluster.state / "shared"
    images.mkdir(exist_ok=True)
    images.chmod(0o1777)
    more = ["-i", f"container_image_transfer_directory={images}"]
    bed.orch("deploy", EXAMPLE / "topology.yaml", "--site", "bed", *more)
    return bed


class TestMinimalWorkflow:
    def test_two_users_at_the_same_time(self, deployed: Bed) -> None:
        bed, before = deployed, len(deployed.orch.json("catalogue", "list"))
        accounts = [bed.cluster.first, bed.cluster.second]

        def run(account: Account) -> None:
            folder = f"{account.home}/{bed.folder.name}"
            inputs = {
                "oid": "text",
                "staged_in_data_path": f"{folder}/in",
                "result_data_path": f"{folder}/out",
                "block_size": 100,
                "user_id": account.user,
                "vault_id": bed.keys[account.user],
            }
            words = [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]
            bed.orch("run", "exec_job", "--deployment", "minimal_workflow", *words)

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(run, accounts))
        for account in accounts:
            result = Path(account.home, bed.folder.name, "out", "result.txt")
            assert result.owner() == account.user
            counting = [sys.executable, str(EXAMPLE / "count_words.py"), str(bed.folder / "data.txt"), str(result)]
            assert subprocess.run(counting).returncode == 0
            jobs = bed.cluster.slurm("squeue", "-h", "-t", "all", "-u", account.user, "-o", "%j|%T").splitlines()
            mine = [job for job in jobs if job.split("|")[0] in bed.submitted() and "PyCOMPSJob" in job]
            assert [job.split("|")[1] for job in mine] == ["COMPLETED"]
        assert len(bed.orch.json("catalogue", "list")) == before + 2

    def test_the_private_keys_are_in_no_file(self, deployed: Bed) -> None:
        bed = deployed
        store = [path for path in bed.orch.home.rglob("*") if path.is_file()]
        homes = [Path(a.home) / bed.folder.name for a in (bed.cluster.first, bed.cluster.second)]
        homes += [Path(a.home) / ".orch" for a in (bed.cluster.first, bed.cluster.second)]
        there = [path for home in homes for path in home.rglob("*") if path.is_file()]
        assert there
        for path in [*store, *there]:
            assert b"OPENSSH PRIVATE KEY" not in path.read_bytes(), path


class TestEnds:
    def test_completed_with_its_output(self, bed: Bed) -> None:
        done = bed.orch(*bed.arguments(program='echo "got $0 $WORD"', word="a  b"), "--verbose")
        assert "got a  b a  b" in done.stdout + done.stderr

    def test_failed(self, bed: Bed) -> None:
        done = bed.run(status=1, program="echo 'no such data' >&2; exit 3")
        assert "exit code 3" in done.stderr
        assert "no such data" in done.stderr

    def test_cancelled_from_another_terminal(self, bed: Bed) -> None:
        process = bed.orch.start(*bed.arguments(program="sleep 600"))
        execution, number = begun(bed, process)
        bed.orch("executions", "cancel", execution)
        assert process.wait(60) == 1
        assert bed.cluster.slurm("squeue", "-h", "-t", "all", "-j", number, "-o", "%T") == "CANCELLED"
        assert bed.latest()["status"] == "cancelled"

    def test_cancelled_by_somebody_else(self, bed: Bed) -> None:
        process = bed.orch.start(*bed.arguments(program="sleep 600"))
        _, number = begun(bed, process)
        bed.cluster.slurm("scancel", number)
        assert process.wait(60) == 1
        assert process.stdout is not None
        assert "cancelled" in process.stdout.read()

    def test_an_array(self, bed: Bed) -> None:
        traces = bed.traces("array")
        bed.run(program=f"echo $SLURM_ARRAY_TASK_ID >>{traces}", array="1-9:2")
        assert sorted(traces.read_text().split()) == ["1", "3", "5", "7", "9"]
        done = bed.run(status=1, program="test $SLURM_ARRAY_TASK_ID != 2", array="0-3")
        assert "3 completed, 1 failed" in done.stderr

    def test_a_dependency_that_never_comes(self, bed: Bed) -> None:
        bed.run(status=1, program="exit 1")
        failed = bed.orch.json("executions", "show", bed.latest()["id"])["jobs"][0]["id"]
        done = bed.run(status=1, program="true", dependency=f"afterok:{failed}")
        assert "DependencyNeverSatisfied" in done.stderr

    @pytest.mark.parametrize(
        ("name", "said"), [("qos", "Invalid qos"), ("partition", "invalid partition"), ("constraint", "feature")]
    )
    def test_what_slurm_refuses_is_shown(self, bed: Bed, name: str, said: str) -> None:
        done = bed.run(status=1, program="true", **{name: "nope"})
        assert "refused the job: sbatch: error:" in done.stderr
        assert said in done.stderr


class TestHarm:
    @pytest.mark.parametrize("text", HOSTILE)
    def test_a_text_is_a_text(self, bed: Bed, text: str) -> None:
        """In an argument, in the environment and in the program's own words."""
        traces = bed.traces(f"hostile-{HOSTILE.index(text)}")
        bed.run(program=f'printf "%s\\n%s\\n" "$0" "$WORD" >{traces}', word=text)
        assert traces.read_text() == f"{text}\n{text}\n"
        self.check(bed)

    @pytest.mark.parametrize("name", ["qos", "time", "array", "dependency", "partition", "constraint"])
    def test_options_are_refused(self, bed: Bed, name: str) -> None:
        done = bed.run(status=1, program="true", **{name: f"x{HOSTILE[0]}; {HOSTILE[1]} {HOSTILE[2]}"})
        assert "Traceback" not in done.stderr
        # what orch can read is refused before anything is submitted; what a constraint may be, only the cluster knows
        said = "refused the job" if name == "constraint" else f"Job: {name} cannot be"
        assert said in done.stderr
        self.check(bed)

    def check(self, bed: Bed) -> None:
        assert not (Path(bed.cluster.home) / "pwned").exists()
        assert (Path(bed.cluster.home) / ".ssh" / "authorized_keys").exists()


class TestKills:
    @pytest.mark.parametrize("place", ["submit.before:Job", "submit.after:Job", "watch.running:Job", "watch.ended:Job"])
    def test_at_a_place(self, bed: Bed, place: str) -> None:
        traces = bed.traces(place.replace(":", "-"))
        go = traces.with_name(f"{traces.name}-go")
        if place != "watch.running:Job":
            go.touch()
        words = bed.arguments(program=f"echo once >>{traces}; until [ -e {go} ]; do sleep 0.1; done")
        bed.orch(*words, status=-signal.SIGKILL, ORCH_KILL_AT=place)
        go.touch()
        bed.orch("executions", "resume", bed.latest()["id"])
        assert traces.read_text() == "once\n"
        assert set(bed.submitted().values()) == {1}

    def test_at_any_moment(self, bed: Bed) -> None:
        """Between sbatch and the note of its answer, too: the later runs are killed around the submission."""
        chance = random.Random(7)
        for turn in range(4):
            traces = bed.traces(f"random-{turn}")
            known = bed.latest()["id"]
            submitted = sum(bed.submitted().values())
            process = bed.orch.start(*bed.arguments(program=f"echo once >>{traces}"))
            wait_for(lambda known=known: bed.latest()["id"] != known, "the execution")  # type: ignore[misc]
            if turn % 2:
                wait_for(lambda n=submitted: sum(bed.submitted().values()) > n, "the job")  # type: ignore[misc]
            threading.Event().wait(chance.uniform(0, 0.3 if turn % 2 else 1.5))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            execution = bed.latest()
            if execution["status"] != "done":
                bed.orch("executions", "resume", execution["id"])
            assert traces.read_text() == "once\n"
        assert set(bed.submitted().values()) == {1}


class TestOutages:
    def test_slurm_and_the_login_node_go_away_during_a_run(self, bed: Bed) -> None:
        traces = bed.traces("outage")
        process = bed.orch.start(*bed.arguments(program=f"sleep 5; echo once >>{traces}"))
        begun(bed, process)
        try:
            bed.cluster.stop("slurmctld")
            bed.cluster.stop("sshd")
            threading.Event().wait(15)  # so long they are away
            assert process.poll() is None
        finally:
            bed.cluster.up()
        assert process.wait(90) == 0
        assert traces.read_text() == "once\n"
        assert set(bed.submitted().values()) == {1}

    def test_a_submission_waits_for_slurm(self, bed: Bed) -> None:
        traces = bed.traces("waiting")
        bed.cluster.stop("slurmctld")
        try:
            process = bed.orch.start(*bed.arguments(program=f"echo once >>{traces}"))
            threading.Event().wait(12)  # longer than Slurm's commands take to give up
            assert process.poll() is None
        finally:
            bed.cluster.up()
        assert process.wait(90) == 0
        assert traces.read_text() == "once\n"


def test_the_time_limit(limited: subprocess.Popen[str]) -> None:
    said, _ = limited.communicate(timeout=120)
    assert limited.returncode == 1
    assert "time limit" in said
