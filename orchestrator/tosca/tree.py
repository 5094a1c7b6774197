"""The tree of a YAML document with the place of every value: what the first phase makes and the others read.

Unlike the usual loaders it keeps the source text of scalars (``3000``, ``1.10``, ``yes``): only the type that a value
is read for says what the text means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TypeAlias

from orchestrator.model.source import Span
from orchestrator.model.values import Value

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_PADDED = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(x[0-9a-fA-F]+|o[0-7]+)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")
_DIGITS_AT_MOST = 4000  # Python refuses to convert longer ones


class Place:
    """A stretch of a file; lines and columns count from 1, the end is exclusive."""

    __slots__ = ("column", "end_column", "end_line", "file", "line")

    def __init__(self, file: str, line: int, column: int, end_line: int, end_column: int) -> None:
        self.file = file
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column

    @property
    def span(self) -> Span:
        """The place as a value of the model."""
        return Span(self.file, self.line, self.column, self.end_line, self.end_column)


class Scalar(Place):
    """A single value: its source text, and whether it was written without quotes."""

    __slots__ = ("plain", "text")

    def __init__(
        self, file: str, line: int, column: int, end_line: int, end_column: int, text: str, plain: bool
    ) -> None:
        self.file = file  # not by super(): a document has hundreds of thousands of these
        self.line = line
        self.column = column
        self.end_line = end_line
        self.end_column = end_column
        self.text = text
        self.plain = plain

    @property
    def is_null(self) -> bool:
        """Whether nothing was written (or ``null``, ``~``)."""
        return self.plain and self.text in _NULLS

    @property
    def native(self) -> Value:
        """The value by the core schema of YAML 1.2; a number with a leading zero stays text."""
        if not self.plain:
            return self.text
        text = self.text
        if text in _NULLS:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        number = parse_number(text)
        return text if number is None else number

    @property
    def whole(self) -> int | None:
        """The whole number that is written, where one is wanted: ``01`` is one, too; None for anything else."""
        number = parse_padded(self.text.strip())
        return number if isinstance(number, int) else None


class List(Place):
    """A sequence."""

    __slots__ = ("items",)

    def __init__(self, file: str, line: int, column: int, end_line: int, end_column: int, items: list[Tree]) -> None:
        super().__init__(file, line, column, end_line, end_column)
        self.items = items


class Map(Place):
    """A mapping; keys are their source text and keep their own place."""

    __slots__ = ("entries",)

    def __init__(
        self,
        file: str,
        line: int,
        column: int,
        end_line: int,
        end_column: int,
        entries: dict[str, tuple[Scalar, Tree]],
    ) -> None:
        super().__init__(file, line, column, end_line, end_column)
        self.entries = entries

    def get(self, name: str) -> Tree | None:
        """The value under a key; None when the key is not there or nothing is written behind it."""
        entry = self.entries.get(name)
        if entry is None or (isinstance(entry[1], Scalar) and entry[1].is_null):
            return None
        return entry[1]

    def key(self, name: str) -> Scalar:
        """The key itself, for its place. Raises KeyError."""
        return self.entries[name][0]

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def items(self) -> Iterator[tuple[Scalar, Tree]]:
        """Keys and values in their order."""
        return iter(self.entries.values())

    def with_entries(self, entries: dict[str, tuple[Scalar, Tree]]) -> Map:
        """The same place with other entries."""
        return Map(self.file, self.line, self.column, self.end_line, self.end_column, entries)


Tree: TypeAlias = Scalar | List | Map


def empty_map(place: Place) -> Map:
    """A mapping without entries at a place."""
    return Map(place.file, place.line, place.column, place.end_line, place.end_column, {})


def scalar_at(place: Place, text: str) -> Scalar:
    """A scalar with another text at a place."""
    return Scalar(place.file, place.line, place.column, place.end_line, place.end_column, text, False)


def tree_of(value: Value, place: Place) -> Tree:
    """The tree that data would be read from, all of it at one place."""
    at = (place.file, place.line, place.column, place.end_line, place.end_column)
    if isinstance(value, dict):
        return Map(*at, {key: (scalar_at(place, key), tree_of(item, place)) for key, item in value.items()})
    if isinstance(value, list):
        return List(*at, [tree_of(item, place) for item in value])
    if isinstance(value, str):
        return scalar_at(place, value)
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return Scalar(*at, text, True)


def parse_number(text: str) -> int | float | None:
    """The number that a text is, None when it is none.

    ``0x1F`` and ``0o17`` count. A leading zero makes it text, and so does what JSON cannot carry: ``.inf``, ``1e999``.
    """
    if len(text) > _DIGITS_AT_MOST:
        return None
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        return number if math.isfinite(number) else None
    if _BASED.match(text):
        return int(text, 0)
    return None


def is_not_finite(text: str) -> bool:
    """Whether a text is one of YAML's numbers that JSON lacks (``.inf``, ``.nan``)."""
    return _NOT_FINITE.match(text) is not None


def parse_padded(text: str) -> int | float | None:
    """The number that a text is where a number is wanted: by the core schema of YAML 1.2 ``01`` is one, too."""
    if len(text) <= _DIGITS_AT_MOST and _PADDED.match(text):
        return int(text)
    return parse_number(text)


def plain_value(tree: Tree) -> Value:
    """A tree as ordinary data, scalars by :attr:`Scalar.native`."""
    if isinstance(tree, Scalar):
        return tree.native
    if isinstance(tree, List):
        return [plain_value(item) for item in tree.items]
    return {key: plain_value(value) for key, (_, value) in tree.entries.items()}


def kind_of(tree: Tree) -> str:
    """What a tree is, in words for messages."""
    if isinstance(tree, Map):
        return "a map"
    if isinstance(tree, List):
        return "a list"
    if tree.is_null:
        return "nothing"
    shown = tree.text if len(tree.text) <= 60 else tree.text[:57] + "..."
    return repr(shown)
