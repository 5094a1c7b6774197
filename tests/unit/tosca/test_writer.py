"""Conversion to Simple Profile 1.3: what is written reads back as the same model, and what is not said so."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any
from unicodedata import category

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.documents import dumped, loaded

from orchestrator.model.problems import Problems
from orchestrator.model.topology import Topology
from orchestrator.resources import topologies_folder, types_folder
from orchestrator.tosca import Catalog, read_topology
from orchestrator.tosca.remarks import Fate
from orchestrator.tosca.tree import List, Map, Scalar, Tree
from orchestrator.tosca.writer import Conversion, to_simple_profile
from orchestrator.tosca.yaml_reader import parse
from orchestrator.tosca.yaml_writer import write_yaml

TOPOLOGIES = ["minimal_workflow_classic", "minimal_workflow_parallel", "pillar_I_non_intrusive", "rom_pillar_I"]
SHIPPED = sorted(folder.name for folder in types_folder().iterdir() if (folder / "types.yaml").is_file())
EXAMPLES = sorted(topologies_folder().glob("*/topology.yaml"))
TYPES = (
    "node_types",
    "data_types",
    "capability_types",
    "relationship_types",
    "interface_types",
    "artifact_types",
    "policy_types",
    "group_types",
)


def without_places(value: Any) -> Any:
    """What a model says, less where it was written; of a file that was found only where it is."""
    if isinstance(value, dict):
        kept = {k: without_places(v) for k, v in value.items() if k not in ("span", "spans", "profile")}
        if kept.get("path"):
            kept.pop("file", None)
        return kept
    return [without_places(item) for item in value] if isinstance(value, list | tuple) else value


def model(topology: Topology | None) -> dict[str, Any]:
    assert topology is not None
    found = without_places(msgspec.to_builtins(topology))
    found.pop("file")
    return found  # type: ignore[no-any-return]


def converted(file: Path, folder: Path, catalog: Catalog) -> tuple[Conversion, Path]:
    """The conversion of a file, written into a folder where nothing else lies."""
    conversion = to_simple_profile(file, catalog, folder)
    assert conversion.text is not None, [str(p) for p in conversion.problems]
    target = folder / file.name
    target.write_text(conversion.text, encoding="utf-8")
    return conversion, target


def same_model(file: Path, folder: Path, catalog: Catalog, again: Catalog | None = None) -> Conversion:
    """Convert a file and compare what both read as."""
    before = read_topology(file, catalog)
    conversion, target = converted(file, folder, catalog)
    after = read_topology(target, again or catalog)
    codes = {p.code for p in before.problems}
    assert [str(p) for p in after.problems if p.code not in codes] == []
    assert model(after.topology) == model(before.topology)
    assert (conversion.text or "").startswith("tosca_definitions_version: tosca_simple_yaml_1_3\n")
    return conversion


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_sample_topology_stays_the_same(name: str, samples: Path, tmp_path: Path) -> None:
    conversion = same_model(samples / "topologies" / f"{name}.yaml", tmp_path, Catalog())
    assert "type_requirement" not in (conversion.text or "")
    assert "dls.ansible:1.3.0" in (conversion.text or "")  # shipped: imported
    assert "node_types" not in (conversion.text or "")
    kept = [r.message for r in conversion.remarks if r.fate is Fate.EXTENSION]
    assert any(message.startswith("get_secret") for message in kept)
    assert any(message.startswith("assignment") for message in kept)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_with_profiles_of_the_user_nothing_is_imported(
    name: str, samples: Path, sample_catalog: Catalog, tmp_path: Path
) -> None:
    """All types that are needed are inside: it reads without any catalog. Types that are only named come besides."""
    file = samples / "topologies" / f"{name}.yaml"
    before = model(read_topology(file, sample_catalog).topology)
    conversion, target = converted(file, tmp_path, sample_catalog)
    assert "imports" not in (conversion.text or "")
    reading = read_topology(target, Catalog(shipped=False))
    assert [str(p) for p in reading.problems if p.code != "T0308"] == []
    after = model(reading.topology)
    for kind in TYPES:
        assert {n: after[kind].get(n) for n in before[kind]} == before[kind]
        after[kind] = before[kind] = {}
    assert after == before


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.parent.name)
def test_a_shipped_example_stays_the_same(file: Path, tmp_path: Path) -> None:
    same_model(file, tmp_path, Catalog())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_profile_stays_the_same(name: str, tmp_path: Path) -> None:
    """The playbooks of its operations are found from the new place too."""
    file = types_folder() / name / "types.yaml"
    same_model(file, tmp_path, Catalog())


def test_converting_again_changes_nothing(samples: Path, tmp_path: Path) -> None:
    for number, file in enumerate(
        [samples / "topologies" / "rom_pillar_I.yaml", samples / "types" / "dls.ansible.yml"]
    ):
        folder, other = tmp_path / f"{number}", tmp_path / f"{number} again"
        folder.mkdir()
        other.mkdir()
        first, target = converted(file, folder, Catalog())
        second, _ = converted(target, other, Catalog())
        assert second.text == first.text


def write(folder: Path, **documents: str) -> Path:
    """Write documents; the path of the one called ``root``."""
    for name, text in documents.items():
        target = folder / f"{name.replace('__', '/')}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder / "root.yaml"


def test_own_types_move_in_with_their_files(tmp_path: Path) -> None:
    file = write(
        tmp_path / "source",
        root="""
            tosca_definitions_version: tosca_simple_yaml_1_2
            imports: [ { file: types/a.yaml, namespace_prefix: my } ]
            topology_template:
              node_templates:
                one:
                  type: my:Thing
                  requirements: [ { base: { node: two, relationship: my:Leans } } ]
                two: { type: tosca:Root }
            """,
        types__a="""
            tosca_definitions_version: tosca_simple_yaml_1_2
            relationship_types:
              Leans: { derived_from: DependsOn }
            node_types:
              Thing:
                derived_from: tosca.nodes.Root
                tags: { icon: images/thing.png }
                requirements: [ { base: { capability: Node, occurrences: [ 0, 1 ] } } ]
                interfaces:
                  Standard:
                    start: scripts/start.sh
                    stop: { implementation: { file: scripts/stop, type: Bash } }
            """,
    )
    scripts = tmp_path / "source" / "types" / "scripts"
    scripts.mkdir()
    (scripts / "start.sh").touch()
    (scripts / "stop").touch()
    target = tmp_path / "there"
    target.mkdir()
    conversion = same_model(file, target, Catalog())
    written = loaded(conversion.text or "")
    thing = written["node_types"]["Thing"]
    assert thing["requirements"] == [{"base": {"capability": "tosca.capabilities.Node", "occurrences": [0, 1]}}]
    assert thing["interfaces"]["Standard"] == {
        "type": "tosca.interfaces.node.lifecycle.Standard",
        "operations": {
            "start": "../source/types/scripts/start.sh",
            "stop": {"implementation": {"primary": {"file": "../source/types/scripts/stop", "type": "Bash"}}},
        },
    }
    assert "imports" not in written
    templates = written["topology_template"]["node_templates"]
    assert templates["one"]["type"] == "Thing"
    assert templates["one"]["requirements"][0]["base"]["relationship"] == "Leans"
    assert templates["two"]["type"] == "tosca.nodes.Root"
    said = {(r.fate, r.message) for r in conversion.remarks}
    assert (Fate.LOST, "tags, which are for user interfaces (icons)") in said
    assert (Fate.CHANGED, "the types of a.yaml are written into the document") in said
    assert (Fate.CHANGED, "files are named as they are seen from the new document") in said


def test_what_has_no_place_in_the_simple_profile_is_said(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        root="""
            # made by hand
            tosca_definitions_version: alien_dsl_2_0_0
            dsl_definitions: { x: &x { type: string } }
            imports: [ "tosca-normative-types:1.0.0" ]
            node_types:
              a.A:
                abstract: true
                derived_from: tosca.nodes.Root
                properties: { p: *x }
                interfaces:
                  Standard:
                    create:
                      inputs: { i: { get_input_nf: x }, j: { get_property: [ REQ_TARGET, dependency, p ] } }
            """,
    )
    (tmp_path / "new").mkdir()
    conversion = same_model(file, tmp_path / "new", Catalog())
    assert [(r.fate.value, r.message.split(",")[0].split(";")[0]) for r in conversion.remarks] == [
        ("lost", "dsl_definitions"),
        ("lost", "the comments of root.yaml"),
        ("extension", "abstract is no keyname of the Simple Profile"),
        ("extension", "REQ_TARGET is no keyword of the Simple Profile"),
        ("changed", "get_input_nf is written as get_input"),
        (
            "changed",
            "tosca-normative-types:1.0.0 is imported as tosca-normative-types:1.0.0-ALIEN20",
        ),
    ]
    place = next(r.span for r in conversion.remarks if r.message.startswith("REQ_TARGET"))
    assert place is not None
    assert (place.line, place.column) == (14, 66)


def test_a_topology_that_stands_for_a_type_stays_an_import(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        root="""
            tosca_definitions_version: tosca_simple_yaml_1_3
            imports: [ inner.yaml ]
            topology_template: { node_templates: { whole: { type: Whole } } }
            """,
        inner="""
            tosca_definitions_version: tosca_simple_yaml_1_3
            node_types:
              Whole: { derived_from: tosca.nodes.Root, requirements: [ { base: { capability: Node } } ] }
            topology_template:
              node_templates: { part: { type: tosca.nodes.Root } }
              substitution_mappings: { node_type: Whole, requirements: { base: [ part, dependency ] } }
            """,
    )
    (tmp_path / "new").mkdir()
    conversion = same_model(file, tmp_path / "new", Catalog())
    assert loaded(conversion.text or "")["imports"] == ["../inner.yaml"]


def test_short_notations_are_written_out(tmp_path: Path) -> None:
    """A text alone is the type of a new property and the default of an inherited one."""
    file = write(
        tmp_path,
        root="""
            tosca_definitions_version: tosca_simple_yaml_1_3
            node_types:
              A: { derived_from: Root, properties: { p: string, q: { type: list, entry_schema: string } } }
              B: { derived_from: A, properties: { p: integer } }
              C: { derived_from: B, capabilities: { c: Node }, interfaces: { Standard: { start: null } } }
            topology_template:
              node_templates: { b: { type: B, properties: { q: [] } } }
              outputs: { o: { get_property: [ b, p ] } }
            """,
    )
    (tmp_path / "new").mkdir()
    written = loaded(same_model(file, tmp_path / "new", Catalog()).text or "")
    types = written["node_types"]
    assert types["A"]["properties"] == {
        "p": {"type": "string"},
        "q": {"type": "list", "entry_schema": {"type": "string"}},
    }
    assert types["B"]["properties"] == {"p": {"default": "integer"}}
    assert types["C"]["capabilities"] == {"c": {"type": "tosca.capabilities.Node"}}
    assert types["C"]["interfaces"]["Standard"]["operations"] == {"start": None}
    assert written["topology_template"]["outputs"] == {"o": {"value": {"get_property": ["b", "p"]}}}


def test_a_document_with_errors_is_not_converted(tmp_path: Path) -> None:
    file = write(tmp_path, root="tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_templates: {}\n")
    conversion = to_simple_profile(file)
    assert conversion.text is None
    assert [p.code for p in conversion.problems] == ["T0206"]


# the text

PLACE = ("f", 1, 1, 1, 1)
TEXTS = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    st.text(alphabet="ab -:#'\"\n\t\\{}[],&*!|>%@`~=?<0.1e_yesno", max_size=15),
    st.sampled_from(["", "~", "yes", "3000", "0x1F", "1.10", "true", "<<", "---", "...", "2020-01-01", "1:30", "é😀"]),
    st.sampled_from(["word " * 40, ("word " * 40).strip(), "a\nb\n", "a\nb", "x" * 300, "\\d+", "tab\there"]),
)
PLAIN = st.sampled_from(["", "~", "null", "3000", "1.5", "true", "yes", "abc", "0o17", "012", ".inf", "-1", "1e3"])
KEYS = st.one_of(TEXTS, st.sampled_from(["get_input", "concat", "k" * 1500, "type"])).filter(
    lambda name: not any(category(character) == "Cc" for character in name)  # names have none: T0112
)
SCALARS = st.one_of(
    TEXTS.map(lambda text: Scalar(*PLACE, text, False)), PLAIN.map(lambda text: Scalar(*PLACE, text, True))
)


def as_map(entries: dict[str, Tree]) -> Map:
    return Map(*PLACE, {key: (Scalar(*PLACE, key, False), value) for key, value in entries.items()})


TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: List(*PLACE, items)),
        st.dictionaries(KEYS, inner, max_size=4).map(as_map),
    ),
    max_leaves=25,
)


def content(tree: Tree) -> Any:
    if isinstance(tree, Scalar):
        return tree.text, repr(tree.native)
    if isinstance(tree, List):
        return [content(item) for item in tree.items]
    return {key: content(value) for key, (_, value) in tree.entries.items()}


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, TREES, min_size=1, max_size=5).map(as_map), st.sets(KEYS))
def test_a_text_reads_back_as_the_tree_it_was_written_from(root: Map, spaced: set[str]) -> None:
    text = write_yaml(root, spaced)
    problems = Problems()
    back = parse(text, "f", problems)
    assert list(problems) == []
    assert back is not None
    assert content(back) == content(root), text


# generated topologies

NAMES = st.sampled_from(["a", "b", "c", "d"])
WORDS = st.sampled_from(["x", "3000", "yes", "", "a b", "é", "a: b", "#", "{x}", "1.10", "line\nline\n"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.one_of(
        WORDS,
        st.just({"get_input": "i"}),
        st.just({"get_secret": ["/p", "data=k"]}),
        WORDS.map(lambda word: {"concat": [word, {"get_input": ["i"]}, {"get_property": ["SELF", "name"]}]}),
    ),
    "integer": st.integers(-5, 5),
    "boolean": st.booleans(),
    "float": st.floats(-10, 10),
    "list": st.lists(WORDS, max_size=3),
    "map": st.dictionaries(NAMES, WORDS, max_size=3),
    "scalar-unit.size": st.sampled_from(["1 GB", "10MB"]),
    "gen.Data": st.fixed_dictionaries({"f": WORDS}),
}
KINDS = st.sampled_from(sorted(VALUES))


@st.composite
def definitions(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {"name": {"type": "string", "default": "n"}}
    for name in draw(st.sets(NAMES)):
        kind = draw(KINDS)
        definition: dict[str, Any] = {"type": kind, "required": draw(st.booleans())}
        if definition["required"] or draw(st.booleans()):
            definition["default"] = draw(VALUES[kind])
        if kind in ("list", "map") and draw(st.booleans()):
            definition["entry_schema"] = draw(st.sampled_from(["string", {"type": "string", "description": "d"}]))
        if kind == "integer" and draw(st.booleans()):
            definition["constraints"] = draw(st.sampled_from([[{"in_range": [-9, 9]}], {"less_than": 100}]))
        found[name] = definition
    return found


@st.composite
def operations(draw: st.DrawFn, simple: bool) -> Any:
    form = draw(st.integers(0, 3))
    if form == 0:
        return "run.sh"
    inputs = {"i": draw(VALUES["string"]), "j": {"type": "integer", "default": 1}}
    if form == 1:
        return {"inputs": inputs, "implementation": {"primary": "run.sh", "timeout": 60}}
    if form == 2:
        return {"implementation": {"file": "run.sh", "type": "tosca.artifacts.Implementation.Bash"}}
    return {"description": "d", "inputs": inputs, "outputs": {"o": ["SELF", "state"]}} if simple else {"inputs": inputs}


@st.composite
def interfaces(draw: st.DrawFn, simple: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    long_standard = "tosca.interfaces.node.lifecycle.Standard"
    for name in draw(st.sets(st.sampled_from(["Standard", long_standard, "custom"]), max_size=2)):
        chosen = {op: draw(operations(simple)) for op in draw(st.sets(st.sampled_from(["create", "start", "stop"])))}
        grouped = simple and draw(st.booleans())
        found[name] = {"operations": chosen} if grouped and chosen else chosen
        if name == "custom" and not grouped and draw(st.booleans()):
            found[name]["inputs"] = {"shared": draw(VALUES["string"])}
    return found


DIALECTS = st.sampled_from(
    ["tosca_simple_yaml_1_0", "tosca_simple_yaml_1_2", "tosca_simple_yaml_1_3", "alien_dsl_2_0_0", "alien_dsl_3_0_0"]
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    dialect = draw(DIALECTS)
    simple = dialect.startswith("tosca")
    parent = {
        "derived_from": draw(st.sampled_from(["tosca.nodes.Root", "Root"])),
        "abstract": draw(st.booleans()),
        "properties": draw(definitions()),
        "capabilities": draw(st.sampled_from([{"c": "Node"}, {"c": {"type": "tosca.capabilities.Node"}}])),
        "requirements": [{"r": {"capability": "Node", "relationship": "DependsOn", "occurrences": [0, "UNBOUNDED"]}}],
        "interfaces": draw(interfaces(simple)),
    }
    child = {"derived_from": "gen.Parent", "properties": {"own": {"type": "string", "required": False}}}
    artifact = {"f": {"file": "data.txt", "type": "tosca.artifacts.File"}}
    child["artifacts"] = [artifact] if not simple else artifact
    typed = {n: d for n, d in parent["properties"].items() if n != "name"}
    nodes: dict[str, Any] = {}
    for name in draw(st.lists(NAMES, unique=True, min_size=1)):
        node: dict[str, Any] = {"type": draw(st.sampled_from(["gen.Parent", "gen.Child"]))}
        values = {n: draw(VALUES[d["type"]]) for n, d in typed.items() if draw(st.booleans())}
        node["properties"] = values
        node["requirements"] = [draw(requirements(simple, other, number)) for number, other in enumerate(nodes)]
        if draw(st.booleans()):
            node["metadata"] = {"a4c_edit_x": "12", "a4c_edit_y": 3}
        nodes[name] = node
    body = {
        "inputs": {"i": {"type": "string", "default": draw(WORDS)}},
        "node_templates": nodes,
        "outputs": {"o": {"value": {"get_property": [next(iter(nodes)), "name"]}}},
        "workflows": {"w": {"steps": draw(steps(list(nodes)))}},
    }
    return {
        "tosca_definitions_version": dialect,
        "metadata": {"template_name": "gen", "template_version": "1.0"},
        "description": draw(WORDS),
        "data_types": {"gen.Data": {"derived_from": "tosca.datatypes.Root", "properties": {"f": {"type": "string"}}}},
        "node_types": {"gen.Parent": parent, "gen.Child": child},
        "topology_template": body,
    }


@st.composite
def requirements(draw: st.DrawFn, simple: bool, target: str, number: int) -> dict[str, Any]:
    body: dict[str, Any] = {"node": target}
    if draw(st.booleans()):
        body["capability"] = draw(st.sampled_from(["feature", "tosca.capabilities.Node"]))
    if draw(st.booleans()):
        body["relationship"] = draw(st.sampled_from(["DependsOn", {"type": "tosca.relationships.DependsOn"}]))
    if not simple:
        return {f"to {target} {number}": {"type_requirement": "r", **body}}
    return {"r": target if len(body) == 1 and draw(st.booleans()) else body}


@st.composite
def steps(draw: st.DrawFn, nodes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = [f"s{number}" for number in range(draw(st.integers(1, 3)))]
    for number, name in enumerate(names):
        activity = draw(st.sampled_from([{"set_state": "started"}, {"delegate": "install"}]))
        step: dict[str, Any] = {"target": draw(st.sampled_from(nodes)), "activities": [activity]}
        if number + 1 < len(names):
            after = names[number + 1]
            step[draw(st.sampled_from(["on_success", "on_failure"]))] = draw(st.sampled_from([after, [after]]))
        found[name] = step
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_a_generated_topology_stays_the_same(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("generated")
    (folder / "new").mkdir()
    (folder / "run.sh").touch()
    file = folder / "gen.yaml"
    file.write_text(dumped(document), encoding="utf-8")
    reading = read_topology(file)
    assert [str(p) for p in reading.problems if p.code != "T0310"] == []
    same_model(file, folder / "new", Catalog())
