"""What hinders this user from working with a SQLite database: SQLite itself says no more than "readonly database"."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from orchestrator.storage import ELSEWHERE, owner_name, user_name, why_unwritable

_BESIDE = ("", "-wal", "-shm", "-journal")
"""A database's own file, and those that SQLite makes beside it while somebody works with it."""


def obstacle(file: Path) -> tuple[str, str] | None:
    """What is wrong with the place of a database or the files of it, and what to do; None when nothing is."""
    folder = file.parent
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return f"{folder} is on a file system that is mounted read-only", ELSEWHERE
    except OSError as error:
        return f"{folder} cannot be used: {error.strerror}", ELSEWHERE
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".try-") as trial:
            trial.write(b"\0" * 8192)
            trial.flush()
    except OSError as error:
        return why_unwritable(folder, error)
    for path in (file.with_name(file.name + suffix) for suffix in _BESIDE):
        if path.is_symlink() and not path.exists() and not path.resolve().parent.is_dir():
            return f"{path} is a link that leads nowhere", "mend the link, or remove it to begin anew"
        if path.is_dir():
            return f"{path} is a folder, where a database belongs", f"move it away, or {ELSEWHERE}"
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            return _foreign(path, file)
    return None


def _foreign(path: Path, file: Path) -> tuple[str, str]:
    said = f"{path} belongs to {owner_name(path)}, and {user_name()} may not read and write it"
    if path == file:
        return said, f"work as {owner_name(path)}, or let ORCH_HOME (or --home) name a folder of your own"
    remedy = f"as root or {owner_name(path)}: `chown {owner_name(file)} {path}`"
    return said, f"{remedy}; do not remove it, it may hold what was written last"
