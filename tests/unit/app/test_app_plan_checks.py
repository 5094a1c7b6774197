"""Steps that cannot be carried out are refused before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.plan_checks import address_problems, refuse_impossible_steps
from orchestrator.errors import UserError
from orchestrator.model.topology import Topology
from orchestrator.planning import plan_workflow
from orchestrator.tosca import read_text

STANDARD = "tosca.interfaces.node.lifecycle.Standard"


def topology(folder: Path, machine: str, program: str = "create: a.sh, stop: gone.sh", more: str = "") -> Topology:
    (folder / "a.sh").write_text("")
    text = f"""
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  my.Machine:
    derived_from: tosca.nodes.Compute
    attributes: {{ addr: {{ type: string }} }}
    interfaces: {{ Standard: {{ type: {STANDARD}, operations: {{ {machine} }} }} }}
  my.Program:
    derived_from: tosca.nodes.SoftwareComponent
    interfaces: {{ Standard: {{ type: {STANDARD}, operations: {{ {program} }} }} }}
topology_template:
  node_templates:
    Machine: {{ type: my.Machine{more} }}
    Program: {{ type: my.Program, requirements: [ host: Machine ] }}
"""
    found = read_text(text, "t.yaml", folder)
    assert found.topology is not None
    assert not found.has_errors, found.problems
    return found.topology


ADDRESS = ", capabilities: { endpoint: { attributes: { ip_address: 10.0.0.7 } } }"


@pytest.mark.parametrize(
    ("machine", "program", "more"),
    [
        ("create: a.sh", "create: a.sh", ADDRESS),
        ("create: { implementation: a.sh, outputs: { A: [ SELF, endpoint, ip_address ] } }", "create: a.sh", ""),
        ("create: a.sh", "create: { implementation: { primary: a.sh, operation_host: ORCHESTRATOR } }", ""),
        ("create: a.sh", "create: { inputs: { x: 1 } }", ""),
    ],
)
def test_a_machine_that_can_have_an_address(tmp_path: Path, machine: str, program: str, more: str) -> None:
    described = topology(tmp_path, machine, program, more)
    assert list(address_problems(described)) == []
    refuse_impossible_steps(described, plan_workflow(described, "install"))


@pytest.mark.parametrize(
    "machine", ["create: a.sh", "create: { implementation: a.sh, outputs: { A: [ SELF, addr ] } }"]
)
def test_a_machine_that_can_have_none(tmp_path: Path, machine: str) -> None:
    described = topology(tmp_path, machine, "create: a.sh")
    (problem,) = address_problems(described)
    assert (problem.code, problem.message) == ("T0512", "Program is to be worked on at Machine, which has no address")
    with pytest.raises(UserError, match="Program is to be worked on at Machine, which has no address"):
        refuse_impossible_steps(described, plan_workflow(described, "install"))


def test_a_file_that_is_not_there_is_missed_by_the_workflow_that_calls_it(tmp_path: Path) -> None:
    described = topology(tmp_path, "create: a.sh", more=ADDRESS)
    refuse_impossible_steps(described, plan_workflow(described, "install"))
    with pytest.raises(
        UserError, match=r"Program: Standard\.stop: the file 'gone\.sh' that implements it is not there"
    ):
        refuse_impossible_steps(described, plan_workflow(described, "uninstall"))
