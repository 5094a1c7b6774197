"""Errors as they are shown: in text with the line that is wrong, or in JSON; and their exit status."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.session import Session
from orchestrator.cli.terminal import Terminal, clean, shortened, text_width
from orchestrator.cli.text import counted, indented
from orchestrator.errors import DOCTOR, OrchError
from orchestrator.model.problems import Problem, Severity, problems_of
from orchestrator.model.source import Span
from orchestrator.storage import what_to_do

USAGE = "E1001"
DEFECT = "E9000"
_LARGEST_SHOWN = 64 * 1024 * 1024
_PRIVATE = re.compile(r"(?i)passw|secret|token|credential|api_?key|private_?key")
_LONGEST_LINE = 160


def is_private(name: str) -> bool:
    """Whether what has this name had better not be shown."""
    return _PRIVATE.search(name) is not None


def report(session: Session, error: BaseException) -> int:
    """Show an error; the exit status of the command that ends with it."""
    if session.json:
        session.data({"error": error_data(error, session.environment)})
    else:
        session.err(error_text(error, session.error_terminal, session.environment))
    if session.debug:
        session.err("".join(traceback.format_exception(error)).rstrip())
    return exit_status(error)


def exit_status(error: BaseException) -> int:
    """2 when the request was wrong, 1 when the work failed or orch is at fault."""
    if isinstance(error, OrchError):
        return error.exit_status
    return 2 if isinstance(error, click.ClickException) else 1


def error_text(error: BaseException, terminal: Terminal, environment: Mapping[str, str] | None = None) -> str:
    """An error in text; what is in the environment may be the cause of a fault."""
    problems = problems_of(error)
    if problems is not None:
        return problems_text(problems, terminal)
    message, hint = _said(error, environment or {})
    return _error_lines(terminal.styled("error:", "red", bold=True), message, hint, terminal)


def error_data(error: BaseException, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """An error in JSON."""
    message, hint = _said(error, environment or {})
    code = error.code if isinstance(error, OrchError) else USAGE if isinstance(error, click.ClickException) else DEFECT
    data: dict[str, Any] = {"code": code, "message": message, "hint": hint, "exit_status": exit_status(error)}
    problems = problems_of(error)
    if problems is not None:
        data["problems"] = [problem_data(problem) for problem in problems]
    return data


def _said(error: BaseException, environment: Mapping[str, str]) -> tuple[str, str | None]:
    """What is wrong, and what to do."""
    if isinstance(error, OrchError):
        return error.message, error.advice
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "orch"
        return error.format_message().rstrip("."), f"`{path} --help` tells how it is used"
    if isinstance(error, click.ClickException):
        return error.format_message(), None
    if isinstance(error, OSError) and error.strerror:
        where = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{where}", f"{what_to_do(error)}; {DOCTOR}"
    hint = "please report it, with what the same command says with --debug"
    if environment.get("PYTHONPATH"):
        hint = f"unset PYTHONPATH, whose packages come before those that orch needs; if that does not help, {hint}"
    return f"this is a fault of orch: {type(error).__name__}: {error}", hint


def _error_lines(head: str, message: str, hint: str | None, terminal: Terminal) -> str:
    text = f"{head} {clean(message)}"
    if hint:
        text += f"\n{terminal.styled('hint:', 'cyan', bold=True)} {clean(hint)}"
    return text


# --- problems of documents


def problems_text(problems: Sequence[Problem], terminal: Terminal) -> str:
    """Each problem with its place, the line there and what to do; then how many there are."""
    parts = [_problem_text(problem, terminal) for problem in problems]
    return "\n".join([*parts, totals(problems)])


def totals(problems: Sequence[Problem]) -> str:
    """``2 errors, 1 warning``."""
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = len(problems) - errors
    found = [counted(errors, "error")] * bool(errors) + [counted(warnings, "warning")] * bool(warnings)
    return ", ".join(found) or "no problems"


def problem_data(problem: Problem) -> dict[str, Any]:
    """A problem in JSON."""
    return {
        "code": problem.code,
        "severity": problem.severity.value,
        "message": problem.message,
        "hint": problem.hint,
        **_span_data(problem.span),
        "related": [{"message": related.message, **_span_data(related.span)} for related in problem.related],
    }


def _span_data(span: Span | None) -> dict[str, Any]:
    if span is None:
        return {"file": None, "line": None, "column": None, "end_line": None, "end_column": None}
    return {
        "file": span.file,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


def _problem_text(problem: Problem, terminal: Terminal) -> str:
    colour = "red" if problem.severity is Severity.ERROR else "yellow"
    place = f"{terminal.styled(place_text(problem.span), bold=True)}: " if problem.span else ""
    head = f"{place}{terminal.styled(problem.severity.value + ':', colour, bold=True)}"
    lines = [f"{head} {clean(problem.message)} {terminal.styled(f'[{problem.code}]', dim=True)}"]
    if problem.span is not None:
        lines += excerpt(problem.span, terminal, colour)
    lines += [f"  {place_text(related.span)}: {clean(related.message)}" for related in problem.related]
    if problem.hint:
        lines.append(f"  {terminal.styled('hint:', 'cyan', bold=True)} {clean(problem.hint)}")
    return "\n".join(lines)


def place_text(span: Span) -> str:
    """``file:line:column``, the file as seen from the working folder."""
    file = span.file
    with suppress(ValueError, OSError):
        file = str(Path(file).relative_to(Path.cwd()))
    return f"{clean(file)}:{span.line}:{span.column}"


def excerpt(span: Span, terminal: Terminal, colour: str) -> list[str]:
    """The line of a place, and a caret under it; nothing when it cannot be read or may hold something private."""
    lines = _lines_of(span.file)
    if not 0 < span.line <= len(lines):
        return []
    line = lines[span.line - 1]
    if not line.strip() or is_private(line):
        return []
    before = _flat(line[: span.column - 1])
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    marked = _flat(line[span.column - 1 : max(end, span.column)]) or " "
    shown, offset = _window(_flat(line), text_width(before), (terminal.width or _LONGEST_LINE) - 4)
    marks = "^" + "~" * (min(text_width(marked), text_width(shown) - offset) - 1)
    return [f"    {shown}", f"    {' ' * offset}{terminal.styled(marks, colour, bold=True)}"]


def _flat(text: str) -> str:
    return clean(text).replace("\t", " ")


def _window(line: str, column: int, width: int) -> tuple[str, int]:
    """The part of a long line around a column, and where that column is in it."""
    if column < width * 2 // 3:
        return shortened(line, width, "..."), column
    start = column - width // 2
    return "..." + shortened(line[start:], width - 3, "..."), column - start + 3


@lru_cache(maxsize=64)
def _lines_of(file: str) -> tuple[str, ...]:
    path = Path(file)
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_SHOWN:
            return ()
        return tuple(path.read_text(encoding="utf-8", errors="replace").split("\n"))
    except OSError:
        return ()


def failure_text(terminal: Terminal, lines: Sequence[tuple[str, str]]) -> str:
    """Named facts under each other; those of several lines are indented below their names."""
    text = []
    for name, value in lines:
        value = clean(value).rstrip()
        label = terminal.styled(f"  {name}:", bold=True)
        text.append(f"{label}\n{indented(value, '    ')}" if "\n" in value else f"{label} {value}")
    return "\n".join(text)
