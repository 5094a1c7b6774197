"""One mistake is one problem: what cannot be known because of it is not complained about."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.problems import Severity
from orchestrator.tosca import Catalog, read_text

VERSION = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
DOCUMENTS = {
    "a relationship template": """\
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Root, requirements: [ dependency: { node: a, relationship: rel } ] }
    c: { type: tosca.nodes.Root, requirements: [ dependency: { node: a, relationship: rel } ] }
  relationship_templates:
    rel: { type: my.Unknown, properties: { p: 1 }, interfaces: { X: { operations: { y: a.sh } } } }
""",
    "an assigned relationship": """\
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Root, requirements: [ dependency: { node: a, relationship: { type: my.Unknown,
        properties: { p: 1 } } } ] }
""",
    "a node template": """\
topology_template:
  node_templates:
    a: { type: my.Unknown, properties: { p: 1 }, attributes: {q: 1},
        capabilities: { c: { properties: { r: 1 } } }, requirements: [ x: b ],
        interfaces: { Y: { operations: { z: {} } } }, artifacts: { f: x } }
    b: { type: tosca.nodes.Root, properties: {} }
  outputs: { o: { value: { get_property: [ a, p ] } }, o2: {value: {get_attribute: [a, z]}} }
""",
    "a policy": """\
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
  policies: [ p: { type: my.Unknown, properties: { p: 1 }, targets: [ a ] } ]
""",
    "a group": """\
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
  groups: { p: { type: my.Unknown, properties: { p: 1 }, members: [ a ] } }
""",
    "a capability of a type": """\
node_types:
  n: { derived_from: tosca.nodes.Root, capabilities: { c: { type: my.Unknown, properties: { r: integer } } } }
topology_template:
  node_templates:
    a: { type: n, capabilities: { c: { properties: { r: 1 } } } }
    b: { type: tosca.nodes.Root, requirements: [ dependency: {node: a, capability: c} ] }
""",
    "a requirement's capability": """\
node_types:
  n: { derived_from: tosca.nodes.Root, requirements: [ c: { capability: my.Unknown,
        relationship: tosca.relationships.DependsOn } ] }
topology_template:
  node_templates:
    a: { type: n, requirements: [ c: b ] }
    b: { type: tosca.nodes.Root }
""",
    "a requirement's relationship": """\
node_types:
  n: { derived_from: tosca.nodes.Root, requirements: [ c: { capability: tosca.capabilities.Node,
        relationship: my.Unknown } ] }
topology_template:
  node_templates:
    a: { type: n, requirements: [ c: { node: b, relationship: { properties: { p: 1 } } } ] }
    b: { type: tosca.nodes.Root }
""",
    "the parent of a node type": """\
node_types:
  n: { derived_from: my.Unknown, properties: { a: { type: string, required: false } } }
topology_template:
  node_templates:
    a: { type: n, properties: { z: 1 }, requirements: [ c: b ], capabilities: { x: {} } }
    b: { type: tosca.nodes.Root }
""",
    "a property": """\
node_types:
  n: { derived_from: tosca.nodes.Root, properties: { a: { type: my.Unknown, default: { b: 1 } } } }
topology_template:
  node_templates:
    a: { type: n, properties: { a: { c: 1 } } }
""",
    "an interface": """\
node_types:
  n: { derived_from: tosca.nodes.Root, interfaces: { X: { type: my.Unknown, operations: { go: {} } } } }
topology_template:
  node_templates:
    a: { type: n, interfaces: { X: { operations: { go2: {} } } } }
""",
    "an artifact": """\
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root, artifacts: { f: { type: my.Unknown, file: README, properties: { p: 1 } } } }
""",
    "the parent of a relationship type": """\
relationship_types:
  r: { derived_from: my.Unknown }
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Root, requirements: [ dependency: { node: a, relationship: { type: r,
        properties: { p: 1 } } } ] }
""",
    "the parent of a policy type": """\
policy_types:
  r: { derived_from: my.Unknown }
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
  policies: [ p: { type: r, properties: { p: 1 }, targets: [ a ] } ]
""",
    "the parent of a capability type": """\
capability_types:
  r: { derived_from: my.Unknown }
node_types:
  n: { derived_from: tosca.nodes.Root, capabilities: { c: { type: r } } }
topology_template:
  node_templates:
    a: { type: n, capabilities: { c: { properties: { r: 1 } } } }
""",
    "the parent of a data type": """\
data_types:
  d: { derived_from: my.Unknown, properties: { x: { type: string } } }
node_types:
  n: { derived_from: tosca.nodes.Root, properties: { a: { type: d } } }
topology_template:
  node_templates:
    a: { type: n, properties: { a: { c: 1 } } }
""",
    "a relationship template that nothing uses": """\
topology_template:
  node_templates: { a: { type: tosca.nodes.Root } }
  relationship_templates:
    rel: { type: my.Unknown, properties: { p: 1 } }
""",
    "a misspelt relationship template": """\
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Root, requirements: [ dependency: { node: a, relationship: { type: reel } } ] }
  relationship_templates:
    rel: { type: tosca.relationships.DependsOn }
""",
}


@pytest.mark.parametrize("what", DOCUMENTS)
def test_an_unknown_type_is_one_error(what: str, tmp_path: Path) -> None:
    problems = read_text(VERSION + DOCUMENTS[what], "doc.yaml", tmp_path, Catalog()).problems
    assert [p.code for p in problems if p.severity is Severity.ERROR] == ["T0301"]
