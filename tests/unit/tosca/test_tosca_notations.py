"""The notations of Simple Profile 1.0 to 1.3 and of Alien's dialect end in one model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf
from orchestrator.model.topology import CallOperation, Delegate, Inline, NodeTemplate, Operation, SetState, Topology
from orchestrator.tosca import Catalog, Reading, read_text, read_topology

Read = Callable[..., Reading]
HEAD = "tosca_definitions_version: tosca_simple_yaml_1_3\n"


def good(reading: Reading, *warnings: str) -> Topology:
    """The model of a reading without problems (but for warnings of these codes)."""
    assert [str(p) for p in reading.problems if p.code not in warnings] == []
    assert reading.topology is not None
    return reading.topology


def value(expression: Expression | None) -> object:
    assert isinstance(expression, Literal)
    return expression.value


def operation(topology: Topology, node: str, interface: str, name: str) -> Operation:
    found = topology.node_templates[node].operation(interface, name)
    assert found is not None
    return found


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Topology]:
    """Reads a document against the shipped profiles; the scripts it names are there."""
    for name in ("start.sh", "stop.sh", "lib.sh", "app.tar"):
        (tmp_path / name).write_text("")
    return lambda text: good(read_text(text, "doc.yaml", tmp_path, Catalog()), "T0804")


INTERFACES = {
    "1.3": "Standard: { inputs: { A: 1 }, operations: { start: { implementation: start.sh, inputs: { B: 2 } } } }",
    "1.2": "Standard: { inputs: { A: 1 }, start: { implementation: start.sh, inputs: { B: 2 } } }",
    "full name": "tosca.interfaces.node.lifecycle.Standard: "
    "{ inputs: { A: 1 }, start: { implementation: { primary: start.sh }, inputs: { B: 2 } } }",
    "alien": "standard: { inputs: { A: 1 }, start: { implementation: { file: start.sh }, inputs: { B: 2 } } }",
    "definitions": "Standard: { inputs: { A: { type: integer, default: 1 } }, operations: "
    "{ start: { implementation: start.sh, inputs: { B: { type: integer, value: 2 } } } } }",
}


@pytest.mark.parametrize("notation", INTERFACES)
def test_interfaces_in_every_notation(notation: str, load: Callable[[str], Topology], tmp_path: Path) -> None:
    topology = load(
        HEAD
        + f"node_types:\n  a.A: {{ derived_from: tosca.nodes.Root, interfaces: {{ {INTERFACES[notation]} }} }}\n"
        + "topology_template: { node_templates: { a: { type: a.A } } }\n"
    )
    start = operation(topology, "a", "tosca.interfaces.node.lifecycle.Standard", "start")
    assert {name: value(v) for name, v in start.inputs.items()} == {"A": 1, "B": 2}
    assert start.implementation is not None
    assert start.implementation.file == "start.sh"
    assert start.implementation.path == str(tmp_path / "start.sh")
    assert start.implementation.artifact_type == "tosca.artifacts.Implementation.Bash"


def test_implementations(load: Callable[[str], Topology], tmp_path: Path) -> None:
    topology = load(
        HEAD
        + """
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    artifacts: { installer: { file: start.sh, type: tosca.artifacts.Implementation.Bash } }
    interfaces:
      Standard:
        operations:
          create: { implementation: { primary: start.sh, dependencies: [ lib.sh ], operation_host: HOST, timeout: 60 } }
          configure: { implementation: { primary: { file: start.sh, type: Bash }, dependencies: [ { file: lib.sh } ] } }
          start: { implementation: { primary: installer, timeout: 2 m } }
          stop: stop.sh
