"""Numbers as YAML 1.2 writes them, and what becomes of what YAML and Python have and JSON lacks."""

from __future__ import annotations

import json
import math
import re

from orchestrator.model.values import Value

UNSIGNED = r"(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
"""A regular expression of a decimal number without a sign: ``3``, ``.5``, ``5.``, ``1e3``."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_DIGITS_AT_MOST = 4000


def carried(number: float) -> float | str:
    """A number as it can be stored and handed on: one that JSON lacks becomes the text ``nan``, ``inf`` or ``-inf``.

    These are the texts that C, Python and Jinja's ``float`` read as the numbers that they stand for.
    """
    return number if math.isfinite(number) else str(number)


def carried_whole(value: Value) -> Value:
    """Data of Python as it can be stored and handed on, see :func:`carried`; half a surrogate becomes ``\ufffd``."""
    match value:
        case float():
            return carried(value)
        case str():
            return _SURROGATE.sub("\ufffd", value)
        case dict():
            return {carried_whole(str(key)): carried_whole(item) for key, item in value.items()}
        case list() | tuple():
            return [carried_whole(item) for item in value]
    return value


def from_python_json(text: bytes | str) -> Value:
    """JSON as Python's ``json`` writes it: with NaN, Infinity and halves of surrogates, which become what is carried.

    A whole number with more digits than Python converts stays text. Raises ValueError for what is none.
    """
    return carried_whole(json.loads(text, parse_int=_whole))


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= _DIGITS_AT_MOST else text
