"""What all job programs of the embedded services have in common: a request file in, status and result files out."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import msgspec

from orchestrator.errors import OrchError, StorageError, UserError
from orchestrator.services import files

STATUS = "status.json"
RESULT = "result.json"

_Request = TypeVar("_Request")


def say(line: str) -> None:
    """One line into the job's log, at once."""
    sys.stdout.write(_readable(line) + "\n")
    sys.stdout.flush()


def write_status(folder: Path, status: str | None, message: str | None = None, **more: str | None) -> None:
    """Tell where the job is. Raises :class:`StorageError`."""
    said = {"status": status, "message": message, **more}
    files.write_text(folder / STATUS, msgspec.json.encode(said).decode() + "\n")


def write_result(folder: Path, result: Any) -> None:
    """Tell what the job made. Raises :class:`StorageError`."""
    text = json.dumps(msgspec.to_builtins(result, enc_hook=str), ensure_ascii=False, indent=2)
    files.write_text(folder / RESULT, _readable(text) + "\n")


def _readable(text: str) -> str:
    """Text for people: bytes of a file's name that are no UTF-8 are shown as such."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_request(path: Path, request_type: type[_Request] | Any) -> _Request:
    """The request in a JSON file. Raises :class:`UserError` when it is not of that form, :class:`StorageError`."""
    with files.explained("read the request", path):
        text = path.read_bytes()
    try:
        request: _Request = msgspec.json.decode(text, type=request_type, strict=False, dec_hook=as_path)
    except msgspec.DecodeError as e:
        raise UserError(f"{path}: {e}") from e
    return request


def as_path(wanted: type, value: Any) -> Any:
    """The decoding hook of msgspec for paths."""
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"a path is expected, not {type(value).__name__}")


def run(words: Sequence[str], request_type: Any, work: Callable[[Any, Path], Any]) -> int:
    """Do the work of a job program in the current folder: ``program REQUEST.json``. The exit status.

    ``work(request, folder)`` returns the result. A failure is one line on standard error, and the job's last status.
    """
    signal.signal(signal.SIGTERM, _on_terminate)
    folder = Path.cwd()
    try:
        if len(words) != 1:
            raise UserError("one argument is needed: the file with the request")
        result = work(read_request(Path(words[0]), request_type), folder)
        write_result(folder, result)
    except OrchError as e:
        return _fail(folder, one_line(e))
    except OSError as e:
        return _fail(folder, f"{e.strerror or e}: {e.filename or ''}".rstrip(": "))
    return 0


def one_line(error: OrchError) -> str:
    """The error and its remedy in one line."""
    text = error.message if error.hint is None else f"{error.message} ({error.hint})"
    return " ".join(text.split())


def _fail(folder: Path, message: str) -> int:
    sys.stderr.write(message + "\n")
    try:
        known = msgspec.json.decode((folder / STATUS).read_bytes(), type=dict[str, str | None])
    except (OSError, msgspec.DecodeError):
        known = {}
    try:
        write_status(folder, **{**known, "status": "FAILED", "message": message})
    except StorageError as e:
        sys.stderr.write(one_line(e) + "\n")
    return 1


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + signal.SIGTERM)  # so that unfinished files are removed on the way out
