"""What holds for the model of every document: inheritance, translation and reading without side effects, positions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.documents import dumped, loaded

from orchestrator.model.source import Span
from orchestrator.model.topology import Topology
from orchestrator.tosca import Catalog, Reading, read_text
from orchestrator.tosca.writer import to_simple_profile

CATALOG = Catalog()
VERSION = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
SECTIONS = ("properties", "attributes", "capabilities", "requirements", "interfaces", "artifacts")
bounded = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
names = st.sampled_from(["p", "q", "r", "s", "t"])
values = {
    "string": st.sampled_from(["a", "3000", "yes", "é ü", "a: b", ""]),
    "integer": st.integers(-9, 9),
    "boolean": st.booleans(),
    "float": st.sampled_from([0.5, -2.0]),
    "scalar-unit.size": st.sampled_from(["1 GB", "20 MiB"]),
    "list": st.lists(st.sampled_from(["a", "b"]), max_size=2),
    "map": st.dictionaries(st.sampled_from(["k", "l"]), st.integers(0, 3), max_size=2),
}


@st.composite
def definition(draw: st.DrawFn, type_name: str | None = None) -> dict[str, Any]:
    """A property definition, with a default or without."""
    kind = type_name or draw(st.sampled_from(sorted(values)))
    found: dict[str, Any] = {"type": kind}
    if kind == "list":
        found["entry_schema"] = {"type": "string"}
    if kind == "map":
        found |= {"entry_schema": {"type": "integer"}, "key_schema": {"type": "string"}}
    if draw(st.booleans()):
        found["default"] = draw(values[kind])
    elif draw(st.booleans()):
        found["required"] = False
    return found


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document with a forest of node types and node templates of them, without faults."""
    types: dict[str, dict[str, Any]] = {}
    every: dict[str, dict[str, dict[str, Any]]] = {}
    for number in range(draw(st.integers(1, 6))):
        parent = draw(st.sampled_from(["tosca.nodes.Root", *types]))
        known = every.get(parent, {})
        own = {n: draw(definition(known[n]["type"] if n in known else None)) for n in draw(st.sets(names))}
        body: dict[str, Any] = {"derived_from": parent, "properties": own}
        body["attributes"] = {f"{n}_at": {"type": "string"} for n in draw(st.sets(names, max_size=2))}
        body["capabilities"] = {f"{n}_cap": "tosca.capabilities.Node" for n in draw(st.sets(names, max_size=2))}
        body["requirements"] = [
            {f"{n}_req": {"capability": "tosca.capabilities.Node", "occurrences": [0, "UNBOUNDED"]}}
            for n in sorted(draw(st.sets(names, max_size=2)))
        ]
        operations = {n: {"inputs": {"i": draw(st.integers(0, 3))}} for n in draw(st.sets(names, max_size=2))}
        body["interfaces"] = {"own": {"operations": operations}} if operations else {}
        types[f"t.T{number}"] = body
        every[f"t.T{number}"] = {**known, **{n: {**known.get(n, {}), **d} for n, d in own.items()}}
    templates: dict[str, Any] = {}
    for number in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(sorted(types)))
        assigned = {
            n: draw(values[d["type"]])
            for n, d in every[name].items()
            if ("default" not in d and d.get("required", True)) or draw(st.booleans())
        }
        templates[f"n{number}"] = {"type": name, "properties": assigned}
        if number and draw(st.booleans()):
            templates[f"n{number}"]["requirements"] = [{"dependency": f"n{number - 1}"}]
    steps = {f"s{n}": {"target": n, "activities": [{"set_state": "x"}]} for n in templates}
    return {
        "tosca_definitions_version": "tosca_simple_yaml_1_3",
        "node_types": types,
        "topology_template": {"node_templates": templates, "workflows": {"w": {"steps": steps}}},
    }


def written(document: dict[str, Any], folder: Path) -> str:
    """The document as text; what it says is checked to be what was meant."""
    return dumped(document)


def read(text: str, folder: Path) -> Topology:
    reading = read_text(text, "doc.yaml", folder, CATALOG)
    assert [str(p) for p in reading.problems] == []
    assert reading.topology is not None
    return reading.topology


def without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_places(v) for k, v in value.items() if k not in ("span", "spans", "file")}
    return [without_places(item) for item in value] if isinstance(value, list | tuple) else value


