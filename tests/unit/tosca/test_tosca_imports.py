"""Imports that fail do not bring misleading problems after them; namespace prefixes keep types apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.problems import Problems
from orchestrator.tosca import Catalog, Reading, imports, read_text, read_topology
from orchestrator.tosca.tree import Map, plain_value
from orchestrator.tosca.writer import to_simple_profile

VERSION = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
USES = """\
data_types:
  own.Data: { derived_from: far.Data }
node_types:
  own.Node:
    derived_from: far.Node
    properties: { p: { type: far.Data, required: false } }
    capabilities: { c: far.Capability }
    requirements:
      - r: { capability: far.Capability, node: far.Node, relationship: far.Uses, occurrences: [ 0, 1 ] }
    interfaces: { I: { type: far.Interface } }
topology_template:
  inputs: { i: { type: far.Data } }
  node_templates:
    a: { type: far.Node, properties: { q: 1 }, requirements: [ { s: { node: far.Other } } ] }
    b: { type: own.Node, requirements: [ { r: { node: a, capability: far.Capability, relationship: far.Uses } } ] }
  groups: { g: { type: far.Group, members: [ a ] } }
  policies: [ { l: { type: far.Policy, targets: [ a ] } } ]
"""
FAILING = {
    "T0104": "imports: [ unreadable.yaml ]\n",
    "T0202": "imports: [ missing.yaml ]\n",
    "T0204": "imports: [ https://example.org/types.yaml ]\n",
    "T0205": "imports: [ { a: b, c: d } ]\n",
    "T0207": "imports: missing.yaml\n",
    "T0209": "imports: [ { file: a.yaml, repository: nowhere } ]\n",
}


def read(text: str, folder: Path) -> Reading:
    return read_text(VERSION + text, "doc.yaml", folder, Catalog())


@pytest.mark.parametrize("code", FAILING)
def test_a_failed_import_is_the_only_problem(code: str, tmp_path: Path) -> None:
    (tmp_path / "unreadable.yaml").write_text(VERSION + "node_types: [ a\nb: c\n")
    reading = read(FAILING[code] + USES, tmp_path)
    assert [p.code for p in reading.problems] == [code]


def test_an_import_of_an_import_that_fails_counts_too(tmp_path: Path) -> None:
    (tmp_path / "near.yaml").write_text(VERSION + "imports: [ missing.yaml ]\n")
    assert [p.code for p in read("imports: [ near.yaml ]\n" + USES, tmp_path).problems] == ["T0202"]


def test_without_a_failed_import_every_unknown_type_is_a_problem(tmp_path: Path) -> None:
    reading = read(USES, tmp_path)
    assert {p.code for p in reading.problems} >= {"T0301"}
    assert len([p for p in reading.problems if p.code == "T0301"]) >= 8


def test_a_misspelt_normative_type_is_a_problem_all_the_same(tmp_path: Path) -> None:
    text = FAILING["T0202"] + "topology_template: { node_templates: { a: { type: tosca.nodes.Compte } } }\n"
    assert [p.code for p in read(text, tmp_path).problems] == ["T0202", "T0301"]


LEFT = """\
node_types:
  x.Server: { derived_from: tosca.nodes.Root, properties: { left: { type: integer } } }
  x.Big: { derived_from: x.Server }
"""
RIGHT = """\
node_types:
  x.Server: { derived_from: tosca.nodes.Root, properties: { right: { type: string } } }
  x.Small: { derived_from: x.Server }
"""
BOTH = """\
imports:
  - { file: left.yaml, namespace_prefix: l }
  - { file: right.yaml, namespace_prefix: r }
topology_template:
  node_templates:
    a: { type: "l:x.Server", properties: { left: 1 } }
    b: { type: "r:x.Server", properties: { right: a } }
    c: { type: "l:x.Big", properties: { left: 1 } }
    d: { type: "r:x.Small", properties: { right: a } }
