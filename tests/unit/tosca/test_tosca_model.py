"""What the model keeps besides what is carried out: notifications, schemas of keys, filters, types of every kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from orchestrator.app.policies import POLICY_TYPE, with_policies
from orchestrator.model.plan import StepKind
from orchestrator.model.topology import Topology
from orchestrator.planning import plan_workflow
from orchestrator.tosca import Catalog, Reading

DOCUMENT = f"""\
tosca_definitions_version: tosca_simple_yaml_1_3
artifact_types: {{ a.File: {{ derived_from: tosca.artifacts.Root, mime_type: a/b }} }}
data_types: {{ a.Word: {{ derived_from: string, constraints: [ {{ pattern: "[a-z]+" }} ] }} }}
group_types: {{ a.Group: {{ derived_from: tosca.groups.Root }} }}
policy_types:
  {POLICY_TYPE}:
    derived_from: tosca.policies.Root
    properties: {{ retries: {{ type: integer, required: false }} }}
  a.Often: {{ derived_from: {POLICY_TYPE}, properties: {{ retries: {{ type: integer, default: 7 }} }} }}
interface_types:
  a.Talk:
    derived_from: tosca.interfaces.Root
    operations: {{ say: {{ description: says it }} }}
    notifications: {{ said: {{ description: tells, outputs: {{ word: [ SELF, heard ] }} }} }}
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    attributes: {{ heard: {{ type: string }} }}
    properties:
      words:
        type: map
        required: false
        key_schema: {{ type: a.Word }}
        entry_schema: {{ type: integer }}
    requirements:
      - peer:
          capability: tosca.capabilities.Node
          occurrences: [ 0, 1 ]
          node_filter: {{ properties: [ words: {{ min_length: 1 }} ] }}
    interfaces: {{ Talk: {{ type: a.Talk, notifications: {{ said: {{ outputs: {{ tone: [ SELF, heard ] }} }} }} }} }}
  a.B: {{ derived_from: a.A }}
topology_template:
  node_templates:
    a: {{ type: a.B, properties: {{ words: {{ one: 1 }} }} }}
    b: {{ type: a.A, directives: [ select ], node_filter: {{ properties: [ words: {{ max_length: 3 }} ] }} }}
  policies: [ {{ often: {{ type: a.Often, targets: [ a ] }} }} ]
"""


def topology(read: Callable[..., Reading]) -> Topology:
    reading = read(DOCUMENT, Catalog())
    assert [str(p) for p in reading.problems if p.code != "T0804"] == []
    assert reading.topology is not None
    return reading.topology


def test_notifications_are_inherited_and_refined(read: Callable[..., Reading]) -> None:
    found = topology(read)
    (told,) = found.node_templates["a"].interfaces["Talk"].notifications.values()
    assert told.description == "tells"
    assert told.outputs == {"word": ("SELF", "heard"), "tone": ("SELF", "heard")}
    assert found.interface_types["a.Talk"].notifications["said"].outputs == {"word": ("SELF", "heard")}


def test_keys_of_maps_have_a_schema(read: Callable[..., Reading]) -> None:
    schema = topology(read).node_types["a.A"].properties["words"].schema
    assert schema.key is not None
    assert schema.key.type == "a.Word"
    reading = read(DOCUMENT.replace("{ one: 1 }", "{ ONE: 1 }"), Catalog())
    assert [p.code for p in reading.problems if p.code != "T0804"] == ["T0404"]
    reading = read(DOCUMENT.replace("key_schema: { type: a.Word }", "key_schema: integer"), Catalog())
    assert [p.code for p in reading.problems if p.code != "T0804"] == ["T0403"]


def test_filters_are_kept(read: Callable[..., Reading]) -> None:
    found = topology(read)
    assert found.node_types["a.B"].requirements["peer"].node_filter == {"properties": [{"words": {"min_length": 1}}]}
    assert found.node_templates["b"].node_filter == {"properties": [{"words": {"max_length": 3}}]}


def test_types_of_every_kind_are_kept(read: Callable[..., Reading]) -> None:
    found = topology(read)
    assert found.artifact_types["a.File"].mime_type == "a/b"
    assert found.group_types["a.Group"].lineage == ("a.Group", "tosca.groups.Root")
    assert found.interface_types["a.Talk"].operations["say"].description == "says it"
    assert found.policy_types["a.Often"].lineage == found.policies[0].lineage
    assert found.policies[0].lineage == ("a.Often", POLICY_TYPE, "tosca.policies.Root")


def test_a_policy_of_a_derived_type_counts(read: Callable[..., Reading], tmp_path: Path) -> None:
    (tmp_path / "start.sh").write_text("true")
    operation = "  a.B: { derived_from: a.A, interfaces: { Standard: { operations: { start: start.sh } } } }"
    reading = read(DOCUMENT.replace("  a.B: { derived_from: a.A }", operation), Catalog())
    assert reading.topology is not None
    plan = with_policies(plan_workflow(reading.topology, "install"), reading.topology)
    assert [step.policy.retries for step in plan.steps if step.kind is StepKind.OPERATION and step.node == "a"] == [7]
