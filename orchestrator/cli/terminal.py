"""What a stream can show: width, colours, symbols; and text made fit for it."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

import click


@dataclass(frozen=True)
class Symbols:
    """The signs of states and lines."""

    done: str
    failed: str
    running: tuple[str, ...]
    waiting: str
    cancelled: str
    warning: str
    bar: str
    dot: str
    ellipsis: str


_USUAL = 80
_NARROWEST = 20

UNICODE = Symbols("✔", "✘", tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"), "○", "⊘", "▲", "│", "·", "…")
ASCII = Symbols("+", "x", tuple("-\\|/"), ".", "-", "!", "|", "-", "...")

COLOURS: Mapping[str, str] = {
    "done": "green",
    "ok": "green",
    "deployed": "green",
    "failed": "red",
    "fault": "red",
    "deploy_failed": "red",
    "undeploy_failed": "red",
    "error": "red",
    "running": "cyan",
    "deploying": "cyan",
    "undeploying": "cyan",
    "warning": "yellow",
    "interrupted": "yellow",
    "cancelled": "yellow",
    "skipped": "yellow",
}
"""The colours of states, wherever they are shown."""


@dataclass(frozen=True)
class Terminal:
    """What one stream can show. ``width`` is None where lines may have any length (not a terminal).

    ``live``: text can be drawn over.
    """

    width: int | None = None
    colour: bool = False
    live: bool = False
    symbols: Symbols = ASCII

    def styled(self, text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
        """The text in a colour, where the stream has colours."""
        if not self.colour or not text:
            return text
        return click.style(text, fg=colour, bold=bold or None, dim=dim or None)

    def state(self, state: str) -> str:
        """A state in its colour."""
        return self.styled(state, COLOURS.get(state.split(" ")[0]))


def terminal_of(stream: TextIO, environment: Mapping[str, str]) -> Terminal:
    """What a stream can show. ``NO_COLOR`` and ``TERM=dumb`` are heeded (no-color.org)."""
    symbols = UNICODE if _can_encode(stream, "✔⠋○⊘▲│…") else ASCII
    if not stream.isatty():
        return Terminal(colour=bool(environment.get("FORCE_COLOR")), symbols=symbols)
    dumb = environment.get("TERM", "dumb") in ("dumb", "unknown")
    return Terminal(_width(stream, environment), not dumb and not environment.get("NO_COLOR"), not dumb, symbols)


def _width(stream: TextIO, environment: Mapping[str, str]) -> int:
    columns = environment.get("COLUMNS", "")
    if columns.isdecimal() and int(columns) > 0:
        return max(int(columns), _NARROWEST)
    try:
        return max(os.get_terminal_size(stream.fileno()).columns or _USUAL, _NARROWEST)
    except (OSError, ValueError):
        return _USUAL


def _can_encode(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\-~])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """The text without anything that would steer a terminal; lines and tabs stay.

    What jobs and documents say is shown to people: it must not move the cursor, hide text or set a title.
    """
    text = _SEQUENCES.sub("", text.replace("\r\n", "\n"))
    return _CONTROLS.sub(_visible, text)


def _visible(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode()


def one_line(text: str) -> str:
    """The text as one clean line."""
    return " ".join(clean(text).split())


def text_width(text: str) -> int:
    """How many columns a text takes; East Asian wide characters take two, combining ones none (UAX #11)."""
    if text.isascii():
        return len(text)
    return sum(_character_width(c) for c in text)


def _character_width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shortened(text: str, width: int, ellipsis: str = "…") -> str:
    """The text in at most ``width`` columns, with an ellipsis where it is cut."""
    if text_width(text) <= width:
        return text
    kept = ""
    room = width - text_width(ellipsis)
    for character in text:
        room -= _character_width(character)
        if room < 0:
            break
        kept += character
    return (kept + ellipsis)[: max(width, 0)]
