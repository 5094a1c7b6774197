"""Jobs of the site local: their words, their scripts, their Python and their variables."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from embedded.test_hostile_inputs import files_with
from support.orch import Orch

HEAD = """
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ eflows4hpc.env:1.1.0, org.eflows4hpc.pycompss.plugin:1.1.0, yorc-slurm-types:1.1.0 ]
topology_template:
  inputs:
    given: { type: string, default: "" }
  node_templates:
    Site: { type: eflows4hpc.env.nodes.AbstractEnvironment }
    Job:
"""
FOOT = """
      requirements: [ environment: Site ]
  workflows:
    go:
      inputs: { word: { type: string, default: "" } }
      steps:
        job: { target: Job, activities: [ call_operation: Runnable.submit, call_operation: Runnable.run ] }
"""


def deploy(orch: Orch, job: str, *inputs: str) -> None:
    topology = orch.folder / "topology.yaml"
    topology.write_text(HEAD + job + FOOT)
    orch("deploy", topology, "--name", "it", "--site", "local", *[w for i in inputs for w in ("-i", i)])


def output(orch: Orch, *words: str, **environment: str) -> str:
    """What a job writes that is run now."""
    orch("run", "go", "--deployment", "it", *words, **environment)
    return (orch.job_folders("Job")[-1] / "output.log").read_text(errors="surrogateescape")


def program(arguments: str, path: Path) -> str:
    return f"""
      type: org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob
      properties:
        application: {{ command: {path}, arguments: {arguments} }}
"""


def test_arguments_of_the_topology_are_split_and_inputs_are_not(orch: Orch) -> None:
    (orch.folder / "program.py").write_text("import json, sys\nprint('got', json.dumps(sys.argv[1:]))\n")
    arguments = (
        "[ '--hours 1', \"--title 'two words' ${word}\", { get_input: given }, "
        "{ concat: [ '--in ', { get_input: given }, '/x -v' ] } ]"
    )
    deploy(orch, program(arguments, orch.folder / "program.py"), "given=a 'b ${word}")
    said = output(orch, "-i", "word=x 'y $(id)")
    got = json.loads(next(line for line in said.splitlines() if line.startswith("got ")).removeprefix("got "))
    title = ["--title", "two words", "x 'y $(id)"]
    assert got == ["--hours", "1", *title, "a 'b ${word}", "--in", "a 'b ${word}/x", "-v"]


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_batch_script_in_another_encoding(orch: Orch, ends: bytes) -> None:
    lines = [b"#!/bin/bash", b"# caf\xe9", b"if true; then", b"  printf '\\303\\251 \xe9'", b"fi", b""]
    (orch.folder / "script.sh").write_bytes(b"\xef\xbb\xbf" + ends.join(lines))
    job = """
      type: orch.nodes.SlurmJob
      artifacts:
        script: { file: script.sh, type: tosca.artifacts.File }
"""
    deploy(orch, job)
    assert output(orch).encode(errors="surrogateescape") == b"\xc3\xa9 \xe9"


PRINTS = """
import json, os, sys
shown, counted = ("OMP_NUM_THREADS", "SLURM_JOB_ID", "SBATCH_ACCOUNT", "SET", "TMPDIR"), ("VAULT_TOKEN", "MY_LICENCE")
found = {**{n: os.environ.get(n) for n in shown}, **{n: len(os.environ.get(n, "")) for n in counted}}
print("got", json.dumps([found, sys.executable, os.getcwd()]))
import my_science
"""


@pytest.fixture
def mine(tmp_path: Path) -> dict[str, str]:
    """The environment of a person who works in a virtual environment of their own, with a package in it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "mine")], check=True)
    (folder,) = (tmp_path / "mine" / "lib").glob("python*/site-packages")
    (folder / "my_science.py").write_text("print('imported')\n")
    activated = f"{tmp_path}/mine/bin{os.pathsep}{os.environ['PATH']}"
    return {"PATH": activated, "VIRTUAL_ENV": f"{tmp_path}/mine", "OMP_NUM_THREADS": "3", "TMPDIR": str(tmp_path)}


def got(said: str) -> list[Any]:
    lines = [line for line in said.splitlines() if line.startswith("got ")]
    found: list[Any] = json.loads(lines[-1].removeprefix("got "))
    return found


