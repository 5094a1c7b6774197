"""Values of the simple types, in every notation that YAML 1.2 has for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.model.expressions import Call, Literal
from orchestrator.model.topology import Topology
from orchestrator.tosca import Reading, read_text

INPUT = """\
tosca_definitions_version: tosca_simple_yaml_1_3
topology_template: {{ inputs: {{ i: {{ type: {}, default: {} }} }} }}
"""


def whole(text: str, folder: Path) -> Topology:
    reading = read_text(f"tosca_definitions_version: tosca_simple_yaml_1_3\n{text}\n", "t.yaml", folder)
    assert reading.topology is not None
    assert not reading.has_errors, reading.problems
    return reading.topology


def default(read: Callable[..., Reading], type_name: str, text: str) -> Any:
    reading = read(INPUT.format(type_name, text))
    assert [str(p) for p in reading.problems] == []
    assert reading.topology is not None
    found = reading.topology.inputs["i"].default
    assert isinstance(found, Literal)
    return found.value


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [
        ("integer", "01", 1),
        ("integer", "-007", -7),
        ("integer", "0o17", 15),
        ("integer", "0x1F", 31),
        ("integer", "+7", 7),
        ("float", ".5", 0.5),
        ("float", "5.", 5.0),
        ("float", "007", 7.0),
        ("float", "1e3", 1000.0),
        ("float", ".inf", "inf"),
        ("float", "-.INF", "-inf"),
        ("float", ".NaN", "nan"),
        ("string", "01", "01"),
        ("string", ".inf", ".inf"),
        ("string", "1e999", "1e999"),
        ("scalar-unit.time", ".5 d", ".5 d"),
        ("scalar-unit.size", "5. GB", "5. GB"),
        ("scalar-unit.size", "1e3 MB", "1e3 MB"),
        ("scalar-unit.frequency", "+.5e1GHz", "+.5e1GHz"),
    ],
)
def test_values(read: Callable[..., Reading], type_name: str, text: str, value: object) -> None:
    assert default(read, type_name, text) == value


@pytest.mark.parametrize(
    ("type_name", "text"),
    [
        ("integer", "1.0"),
        ("integer", "0o8"),
        ("integer", ".inf"),
        ("integer", "1_000"),
        ("float", "1e999"),
        ("float", "9" * 400),
        ("float", "e3"),
        ("scalar-unit.time", ". d"),
        ("scalar-unit.time", "1e999 d"),
        ("scalar-unit.size", "5.. GB"),
    ],
)
def test_what_is_none(read: Callable[..., Reading], type_name: str, text: str) -> None:
    assert [p.code for p in read(INPUT.format(type_name, text)).problems] == ["T0403"]


@pytest.mark.parametrize(("text", "right"), [(".inf", True), ("3", True), ("-.inf", False), (".nan", False)])
def test_numbers_without_end_compare(read: Callable[..., Reading], text: str, right: bool) -> None:
    reading = read(INPUT.format("float, constraints: [ greater_than: 2 ]", text))
    assert [p.code for p in reading.problems] == ([] if right else ["T0404"])


@pytest.mark.parametrize(
    ("written", "wanted"),
    [("[ 01, 0x10 ]", [1, 16]), ("[ 0o7, UNBOUNDED ]", [7, "UNBOUNDED"]), ("[ -1, +08 ]", [-1, 8])],
)
def test_ends_of_ranges_are_numbers_of_yaml(written: str, wanted: list[Any], tmp_path: Path) -> None:
    topology = whole(f"topology_template: {{ inputs: {{ r: {{ type: range, default: {written} }} }} }}", tmp_path)
    default = topology.inputs["r"].default
    assert isinstance(default, Literal)
    assert default.value == wanted


def test_numbers_and_booleans_of_types_are_those_of_yaml(tmp_path: Path) -> None:
    requirement = "r: { capability: tosca.capabilities.Node, occurrences: [ 00, 0x2 ] }"
    create = "create: { implementation: { primary: t.sh, timeout: 060 }, inputs: { i: { token: [ a-b, '-', 01 ] } } }"
    topology = whole(
        "node_types:\n  a.A:\n    derived_from: tosca.nodes.Root\n    abstract: yes\n"
        f"    requirements: [ {requirement} ]\n"
        f"    interfaces: {{ Standard: {{ {create} }} }}\n  a.B: {{ derived_from: a.A, abstract: False }}\n",
        tmp_path,
    )
    a = topology.node_types["a.A"]
    assert (a.abstract, topology.node_types["a.B"].abstract) == (True, False)
    assert a.requirements["r"].occurrences == (0, 2)
    operation = next(iter(a.interfaces.values())).operations["create"]
    assert operation.implementation is not None
    assert operation.implementation.timeout == 60
    token = operation.inputs["i"]
    assert isinstance(token, Call)
    last = token.arguments[2]
    assert isinstance(last, Literal)
    assert last.value == 1
