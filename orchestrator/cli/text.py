"""Times, tables and JSON as people and programs read them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from orchestrator.cli.terminal import Terminal, clean, text_width

_GAP = 2
_NARROWEST = 8
_WORD = 16
"""A word of a longer text may be broken when it has more characters than this."""
_AFTER = re.compile(r"(?<=[/._:,=-])")
"""Where a name or a path is best broken."""


def duration(seconds: float) -> str:
    """How long something took: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    seconds = max(seconds, 0.0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def date(moment: float | str | None) -> str:
    """A moment as people read it: ``2025-01-31T18:12:06+01:00`` (ISO 8601 in local time); empty for none.

    A text that is no moment in ISO 8601 stays as it is.
    """
    return _iso(moment, "seconds") or ""


def moment_data(moment: float | str | None) -> str | None:
    """A moment in JSON: as :func:`date`, to the millisecond; None for none."""
    return _iso(moment, "milliseconds")


def _iso(moment: float | str | None, precision: str) -> str | None:
    if moment is None or moment == "":
        return None
    if isinstance(moment, str):
        try:
            found = datetime.fromisoformat(moment)
        except ValueError:
            return moment
    else:
        found = datetime.fromtimestamp(moment)
    return found.astimezone().isoformat(timespec=precision)


def counted(number: int, noun: str) -> str:
    """``1 step``, ``2 steps``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(value: Any) -> str:
    """A value as text: strings as they are, other things as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else as_json(value, indent=None)


def as_json(data: Any, *, indent: int | None = 2) -> str:
    """JSON; characters outside ASCII stay readable."""
    import json  # costs a little, and few commands need it

    return json.dumps(data, indent=indent, ensure_ascii=False, default=str)


def indented(text: str, by: str = "  ") -> str:
    """Every line of the text after an indent."""
    return "\n".join(by + line for line in text.splitlines())


def table(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    terminal: Terminal,
    *,
    states: int = -1,
    less: Sequence[str] = (),
    indent: str = "",
) -> str:
    """Aligned columns under bold headings.

    On a terminal that is too narrow, texts are wrapped at their spaces; when that is not enough, the columns ``less``
    are left out, the first of them first; then names and paths are wrapped, too. ``states`` is the column whose words
    have the colours of states. ``indent`` is before every line.
    """
    cells = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    columns = list(range(len(headers)))
    widths = [max(text_width(row[i]) for row in [list(headers), *cells]) for i in columns]
    if terminal.width is not None:
        width = terminal.width - text_width(indent)
        least = [max(map(_least, [headers[i], *(row[i] for row in cells)])) for i in columns]
        columns = _kept(headers, least, less, width)
        room = width - _GAP * (len(columns) - 1)
        fit = fitted([widths[i] for i in columns], room, [least[i] for i in columns])
    else:
        fit = widths
    state = columns.index(states) if states in columns else -1
    lines = [terminal.styled(line, bold=True) for line in _laid_out([headers[i] for i in columns], fit, terminal, -1)]
    for row in cells:
        lines += _laid_out([row[i] for i in columns], fit, terminal, state)
    return "\n".join(f"{indent}{line}" for line in lines)


def _least(cell: str) -> int:
    """How narrow a cell may be: a name or a path is not broken, of a text only long words are."""
    if " " not in cell:
        return text_width(cell)
    return min(max(map(text_width, cell.split(" "))), _WORD)


def _kept(headers: Sequence[str], least: Sequence[int], less: Sequence[str], width: int) -> list[int]:
    """The columns that have room, without those that may be left out as far as that is needed."""
    kept = list(range(len(headers)))
    for name in less:
        if sum(least[i] for i in kept) + _GAP * (len(kept) - 1) <= width:
            break
        if name in headers:
            kept.remove(headers.index(name))
    return kept


def fitted(widths: Sequence[int], room: int, least: Sequence[int] = ()) -> list[int]:
    """The widths of columns made to fit: the widest give way first, as far as ``least``.

    If need be, further: the first column, which says what a row is about, only when the others cannot any more.
    """
    fit = list(widths)
    narrow = [_NARROWEST] * len(fit)
    for bound in ([least, [*least[:1], *narrow[1:]]] if least else []) + [narrow]:
        while sum(fit) > room:
            wide = [i for i in range(len(fit)) if fit[i] > bound[i]]
            if not wide:
                break
            fit[max(wide, key=lambda i: fit[i])] -= 1
    return fit


def _laid_out(row: Sequence[str], widths: Sequence[int], terminal: Terminal, states: int) -> list[str]:
    wrapped = [wrap(cell, width) for cell, width in zip(row, widths, strict=True)]
    lines = []
    for number in range(max(len(cell) for cell in wrapped)):
        line = ""
        for column, cell in enumerate(wrapped):
            text = cell[number] if number < len(cell) else ""
            padding = " " * (widths[column] - text_width(text) + _GAP)
            line += (terminal.state(text) if column == states else text) + padding
        lines.append(line.rstrip())
    return lines


def paragraph(text: str, terminal: Terminal) -> str:
    """A text of others that is clean, in lines that fit the terminal."""
    lines = clean(text).splitlines()
    return "\n".join(part for line in lines for part in (wrap(line, terminal.width) if terminal.width else [line]))


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` columns, broken at spaces, else after other signs, else anywhere."""
    if text_width(text) <= width:
        return [text]
    lines = [""]
    for word in text.split(" "):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if text_width(joined) <= width:
            lines[-1] = joined
            continue
        if lines[-1]:
            lines.append("")
        for part in _AFTER.split(word):
            if lines[-1] and text_width(lines[-1] + part) > width:
                lines.append("")
            for character in part:
                if lines[-1] and text_width(lines[-1] + character) > width:
                    lines.append("")
                lines[-1] += character
    return lines