class TestThePersonsOwn:
    """Python and variables of whoever runs orch."""

    SECRETS: ClassVar = {
        "VAULT_TOKEN": "canary-of-the-vault",
        "SLURM_JOB_ID": "7",
        "SBATCH_ACCOUNT": "other",
        "MY_LICENCE": "canary-of-the-licence",
    }

    @pytest.fixture
    def job(self, orch: Orch) -> Path:
        (orch.folder / "program.py").write_text(PRINTS)
        return orch.folder / "program.py"

    @pytest.mark.parametrize("interpreter", ["", "python3", "python"])
    def test_a_program_has_the_persons_packages(
        self, orch: Orch, mine: dict[str, str], job: Path, interpreter: str
    ) -> None:
        more = f"        submission_params: {{ python_interpreter: '{interpreter}' }}\n" if interpreter else ""
        deploy(orch, program("[]", job) + more)
        said = output(orch, **mine, **self.SECRETS)
        variables, python, _ = got(said)
        assert "imported" in said
        assert python.startswith(f"{mine['VIRTUAL_ENV']}/bin/python")
        assert f"orch: Python: {mine['VIRTUAL_ENV']}/bin/python" in said
        assert variables == {
            **dict.fromkeys(["SLURM_JOB_ID", "SBATCH_ACCOUNT", "SET"]),
            **{"OMP_NUM_THREADS": "3", "TMPDIR": mine["TMPDIR"]},
            **{"VAULT_TOKEN": 0, "MY_LICENCE": len("canary-of-the-licence")},
        }
        for canary in ("canary-of-the-vault", "canary-of-the-licence"):
            assert list(files_with(orch.folder, canary)) == []

    def test_a_command_of_a_batch_job_is_the_persons(self, orch: Orch, mine: dict[str, str], job: Path) -> None:
        deploy(
            orch,
            f"\n      type: orch.nodes.SlurmJob\n      properties: {{ command: python3, arguments: [ {job} ] }}\n",
        )
        said = output(orch, **mine, **self.SECRETS)
        assert "imported" in said
        assert got(said)[0]["OMP_NUM_THREADS"] == "3"

    def test_a_site_names_more(self, orch: Orch, mine: dict[str, str], job: Path) -> None:
        orch.home.mkdir(exist_ok=True)
        (orch.home / "sites.yaml").write_text(
            "sites: { local: { environment: { SET: 'a b', OMP_NUM_THREADS: '5' }, inherit: [ VAULT_TOKEN, NONE ] } }\n"
        )
        deploy(orch, program("[]", job))
        variables, _, _ = got(output(orch, **mine, **self.SECRETS))
        assert (variables["SET"], variables["OMP_NUM_THREADS"]) == ("a b", "5")
        assert variables["VAULT_TOKEN"] == len("canary-of-the-vault")
        assert list(files_with(orch.folder, "canary-of-the-vault")) == []

    def test_orchs_own_python_where_there_is_no_other(self, orch: Orch, job: Path, tmp_path: Path) -> None:
        tools = tmp_path / "tools"
        tools.mkdir()
        for tool in ("sh", "bash", "cat"):
            (tools / tool).symlink_to(str(shutil.which(tool)))
        job.write_text(PRINTS.replace("import my_science", ""))
        deploy(orch, program("[]", job))
        assert got(output(orch, PATH=str(tools)))[1] == sys.executable


def test_a_working_directory_of_the_program(orch: Orch) -> None:
    (orch.folder / "program.py").write_text(PRINTS.replace("import my_science", ""))
    there = f"{orch.folder}/there"
    options = f"        submission_params: {{ extra_compss_opts: '--master_working_dir={there} --qos=x' }}\n"
    deploy(orch, program("[]", orch.folder / "program.py") + options)
    said = output(orch)
    assert got(said)[2] == there
    assert "master_working_dir" not in said


def test_a_shell_script_is_no_program(orch: Orch) -> None:
    (orch.folder / "program").write_text("#!/bin/bash\necho hi\n")
    deploy(orch, program("[]", orch.folder / "program"))
    said = orch("run", "go", "--deployment", "it", status=1)
    assert "is a script for /bin/bash, and a PyCOMPSs job runs a Python program" in said.stdout + said.stderr
