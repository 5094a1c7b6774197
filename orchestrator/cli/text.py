"""Times, tables and JSON as people and programs read them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from orchestrator.cli.terminal import Terminal, clean, text_width

_GAP = 2
_NARROWEST = 8


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


def clock(moment: float) -> str:
    """A time of today: ``18:12:06``."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def date(moment: float | None) -> str:
    """A time with its day: ``2025-01-31 18:12:06``; empty for none."""
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


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


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], terminal: Terminal, *, states: int = -1) -> str:
    """Aligned columns under bold headings; on a terminal that is too narrow, wide cells are wrapped.

    ``states`` is the column whose words have the colours of states.
    """
    cells = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(text_width(row[i]) for row in [list(headers), *cells]) for i in range(len(headers))]
    if terminal.width is not None:
        widths = fitted(widths, terminal.width - _GAP * (len(headers) - 1))
    lines = [terminal.styled(line, bold=True) for line in _laid_out(headers, widths, terminal, -1)]
    for row in cells:
        lines += _laid_out(row, widths, terminal, states)
    return "\n".join(lines)


def fitted(widths: Sequence[int], room: int) -> list[int]:
    """The widths of columns made to fit: the widest give way first, none below a least width."""
    fit = list(widths)
    while sum(fit) > room:
        widest = max(range(len(fit)), key=lambda i: fit[i])
        if fit[widest] <= _NARROWEST:
            break
        fit[widest] -= 1
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


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width`` columns, broken at spaces where there are any."""
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
        for character in word:
            if lines[-1] and text_width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines
