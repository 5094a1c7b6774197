"""What is inside of values."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.model.values import value_at

VALUE = {"hosts": [{"name": "a", "1": "one"}, "b"], "none": None, "0": {"x": False}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ([], VALUE),
        (["hosts", 0, "name"], "a"),
        (["hosts", "1"], "b"),
        (["hosts", 0, 1], "one"),
        (["0", "x"], False),
        (["hosts", 2], "lacking"),
        (["hosts", -1], "lacking"),
        (["hosts", "²"], "lacking"),  # a digit, and no number
        (["hosts", "name"], "lacking"),
        (["hosts", 1, "x"], "lacking"),
        (["none"], None),
        (["none", "x"], "lacking"),
        (["nobody"], None),
    ],
)
def test_what_a_path_leads_to(path: list[Any], found: Any) -> None:
    assert value_at(VALUE, path, lambda _: "lacking") == found
    assert value_at(VALUE, path) == (None if found == "lacking" else found)
