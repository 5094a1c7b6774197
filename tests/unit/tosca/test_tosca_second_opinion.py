"""tosca-parser as second validator: silent on what is right, placed on what is wrong, and never in the way."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from orchestrator.model.expressions import Literal
from orchestrator.model.problems import Problems, Severity
from orchestrator.model.topology import Topology
from orchestrator.tosca import Catalog, read_text, read_topology
from orchestrator.tosca.second_opinion import BATCH, check_again

TEXT = """\
tosca_definitions_version: tosca_simple_yaml_1_3
data_types:
  a.Point:
    properties: { x: { type: integer, constraints: [ { in_range: [ 0, 9 ] } ] }, y: { type: string, default: b } }
node_types:
  a.A:
    derived_from: tosca.nodes.Root
    properties:
      number: { type: integer, default: 1, constraints: [ { less_than: 10 } ] }
      words: { type: list, entry_schema: string, default: [] }
      point: { type: a.Point }
      size: { type: scalar-unit.size, default: 1 GB }
      secret: { type: string, required: false }
topology_template:
  inputs: { i: { type: integer, default: 1 } }
  node_templates:
"""


def topology(count: int, folder: Path) -> Topology:
    lines = []
    for i in range(count):
        requirements = f", requirements: [ {{ dependency: n{i // 2} }} ]" if i else ""
        lines.append(
            f"    n{i}: {{ type: a.A, properties: {{ number: {{ get_input: i }}, "
            f"words: [ a, {{ get_secret: [ p, k ] }} ], secret: {{ get_secret: p }}, point: {{ x: 3 }} }}"
            f"{requirements} }}\n"
        )
    reading = read_text(TEXT + "".join(lines), "doc.yaml", folder, Catalog())
    assert [str(p) for p in reading.problems] == []
    assert reading.topology is not None
    return reading.topology


def again(topology: Topology) -> list[tuple[str, int]]:
    problems = Problems()
    check_again(topology, problems)
    return [(p.code, p.span.line) for p in problems if p.span]


def with_value(topology: Topology, node: str, name: str, value: object) -> Topology:
    """The topology with a value that our own checks would not have let through."""
    template = topology.node_templates[node]
    changed = msgspec.structs.replace(template, properties={**template.properties, name: Literal(value)})
    return msgspec.structs.replace(topology, node_templates={**topology.node_templates, node: changed})


def test_what_is_right_is_not_refused(tmp_path: Path) -> None:
    assert again(topology(2 * BATCH + 1, tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("number", "x"), ("words", "x"), ("point", {"x": "w"}), ("point", {}), ("size", "1 XX")],
)
def test_what_is_wrong_is_told_at_its_place(name: str, value: object, tmp_path: Path) -> None:
    wrong = with_value(topology(3, tmp_path), "n1", name, value)
    line = TEXT.count("\n") + 2
    assert set(again(wrong)) == {("T0901", line)}


def test_a_wrong_node_in_a_later_batch(tmp_path: Path) -> None:
    wrong = with_value(topology(BATCH + 5, tmp_path), f"n{BATCH + 2}", "number", "x")
    assert again(wrong) == [("T0901", TEXT.count("\n") + BATCH + 3)]


def test_the_samples_pass(samples: Path, sample_catalog: Catalog) -> None:
    for path in sorted((samples / "topologies").glob("*.yaml")):
        reading = read_topology(path, sample_catalog, second_opinion=True)
        assert "T0901" not in {p.code for p in reading.problems}


def test_threads_do_not_mix_their_errors(tmp_path: Path) -> None:
    right = topology(20, tmp_path)
    wrong = with_value(right, "n1", "number", "x")
    found: dict[int, list[tuple[str, int]]] = {}

    def run(number: int) -> None:
        found[number] = again(wrong if number % 2 else right)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(found[i]) for i in range(8)] == [0, 1] * 4


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    again(with_value(topology(2, tmp_path), "n1", "size", "1 XX"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "definition",
    [
        "{ type: version, default: 2, constraints: [ equal: 2 ] }",
        "{ type: version, default: 1.14.1, constraints: [ greater_or_equal: 1.14.1 ] }",
        "{ type: version, default: 8, constraints: [ valid_values: [ 6, 7, 8 ] ] }",
        "{ type: version, default: 1.10, constraints: [ in_range: [ 1.9, 2 ] ] }",
        "{ type: scalar-unit.time, default: 90 s, constraints: [ less_than: 2 m ] }",
        "{ type: list, entry_schema: { type: version, constraints: [ less_than: 3 ] }, default: [ 1.2.3 ] }",
    ],
)
def test_constraints_are_judged_once(definition: str, tmp_path: Path) -> None:
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        f"node_types: {{ a.A: {{ derived_from: tosca.nodes.Root, properties: {{ p: {definition} }} }} }}\n"
        "topology_template: { node_templates: { a: { type: a.A } } }\n"
    )
    assert read_text(text, "doc.yaml", tmp_path, Catalog(), second_opinion=True).problems == ()


def test_what_only_tosca_parser_refuses_is_a_warning(tmp_path: Path) -> None:
    problems = Problems()
    check_again(with_value(topology(2, tmp_path), "n1", "number", "x"), problems)
    assert [p.severity for p in problems] == [Severity.WARNING]