topology_template: { node_templates: { a: { type: a.A } } }
"""
    )
    create = operation(topology, "a", "Standard", "create").implementation
    assert create is not None
    assert (create.dependencies, create.operation_host, create.timeout) == (("lib.sh",), "HOST", 60)
    configure = operation(topology, "a", "Standard", "configure").implementation
    assert configure is not None
    assert configure.artifact_type == "Bash"
    start = operation(topology, "a", "Standard", "start").implementation
    assert start is not None
    assert (start.file, start.path, start.timeout) == ("start.sh", str(tmp_path / "start.sh"), 120)
    stop = operation(topology, "a", "Standard", "stop").implementation
    assert stop is not None
    assert stop.file == "stop.sh"


def test_operations_are_inherited_and_assigned_over(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    interfaces:
      Standard:
        inputs: { A: of the parent's interface, B: of the parent's interface }
        start: { implementation: start.sh, inputs: { A: of the parent's operation } }
        stop: stop.sh
  a.B:
    derived_from: a.A
    interfaces:
      Standard: { inputs: { B: of the interface }, start: { inputs: { C: of the operation } } }
topology_template:
  node_templates:
    plain: { type: a.B }
    own: { type: a.B, interfaces: { Standard: { start: { inputs: { C: of the template } } } } }
"""
    )
    start = operation(topology, "plain", "Standard", "start")
    assert {name: value(v) for name, v in start.inputs.items()} == {
        "A": "of the parent's operation",
        "B": "of the interface",
        "C": "of the operation",
    }
    assert start.implementation is not None
    assert value(operation(topology, "plain", "Standard", "stop").inputs["B"]) == "of the interface"
    own = operation(topology, "own", "Standard", "start")
    assert value(own.inputs["C"]) == "of the template"
    assert own.implementation == start.implementation
    assert operation(topology, "own", "Standard", "stop").implementation is not None


def test_outputs_of_operations(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    attributes: { url: { type: string } }
    interfaces: { Standard: { operations: { start: { implementation: start.sh, outputs: { URL: [ SELF, url ] } } } } }
topology_template: { node_templates: { a: { type: a.A } } }
"""
    )
    assert operation(topology, "a", "Standard", "start").outputs == {"URL": ("SELF", "url")}


REQUIREMENTS = {
    "name": "- dependency: target",
    "map": "- dependency: { node: target }",
    "capability": "- dependency: { node: target, capability: feature }",
    "capability type": "- dependency: { node: target, capability: tosca.capabilities.Node }",
    "relationship": "- dependency: { node: target, relationship: tosca.relationships.DependsOn }",
    "relationship map": "- dependency: { node: target, relationship: { type: DependsOn } }",
    "relationship template": "- dependency: { node: target, relationship: template }",
    "type of the target": "- dependency: { node: a.Target }",
    "filter": "- dependency: { node_filter: { properties: [ { size: { greater_or_equal: 2 } } ] } }",
}


@pytest.mark.parametrize("notation", REQUIREMENTS)
def test_requirements_in_every_notation(notation: str, load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + f"""
node_types:
  a.Target: {{ derived_from: tosca.nodes.Root, properties: {{ size: {{ type: integer, default: 3 }} }} }}
  a.Source:
    derived_from: tosca.nodes.Root
    requirements: [ {{ dependency: {{ capability: tosca.capabilities.Node, node: a.Target, occurrences: [ 0, 1 ] }} }} ]
topology_template:
  relationship_templates: {{ template: {{ type: tosca.relationships.DependsOn }} }}
  node_templates:
    target: {{ type: a.Target }}
    source:
      type: a.Source
      requirements:
        {REQUIREMENTS[notation]}
"""
    )
    (relationship,) = topology.node_templates["source"].relationships
    assert (relationship.name, relationship.requirement, relationship.target, relationship.capability) == (
        "dependency",
        "dependency",
        "target",
        "feature",
    )
    assert relationship.type == "tosca.relationships.DependsOn"
    assert relationship.lineage == ("tosca.relationships.DependsOn", "tosca.relationships.Root")


def test_the_same_requirement_several_times(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + "topology_template: { node_templates: { a: { type: Root }, b: { type: Root }, "
        + "c: { type: Root, requirements: [ { dependency: a }, { dependency: b } ] } } }\n"
    )
    assert [(r.name, r.target) for r in topology.node_templates["c"].relationships] == [
        ("dependency", "a"),
        ("dependency_2", "b"),
    ]


def test_a_host_without_relationship_is_hosted_on(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
node_types:
  a.App: { derived_from: tosca.nodes.Root, requirements: [ { host: tosca.capabilities.Container } ] }
topology_template:
  node_templates:
    server: { type: Compute }
    app: { type: a.App, requirements: [ { host: server } ] }
"""
    )
    (relationship,) = topology.node_templates["app"].relationships
    assert relationship.lineage[0] == "tosca.relationships.HostedOn"
    assert relationship.capability == "host"


