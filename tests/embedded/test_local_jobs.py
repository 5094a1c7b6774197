"""Jobs of the site local: their words, their scripts, their Python and their variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
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
