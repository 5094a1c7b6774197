"""The rules that need no document: constraints, scalar units, circles, hints."""

from __future__ import annotations

import itertools

import networkx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.topology import Constraint
from orchestrator.tosca.constraints import OPERATORS, violated
from orchestrator.tosca.cycles import find_cycles
from orchestrator.tosca.names import did_you_mean, nearest
from orchestrator.tosca.scalars import unit_value
from orchestrator.tosca.tree import parse_number

MET = [
    ("equal", 3, 3, "integer"),
    ("equal", "1000 MB", "1 GB", "scalar-unit.size"),
    ("greater_than", 3, 4, "integer"),
    ("greater_or_equal", 3, 3, "integer"),
    ("greater_or_equal", "1 GiB", "1.1 GB", "scalar-unit.size"),
    ("less_than", 3, 2, "integer"),
    ("less_than", "1.10", "1.9", "version"),
    ("less_or_equal", 3, 3, "integer"),
    ("in_range", [1, 3], 1, "integer"),
    ("in_range", [1, 3], 3, "integer"),
    ("in_range", [1, "UNBOUNDED"], 10**9, "integer"),
    ("in_range", [1, 65535], [1, 65535], "integer"),
    ("in_range", [1, 65535], [1, "UNBOUNDED"], "integer"),
    ("valid_values", ["a", "b"], "b", "string"),
    ("valid_values", ["1 s"], "1000 ms", "scalar-unit.time"),
    ("length", 2, "ab", "string"),
    ("min_length", 2, [1, 2], "list"),
    ("max_length", 2, {"a": 1}, "map"),
    ("pattern", "[a-c]+", "abc", "string"),
    ("schema", "{}", "anything", "string"),
]
VIOLATED = [
    ("equal", 3, 4, "integer"),
    ("greater_than", 3, 3, "integer"),
    ("greater_or_equal", 3, 2, "integer"),
    ("less_than", 3, 3, "integer"),
    ("less_than", "1.9", "1.10", "version"),
    ("less_or_equal", "1 GHz", "1001 MHz", "scalar-unit.frequency"),
    ("in_range", [1, 3], 4, "integer"),
    ("in_range", [1, 3], 0, "integer"),
    ("in_range", [1, 65535], [0, 3], "integer"),
    ("valid_values", ["a", "b"], "c", "string"),
    ("length", 2, "a", "string"),
    ("min_length", 2, [1], "list"),
    ("max_length", 1, {"a": 1, "b": 2}, "map"),
    ("pattern", "[a-c]+", "abcd", "string"),
]


@pytest.mark.parametrize(("operator", "bound", "value", "kind"), MET)
def test_constraints_that_are_met(operator: str, bound: object, value: object, kind: str) -> None:
    assert violated((Constraint(operator, bound),), value, kind) is None


@pytest.mark.parametrize(("operator", "bound", "value", "kind"), VIOLATED)
def test_constraints_that_are_not(operator: str, bound: object, value: object, kind: str) -> None:
    constraint = Constraint(operator, bound)
    assert violated((Constraint("schema", ""), constraint), value, kind) == constraint


def test_every_operator_is_tried() -> None:
    assert {case[0] for case in MET} == OPERATORS
    assert {case[0] for case in VIOLATED} == OPERATORS - {"schema"}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("4 GB", "scalar-unit.size", 4e9),
        ("4GiB", "scalar-unit.size", 4 * 2.0**30),
        ("4 gb", "scalar-unit.size", 4e9),
        ("1.5 h", "scalar-unit.time", 5400.0),
        ("2 GHz", "scalar-unit.frequency", 2e9),
        ("1 Mbps", "scalar-unit.bitrate", 1e6),
        ("1 MBps", "scalar-unit.bitrate", 8e6),
        ("4", "scalar-unit.size", None),
        ("GB", "scalar-unit.size", None),
        ("4 s", "scalar-unit.size", None),
        ("four GB", "scalar-unit.size", None),
    ],
)
def test_scalar_units(text: str, kind: str, value: float | None) -> None:
    assert unit_value(text, kind) == (pytest.approx(value) if value is not None else None)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
    ],
)
def test_numbers(text: str, number: float) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "0755", "1_000", "1.2.3", "12:30", "e5", "0b1", "9" * 5000, "1e", "--1", "-.inf", ".nan", "1e999"]
)
def test_what_is_no_number(text: str) -> None:
    assert parse_number(text) is None


@given(st.dictionaries(st.sampled_from("abcdefgh"), st.lists(st.sampled_from("abcdefghz"), max_size=4)))
def test_circles_are_found_exactly_where_they_are(edges: dict[str, list[str]]) -> None:
    graph = networkx.DiGraph([(a, b) for a, targets in edges.items() for b in targets if b in edges])
    found = find_cycles(edges)
    assert bool(found) == (not networkx.is_directed_acyclic_graph(graph))
    for circle in found:
        assert all(b in edges[a] for a, b in itertools.pairwise([*circle, circle[0]]))
        assert len(set(circle)) == len(circle)
    members = [node for circle in found for node in circle]
    assert len(set(members)) == len(members)
    circular = [
        c for c in networkx.strongly_connected_components(graph) if len(c) > 1 or graph.has_edge(*(list(c) * 2))
    ]
    assert all(any(component.intersection(circle) for circle in found) for component in circular)


def test_circles_are_looked_for_once_at_each_node() -> None:
    layers = [[f"{i}.{j}" for j in range(10)] for i in range(60)]
    edges: dict[str, list[str]] = {node: below for layer, below in itertools.pairwise(layers) for node in layer}
    edges.update({node: [] for node in layers[-1]})
    visits = 0

    class Counted(list[str]):
        def __iter__(self):  # type: ignore[no-untyped-def]
            nonlocal visits
            visits += 1
            assert visits <= len(edges)
            return super().__iter__()

    assert find_cycles({node: Counted(targets) for node, targets in edges.items()}) == []


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("num_node", ["num_nodes", "qos"], "num_nodes"),
        ("QOS", ["num_nodes", "qos"], "qos"),
        ("PyCOMPSJob", ["a.b.nodes.PyCOMPSJob", "x.y"], "a.b.nodes.PyCOMPSJob"),
        ("tosca.nodes.Sever", ["tosca.nodes.Server", "example.Other"], "tosca.nodes.Server"),
        ("zzz", ["num_nodes", "qos"], None),
        ("a", [], None),
    ],
)
def test_the_nearest_name(name: str, known: list[str], meant: str | None) -> None:
    assert nearest(name, known) == meant


def test_hints() -> None:
    assert did_you_mean("qo", ["qos"]) == "did you mean 'qos'?"
    assert did_you_mean("zzz", ["b", "a"]) == "known: a, b"
    assert did_you_mean("zzz", [f"name{i}" for i in range(20)]) is None
    assert did_you_mean("zzz", []) is None