def test_relationships_have_properties_and_interfaces(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
relationship_types:
  a.Uses:
    derived_from: tosca.relationships.Root
    properties: { speed: { type: integer, default: 1 }, mode: { type: string, default: slow } }
    interfaces: { Configure: { pre_configure_source: { implementation: start.sh } } }
topology_template:
  node_templates:
    a: { type: Root }
    b:
      type: Root
      requirements:
        - dependency:
            node: a
            relationship:
              type: a.Uses
              properties: { mode: fast }
              interfaces: { Configure: { pre_configure_source: { inputs: { X: 1 } } } }
"""
    )
    (relationship,) = topology.node_templates["b"].relationships
    assert {name: value(v) for name, v in relationship.properties.items()} == {"speed": 1, "mode": "fast"}
    operation = relationship.interfaces["Configure"].operations["pre_configure_source"]
    assert operation.implementation is not None
    assert value(operation.inputs["X"]) == 1


def test_values_are_converted_to_their_types(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
data_types:
  a.Inner: { properties: { n: { type: integer, default: 7 }, s: { type: string } } }
  a.Outer: { properties: { inner: { type: a.Inner }, filled: { type: a.Filled } } }
  a.Filled: { properties: { x: { type: integer, default: 1 } } }
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    properties:
      text: { type: string }
      version: { type: string }
      octal: { type: string }
      whole: { type: integer }
      quoted: { type: integer }
      part: { type: float }
      yes: { type: boolean }
      size: { type: scalar-unit.size }
      list: { type: list, entry_schema: { type: string } }
      map: { type: map, entry_schema: string }
      range: { type: range }
      outer: { type: a.Outer }
      free: { type: any }
      absent: { type: a.Filled, required: false }
      null_given: { type: string, required: false }
topology_template:
  node_templates:
    a:
      type: a.A
      properties:
        text: yes
        version: 1.10
        octal: 0755
        whole: 3
        quoted: "4"
        part: 1
        yes: on
        size: 2 GiB
        list: [ 3000, true, x, { get_input: i } ]
        map: { a: 1 }
        range: [ 1, UNBOUNDED ]
        outer: { inner: { s: 5 } }
        free: { a: [ 1, 1.5, true, ~, x ] }
        null_given:
  inputs: { i: { type: string } }
"""
    )
    properties = topology.node_templates["a"].properties
    plain = {name: v.value for name, v in properties.items() if isinstance(v, Literal)}
    assert plain == {
        "text": "yes",
        "version": "1.10",
        "octal": "0755",
        "whole": 3,
        "quoted": 4,
        "part": 1.0,
        "yes": True,
        "size": "2 GiB",
        "map": {"a": "1"},
        "range": [1, "UNBOUNDED"],
        "outer": {"inner": {"s": "5", "n": 7}, "filled": {"x": 1}},
        "free": {"a": [1, 1.5, True, None, "x"]},
    }
    mixed = properties["list"]
    assert isinstance(mixed, ListOf)
    assert [type(item) for item in mixed.items] == [Literal, Literal, Literal, Call]
    assert value(mixed.items[1]) == "true"


