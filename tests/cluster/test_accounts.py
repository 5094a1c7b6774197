"""Accounts of a real cluster: other login shells, such that speak, variables of Slurm, scripts of other editors."""

from __future__ import annotations

import json
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import debian_program
from support.cluster import Cluster
from support.orch import Orch

TOPOLOGY = """
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ eflows4hpc.env:1.1.0, yorc-slurm-types:1.1.0, dls.ansible:1.3.0 ]
topology_template:
  node_templates:
    Site: { type: eflows4hpc.env.nodes.AbstractEnvironment }
    Job:
      type: orch.nodes.SlurmJob
      properties:
        command: /bin/sh
        arguments: [ -c, "${program}" ]
        mem_per_node: "${mem}"
      requirements: [ environment: Site ]
    Script:
      type: orch.nodes.SlurmJob
      artifacts: { script: { file: script.sh, type: tosca.artifacts.File } }
      requirements: [ environment: Site ]
    Out:
      type: dls.ansible.nodes.DLSDAGStageOutData
      properties: { dag_id: stage_out, input_name_for_source_path: source }
      requirements: [ environment: Site ]
  workflows:
    go:
      inputs: { program: { type: string }, mem: { type: string, default: 50M } }
      steps: { s: { target: Job, activities: [ call_operation: Runnable.submit, call_operation: Runnable.run ] } }
    script:
      steps: { s: { target: Script, activities: [ call_operation: Runnable.submit, call_operation: Runnable.run ] } }
    out:
      inputs: { source: { type: string } }
      steps: { s: { target: Out, activities: [ call_operation: Runnable.submit, call_operation: Runnable.run ] } }
"""
LINES = (
    b"#!/bin/bash",
    b"#SBATCH --time=00:07:00",
    b"# caf\xe9",
    b"scontrol show job \"$SLURM_JOB_ID\" | grep -o 'TimeLimit=[^ ]*'",
    b"",
)
SCRIPT = b"\xef\xbb\xbf" + b"\r\n".join(LINES)


class Bed:
    """One home of orch with the cluster as its site, for its first user."""

    def __init__(self, orch: Orch, cluster: Cluster) -> None:
        self.orch, self.cluster = orch, cluster
        orch.home.mkdir()
        (orch.home / "sites.yaml").write_text(cluster.site("bed", "bed"))
        orch("secrets", "set", "ssh-credentials/bed", "privateKey=@-", stdin=cluster.key)
        (orch.folder / "script.sh").write_bytes(SCRIPT)
        (orch.folder / "t.yaml").write_text(TOPOLOGY)
        orch("deploy", orch.folder / "t.yaml", "--name", "jobs", "--site", "bed")

    def run(self, workflow: str, status: int = 0, **inputs: str) -> str:
        words = [word for name, value in inputs.items() for word in ("-i", f"{name}={value}")]
        done = self.orch("run", workflow, "--deployment", "jobs", *words, status=status)
        return done.stdout + done.stderr

    def logs(self, workflow: str, **inputs: str) -> str:
        self.run(workflow, **inputs)
        return self.orch("executions", "logs").stdout

    def checks(self) -> dict[str, dict[str, object]]:
        found = self.orch("--json", "sites", "check", "bed", status=None).stdout
        return {row["check"]: row for row in json.loads(found)}


@pytest.fixture
def bed(orch: Orch, cluster: Cluster) -> Bed:
    return Bed(orch, cluster)


@contextmanager
def login_shell(user: str, path: str) -> Iterator[None]:
    """The user's login shell is another one."""
    before = pwd.getpwnam(user).pw_shell
    subprocess.run(["usermod", "-s", path, user], check=True)
    try:
        yield
    finally:
        subprocess.run(["usermod", "-s", before, user], check=True)


@contextmanager
def startup(cluster: Cluster, **texts: str) -> Iterator[None]:
    """Startup files of the first user with such texts at their top."""
    kept = {}
    for name, text in texts.items():
        file = Path(cluster.home) / f".{name}"
        kept[file] = file.read_bytes() if file.exists() else None
        file.write_bytes(text.encode() + b"\n" + (kept[file] or b""))
        shutil.chown(file, cluster.user)
    try:
        yield
    finally:
        for file, content in kept.items():
            if content is None:
                file.unlink()
            else:
                file.write_bytes(content)


@pytest.fixture
def odd(cluster: Cluster, orch: Orch) -> Iterator[Path]:
    """A folder at the cluster whose name other shells would make something of, with links in it."""
    above = Path(cluster.home) / orch.folder.name
    folder = above / "a!b dir's"
    (folder / "empty").mkdir(parents=True)
    (folder / "f.txt").write_text("x\n")
    (folder / "latest").symlink_to("f.txt")
    yield folder
    shutil.rmtree(above)


def test_a_user_of_tcsh(bed: Bed, cluster: Cluster, odd: Path) -> None:
    with login_shell(cluster.user, debian_program("tcsh", "tcsh")):
        rows = bed.checks()
        assert {name for name, row in rows.items() if row["right"] is False} == set()
        assert f"{cluster.home}/.orch: " in str(rows["folder"]["found"])
        assert "it's !! $HOME\n" in bed.logs("go", program="echo \"it's !! \"'$HOME'")
        bed.run("out", source=str(odd))
    (record,) = bed.orch.json("catalogue", "list")
    stored = bed.orch.home / "catalogue" / "data" / record["oid"]
    assert {str(path.relative_to(stored)) for path in stored.rglob("*")} == {"empty", "f.txt", "latest"}


@pytest.mark.parametrize("text", ["printf '\\033]0;%s@login\\007' me", "echo Welcome; echo 'Quota: 3 GB' >&2"])
def test_a_login_shell_that_speaks(bed: Bed, cluster: Cluster, text: str) -> None:
    with startup(cluster, bashrc=text, profile=text):
        rows = bed.checks()
        assert rows["files"]["right"] is False
        assert "internal-sftp" in str(rows["files"]["remedy"])
        assert (rows["login"]["right"], rows["scheduler"]["right"], rows["job"]["right"]) == (True, True, True)
        said = bed.run("go", 1, program="echo hi")
        assert "SFTP" in said
        assert "E9000" not in said
    assert "hi" in bed.logs("go", program="echo hi")


def test_variables_of_slurm_say_nothing(bed: Bed, cluster: Cluster) -> None:
    told = "export SBATCH_TIMELIMIT=nonsense SQUEUE_PARTITION=none SQUEUE_STATES=PENDING SACCT_FORMAT=x SLURM_JOB_ID=7"
    with startup(cluster, bashrc=told, profile=told):
        assert "done as 1\n" in bed.logs("go", program='echo "done as ${SLURM_NNODES:-0}"')


@pytest.mark.parametrize(
    ("size", "wanted"), [("1 GB", "954"), ("1.5 GB", "1431"), ("512 MiB", "512"), ("1.5G", "1536")]
)
def test_sizes_as_tosca_has_them(bed: Bed, size: str, wanted: str) -> None:
    assert f"memory {wanted}\n" in bed.logs("go", mem=size, program='echo "memory $SLURM_MEM_PER_NODE"')


def test_a_batch_script_of_another_editor(bed: Bed) -> None:
    assert "TimeLimit=00:07:00" in bed.logs("script")
