"""Functions that are defined by each other or that name what cannot be there, found when a document is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.problems import Severity
from orchestrator.tosca import Catalog, Reading, read_text

TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  a.Host:
    derived_from: tosca.nodes.Root
    properties: { p: { type: string, default: x }, q: { type: string, default: x } }
    capabilities: { host: { type: tosca.capabilities.Container } }
  a.App:
    derived_from: a.Host
    requirements:
      - on:
          capability: tosca.capabilities.Container
          relationship: tosca.relationships.HostedOn
          occurrences: [ 0, 1 ]
"""
CIRCLES = {
    "itself": ("{ p: { get_property: [ SELF, p ] } }", "{}", "app.p -> app.p"),
    "by name": (
        "{ p: { get_property: [ host, q ] } }",
        "{ q: { get_property: [ app, p ] } }",
        "app.p -> host.q -> app.p",
    ),
    "over its host": (
        "{ p: { get_property: [ HOST, q ] } }",
        "{ q: { get_property: [ app, p ] } }",
        "app.p -> host.q -> app.p",
    ),
    "over a requirement": (
        "{ p: { concat: [ a, { get_property: [ SELF, on, q ] } ] } }",
        "{ q: { get_property: [ app, p ] } }",
        "app.p -> host.q -> app.p",
    ),
}


def document(app: str, host: str) -> str:
    return TYPES + (
        "topology_template:\n  node_templates:\n"
        f"    app: {{ type: a.App, properties: {app}, requirements: [ {{ on: host }} ] }}\n"
        f"    host: {{ type: a.Host, properties: {host} }}\n"
    )


@pytest.mark.parametrize("kind", CIRCLES)
def test_properties_in_a_circle(kind: str, read: Callable[..., Reading]) -> None:
    app, host, circle = CIRCLES[kind]
    (problem,) = read(document(app, host), Catalog()).problems
    assert problem.code == "T0605"
    assert circle in problem.message


def test_properties_that_end_somewhere_are_no_circle(read: Callable[..., Reading]) -> None:
    app, host = "{ p: { get_property: [ SELF, on, p ] } }", "{ p: { get_property: [ app, q ] } }"
    assert read(document(app, host), Catalog()).problems == ()


def test_a_type_whose_operation_reads_a_property_that_it_does_not_have_is_warned_of(tmp_path: Path) -> None:
    text = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  t.Node:
    derived_from: tosca.nodes.Root
    properties: { folder: { type: string, required: false } }
    interfaces:
      Work:
        operations:
          go:
            inputs:
              where: { get_property: [ SELF, foldr ] }
              right: { get_property: [ SELF, folder ] }
              other: { get_input: not_every_topology_has_it }
topology_template:
  node_templates:
    A: { type: t.Node }
    B: { type: t.Node }
"""
    reading = read_text(text, "t.yaml", tmp_path)
    assert [(p.code, p.severity, p.span.line, p.span.column) for p in reading.problems if p.span] == [
        ("T0604", Severity.WARNING, 11, 46)
    ]
    assert reading.problems[0].hint == "did you mean 'folder'?"


LINKS = """\
tosca_definitions_version: tosca_simple_yaml_1_3
relationship_types:
  a.Link:
    derived_from: tosca.relationships.DependsOn
    properties: { p: { type: string, required: false } }
    interfaces:
      Configure:
        type: tosca.interfaces.relationship.Configure
        operations: { add_target: { implementation: a.sh } }
node_types:
  a.N:
    derived_from: tosca.nodes.Root
    properties: { q: { type: string, default: x } }
    requirements: [ to: { capability: tosca.capabilities.Node, relationship: a.Link, occurrences: [ 0, 1 ] } ]
    interfaces:
      Standard: { type: tosca.interfaces.node.lifecycle.Standard, operations: { create: { implementation: a.sh } } }
topology_template:
  node_templates:
    n: { type: a.N, %s }
    m: { type: a.N }