def test_words_that_are_functions_elsewhere(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    properties:
      credential: { type: Credential }
      map: { type: map, entry_schema: string }
      text: { type: string }
topology_template:
  node_templates:
    a: { type: a.A, properties: { credential: { token: secret }, map: { token: x }, text: { token: [ a.b, ., 1 ] } } }
"""
    )
    properties = topology.node_templates["a"].properties
    credential = value(properties["credential"])
    assert isinstance(credential, dict)
    assert credential["token"] == "secret"
    assert value(properties["map"]) == {"token": "x"}
    token = properties["text"]
    assert isinstance(token, Call)
    assert token.function is Function.TOKEN
    assert [value(a) for a in token.arguments] == ["a.b", ".", 1]


def test_functions_in_every_notation(load: Callable[[str], Topology]) -> None:
    topology = load(
        """\
tosca_definitions_version: alien_dsl_3_0_0
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    properties: { name: { type: string, required: false } }
    attributes:
      url: { concat: [ "http://", get_attribute: [ SELF, tosca_name ] ] }
      out: { get_operation_output: [ SELF, tosca.interfaces.node.lifecycle.Standard, start, OUT ] }
    interfaces:
      Standard:
        start:
          implementation: start.sh
          inputs:
            A: { get_input: [ a ] }
            B: { get_input_nf: [ get_property: [ SELF, name ] ] }
            C: { get_vault_secret: [ concat: [ "/x/", get_input: a ], data=key ] }
            D: { get_attribute: [ REQ_TARGET, dependency, url ] }
            E: { a: [ 1, { get_input: a } ] }
topology_template: { node_templates: { a: { type: a.A } } }
"""
    )
    inputs = operation(topology, "a", "Standard", "start").inputs
    assert inputs["A"] == Call(Function.GET_INPUT, (Literal("a", inputs["A"].arguments[0].span),), inputs["A"].span)  # type: ignore[union-attr]
    assert isinstance(inputs["B"], Call)
    assert inputs["B"].function is Function.GET_INPUT
    assert isinstance(inputs["C"], Call)
    assert inputs["C"].function is Function.GET_SECRET
    assert isinstance(inputs["D"], Call)
    assert value(inputs["D"].arguments[0]) == "REQ_TARGET"
    assert isinstance(inputs["E"], MapOf)
    out = topology.node_templates["a"].attributes["out"]
    assert isinstance(out, Call)
    assert [value(a) for a in out.arguments] == ["SELF", "Standard", "start", "OUT"]


def test_aliens_dialect(load: Callable[[str], Topology]) -> None:
    topology = load(
        """\
tosca_definitions_version: alien_dsl_1_2_0
template_name: old
template_version: 1.1.0
relationship_types:
  a.R: { derived_from: tosca.relationships.DependsOn, properties: { p: { type: integer, default: 0 } } }
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    abstract: true
    tags: { icon: x.png }
    artifacts: [ { app: app.tar, type: tosca.artifacts.File }, { other: { file: app.tar } } ]
topology_template:
  node_templates:
    a: { type: a.A }
    b:
      type: Root
      requirements:
        - toA: { type_requirement: dependency, node: a, capability: feature, relationship: a.R, properties: { p: 5 } }
  workflows:
    go:
      steps:
        first: { node: a, activity: { set_state: x }, on-success: [ second ] }
        second: { node: b, activity: { call_operation: Standard.start } }
"""
    )
    assert (topology.name, topology.version) == ("old", "1.1.0")
    template = topology.node_templates["a"]
    assert template.abstract
    assert {name: a.type for name, a in template.artifacts.items()} == {
        "app": "tosca.artifacts.File",
        "other": "tosca.artifacts.File",
    }
    (relationship,) = topology.node_templates["b"].relationships
    assert (relationship.name, relationship.requirement, relationship.type) == ("toA", "dependency", "a.R")
    assert value(relationship.properties["p"]) == 5
    steps = topology.workflows["go"].steps
    assert steps["first"].target == "a"
    assert steps["first"].on_success == ("second",)
    assert isinstance(steps["second"].activities[0], CallOperation)


def test_workflows(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
topology_template:
  node_templates: { a: { type: Root }, b: { type: Root } }
  groups: { both: { type: tosca.groups.Root, members: [ a, b ] } }
  workflows:
    other: { steps: { one: { target: b, activities: [ { delegate: { workflow: install, inputs: { x: 1 } } } ] } } }
    go:
      description: does it
      inputs: { n: { type: integer, default: 2 } }
      preconditions: [ { target: a, condition: [ { assert: [ { state: [ { equal: started } ] } ] } ] } ]
      outputs: { result: { type: string, value: { get_attribute: [ a, tosca_id ] } } }
      steps:
        first:
          target: both
          operation_host: ORCHESTRATOR
          filter: [ { state: [ { equal: started } ] } ]
          activities:
            - set_state: starting
            - call_operation: { operation: Standard.start, inputs: [ { x: { get_input: n } } ] }
            - inline: other
          on_success: second
          on_failure: [ third ]
          on_cancel: [ third ]
        second: { target: a, activities: [ { delegate: stop } ] }
        third: { target: a, activities: [] }
"""
    )
    go = topology.workflows["go"]
    first = go.steps["first"]
    assert [type(a) for a in first.activities] == [SetState, CallOperation, Inline]
    call = first.activities[1]
    assert isinstance(call, CallOperation)
    assert (call.interface, call.operation) == ("Standard", "start")
    assert isinstance(call.inputs["x"], Call)
    assert (first.on_success, first.on_failure, first.on_cancel) == (("second",), ("third",), ("third",))
    assert first.filter == ({"state": [{"equal": "started"}]},)
    assert go.preconditions[0]["target"] == "a"
    assert isinstance(go.outputs["result"], Call)
    delegate = topology.workflows["other"].steps["one"].activities[0]
    assert isinstance(delegate, Delegate)
    assert value(delegate.inputs["x"]) == 1


