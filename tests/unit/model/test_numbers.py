from __future__ import annotations

import json

import msgspec
import pytest

from orchestrator.model.durations import seconds
from orchestrator.model.numbers import carried, from_python_json


@pytest.mark.parametrize(
    ("text", "found"),
    [(".5 d", 43200.0), ("5. m", 300.0), ("1e2 s", 100.0), ("2.5h", 9000.0), ("30", 30.0), ("1E-1 s", 0.1)],
)
def test_durations_are_numbers_of_yaml(text: str, found: float) -> None:
    assert seconds(text) == found


@pytest.mark.parametrize("text", [". s", "1e s", "-1 s", "1e999 d", "inf", "nan s", "٣ s", "5 y", ""])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("number", "found"), [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf"), (1.5, 1.5)]
)
def test_numbers_that_json_lacks_become_text(number: float, found: object) -> None:
    assert carried(number) == found
    json.dumps(carried(number), allow_nan=False)


def test_data_of_python_is_carried_whole() -> None:
    text = '{"a": [NaN, -Infinity, 1.5, "\\ud800", ' + "9" * 5000 + "]}"
    found = from_python_json(text)
    assert found == {"a": ["nan", "-inf", 1.5, "\ufffd", "9" * 5000]}
    msgspec.json.encode(found)


@pytest.mark.parametrize("text", ["{", "nan", "", b"\xff"])
def test_what_is_no_json(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|decode"):
        from_python_json(text)