def model(topology: Topology) -> Any:
    return without_places(msgspec.to_builtins(topology))


# inheritance


@bounded
@given(documents())
def test_a_derived_type_has_all_of_its_ancestors(tmp_path: Path, document: dict[str, Any]) -> None:
    topology = read(written(document, tmp_path), tmp_path)
    for name, body in document["node_types"].items():
        node_type = topology.node_types[name]
        parent = topology.node_types[body["derived_from"]]
        assert node_type.lineage == (name, *parent.lineage)
        assert node_type.lineage[-1] == "tosca.nodes.Root"
        for section in SECTIONS:
            inherited, own = getattr(parent, section), getattr(node_type, section)
            redefined = {n for item in body.get(section, []) for n in item} if section == "requirements" else {}
            redefined = redefined or set(body.get(section) or ())
            assert inherited.keys() <= own.keys()
            assert own.keys() - inherited.keys() <= redefined
            assert {n: own[n] for n in inherited if n not in redefined} == {
                n: d for n, d in inherited.items() if n not in redefined
            }
        for operation, definition in parent.interfaces["own"].operations.items() if "own" in parent.interfaces else ():
            own_inputs = node_type.interfaces["own"].operations[operation].inputs
            assert own_inputs.keys() >= definition.inputs.keys()


@bounded
@given(documents())
def test_a_refined_property_keeps_what_it_leaves_out(tmp_path: Path, document: dict[str, Any]) -> None:
    topology = read(written(document, tmp_path), tmp_path)
    for name, body in document["node_types"].items():
        inherited = topology.node_types[body["derived_from"]].properties
        for key, definition in topology.node_types[name].properties.items():
            own = body["properties"].get(key)
            if own is None or key not in inherited:
                continue
            if "default" not in own:
                assert definition.default == inherited[key].default
            assert definition.schema.type == inherited[key].schema.type
            assert definition.required == own.get("required", inherited[key].required)


@bounded
@given(documents())
def test_a_node_template_has_every_default(tmp_path: Path, document: dict[str, Any]) -> None:
    topology = read(written(document, tmp_path), tmp_path)
    for name, body in document["topology_template"]["node_templates"].items():
        template = topology.node_templates[name]
        node_type = topology.node_types[body["type"]]
        assert template.lineage == node_type.lineage
        for key, definition in node_type.properties.items():
            if key in body["properties"]:
                assert template.properties[key].value == body["properties"][key]  # type: ignore[union-attr]
            elif definition.default is not None:
                assert template.properties[key] == definition.default
            else:
                assert key not in template.properties
        assert template.capabilities.keys() == node_type.capabilities.keys()
        assert template.interfaces == node_type.interfaces


# translation


@bounded
@given(documents())
def test_reading_twice_gives_the_same(tmp_path: Path, document: dict[str, Any]) -> None:
    text = written(document, tmp_path)
    assert read(text, tmp_path) == read(text, tmp_path)


@bounded
@given(documents())
def test_the_converted_document_is_the_same_model_and_stays_as_it_is(tmp_path: Path, document: dict[str, Any]) -> None:
    file = tmp_path / "doc.yaml"
    texts = [written(document, tmp_path)]
    models = []
    for _ in range(3):
        file.write_text(texts[-1], encoding="utf-8")
        models.append(model(read(texts[-1], tmp_path)))
        text = to_simple_profile(file, CATALOG).text
        assert text is not None
        texts.append(text)
    assert models[0] == models[1] == models[2]
    assert texts[1] == texts[2] == texts[3]


# positions


def at(text: str, span: Span) -> str:
    """What stands at a span that ends on the line where it begins, else the rest of that line."""
    line = text.split("\n")[span.line - 1]
    return line[span.column - 1 : span.end_column - 1 if span.end_line == span.line else None]


def assert_names(text: str, span: Span | None, name: str) -> None:
    assert span is not None
    assert span.file == "doc.yaml"
    assert at(text, span).lstrip("'\"").startswith(name), (span, name, at(text, span))