def test_the_rest_of_a_topology(load: Callable[[str], Topology]) -> None:
    topology = load(
        HEAD
        + """
metadata: { template_name: all, template_version: 1.10 }
description: of everything
policy_types: { a.P: { derived_from: tosca.policies.Root, properties: { l: { type: integer, default: 3 } } } }
topology_template:
  inputs: { i: { type: integer, default: 4, constraints: [ { in_range: [ 1, 9 ] } ] } }
  node_templates: { a: { type: Root, directives: [ select ], metadata: { k: 1 } }, b: { copy: a } }
  policies: [ { p: { type: a.P, targets: [ a ], triggers: { t: { event: e } } } } ]
  groups: { g: { type: tosca.groups.Root, members: [ a ] } }
  substitution_mappings: { node_type: tosca.nodes.Root, capabilities: { feature: [ a, feature ] } }
  outputs: { o: { value: { get_attribute: [ a, state ] }, description: d }, plain: 5 }
"""
    )
    assert (topology.name, topology.version, topology.description) == ("all", "1.10", "of everything")
    assert topology.inputs["i"].schema.constraints[0].value == [1, 9]
    assert topology.node_templates["a"].directives == ("select",)
    assert topology.node_templates["b"].type == "tosca.nodes.Root"
    (policy,) = topology.policies
    assert (policy.targets, value(policy.properties["l"]), policy.triggers) == (("a",), 3, {"t": {"event": "e"}})
    assert topology.groups["g"].members == ("a",)
    assert topology.substitution is not None
    assert topology.substitution.mappings == {"capabilities": {"feature": ["a", "feature"]}}
    assert isinstance(topology.outputs["o"].default, Call)
    assert value(topology.outputs["plain"].default) == 5


def test_imports(tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "a.yaml").write_text(
        HEAD + "imports: [ types/b.yaml ]\nnode_types: { a.A: { derived_from: a.B } }\n"
    )
    (tmp_path / "types" / "b.yaml").write_text(
        HEAD + "imports: [ a.yaml ]\nnode_types: { a.B: { derived_from: Root } }\n"
    )
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "c.yaml").write_text(HEAD + "node_types: { C: { derived_from: Root } }\n")
    root = tmp_path / "root.yaml"
    root.write_text(
        HEAD
        + "repositories: { r: { url: file:repo } }\n"
        + "imports: [ types/a.yaml, { file: c.yaml, repository: r, namespace_prefix: p } ]\n"
        + "topology_template: { node_templates: { a: { type: a.A }, c: { type: 'p:C' }, d: { type: p.C } } }\n"
    )
    reading = read_topology(root)
    topology = good(reading)
    assert topology.name == "root"
    assert topology.node_templates["a"].lineage == ("a.A", "a.B", "tosca.nodes.Root")
    assert topology.node_templates["c"].type == topology.node_templates["d"].type == "C"
    names = [path.name for path in reading.files]
    assert names[:2] == ["root.yaml", "a.yaml"]
    assert {"b.yaml", "c.yaml"} <= set(names)
    assert topology.file == str(root)
    assert topology.node_types["a.B"].span is not None
    assert topology.node_types["a.B"].span.file == str(tmp_path / "types" / "b.yaml")


def test_a_broken_document_still_gives_a_model(read: Read) -> None:
    reading = read(
        HEAD
        + """
node_types: { a.A: { properties: { p: { type: string, default: x } } } }
topology_template:
  node_templates:
    good: { type: a.A }
    bad: { type: a.Nothing, properties: { q: 1 }, requirements: [ { x: good } ] }
    worse: [
""".replace("\n", "\n")
    )
    assert [p.code for p in reading.problems] == ["T0104"]
    assert reading.topology is not None
    assert value(reading.topology.node_templates["good"].properties["p"]) == "x"
    bad = reading.topology.node_templates["bad"]
    assert isinstance(bad, NodeTemplate)
    assert [r.target for r in bad.relationships] == ["good"]


def test_spans_point_at_the_named_token(load: Callable[[str], Topology]) -> None:
    text = HEAD + "topology_template:\n  node_templates:\n    first: { type: Root }\n    second:\n      type: Root\n"
    topology = load(text)
    lines = text.split("\n")
    for name, template in topology.node_templates.items():
        span = template.span
        assert span is not None
        assert lines[span.line - 1][span.column - 1 : span.end_column - 1] == name
