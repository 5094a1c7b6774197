"""The simple types of TOSCA (1.3 section 3.3): which texts are values of them, and how they compare."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from orchestrator.model.numbers import UNSIGNED, carried
from orchestrator.model.values import Value
from orchestrator.tosca.tree import Scalar, is_not_finite, parse_padded

TRUE = frozenset(("true", "yes", "on"))
_FALSE = frozenset(("false", "no", "off"))
_CARRIED = ("inf", "-inf", "nan")
_VERSION = re.compile(r"(?!.*\.\.)[0-9][A-Za-z0-9_.+-]*\Z")
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d?-\d\d?([Tt]|[ \t]+|\Z)(\d\d?:\d\d:\d\d(\.\d*)?[ \t]*(Z|[-+]\d\d?(:?\d\d)?)?)?\Z", re.ASCII
)
_UNIT = re.compile(rf"([-+]?{UNSIGNED})\s*([A-Za-zµ]+)\Z")

_SIZE = {"B": 1.0}
_BITRATE = {"bps": 1.0, "Bps": 8.0}
for _power, _letter in enumerate(("K", "M", "G", "T"), start=1):
    _SIZE |= {f"{_letter}B": 1000.0**_power, f"{_letter}iB": 1024.0**_power}
    _BITRATE |= {f"{_letter}bps": 1000.0**_power, f"{_letter}ibps": 1024.0**_power}
    _BITRATE |= {f"{_letter}Bps": 8 * 1000.0**_power, f"{_letter}iBps": 8 * 1024.0**_power}

UNITS: Mapping[str, Mapping[str, float]] = {
    "scalar-unit.size": _SIZE,
    "scalar-unit.time": {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "scalar-unit.frequency": {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "scalar-unit.bitrate": _BITRATE,
}
"""The units of the scalar-unit types and how many base units (bytes, seconds, hertz, bits per second) each is."""


class NotOfType(Exception):
    """A text is not a value of a type; ``hint`` says what is."""

    def __init__(self, hint: str | None = None) -> None:
        super().__init__(hint)
        self.hint = hint


def _string(scalar: Scalar) -> Value:
    return scalar.text


def _integer(scalar: Scalar) -> Value:
    if scalar.whole is not None:
        return scalar.whole
    raise NotOfType("write a whole number")


def _float(scalar: Scalar) -> Value:
    text = scalar.text.strip()
    if text in _CARRIED:
        return text
    if is_not_finite(text):
        return carried(float(text.replace(".", "", 1)))
    number = parse_padded(text)
    if number is None:
        raise NotOfType("write a number")
    try:
        found = float(number)
    except OverflowError:
        found = math.inf
    if math.isinf(found):
        raise NotOfType("it is larger than any float: write .inf where that is meant")
    return found


def _boolean(scalar: Scalar) -> Value:
    word = scalar.text.strip().lower()
    if word in TRUE:
        return True
    if word in _FALSE:
        return False
    raise NotOfType("write true or false")


def _timestamp(scalar: Scalar) -> Value:
    if not _TIMESTAMP.match(scalar.text.strip()):
        raise NotOfType("write for example 2026-01-31T12:00:00Z")
    return scalar.text.strip()


def _version(scalar: Scalar) -> Value:
    if len(scalar.text) > 200 or not _VERSION.match(scalar.text.strip()):
        raise NotOfType("write for example 1.2.0")
    return scalar.text.strip()


def _null(scalar: Scalar) -> Value:
    if not scalar.is_null:
        raise NotOfType("leave the value out")
    return None


def _any(scalar: Scalar) -> Value:
    return scalar.native


def _unit_reader(type_name: str) -> Callable[[Scalar], Value]:
    def read(scalar: Scalar) -> Value:
        text = scalar.text.strip()
        if unit_value(text, type_name) is None:
            raise NotOfType(
                f"write a number and one of {', '.join(UNITS[type_name])}, for example '4 {_example(type_name)}'"
            )
        return text

    return read


def _example(type_name: str) -> str:
    return {"scalar-unit.size": "GB", "scalar-unit.time": "s", "scalar-unit.frequency": "GHz"}.get(type_name, "Mbps")


def unit_value(text: str, type_name: str) -> float | None:
    """A scalar-unit value in base units; None when the text is none. The case of a unit counts only where it must."""
    match = _UNIT.match(text)
    if match is None:
        return None
    units = UNITS[type_name]
    number, unit = float(match.group(1)), match.group(2)
    factor = units.get(unit)
    if factor is None and type_name != "scalar-unit.bitrate":
        factor = next((f for name, f in units.items() if name.lower() == unit.lower()), None)
    elif factor is None and unit[0] == "k":
        factor = units.get("K" + unit[1:])
    return None if factor is None or not math.isfinite(number * factor) else number * factor


SIMPLE_TYPES: Mapping[str, Callable[[Scalar], Value]] = {
    "string": _string,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "version": _version,
    "null": _null,
    "any": _any,
    "json": _string,
    "xml": _string,
    **{name: _unit_reader(name) for name in UNITS},
}
"""Every simple type with the reader of its values, which raises :class:`NotOfType`."""

STRUCTURED_TYPES = frozenset(("list", "map", "range"))
BUILT_IN_TYPES = frozenset(SIMPLE_TYPES) | STRUCTURED_TYPES

_ARTICLES = {"integer": "an integer", "any": "a value"}


def described(type_name: str) -> str:
    """A type with its article, for messages."""
    return _ARTICLES.get(type_name, f"a {type_name}")


def sort_key(value: Value, type_name: str) -> Value:
    """Something that compares as values of a type do; None when the value does not compare."""
    if type_name in UNITS:
        return unit_value(str(value).strip(), type_name)
    if type_name == "version":
        return [(0, int(part[:18]), "") if part.isdigit() else (1, 0, part) for part in re.split(r"[.-]", str(value))]
    if isinstance(value, bool):
        return None
    if type_name == "float" and isinstance(value, str):
        return float(value) if value in _CARRIED else None
    if isinstance(value, int | float):
        return value
    return value if isinstance(value, str) else None