def names_and_spans(topology: Topology) -> Iterator[tuple[str, Span | None]]:
    """Every named thing that the document itself writes, with its place."""
    for template in topology.node_templates.values():
        yield template.name, template.span
        for place, span in template.spans.items():
            section, _, name = place.partition(".")
            if name:
                yield name, span
            elif section == "type":
                yield template.type, span
        for relationship in template.relationships:
            yield relationship.requirement, relationship.span
    for workflow in topology.workflows.values():
        yield workflow.name, workflow.span
        for step in workflow.steps.values():
            yield step.name, step.span
    for node_type in (t for t in topology.node_types.values() if t.profile is None):
        yield node_type.name, node_type.span
        for section in SECTIONS:
            for name, definition in getattr(node_type, section).items():
                span = getattr(definition, "span", None)
                if span is not None and span.file == "doc.yaml":
                    yield name, span


@bounded
@given(documents())
def test_places_point_at_what_they_name(tmp_path: Path, document: dict[str, Any]) -> None:
    text = written(document, tmp_path)
    for name, span in names_and_spans(read(text, tmp_path)):
        assert_names(text, span, name)


@bounded
@given(documents())
def test_places_of_values_hold_the_value(tmp_path: Path, document: dict[str, Any]) -> None:
    """The text between the ends of an assigned property's place is the name and the value, and nothing else."""
    text = written(document, tmp_path)
    lines = text.split("\n")
    for name, template in read(text, tmp_path).node_templates.items():
        assigned = document["topology_template"]["node_templates"][name]["properties"]
        for key, value in assigned.items():
            span = template.spans[f"properties.{key}"]
            piece = lines[span.line - 1 : span.end_line]
            piece[-1] = piece[-1][: span.end_column - 1]
            piece[0] = " " * (span.column - 1) + piece[0][span.column - 1 :]
            assert loaded("\n".join(piece)) == {key: value}


@bounded
@given(documents(), st.data())
def test_a_problem_points_at_the_wrong_name(tmp_path: Path, document: dict[str, Any], data: st.DataObject) -> None:
    """Any name that is made wrong is reported, with its place, and it is the only one."""
    templates = document["topology_template"]["node_templates"]
    name = data.draw(st.sampled_from(sorted(templates)))
    where = data.draw(st.sampled_from(["type", "property", "requirement", "target", "step"]))
    wrong = "Wrong_Zebra"
    if where == "type":
        templates[name] = {"type": wrong}
    elif where == "property":
        templates[name]["properties"][wrong] = 1
    elif where == "requirement":
        templates[name]["requirements"] = [{wrong: name}]
    elif where == "target":
        templates[name]["requirements"] = [{"dependency": wrong}]
    else:
        document["topology_template"]["workflows"]["w"]["steps"][f"s{name}"]["target"] = wrong
    text = written(document, tmp_path)
    reading = read_text(text, "doc.yaml", tmp_path, CATALOG)
    (problem,) = [p for p in reading.problems if p.code != "T0506"]
    assert_names(text, problem.span, wrong)
    assert wrong in problem.message


# documents that are not finished


def check_partial(text: str, folder: Path) -> Reading:
    """A document, finished or not, gives problems whose places are inside of it."""
    reading = read_text(text, "doc.yaml", folder, CATALOG)
    lines = text.split("\n")
    for problem in reading.problems:
        span = problem.span
        assert span is not None
        if span.file != "doc.yaml":
            continue
        assert 1 <= span.line <= len(lines)
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1
        assert (span.line, span.column) <= (span.end_line, span.end_column)
    return reading


@bounded
@given(documents(), st.data())
def test_a_document_cut_off_anywhere_has_problems_inside_of_it(
    tmp_path: Path, document: dict[str, Any], data: st.DataObject
) -> None:
    text = written(document, tmp_path)
    cut = text[: data.draw(st.integers(0, len(text)))]
    reading = check_partial(cut, tmp_path)
    whole = read(text, tmp_path)
    if reading.topology is not None:  # what is there is a part of the whole
        assert reading.topology.node_templates.keys() - whole.node_templates.keys() <= {cut.split()[-1].rstrip(":")}


@pytest.mark.parametrize("sample", ["minimal_workflow_classic", "minimal_workflow"])
def test_a_sample_cut_off_at_every_line(sample: str, samples: Path, tmp_path: Path) -> None:
    file = samples / "topologies" / f"{sample}.yaml"
    if not file.is_file():
        pytest.skip("not among the samples")
    lines = file.read_text(encoding="utf-8").split("\n")
    for end in range(0, len(lines), max(1, len(lines) // 40)):
        check_partial("\n".join(lines[:end]), tmp_path)
        check_partial("\n".join(lines[:end])[:-3], tmp_path)
