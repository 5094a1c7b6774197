"""Conditions on attributes: evaluated as constraints are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.tosca import Catalog, read_text
from orchestrator.tosca.conditions import attribute_type, hold

VALUES: dict[str, Any] = {
    "state": "started", "count": 5, "text": "12", "version": "1.10", "size": "1500 MB", "up": True, "words": ["a", "b"],
    "long": "a" * 40, "big": "x" * 30_000, "none": None,
}  # fmt: skip


def holds(clause: Any, **types: str) -> bool:
    return hold([clause], VALUES.get, lambda name: types.get(name, ""))


@pytest.mark.parametrize(
    "clause",
    [
        {"state": [{"equal": "started"}]},
        {"state": "started"},
        {"state": [{"valid_values": ["started", "stopped"]}]},
        {"state": [{"pattern": "st.*"}]},
        {"count": [{"greater_than": 4}, {"less_or_equal": 5}]},
        {"count": {"in_range": [1, "UNBOUNDED"]}},
        {"count": {"equal": "5"}},
        {"text": {"greater_than": 9}},
        {"up": True},
        {"up": "true"},
        {"words": {"length": 2}},
        {"and": [{"state": "started"}, {"count": 5}]},
        {"or": [{"state": "stopped"}, {"count": 5}]},
        {"not": [{"state": "stopped"}]},
        {"assert": [{"state": [{"equal": "started"}]}]},
        {"not": [{"none": {"equal": 1}}]},
    ],
)
def test_what_holds(clause: Any) -> None:
    assert holds(clause)


@pytest.mark.parametrize(
    "clause",
    [
        {"state": {"equal": "Started"}},
        {"state": {"greater_than": 5}},
        {"state": {"pattern": "art"}},
        {"count": {"min_length": 0}},
        {"count": {"in_range": [6, 9]}},
        {"none": {"equal": None}},
        {"unknown": {"equal": 1}},
        {"words": {"max_length": 1}},
        {"up": False},
    ],
)
def test_what_does_not(clause: Any) -> None:
    assert not holds(clause)


def test_values_are_compared_as_their_declared_types() -> None:
    assert holds({"version": {"greater_than": "1.9"}}, version="version")
    assert not holds({"version": {"greater_than": "1.9"}}, version="string")
    assert holds({"size": {"less_than": "2 GB"}}, size="scalar-unit.size")
    assert holds({"text": {"less_than": "100"}}, text="integer")
    assert not holds({"text": {"less_than": "100"}}, text="string")
    assert holds({"up": {"equal": "yes"}}, up="boolean")


def test_no_pattern_takes_for_ever() -> None:
    assert not holds({"long": {"pattern": "(a+)+b"}})
    assert not holds({"long": {"pattern": "(a|aa)+$b"}})


@pytest.mark.parametrize(
    ("clause", "says"),
    [
        ("state", "is no condition"),
        ({"state": {"equals": 1}}, "did you mean 'equal'"),
        ({"count": {"in_range": 3}}, "in_range needs a list of two bounds"),
        ({"state": {"pattern": "("}}, "pattern needs a regular expression of RE2"),
        ({"state": {"pattern": r"(a+)+\1b"}}, "no back references"),
        ({"words": {"min_length": "two"}}, "whole number"),
        ({"or": ["x"]}, "is no condition"),
    ],
)
def test_clauses_that_are_none(clause: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        holds(clause)


def test_the_type_is_the_declared_one(tmp_path: Path) -> None:
    text = """\
tosca_definitions_version: tosca_simple_yaml_1_3
data_types: { my.Size: { derived_from: scalar-unit.size } }
node_types:
  a:
    derived_from: tosca.nodes.Root
    attributes: { v: { type: version }, s: { type: my.Size } }
    properties: { i: integer }
topology_template: { node_templates: { n: { type: a, properties: { i: 1 } } } }
"""
    topology = read_text(text, "doc.yaml", tmp_path, Catalog()).topology
    assert topology is not None
    node = topology.node_templates["n"]
    assert [attribute_type(topology, node, name) for name in ("v", "s", "i", "state", "other")] == [
        "version", "scalar-unit.size", "integer", "string", "",
    ]  # fmt: skip
