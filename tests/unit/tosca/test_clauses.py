"""Condition clauses of workflows: what is wrong in them has a place; values mean what the attributes' types say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.topology import Topology
from orchestrator.tosca import Catalog, read_text
from orchestrator.tosca.conditions import attribute_type, hold

HEAD = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  x.N:
    derived_from: tosca.nodes.Root
    properties: { limit: { type: integer, default: 3 } }
    attributes:
      v: { type: version }
      s: { type: string }
      n: { type: integer }
      up: { type: boolean }
      size: { type: scalar-unit.size }
      words: { type: list, entry_schema: { type: string } }
      anything: { type: any }
topology_template:
  node_templates: { a: { type: x.N }, b: { type: x.N }, other: { type: tosca.nodes.Root } }
  groups: { pair: { type: tosca.groups.Root, members: [ a, b ] }, mixed: { members: [ a, other ] } }
"""


def filtered(clause: str, target: str = "a") -> str:
    step = f"{{ target: {target}, activities: [ set_state: x ],\n    filter: [\n{clause}\n    ] }}"
    return f"{HEAD}  workflows: {{ w: {{ steps: {{ s: {step} }} }} }}\n"


def preconditioned(clause: str, target: str = "a") -> str:
    body = f"preconditions: [ {{ target: {target},\n  condition: [\n{clause}\n  ] }} ]"
    return f"{HEAD}  workflows: {{ w: {{ {body} }} }}\n"


def read(text: str, folder: Path) -> tuple[Topology | None, list[tuple[str, int, int, str, str]]]:
    done = read_text(text, "t.yaml", folder, Catalog())
    found = [
        (p.code, p.span.line - HEAD.count("\n"), p.span.column, p.message, p.hint or "")
        for p in done.problems
        if p.span is not None
    ]
    return done.topology, found


@pytest.mark.parametrize("document", [filtered, preconditioned])
@pytest.mark.parametrize(
    ("clause", "column", "code", "says"),
    [
        ("stat: started", 1, "T0405", "did you mean 'state'"),
        ("s: { greater_then: 5 }", 6, "T0305", "did you mean 'greater_than'"),
        ("n: { greater_than: many }", 20, "T0305", "n is an integer, which 'many' is not"),
        ("n: [ { in_range: [ 1, lots ] } ]", 23, "T0305", "'lots'"),
        ("n: { in_range: 3 }", 16, "T0305", "a list of two bounds"),
        ("s: { pattern: '(' }", 15, "T0305", "a regular expression"),
        ("size: [ { less_than: 5 parsecs } ]", 22, "T0305", "scalar-unit.size"),
        ("up: maybe", 5, "T0305", "up is a boolean"),
        ("v: [ { valid_values: [ 1.0, new one ] } ]", 29, "T0305", "v is a version"),
        ("words: { min_length: two }", 22, "T0305", "whole number"),
        ("s: [ one, two ]", 1, "T0305", "valid_values"),
        ("s: ", 1, "T0305", "says nothing"),
        ("or: []", 1, "T0305", "joins no conditions"),
        ("not: [ { and: [ { s: { equals: x } } ] } ]", 24, "T0305", "did you mean 'equal'"),
        ("assert: [ { st: x } ]", 13, "T0405", "no attribute 'st'"),
        ("started", 1, "T0305", "a map of an attribute"),
        ("{}", 1, "T0305", "an empty one"),
    ],
)
def test_what_is_wrong_has_its_place(
    document: Any, clause: str, column: int, code: str, says: str, tmp_path: Path
) -> None:
    _, found = read(document(clause), tmp_path)
    ((its_code, line, its_column, message, hint),) = found
    assert (its_code, line, its_column) == (code, 3, column)
    assert says in f"{message} {hint}"


def test_every_member_of_a_group_is_asked(tmp_path: Path) -> None:
    assert read(preconditioned("n: { less_than: 5 }", "pair"), tmp_path)[1] == []
    ((code, *_, message, _),) = read(preconditioned("n: { less_than: 5 }", "mixed"), tmp_path)[1]
    assert (code, message) == ("T0405", "other has no attribute 'n'")


def test_a_precondition_without_a_target(tmp_path: Path) -> None:
    text = f"{HEAD}  workflows: {{ w: {{ preconditions: [ {{ condition: [ state: started ] }} ] }} }}\n"
    ((code, *_, message, _),) = read(text, tmp_path)[1]
    assert (code, message) == ("T0208", "the precondition names no target")


@pytest.mark.parametrize(
    ("clause", "value", "unlike"),
    [
        ("v: { equal: 1.10 }", "1.10", "1.1"),
        ("v: { in_range: [ 1.9, 1.20 ] }", "1.10", "1.30"),
        ("s: 0755", "0755", "493"),
        ("s: { valid_values: [ no, 1.50 ] }", "1.50", "1.5"),
        ("s: true", "true", "1"),
        ("s: { equal: True }", "True", "true"),
        ("s: { equal: 1_000 }", "1_000", "1000"),
        ("n: { greater_or_equal: 0x10 }", 16, 15),
        ("up: yes", True, False),
        ("size: { less_than: .5 GB }", "400 MB", "600 MB"),
        ("words: { equal: [ a, b ] }", ["a", "b"], ["a"]),
        ("words: { length: 2 }", ["a", "b"], ["a"]),
        ("s: { pattern: 1.0 }", "1.0", "2.0"),
        ("limit: { in_range: [ 3, UNBOUNDED ] }", 3, 2),
        ("anything: { equal: 1.5 }", 1.5, 1.6),
        ("and: [ { s: [ { min_length: 2 }, { max_length: 3 } ] }, { not: [ { s: abc } ] } ]", "abd", "abc"),
    ],
)
def test_values_are_those_of_the_declared_types(clause: str, value: Any, unlike: Any, tmp_path: Path) -> None:
    topology, found = read(filtered(clause), tmp_path)
    assert found == []
    assert topology is not None
    conditions = topology.workflows["w"].steps["s"].filter
    node = topology.node_templates["a"]

    def holds(given: Any) -> bool:
        return hold(conditions, lambda _: given, lambda name: attribute_type(topology, node, name))

    assert holds(value)
    assert not holds(unlike)
