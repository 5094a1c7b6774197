"""Where private folders of runs can be: a run needs named pipes and sockets, which not every file system has.

What a folder can do is tried, not guessed from the kind of its file system.
"""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from orchestrator.errors import StorageError
from orchestrator.storage import why_unwritable


def first_fit(places: Iterable[Path]) -> Path:
    """The first of some folders in which runs can live; it is made, private to its owner, where it is not there yet.

    Raises StorageError, which says what each one lacks.
    """
    lacking = []
    for place in places:
        lack = lack_of(place)
        if lack is None:
            return place
        lacking.append(f"{place}: {lack}")
    raise StorageError(
        "there is no place for the files of running playbooks: " + "; ".join(lacking),
        hint="let TMPDIR name a folder of a local disk, or ORCH_HOME",
    )


def lack_of(place: Path) -> str | None:
    """What a folder lacks for runs to live in it, None if nothing; it is made if need be.

    It must be the user's own and closed to others, and have named pipes and sockets.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return "it is not a folder of this user"
        with tempfile.TemporaryDirectory(prefix="try-", dir=place, ignore_cleanup_errors=True) as name:
            return _lack_in(Path(name))
    except OSError as error:
        return why_unwritable(place, error)[0]


def _lack_in(folder: Path) -> str | None:
    try:
        os.mkfifo(folder / "pipe", 0o600)
    except OSError as error:
        return f"its file system has no named pipes ({error.strerror or error})"
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(f"/proc/self/fd/{descriptor}/socket")  # the folder's own path may be too long for a socket
    except OSError as error:
        return f"its file system has no sockets ({error.strerror or error})"
    finally:
        os.close(descriptor)
    return None
