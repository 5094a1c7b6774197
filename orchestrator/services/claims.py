"""What the transfers of one execution bring: none of them takes the place of what another one has brought.

A transfer writes down beside its request which files it is about to bring, and holds a lock on that list for as long as
it lives. A list counts when its transfer is under way or has ended well: what one that failed has left may be replaced.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import WorkError
from orchestrator.services import files as fs
from orchestrator.services.program import RESULT

CLAIMS = "brought.json"

Claim = Callable[[Mapping[str, str]], None]
"""Is told the files that are about to be brought, each with what tells its source from others. Raises WorkError."""


def unclaimed(_files: Mapping[str, str]) -> None:
    """The claim of a transfer that is part of no execution."""


def claim_of(folder: Path, where: str) -> Claim:
    """The claim of the transfer whose job is in ``folder``, named ``<execution>-<node>-<generation>``.

    ``where`` is the machine that the files go to. The claim is kept until the process ends. Raises StorageError, and
    WorkError for a file that the transfer of another node brings from elsewhere in the same execution.
    """
    with fs.explained("write", folder / CLAIMS):
        held = os.open(folder / CLAIMS, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
        fcntl.flock(held, fcntl.LOCK_EX)

    def claim(brought: Mapping[str, str]) -> None:
        with _alone(folder.parent):
            _see_to_it(folder, where, brought)
            with fs.explained("write", folder / CLAIMS):
                os.write(held, json.dumps({"where": where, "files": dict(brought)}).encode())

    return claim


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Only one transfer at a time looks at what the others bring."""
    with fs.explained("lock", root):
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with fs.explained("lock", root):
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _see_to_it(folder: Path, where: str, brought: Mapping[str, str]) -> None:
    execution, node = _parts(folder)
    for file in folder.parent.glob(f"{execution}-*/{CLAIMS}"):
        _, other = _parts(file.parent)
        if other == node:
            continue
        there = _claimed(file, where)
        lost = next((path for path, source in brought.items() if there.get(path, source) != source), None)
        if lost is not None:
            raise WorkError(
                f"{node} would replace {lost}, which {other} has brought in this execution",
                hint="give each of the two a target of its own",
            )


def _parts(folder: Path) -> tuple[str, str]:
    """The execution and the node of a job's folder."""
    execution, _, rest = folder.name.partition("-")
    return execution, rest.rpartition("-")[0]


def _claimed(file: Path, where: str) -> Mapping[str, str]:
    """The files of another transfer; none when it was ended, or brings them to another machine."""
    try:
        with file.open(encoding="utf-8") as stream:
            if not (file.parent / RESULT).exists() and _free(stream.fileno()):
                return {}
            said = json.load(stream)
    except (OSError, ValueError):
        return {}
    return said["files"] if said["where"] == where else {}


def _free(fd: int) -> bool:
    """Whether nobody holds a lock on a file."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True
