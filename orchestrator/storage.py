"""Why this user cannot write somewhere, and what to do about it; and whose things are."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path

ELSEWHERE = "let ORCH_HOME (or --home) name another folder"


def user_name(uid: int | None = None) -> str:
    """The name of a user, of this process's when none is given; the number of one that has no name."""
    number = os.geteuid() if uid is None else uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def owner_name(path: Path) -> str:
    """The name of the user that a file belongs to. Raises OSError."""
    return user_name(path.stat().st_uid)


def why_unwritable(path: Path, error: OSError) -> tuple[str, str]:
    """What is wrong when a file or folder cannot be written, or made, and what to do; for things of the home."""
    there = _nearest(path)
    if (link := _broken_link(path)) is not None:
        return f"{link} is a link that leads nowhere, or in a circle", f"mend or remove the link, or {ELSEWHERE}"
    match error.errno:
        case errno.ENOSPC:
            return f"no space is left at {there}", f"make room there, or {ELSEWHERE}"
        case errno.EDQUOT:
            return f"the disk quota is used up at {there}", f"make room there, or {ELSEWHERE}"
        case errno.EROFS:
            return f"{there} is on a file system that is mounted read-only", ELSEWHERE
        case errno.EACCES | errno.EPERM:
            if wanted := _closed_by_its_owner(there):
                return f"{there} is your own, and closed to writing", f"chmod u+{wanted} {there}"
            try:
                said = f"{there} belongs to {owner_name(there)}, and {user_name()} may not write there"
            except OSError:
                said = f"{user_name()} may not write to {there}"
            return said, "let ORCH_HOME (or --home) name a folder of your own"
        case errno.EEXIST | errno.ENOTDIR:
            return f"a file is where a folder belongs: {there}", ELSEWHERE
    return f"{path}: {error.strerror or error}", ELSEWHERE


def what_to_do(error: OSError) -> str:
    """What to do about a file of any kind that cannot be read or written."""
    match error.errno:
        case errno.ENOSPC:
            return "make room on its disk, then try again"
        case errno.EDQUOT:
            return "the disk quota is used up: make room, or ask for more"
        case errno.EROFS:
            return "its file system is mounted read-only: name another place"
        case errno.EACCES | errno.EPERM:
            return f"you are {user_name()}: ask its owner for permission, or name another place"
        case errno.EMFILE | errno.ENFILE:
            return "too many files are open: see `ulimit -n`"
    return "try again"


def _closed_by_its_owner(path: Path) -> str | None:
    """The permissions to give back, where a path is the user's own and lacks them; a folder is entered, too."""
    try:
        state = path.stat()
    except OSError:
        return None
    rights, wanted = (stat.S_IRWXU, "rwx") if stat.S_ISDIR(state.st_mode) else (stat.S_IRUSR | stat.S_IWUSR, "rw")
    return wanted if state.st_uid == os.geteuid() and state.st_mode & rights != rights else None


def _broken_link(path: Path) -> Path | None:
    """The first of a path's folders, or itself, that is a link and leads to nothing."""
    for candidate in (*reversed(path.parents), path):
        try:
            if candidate.is_symlink() and not os.path.exists(candidate):  # noqa: PTH110 - a circle is no error there
                return candidate
        except OSError:
            return None
    return None


def _nearest(path: Path) -> Path:
    """The path, or the first folder above it that is there and can be seen."""
    for candidate in (path, *path.parents):
        try:
            candidate.stat()
        except OSError:
            continue
        return candidate
    return path
