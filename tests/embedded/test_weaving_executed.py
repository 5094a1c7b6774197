"""The weaving as it is carried out: random topologies, their operations by real playbooks that note when they work."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from support.orch import Orch
from support.weaving import (
    NODE_OPERATIONS,
    RELATIONSHIP_OPERATIONS,
    Bond,
    Event,
    earlier,
    violations,
    words_of,
)

RUNNABLE = "tosca.interfaces.node.lifecycle.Runnable"
JOB_OPERATIONS = {"submit", "run", "cancel"}
CAPABILITIES = {"HostedOn": "Container", "ConnectsTo": "Endpoint", "DependsOn": "Node"}
# the lines of the file are in the order of the moments: each is appended at once
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Note the beginning and the end
      raw: echo "begin {{ event }}" >> "{{ folder }}/trace"; sleep 0.1; echo "end {{ event }}" >> "{{ folder }}/trace"
    - set_fact: { TOSCA_JOB_ID: "1", TOSCA_JOB_STATUS: COMPLETED }
"""


def operation(folder: Path, *event: str) -> dict[str, Any]:
    return {"implementation": "trace.yaml", "inputs": {"folder": str(folder), "event": " ".join(event)}}


class Woven:
    """A random topology: nodes, relationships of three types, and for each of them some operations."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        chance = random.Random(seed)
        self.nodes = [f"n{i}" for i in range(chance.randint(3, 4))]
        self.bonds: list[Bond] = []
        self.implemented: set[Event] = set()
        self.node_types: dict[str, Any] = {}
        self.relationship_types: dict[str, Any] = {}
        self.templates: dict[str, Any] = {}
        for index, name in enumerate(self.nodes):
            self._add_node(name, chance)
            for target in chance.sample(self.nodes[:index], min(index, chance.randint(0, 2))):
                self._add_bond(Bond(name, f"to_{target}", target), chance)

    def _add_node(self, name: str, chance: random.Random) -> None:
        interfaces: dict[str, Any] = {}
        for word in NODE_OPERATIONS:
            if chance.random() < 0.5:
                self.implemented.add((name, word))
                interface = RUNNABLE if word in JOB_OPERATIONS else "Standard"
                interfaces.setdefault(interface, {"operations": {}})["operations"][word] = operation(
                    self.folder, name, word
                )
        self.node_types[f"tests.nodes.{name}"] = {
            "derived_from": "org.alien4cloud.nodes.Job",
            "capabilities": {kind: {"type": f"tosca.capabilities.{of}"} for kind, of in CAPABILITIES.items()},
            "requirements": [],
            "interfaces": interfaces,
        }
        self.templates[name] = {"type": f"tests.nodes.{name}", "requirements": []}

    def _add_bond(self, bond: Bond, chance: random.Random) -> None:
        kind = chance.choice(list(CAPABILITIES))
        words = [word for word in RELATIONSHIP_OPERATIONS if chance.random() < 0.5]
        self.bonds.append(bond)
        self.implemented |= {(bond.source, bond.name, word) for word in words}
        type_name = f"tests.relationships.{bond.source}.{bond.target}"
        self.relationship_types[type_name] = {
            "derived_from": f"tosca.relationships.{kind}",
            "interfaces": {"Configure": {"operations": {w: operation(self.folder, *bond[:2], w) for w in words}}},
        }
        definition = {"capability": f"tosca.capabilities.{CAPABILITIES[kind]}", "relationship": type_name}
        self.node_types[f"tests.nodes.{bond.source}"]["requirements"].append(
            {bond.name: {**definition, "occurrences": [0, 1]}}
        )
        self.templates[bond.source]["requirements"].append({bond.name: {"node": bond.target, "capability": kind}})

    def write(self) -> Path:
        (self.folder / "trace.yaml").write_text(PLAYBOOK)
        document = {
            "tosca_definitions_version": "tosca_simple_yaml_1_3",
            "metadata": {"template_name": "woven", "template_version": "1.0.0"},
            "imports": ["tosca-normative-types:1.0.0-ALIEN20", "alien-base-types:3.0.0"],
            "node_types": self.node_types,
            "relationship_types": self.relationship_types,
            "topology_template": {"node_templates": self.templates},
        }
        file = self.folder / "topology.yaml"
        file.write_text(json.dumps(document, indent=1))  # JSON is YAML
        return file

    def _has_a_living_job(self, name: str) -> bool:
        """Whether a job of the node was submitted and nothing ever heard of its end: then undeploy cancels it."""
        words = {event[1] for event in self.implemented if event[0] == name and len(event) == 2}
        return words & {"submit", "run", "cancel"} == {"submit", "cancel"}

    def check(self, workflow: str) -> None:
        """See that what was carried out since the last look is what the workflow has to do, in its order."""
        file = self.folder / "trace"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        times: dict[str, dict[Event, int]] = {"begin": {}, "end": {}}
        for moment, line in enumerate(lines):
            what, *event = line.split()
            assert tuple(event) not in times[what], f"{workflow}: {event} was carried out twice"
            times[what][tuple(event)] = moment
        wanted = {event for event in self.implemented if event[-1] in words_of(workflow)}
        if workflow == "uninstall":
            wanted |= {(name, "cancel") for name in self.nodes if self._has_a_living_job(name)}
        assert times["begin"].keys() == times["end"].keys() == wanted
        assert violations(earlier(workflow, self.nodes, self.bonds), times["begin"], times["end"]) == [], workflow


@pytest.mark.parametrize("seed", range(3))
def test_every_rule_holds_in_what_is_carried_out(orch: Orch, tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "woven"
    folder.mkdir()
    woven = Woven(folder, seed)
    orch("deploy", woven.write())
    woven.check("install")
    for workflow in ("run", "stop", "start"):
        orch("run", workflow)
        woven.check(workflow)
    orch("undeploy")
    woven.check("uninstall")
