"""Values that flow through expressions and operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

Value: TypeAlias = Any
"""JSON-like data: None, bool, int, float, str, list, dict; a leaf may be a :class:`Secret`."""


class Secret:
    """A string that must not be shown. Only :meth:`reveal` gives it away; str, repr and format hide it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> Any:
        raise TypeError("a Secret must not be pickled")


def masked(value: Value) -> Value:
    """The value with every secret in it replaced by ``***``: fit to be shown or stored."""
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, dict):
        return {k: masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(v) for v in value]
    return value


def secrets_in(value: Value) -> set[str]:
    """The plain text of every secret inside the value."""
    if isinstance(value, Secret):
        return {value.reveal()}
    if isinstance(value, dict):
        return {s for v in value.values() for s in secrets_in(v)}
    if isinstance(value, list | tuple):
        return {s for v in value for s in secrets_in(v)}
    return set()


def revealed(value: Value) -> Value:
    """The value with every secret in it given away. Only for the last step before a use."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {k: revealed(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [revealed(v) for v in value]
    return value


def value_at(value: Value, path: Iterable[Value], lacking: Callable[[Value], Value] = lambda _: None) -> Value:
    """What keys of maps and numbers of lists lead to inside of a value; None where a map has not the key.

    ``lacking`` gives the answer for a value that has nothing inside of it that the path could mean.
    """
    for word in path:
        if isinstance(value, Mapping):
            value = value.get(str(word))
        elif isinstance(value, list) and str(word).isdecimal() and int(word) < len(value):
            value = value[int(word)]
        else:
            return lacking(value)
    return value
