"""Everything is checked before anything is touched; what is said to be done was done."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.orch import Orch

TYPES = """
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  my.N:
    derived_from: tosca.nodes.Root
    properties: { word: { type: string, default: one } }
    attributes: { said: { type: string, default: nothing } }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations: { create: { implementation: %s, inputs: { %s }, outputs: { SAID: [ SELF, said ] } } }
  my.Machine:
    derived_from: tosca.nodes.Compute
    attributes: { addr: { type: string } }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations: { create: { implementation: address.sh, outputs: { ADDR: [ SELF, addr ] } } }
topology_template:
  inputs: { word: { type: string, default: one } }
  node_templates:
    First: { type: my.N, properties: { word: { get_input: word } } }
    %s
  outputs: { said: { value: { get_attribute: [ First, said ] } } }
"""


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    (tmp_path / "say.sh").write_text(f"SAID=$WORD; echo >> {tmp_path}/trace\n")
    (tmp_path / "address.sh").write_text("ADDR=127.0.0.1\n")
    return tmp_path / "topology.yaml"


def said(orch: Orch) -> str:
    return str(orch.json("outputs")["said"])


WORD = "WORD: { get_property: [ SELF, word ] }"


def test_a_secret_of_an_operation_is_missed_before_anything_is_made(orch: Orch, topology: Path) -> None:
    topology.write_text(TYPES % ("say.sh", f"{WORD}, KEY: {{ get_secret: [ my/login, token ] }}", ""))
    done = orch("deploy", topology, status=None)
    assert done.returncode != 0
    assert "my/login" in done.stderr
    assert "First: Standard.create" in done.stderr
    assert orch.executions() == []
    assert not (topology.parent / "trace").exists()
    orch("secrets", "set", "my/login", "token", stdin="x\n")
    orch("deploy", topology)
    assert said(orch) == "one"


def test_a_changed_node_is_made_again_when_it_is_asked_for(orch: Orch, topology: Path) -> None:
    topology.write_text(TYPES % ("say.sh", WORD, ""))
    orch("deploy", topology)
    for more in (["--dry-run"], []):
        done = orch("deploy", topology, "-i", "word=two", *more)
        assert "Standard.create of First" in done.stderr
        assert "--recreate First" in done.stderr
        assert said(orch) == "one"
    orch("deploy", topology, "--recreate", "First")
    assert said(orch) == "two"
    assert len((topology.parent / "trace").read_text()) == 2


def test_a_machine_makes_itself(orch: Orch, topology: Path) -> None:
    machine = "Machine: { type: my.Machine, capabilities: { endpoint: { attributes: { ip_address: %s } } } }"
    topology.write_text(TYPES % ("say.sh", WORD, machine % "{ get_attribute: [ SELF, addr ] }"))
    orch("deploy", topology)
    assert {n["name"]: n["attributes"] for n in orch.json("show")["nodes"]}["Machine"]["addr"] == "127.0.0.1"


def test_playbooks_as_plain_ansible_has_them(orch: Orch, topology: Path) -> None:
    folder = topology.parent
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "all.yml").write_text("of_group: from the group\n")
    playbook = "- hosts: %s\n  gather_facts: false\n  tasks: [ set_stats: { data: { SAID: '{{ of_group }}' } } ]\n"
    (folder / "say.yml").write_text(playbook % "all")
    topology.write_text(TYPES % ("say.yml", WORD, ""))
    orch("deploy", topology)
    assert said(orch) == "from the group"
    (folder / "say.yml").write_text(playbook % "all:!hosted_operations")
    done = orch("deploy", topology, "--recreate", "First", status=1)
    assert "ran no task" in done.stdout + done.stderr
    assert "all, hosted_operations, First_0" in done.stdout + done.stderr
    (folder / "say.yml").write_text(playbook % "webservers")
    done = orch("validate", topology, status=None)
    assert done.returncode != 0
    assert "say.yml:1:10: error: no host is called 'webservers'" in done.stdout + done.stderr