"""


def of_property(value: str) -> str:
    return f"requirements: [ to: {{ node: m, relationship: {{ type: a.Link, properties: {{ p: {value} }} }} }} ]"


def of_input(value: str) -> str:
    return (
        "requirements: [ to: { node: m, relationship: { type: a.Link, interfaces: { Configure: { operations: "
        f"{{ add_target: {{ inputs: {{ I: {value} }} }} }} }} }} }} }} ]"
    )


def of_node(value: str) -> str:
    return f"interfaces: {{ Standard: {{ operations: {{ create: {{ inputs: {{ I: {value} }} }} }} }} }}"


@pytest.mark.parametrize(
    ("written", "code", "part"),
    [
        (of_property("{ get_property: [ nobody, q ] }"), "T0603", "'nobody'"),
        (of_property("{ get_property: [ TARGET, w ] }"), "T0604", "m has no property 'w'"),
        (of_input("{ concat: [ a, { get_property: [ SOURCE, w ] } ] }"), "T0604", "n has no property 'w'"),
        (of_input("{ get_artifact: [ TARGET, w ] }"), "T0606", "m has no artifact 'w'"),
        (of_node("{ get_property: [ TARGET, q ] }"), "T0603", "TARGET means nothing here"),
        (of_node("{ get_nodes_of_type: a.M }"), "T0301", "'a.M'"),
        (of_node("{ get_nodes_of_type: [ tosca.nodes.Computer ] }"), "T0301", "'tosca.nodes.Computer'"),
    ],
)
def test_functions_that_name_nothing(written: str, code: str, part: str, tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("")
    problems = read_text(LINKS % written, "t.yaml", tmp_path).problems
    assert [(p.code, p.severity) for p in problems] == [(code, Severity.ERROR)]
    assert part in problems[0].message


@pytest.mark.parametrize(
    "written",
    [
        of_property("{ get_property: [ SOURCE, q ] }"),
        of_property("{ get_property: [ SELF, anything ] }"),
        of_input("{ get_attribute: [ TARGET, tosca_id ] }"),
        of_input("{ get_property: [ m, q ] }"),
        of_node("{ get_property: [ SOURCE, q ] }"),
        of_node("{ get_nodes_of_type: a.N }"),
        of_node("{ get_nodes_of_type: Compute }"),
    ],
)
def test_functions_that_name_something(written: str, tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("")
    assert read_text(LINKS % written, "t.yaml", tmp_path).problems == ()


OF_NO_NODE = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  a.N: { derived_from: tosca.nodes.Root, properties: { q: { type: string, default: x } }, attributes: { w: string } }
policy_types: { a.P: { derived_from: tosca.policies.Root, properties: { p: { type: string } } } }
group_types: { a.G: { derived_from: tosca.groups.Root, properties: { p: { type: string } } } }
topology_template:
  node_templates: { Data: { type: a.N } }
  groups: { g: { type: a.G, members: [ Data ], properties: { p: %(group)s } } }
  policies: [ one: { type: a.P, properties: { p: %(policy)s } } ]
  outputs: { o: { value: %(output)s } }
  workflows:
    go:
      outputs: { x: { value: %(value)s }, y: %(bare)s }
      steps: { s: { target: Data, activities: [ set_state: started ] } }
"""
PLACES = ("group", "policy", "output", "value", "bare")


def of_no_node(**written: str) -> str:
    return OF_NO_NODE % {place: written.get(place, "x") for place in PLACES}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("written", "code", "part", "hint"),
    [
        ("{ get_attribute: [ D, w ] }", "T0603", "there is no node template 'D'", None),
        ("{ get_attribute: [ Dat, w ] }", "T0603", "there is no node template 'Dat'", "did you mean 'Data'?"),
        ("{ concat: [ a, { get_property: [ Data, z ] } ] }", "T0604", "Data has no property 'z'", None),
        ("{ get_attribute: [ SELF, w ] }", "T0603", "SELF means nothing here", "name a node template"),
        ("{ get_operation_output: [ Data, Standard, nope, o ] }", "T0606", "Data has no operation Standard.nope", None),
    ],
)
def test_functions_outside_of_nodes(
    place: str, written: str, code: str, part: str, hint: str | None, tmp_path: Path
) -> None:
    text = of_no_node(**{place: written})
    (problem,) = read_text(text, "t.yaml", tmp_path).problems
    assert (problem.code, problem.severity) == (code, Severity.ERROR)
    assert part in problem.message
    assert hint is None or problem.hint == hint
    assert problem.span is not None
    line = next(number for number, said in enumerate(text.splitlines(), 1) if written in said)
    assert problem.span.line == line
    assert problem.span.column > text.splitlines()[line - 1].index("{ get" if "concat" not in written else "concat")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "written", ["{ get_attribute: [ Data, w ] }", "{ get_property: [ Data, q ] }", "D", "[ D, w ]"]
)
def test_what_is_right_outside_of_nodes(place: str, written: str, tmp_path: Path) -> None:
    if written.startswith("[") and place in ("group", "policy"):
        written = "{ get_attribute: [ Data, state ] }"
    assert read_text(of_no_node(**{place: written}), "t.yaml", tmp_path).problems == ()
