"""The files that a job has written, in the folder on this machine that they were brought to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

OUTPUT = "output.log"
"""Standard output and error of a job; of COMPSs' own jobs, standard output alone."""

_ERRORS = "compss-*.err"
_LAST_BYTES = 64 * 1024


def written(folder: Path) -> tuple[Path, ...]:
    """The files with all of a job's output that are there, standard error last."""
    output = folder / OUTPUT
    return (*([output] if output.is_file() else []), *error_files(folder))


def error_files(folder: Path) -> tuple[Path, ...]:
    """The files with the standard error of a job that has it apart, as far as there is anything in them."""
    return tuple(path for path in sorted(folder.glob(_ERRORS)) if path.is_file() and path.stat().st_size)


def last_lines(file: Path, count: int | None = None) -> Sequence[str]:
    """The last lines of a file: ``count``, or as many as are in its last 64 KiB. Empty when it cannot be read."""
    try:
        with file.open("rb") as content:
            size = content.seek(0, 2)
            content.seek(max(0, size - _LAST_BYTES))
            lines = content.read().decode(errors="replace").splitlines()
    except OSError:
        return ()
    lines = lines[1:] if size > _LAST_BYTES and len(lines) > 1 else lines
    return lines if count is None else lines[-count:]