"""


def test_prefixes_keep_types_of_the_same_name_apart(tmp_path: Path) -> None:
    (tmp_path / "left.yaml").write_text(VERSION + LEFT)
    (tmp_path / "right.yaml").write_text(VERSION + RIGHT)
    document = tmp_path / "doc.yaml"
    document.write_text(VERSION + BOTH)
    reading = read_topology(document)
    assert [str(p) for p in reading.problems] == []
    assert reading.topology is not None
    values = {name: sorted(t.properties) for name, t in reading.topology.node_templates.items()}
    assert values == {"a": ["left"], "b": ["right"], "c": ["left"], "d": ["right"]}
    templates = reading.topology.node_templates
    assert templates["a"].type != templates["b"].type
    assert templates["d"].lineage[1] == templates["b"].type
    conversion = to_simple_profile(document)
    assert conversion.text is not None
    again = read_text(conversion.text, "doc.yaml", tmp_path / "elsewhere", Catalog())
    assert [str(p) for p in again.problems] == []
    assert again.topology is not None
    assert {n: (t.type, t.lineage) for n, t in again.topology.node_templates.items()} == {
        n: (t.type, t.lineage) for n, t in templates.items()
    }


def test_a_type_without_prefix_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "right.yaml").write_text(VERSION + RIGHT)
    text = "imports: [ { file: right.yaml, namespace_prefix: r } ]\n" + LEFT + BOTH[BOTH.index("topology") :]
    reading = read(text.replace("l:", ""), tmp_path)
    assert [str(p) for p in reading.problems] == []


def test_the_same_type_by_two_prefixes_is_one(tmp_path: Path) -> None:
    (tmp_path / "left.yaml").write_text(VERSION + LEFT)
    (tmp_path / "right.yaml").write_text(VERSION + LEFT)
    reading = read(BOTH.replace("right: a", "left: 2").replace("r:x.Small", "r:x.Big"), tmp_path)
    assert [str(p) for p in reading.problems] == []
    assert reading.topology is not None
    assert {t.lineage[-2] for t in reading.topology.node_templates.values()} == {"x.Server"}


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".yaml", "folder/" + "y" * 256, "a:" + "1" * 300, "z" * 5000])
def test_a_name_that_no_file_can_have_is_not_found(name: str, tmp_path: Path) -> None:
    problems = read(f"imports: [ '{name}' ]\n", tmp_path).problems
    assert [p.code for p in problems] == ["T0202"]
    assert problems[0].span is not None


PROFILE = f"""\
{VERSION}metadata: {{ template_name: far, template_version: 1.0.0 }}
node_types:
  far.Node:
    derived_from: tosca.nodes.Root
    properties: {{ q: {{ type: string }} }}
    attributes: {{ a: {{ type: string, default: {{ get_property: [ SELF, q ] }} }} }}
"""
USER = f"""\
{VERSION}imports: [ far:1.0.0 ]
topology_template: {{ node_templates: {{ n: {{ type: far.Node, properties: {{ q: x }} }} }} }}
"""


def test_a_profile_is_read_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    real = imports.parse

    def counted(text: str, label: str, problems: Problems) -> Map | None:
        parsed.append(Path(label).parent.name)
        return real(text, label, problems)

    monkeypatch.setattr(imports, "parse", counted)
    folder = tmp_path / "catalog" / "far"
    folder.mkdir(parents=True)

    def read_with(profile: str) -> Reading:
        (folder / "types.yaml").write_text(profile)
        return read_text(USER, "doc.yaml", tmp_path, Catalog([tmp_path / "catalog"]))

    first, second = read_with(PROFILE), read_with(PROFILE)
    assert first == second
    assert first.problems == ()
    assert parsed.count("far") == 1
    changed = read_with(PROFILE.replace("type: string", "type: integer"))
    assert [problem.code for problem in changed.problems] == ["T0403"]
    twice = [read_with(PROFILE + "node_types: {}\n").problems for _ in range(2)]
    assert twice[0] == twice[1]
    assert [problem.code for problem in twice[0]] == ["T0106"]
    assert parsed.count("far") == 3
    assert read_with(PROFILE) == first


@pytest.mark.parametrize(
    "version", ["tosca_simple_yaml_1_3", "tosca_simple_yaml_1_0", "alien_dsl_3_0_0", "alien_dsl_1_4_0"]
)
def test_no_reading_changes_what_the_next_one_gets(version: str, tmp_path: Path) -> None:
    folder = tmp_path / "catalog" / "far"
    folder.mkdir(parents=True)
    text = PROFILE.replace("tosca_simple_yaml_1_3", version)
    (folder / "types.yaml").write_text(text)
    catalog = Catalog([tmp_path / "catalog"])
    label = str((folder / "types.yaml").resolve())
    read_text(USER, "doc.yaml", tmp_path, catalog)
    kept = imports.parse_profile(text, label, Problems())
    before = plain_value(kept)
    reading = read_text(USER, "doc.yaml", tmp_path, catalog)
    assert read_text(USER, "doc.yaml", tmp_path, catalog) == reading
    assert imports.parse_profile(text, label, Problems()) is kept
    assert plain_value(kept) == before == plain_value(imports.parse(text, label, Problems()))
