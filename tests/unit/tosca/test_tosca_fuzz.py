"""Whatever is done to a document: reading it never raises, ends, and places every problem inside a file."""

# ruff: noqa: E501 the documents are dense on purpose: any cut hits something
from __future__ import annotations

import difflib
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.documents import dumped, loaded

from orchestrator.model.expressions import Literal
from orchestrator.tosca import Catalog, Reading, read_text
from orchestrator.tosca.names import nearest

WORDS = [
    "tosca.nodes.Root",
    "type",
    "derived_from",
    "get_input",
    "get_property",
    "concat",
    "token",
    "SELF",
    "HOST",
    "properties",
    "requirements",
    "node",
    "constraints",
    "in_range",
    "default",
    "entry_schema",
    "operations",
    "occurrences",
    "UNBOUNDED",
    "&a",
    "*a",
    "<<",
    "!!int",
    "---",
    "{",
    "}",
    "[",
    "]",
    "\t",
    "0",
    "-1",
    "1e999",
    "null",
    "~",
    "\x00",
    "\ud7ff",
    "é",
    "../../etc/passwd",
    "/dev/zero",
    "9" * 5000,
]
JUNK: list[Any] = [
    None,
    "",
    "x",
    "SELF",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    [None],
    [[]],
    [1, 2],
    {"get_input": None},
    {"get_input": []},
    {"get_property": ["SELF"]},
    {"concat": {}},
    {"token": [{}, [], None]},
    {"type": []},
    {"type": "string", "default": {"get_input": "x"}},
    {"properties": 1},
    {"": ""},
    {"a": {"b": {"c": []}}},
    {"derived_from": {}},
    "tosca.nodes.Root",
    "example.Server",
    {"node": "server"},
    "server",
]
DOCUMENT = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: t, template_version: 1.0.0 }
imports: [ { file: none.yaml, namespace_prefix: p }, tosca-normative-types:1.0.0 ]
repositories: { r: { url: file:. } }
data_types:
  example.Point: { properties: { x: { type: integer }, next: { type: example.Point, required: false } } }
  example.Port: { derived_from: integer, constraints: [ { in_range: [ 1, 65535 ] } ] }
artifact_types: { example.File: { derived_from: tosca.artifacts.File, file_ext: [ x ] } }
interface_types: { example.I: { derived_from: tosca.interfaces.Root, operations: { go: , stop: { inputs: { a: { type: string } } } } } }
capability_types: { example.C: { derived_from: tosca.capabilities.Root, properties: { p: { type: example.Port, default: 1 } } } }
relationship_types: { example.R: { derived_from: tosca.relationships.Root, valid_target_types: [ example.C ], properties: { q: { type: string, default: a } } } }
policy_types: { example.P: { derived_from: tosca.policies.Root, properties: { l: { type: integer, required: false } } } }
group_types: { example.G: { derived_from: tosca.groups.Root } }
node_types:
  example.Server:
    derived_from: tosca.nodes.Root
    properties:
      size: { type: scalar-unit.size, default: 1 GB, constraints: [ { greater_or_equal: 1 MB } ] }
      tags: { type: list, default: [ a ], entry_schema: { type: string }, constraints: [ { max_length: 3 } ] }
      map: { type: map, default: {}, entry_schema: { type: example.Point } }
      range: { type: range, default: [ 1, UNBOUNDED ] }
      point: { type: example.Point, default: { x: 1 } }
    attributes: { address: { type: string } }
    capabilities: { c: { type: example.C, valid_source_types: [ example.Server ] } }
    requirements: [ { r: { capability: example.C, node: example.Server, relationship: example.R, occurrences: [ 0, 2 ] } } ]
    interfaces: { I: { type: example.I, inputs: { b: 1 }, operations: { go: { implementation: { primary: x.sh, timeout: 3 } } } } }
    artifacts: { f: { type: example.File, file: a.x } }
topology_template:
  inputs: { i: { type: integer, default: 1 } }
  relationship_templates: { rt: { type: example.R, properties: { q: b } } }
  node_templates:
    a:
      type: example.Server
      properties: { tags: [ b, { get_input: i } ], point: { x: { get_property: [ b, point, x ] } } }
      capabilities: { c: { properties: { p: 2 } } }
      interfaces: { I: { operations: { stop: { inputs: { a: { concat: [ x, { get_attribute: [ SELF, address ] } ] } } } } } }
    b:
      type: example.Server
      requirements: [ { r: a }, { r: { node: a, capability: c, relationship: rt, node_filter: { properties: [ { size: { equal: 1 GB } } ] } } } ]
    c: { copy: a }
  groups: { g: { type: example.G, members: [ a, b ] } }
  policies: [ { p: { type: example.P, targets: [ g ], triggers: { t: {} } } } ]
  workflows:
    w:
      inputs: { j: { type: string } }
      preconditions: [ { target: a, condition: [] } ]
      steps:
        s: { target: a, activities: [ { set_state: x }, { call_operation: { operation: I.go, inputs: { a: { get_input: j } } } } ], on_success: [ t ], on_failure: t }
        t: { target: g, filter: [ { state: started } ], activities: [ { delegate: install }, { inline: v } ] }
    v: { steps: { s: { target: b, target_relationship: r, activities: [] } } }
  substitution_mappings: { node_type: example.Server, capabilities: { c: [ a, c ] }, requirements: { r: [ b, r ] } }
  outputs: { o: { type: string, value: { get_attribute: [ a, address ] } } }
