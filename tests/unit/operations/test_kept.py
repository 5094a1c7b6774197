"""What operations left reaches those behind them as it is, also where only ``***`` is stored of it."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.values import Secret, Value, masked
from orchestrator.operations import Surroundings
from orchestrator.operations.kept import KeptSecrets, noting_lost

STANDARD = "tosca.interfaces.node.lifecycle.Standard"


def surroundings(stored: dict[Any, Value]) -> Surroundings:
    """Those of nothing but some stored outputs and attributes."""
    none: Any = None
    return Surroundings(
        topology=none,
        deployment="d",
        execution="e",
        topology_inputs={},
        workflow_inputs={},
        sites={},
        secrets=none,
        output_of=lambda node, instance, key: stored.get((node, instance, key)),
        attribute_of=lambda node, instance, name: stored.get((node, instance, name)),
    )


def test_secrets_are_given_as_long_as_nobody_stores_anything_else() -> None:
    made = {"TOKEN": Secret("t"), "DEEP": {"a": [Secret("x"), 1]}, "PLAIN": "p"}
    key = (STANDARD, "create", "TOKEN")
    stored: dict[Any, Value] = {("N", "0", (STANDARD, "create", n)): masked(v) for n, v in made.items()}
    stored |= {("N", "0", "token"): "***", ("N", "0", "plain"): "p"}
    kept = KeptSecrets()
    around = kept.added_to(surroundings(stored))
    assert around.output_of("N", "0", key) == "***"
    kept.keep_outputs("N", "0", ("Standard", "Create"), made)
    kept.keep_attributes("N", "0", {"token": Secret("t"), "plain": "p"})
    assert around.output_of("N", "0", key) == Secret("t")
    assert around.output_of("N", "0", (STANDARD, "create", "DEEP")) == {"a": [Secret("x"), 1]}
    assert around.output_of("N", "0", (STANDARD, "create", "PLAIN")) == "p"
    assert around.attribute_of("N", "0", "token") == Secret("t")
    for other in (("M", "0", key), ("N", "1", key), ("N", "0", (STANDARD, "start", "TOKEN"))):
        assert around.output_of(*other) is None
    stored["N", "0", key] = "by another process"
    stored["N", "0", "token"] = None
    assert around.output_of("N", "0", key) == "by another process"
    assert around.attribute_of("N", "0", "token") is None


@pytest.mark.parametrize(
    ("stored", "lost"),
    [
        ("***", True),
        ({"a": ["p", {"b": "***"}]}, True),
        (["***"], True),
        ("p", False),
        ("a *** b", False),
        (None, False),
        ({"***": "p"}, False),
    ],
)
def test_what_nobody_knows_any_more_is_noted(stored: Value, lost: bool) -> None:
    key = (STANDARD, "create", "TOKEN")
    around = KeptSecrets().added_to(surroundings({("N", "0", key): stored, ("N", "0", "token"): stored}))
    with noting_lost() as found:
        assert around.output_of("N", "0", key) == stored
        assert around.attribute_of("N", "0", "token") == stored
    assert list(found) == (["the output TOKEN of N: Standard.create", "the attribute token of N"] if lost else [])


def test_what_is_known_is_not_lost() -> None:
    kept = KeptSecrets()
    kept.keep_attributes("N", "0", {"token": Secret("t")})
    with noting_lost() as found:
        assert kept.added_to(surroundings({("N", "0", "token"): "***"})).attribute_of("N", "0", "token") == Secret("t")
    assert not found
