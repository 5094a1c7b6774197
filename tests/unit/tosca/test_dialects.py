"""What the dialects write differently: short names of types, requirements in older notations."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.topology import Topology
from orchestrator.tosca.reader import read_text

ALIEN = """
metadata: { template_name: t, template_version: 1.0.0, template_author: x }
imports: [ "tosca-normative-types:1.0.0-ALIEN20" ]
"""


def read(text: str, version: str) -> Topology:
    reading = read_text(f"tosca_definitions_version: {version}\n{text}", "t.yaml", Path("/nowhere"))
    assert reading.topology is not None
    assert [str(problem) for problem in reading.problems] == []
    return reading.topology


@pytest.mark.parametrize(
    ("version", "written", "meant"),
    [
        ("tosca_simple_yaml_1_3", "tosca:BlockStorage", "tosca.nodes.Storage.BlockStorage"),
        ("tosca_simple_yaml_1_3", "BlockStorage", "tosca.nodes.Storage.BlockStorage"),
        ("tosca_simple_yaml_1_2", "ObjectStorage", "tosca.nodes.Storage.ObjectStorage"),
        ("tosca_simple_yaml_1_3", "Storage.ObjectStorage", "tosca.nodes.Storage.ObjectStorage"),
        ("tosca_simple_yaml_1_0", "tosca:BlockStorage", "tosca.nodes.BlockStorage"),
        ("tosca_simple_yaml_1_1", "ObjectStorage", "tosca.nodes.ObjectStorage"),
        ("tosca_simple_yaml_1_0", "tosca:Network", "tosca.nodes.network.Network"),
        ("tosca_simple_yaml_1_3", "Network", "tosca.nodes.network.Network"),
        ("tosca_simple_yaml_1_3", "tosca.nodes.BlockStorage", "tosca.nodes.BlockStorage"),
        ("alien_dsl_3_0_0", "Network", "tosca.nodes.Network"),
        ("alien_dsl_2_0_0", "BlockStorage", "tosca.nodes.BlockStorage"),
    ],
)
def test_a_short_name_means_what_its_version_says(version: str, written: str, meant: str) -> None:
    needed = "size: 1 GB" if "Block" in written else "name: data" if "Object" in written else ""
    if meant.startswith("tosca.nodes.Storage.Block"):
        needed += ", name: data"
    body = f"topology_template: {{ node_templates: {{ s: {{ type: '{written}', properties: {{ {needed} }} }} }} }}"
    topology = read(body if "alien" not in version else ALIEN + body, version)
    assert topology.node_templates["s"].type == meant


def test_a_short_name_goes_by_the_document_that_it_is_in(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_0\n"
        "node_types: { x.Old: { derived_from: tosca:BlockStorage } }\n"
    )
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\nimports: [ old.yaml ]\n"
        "node_types: { x.New: { derived_from: tosca:BlockStorage } }\n"
    )
    reading = read_text(text, "t.yaml", tmp_path)
    assert reading.topology is not None
    assert reading.problems == ()
    assert reading.topology.node_types["x.New"].lineage[1] == "tosca.nodes.Storage.BlockStorage"
    found = read_text(text + "topology_template: { node_templates: { n: { type: x.Old } } }", "t.yaml", tmp_path)
    assert found.topology is not None
    assert found.topology.node_templates["n"].lineage[1] == "tosca.nodes.BlockStorage"


@pytest.mark.parametrize(
    ("written", "capability", "node", "relationship", "occurrences"),
    [
        (
            "{ host: tosca.capabilities.Container, relationship: tosca.relationships.HostedOn, occurrences: [ 1, 1 ] }",
            "tosca.capabilities.Container",
            None,
            "tosca.relationships.HostedOn",
            (1, 1),
        ),
        (
            "{ host: tosca.nodes.Compute, type: tosca.relationships.HostedOn, lower_bound: 0 }",
            "tosca.capabilities.Container",
            "tosca.nodes.Compute",
            "tosca.relationships.HostedOn",
            (0, 1),
        ),
        (
            "{ db: tosca.capabilities.Endpoint, type: tosca.relationships.ConnectsTo, upper_bound: UNBOUNDED }",
            "tosca.capabilities.Endpoint",
            None,
            "tosca.relationships.ConnectsTo",
            (1, None),
        ),
        (
            "{ other: tosca.nodes.Root, lower_bound: 0, upper_bound: 3 }",
            "tosca.capabilities.Node",
            "tosca.nodes.Root",
            None,
            (0, 3),
        ),
        ("{ host: tosca.capabilities.Container }", "tosca.capabilities.Container", None, None, (1, 1)),
    ],
)
def test_requirements_with_keynames_beside_their_name(
    written: str, capability: str, node: str | None, relationship: str | None, occurrences: tuple[int, int | None]
) -> None:
    types = f"{ALIEN}\nnode_types: {{ my.A: {{ derived_from: tosca.nodes.Root, requirements: [ {written} ] }} }}"
    (found,) = (
        r for name, r in read(types, "alien_dsl_1_3_0").node_types["my.A"].requirements.items() if name != "dependency"
    )
    assert (found.capability, found.node, found.relationship, found.occurrences) == (
        capability,
        node,
        relationship,
        occurrences,
    )


def test_keynames_beside_a_name_stay_a_mistake_in_the_simple_profile() -> None:
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\nnode_types: { my.A: { derived_from: tosca.nodes.Root, "
        "requirements: [ { host: tosca.capabilities.Compute, occurrences: [ 1, 1 ] } ] } }"
    )
    assert [p.code for p in read_text(text, "t.yaml", Path("/nowhere")).problems][:1] == ["T0207"]