"""
ALIEN = """\
tosca_definitions_version: alien_dsl_1_2_0
template_name: old
imports: [ "tosca-normative-types:1.0.0-ALIEN20", "normative: <normative-types.yml>" ]
node_types:
  example.Server:
    derived_from: tosca.nodes.Root
    abstract: true
    attributes: { url: { concat: [ a, get_attribute: [ SELF, state ] ] }, o: { get_operation_output: [ SELF, Standard, start, O ] } }
    artifacts: [ { scripts: scripts, type: tosca.artifacts.File }, { other: { file: x } } ]
    interfaces: { Standard: { start: { inputs: { A: { get_vault_secret: [ a, data=b ] } }, implementation: s.sh } } }
topology_template:
  node_templates:
    a: { type: example.Server }
    b: { type: example.Server, requirements: [ { x: { type_requirement: dependency, node: a, capability: feature, properties: { p: 1 } } } ] }
  workflows: { w: { steps: { s: { node: a, activity: { set_state: x }, on-success: [ t ] }, t: { node: b, activity: { call_operation: Standard.start } } } } }
"""
DOCUMENTS = [DOCUMENT, ALIEN]


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


def check(text: str, folder: Path, catalog: Catalog) -> Reading:
    reading = read_text(text, "doc.yaml", folder, catalog)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in reading.problems:
        assert problem.span is not None
        assert problem.span.line >= 1
        assert problem.span.column >= 1
        if problem.span.file == "doc.yaml" and text.isprintable():
            assert problem.span.line <= len(lines)
    assert all(file.is_relative_to(folder) or "types.yaml" in file.name for file in reading.files)
    return reading


@pytest.mark.parametrize("text", DOCUMENTS)
def test_the_documents_are_right_before_they_are_mutated(text: str, tmp_path: Path, catalog: Catalog) -> None:
    reading = check(text, tmp_path, catalog)
    assert reading.topology is not None
    assert {p.code for p in reading.problems} <= {"T0202", "T0203", "T0308", "T0310", "T0401", "T0403", "T0804"}
    assert reading.topology.node_templates["b"].relationships


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from(DOCUMENTS), seed=st.integers(0, 2**32))
def test_mutated_text(text: str, seed: int, tmp_path: Path, catalog: Catalog) -> None:
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        text = mutated(text, chance)
    check(text, tmp_path, catalog)


def mutated(text: str, chance: random.Random) -> str:
    a = chance.randrange(len(text) + 1)
    b = min(len(text), a + chance.randint(0, 40))
    kind = chance.randrange(6)
    if kind == 0:
        return text[:a] + text[b:]
    if kind == 1:
        return text[:a] + chance.choice(WORDS) + text[a:]
    if kind == 2:
        return text[:a] + chance.choice(WORDS) + text[b:]
    if kind == 3:
        return text[:a] + text[a:b] * chance.randint(2, 4) + text[b:]
    lines = text.split("\n")
    i, j = chance.randrange(len(lines)), chance.randrange(len(lines))
    if kind == 4:
        lines[i], lines[j] = lines[j], lines[i]
    else:
        lines[i] = " " * chance.randint(0, 8) + lines[i].lstrip()
    return "\n".join(lines)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.sampled_from(DOCUMENTS), seed=st.integers(0, 2**32))
def test_mutated_structure(text: str, seed: int, tmp_path: Path, catalog: Catalog) -> None:
    chance = random.Random(seed)
    data = loaded(text)
    for _ in range(chance.randint(1, 4)):
        replace_somewhere(data, chance)
    check(dumped(data), tmp_path, catalog)


def replace_somewhere(data: Any, chance: random.Random) -> None:
    """Go down to some depth and put something else there, or move a part of the document there."""
    places: list[tuple[Any, Any]] = []

    def collect(container: Any) -> None:
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            places.append((container, key))
            if isinstance(container[key], dict | list):
                collect(container[key])

    collect(data)
    container, key = chance.choice(places)
    kind = chance.randrange(4)
    if kind == 0 and isinstance(container, dict):
        container[chance.choice(WORDS[:19])] = container.pop(key)
    elif kind == 1:
        other, other_key = chance.choice(places)
        container[key] = loaded(dumped(other.get(other_key) if isinstance(other, dict) else other))
    elif kind == 2 and isinstance(container, dict):
        del container[key]
    else:
        container[key] = loaded(dumped(chance.choice(JUNK)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_any_text(text: str, tmp_path: Path, catalog: Catalog) -> None:
    check(text, tmp_path, catalog)


def test_aliases_cannot_explode(tmp_path: Path, catalog: Catalog) -> None:
    lines = ["a0: &a0 [ x, x, x, x, x, x, x, x, x, x ]"]
    lines += [f"a{i}: &a{i} [ {', '.join([f'*a{i - 1}'] * 10)} ]" for i in range(1, 12)]
    reading = check("metadata:\n  " + "\n  ".join(lines) + "\n", tmp_path, catalog)
    assert "T0105" in {p.code for p in reading.problems}


def test_long_chains_of_types(tmp_path: Path, catalog: Catalog) -> None:
    lines = [f"  t{i}: {{ derived_from: t{i + 1} }}" for i in range(3000)]
    text = "tosca_definitions_version: tosca_simple_yaml_1_3\nnode_types:\n" + "\n".join(lines) + "\n  t3000: {}\n"
    reading = check(text, tmp_path, catalog)
    assert "T0105" in {p.code for p in reading.problems}


def test_long_chains_of_data_types(tmp_path: Path, catalog: Catalog) -> None:
    lines = [f"  d{i}: {{ properties: {{ p: {{ type: d{i + 1} }}, q: {{ type: string }} }} }}" for i in range(3000)]
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\ndata_types:\n"
        + "\n".join(lines)
        + "\n  d3000: {}\nnode_types: { n: { properties: { p: { type: d0 } } } }\n"
        + "topology_template: { node_templates: { a: { type: n } } }\n"
    )
    assert check(text, tmp_path, catalog).problems


def test_long_chains_of_requirements(tmp_path: Path, catalog: Catalog) -> None:
    lines = [f"    n{i}: {{ type: Root, requirements: [ {{ dependency: n{i + 1} }} ] }}" for i in range(3000)]
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n  node_templates:\n"
        + "\n".join(lines)
        + "\n    n3000: { type: Root }\n"
    )
    assert check(text, tmp_path, catalog).problems == ()


def test_merge_keys_and_anchors(tmp_path: Path, catalog: Catalog) -> None:
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\ndsl_definitions: { c: &c { type: Root } }\n"
        "topology_template: { node_templates: { a: { <<: *c, description: d }, b: *c } }\n"
    )
    reading = check(text, tmp_path, catalog)
    assert reading.problems == ()
    assert reading.topology is not None
    assert reading.topology.node_templates["a"].description == "d"
    assert reading.topology.node_templates["b"].type == "tosca.nodes.Root"


def test_reading_twice_gives_the_same(tmp_path: Path, catalog: Catalog) -> None:
    first, second = check(DOCUMENT, tmp_path, catalog), check(DOCUMENT, tmp_path, Catalog())
    assert first == second
    assert isinstance(first.topology and first.topology.inputs["i"].default, Literal)


def test_defaults_cannot_explode(tmp_path: Path, catalog: Catalog) -> None:
    lines = [f"  d{i}: {{ properties: {{ l: {{ type: d{i + 1} }}, r: {{ type: d{i + 1} }} }} }}" for i in range(40)]
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\ndata_types:\n"
        + "\n".join(lines)
        + "\n  d40: { properties: { x: { type: string, default: a } } }\n"
        + "node_types: { n: { properties: { p: { type: d0 }, q: { type: d35 } } } }\n"
        + "topology_template: { node_templates: { a: { type: n } } }\n"
    )
    reading = check(text, tmp_path, catalog)
    assert [p.code for p in reading.problems] == ["T0402"]
    assert reading.topology is not None
    assert "q" in reading.topology.node_templates["a"].properties


def test_a_data_type_that_holds_itself(tmp_path: Path, catalog: Catalog) -> None:
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "data_types: { d: { properties: { next: { type: d, required: false }, x: { type: integer, default: 1 } } } }\n"
        "node_types: { n: { properties: { p: { type: d } } } }\n"
        "topology_template: { node_templates: { a: { type: n, properties: { p: { next: { next: { x: 2 } } } } } } }\n"
    )
    reading = check(text, tmp_path, catalog)
    assert reading.problems == ()
    assert reading.topology is not None
    value = reading.topology.node_templates["a"].properties["p"]
    assert isinstance(value, Literal)
    assert value.value == {"next": {"next": {"x": 2}, "x": 1}, "x": 1}


def test_many_mistakes_of_a_kind_are_all_told(tmp_path: Path, catalog: Catalog) -> None:
    lines = [f"    n{i}: {{ type: tosca.nodes.Rot, requirements: [ {{ dependency: m{i} }} ] }}" for i in range(400)]
    head = "tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n  node_templates:\n"
    assert len(check(head + "\n".join(lines) + "\n", tmp_path, catalog).problems) == 800


def test_a_hint_is_looked_for_among_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = difflib.get_close_matches

    def counted(word: str, names: Any, *words: Any, **settings: Any) -> list[str]:
        compared.append(len(list(names)))
        return real(word, names, *words, **settings)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    assert nearest("node.numbr0007", (f"node.number{i:04}" for i in range(5000))) == "node.number0007"
    assert nearest("nowhere_at_all", (f"node.number{i:04}" for i in range(5000))) is None
    assert 0 < max(compared) <= 300
