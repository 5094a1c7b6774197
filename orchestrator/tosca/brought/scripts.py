"""The syntax of scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.tosca import codes

SIZE_LIMIT = 4_000_000
"""Bytes up to which a file is looked at."""

_BOM = b"\xef\xbb\xbf"
_SECONDS = 20.0
_SAID = re.compile(r"^[^:\n]*: line (\d+): (.*)$", re.MULTILINE)


def read(path: Path) -> bytes | None:
    """What is in a file; None when it is too large, cannot be read or is none."""
    try:
        if not path.is_file() or path.stat().st_size > SIZE_LIMIT:
            return None
        return path.read_bytes()
    except OSError:
        return None


def at(path: Path, line: int, column: int = 1) -> Span:
    """A place in a file."""
    return Span(str(path), line, column, line, column)


def bash_problems(path: Path) -> Iterator[Problem]:
    """What `bash -n` says of a script: it reads it and runs nothing."""
    text = read(path)
    if text is not None:
        yield from bash_text_problems(text, path)


def bash_text_problems(text: bytes, path: Path) -> Iterator[Problem]:
    """The same for a text; ``path`` is only what its lines are told with."""
    bash = shutil.which("bash")
    if bash is None:
        message = "there is no bash on this machine: the syntax of the script is not looked at"
        yield Problem(codes.FILE_NOT_CHECKED, Severity.WARNING, message, at(path, 1), "install bash")
        return
    # a mark at the beginning and the line ends of Windows are taken off before a script is run
    text = text.removeprefix(_BOM).replace(b"\r\n", b"\n")
    try:
        done = subprocess.run(
            [bash, "-n"],
            input=text,
            capture_output=True,
            timeout=_SECONDS,
            env={"LC_ALL": "C"},  # without BASH_ENV, which bash would read
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    if done.returncode == 0:
        return
    said = _SAID.search(done.stderr.decode("utf-8", "replace"))
    line, what = (int(said[1]), said[2]) if said else (1, "bash cannot read it")
    yield Problem(
        codes.SCRIPT_SYNTAX,
        Severity.ERROR,
        f"bash refuses the script: {what}",
        at(path, line),
        "a block or a quote that is not closed is told at the end of the file" if "end of file" in what else None,
    )


def python_problems(path: Path) -> Iterator[Problem]:
    """What Python says of a script when it is compiled."""
    text = read(path)
    if text is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        place = at(path, error.lineno or 1, max(error.offset or 1, 1))
        yield Problem(codes.SCRIPT_SYNTAX, Severity.ERROR, f"Python refuses the script: {error.msg}", place)
    except (ValueError, RecursionError, MemoryError) as error:
        yield Problem(codes.SCRIPT_SYNTAX, Severity.ERROR, f"Python refuses the script: {error}", at(path, 1))
