"""orch's home: whose it is, how much room there is, and what its file system can do. That is tried, not guessed."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.app.doctor.finding import Found, State
from orchestrator.model.sizes import size_text
from orchestrator.storage import user_name, why_unwritable

if TYPE_CHECKING:
    from orchestrator.app.settings import Settings

_TOO_LITTLE, _LITTLE = 10 * 1024**2, 1024**3
_FEW_FILES = 1000
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "lustre", "gpfs", "beegfs", "ceph", "afs", "glusterfs", "fuse.sshfs", "9p")
_ELSEWHERE = "let ORCH_HOME (or --home) name a folder of a local disk"
_SECONDS = 10

# tells whether another process is kept out; 3 is no exit status of Python's own
_OTHER_PROCESS = """
import fcntl, sys
try:
    fcntl.lockf(open(sys.argv[1], "r+b"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(3)
"""


def temporary(environment: Mapping[str, str]) -> Found:
    """Whether the folder for temporary files that ``TMPDIR`` names can be used."""
    named = environment.get("TMPDIR", "")
    if named and not (Path(named).is_dir() and os.access(named, os.W_OK | os.X_OK)):
        said = f"TMPDIR names {named}, which is no folder that {user_name()} may write to"
        return State.WARNING, said, "let TMPDIR name another folder, or unset it: what scripts start may want it"
    return State.OK, tempfile.gettempdir()


def owner(folder: Path, made: bool = False) -> Found:
    """Whose the home is, and who may read and write there; ``made``: whether that was done just now."""
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    said = f"{folder} of {user_name(found.st_uid)}, mode {mode:04o}{', made just now' if made else ''}"
    user = user_name()
    if not stat.S_ISDIR(found.st_mode):
        return State.FAULT, f"{folder} is not a folder", _ELSEWHERE
    if found.st_uid != os.geteuid():
        if not os.access(folder, os.W_OK | os.X_OK):
            return State.FAULT, f"{said}: {user} may not write there", "let ORCH_HOME (or --home) name your own folder"
        return (
            State.WARNING,
            f"{said}, and you are {user}: what you make there the owner may not be able to use",
            f"work as {user_name(found.st_uid)}, or let ORCH_HOME name a folder of your own",
        )
    if mode & 0o022:
        return State.WARNING, f"{said}: others may write there", f"chmod go-w {folder}"
    if mode & 0o011:
        return State.NOTE, f"{said}: others may read what workflows print and record", f"chmod 700 {folder}"
    return State.OK, said


def space(folder: Path) -> Found:
    """How much room there is, in bytes and in files."""
    found = os.statvfs(folder)
    return room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def room(free: int, files: int | None) -> Found:
    """What so many free bytes and files mean; None: the file system does not count files."""
    said = f"{size_text(free)} free"
    remedy = "make room, or let ORCH_HOME name a folder on another disk"
    if free < _TOO_LITTLE:
        return State.FAULT, said, remedy
    if files is not None and files < _FEW_FILES:
        few = f"{said}, but only {files} more files can be made (inodes)"
        return State.FAULT if files < 10 else State.WARNING, few, remedy
    return (State.WARNING, said, remedy) if free < _LITTLE else (State.OK, said)


@dataclass(frozen=True)
class _Lack:
    """Something that a file system does not have: how bad that is, and what it means."""

    state: State
    what: str


def file_system(folder: Path) -> Found:
    """The kind of the home's file system, and what it lacks for orch."""
    kind, options = mounted(folder)
    try:
        with trial_folder(folder) as trial:
            lacks = list(_lacks(trial))
    except OSError as error:
        return _unwritable(folder, kind, error)
    said = kind
    if "noexec" in options:
        said += ", mounted noexec (nothing in it can be run as a program; orch does not need that)"
    if kind in _NETWORK:
        said += ", over a network: only processes of one machine may use this home at the same time"
    if lacks:
        worst = max((lack.state for lack in lacks), key=list(State).index)
        without = "; orch does without" if worst is State.NOTE else ""
        remedy = _ELSEWHERE if worst in (State.FAULT, State.WARNING) else ""
        return worst, f"{said}; it lacks {'; '.join(lack.what for lack in lacks)}{without}", remedy
    if kind in _NETWORK:
        return State.NOTE, said, "for several machines: a PostgreSQL database (ORCH_DATABASE)"
    return State.OK, f"{said}: files, locks, shared memory, pipes and sockets work"


def _unwritable(folder: Path, kind: str, error: OSError) -> Found:
    what, remedy = why_unwritable(folder, error)
    return State.FAULT, f"{kind}: nothing can be written: {what}", remedy


def runs(settings: Settings) -> Found:
    """Where the private folders of running playbooks can be."""
    from orchestrator.ansible import lack_of

    lacking: list[str] = []
    for place in settings.run_places:
        lack = lack_of(place)
        if lack is None:
            if lacking:
                return State.NOTE, f"{place}, because of {'; '.join(lacking)}"
            return State.OK, f"{place}"
        lacking.append(f"{place}: {lack}")
    return State.FAULT, f"playbooks cannot run: {'; '.join(lacking)}", "let TMPDIR name a folder of a local disk"


@contextmanager
def trial_folder(folder: Path) -> Iterator[Path]:
    """A folder for trials with a file that was just written to the disk, removed at the end.

    Raises OSError when nothing can be written.
    """
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder, ignore_cleanup_errors=True) as name:
        trial = Path(name)
        with (trial / "file").open("wb") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        yield trial


def mounted(folder: Path) -> tuple[str, tuple[str, ...]]:
    """The kind of the file system that a folder is on, and the options of its mount; proc(5) describes mountinfo."""
    path, best, found = os.path.realpath(folder), "", ("unknown file system", tuple[str, ...]())
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines():
            before, _, after = line.partition(" - ")
            fields = before.split(" ")
            point = fields[4].encode("latin-1", "backslashreplace").decode("unicode_escape")
            inside = path == point or path.startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, found = point, (after.split(" ")[0], tuple(fields[5].split(",")))
    return found


def _lacks(trial: Path) -> Iterator[_Lack]:
    for look in (_modes, _renaming, _flock, _posix_locks, _write_ahead_log, _pipes, _sockets, _links):
        lack = look(trial)
        if lack is not None:
            yield lack


def _modes(trial: Path) -> _Lack | None:
    file = trial / "private"
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
        file.chmod(0o600)
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        return _Lack(State.WARNING, "permissions of files, so others may read what is private, secrets too")
    return None


def _renaming(trial: Path) -> _Lack | None:
    one, other = trial / "one", trial / "other"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    return _tried(lambda: one.replace(other), State.FAULT, "renaming a file over another one")


def _flock(trial: Path) -> _Lack | None:
    """flock(2) belongs to the open file, so this process can keep itself out."""
    with (trial / "file").open("r+b") as one, (trial / "file").open("r+b") as other:
        try:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            return _Lack(State.FAULT, f"locks (flock: {error.strerror})")
    return _Lack(State.FAULT, "locks that keep others out (flock)")


def _posix_locks(trial: Path) -> _Lack | None:
    file = trial / "file"
    with file.open("r+b") as one:
        try:
            fcntl.lockf(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return _Lack(State.FAULT, f"locks that SQLite needs (POSIX: {error.strerror})")
        words = [sys.executable, "-I", "-S", "-c", _OTHER_PROCESS, str(file)]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    return (
        None if done.returncode == 3 else _Lack(State.FAULT, "locks that SQLite needs and that keep others out (POSIX)")
    )


def _write_ahead_log(trial: Path) -> _Lack | None:
    """Shared memory and locks as SQLite has them; nothing is said of a machine without a SQLite that would do."""
    from orchestrator.errors import ConfigurationError, StorageError
    from orchestrator.state import journal_mode

    with suppress(ConfigurationError):
        try:
            mode = journal_mode(trial / "trial.sqlite")
        except StorageError as error:
            return _Lack(State.FAULT, f"what SQLite needs ({error.message})")
        if mode != "wal":
            said = f"shared memory for SQLite's write-ahead log ({mode} is used: readers wait for writers)"
            return _Lack(State.NOTE, said)
    return None


def _pipes(trial: Path) -> _Lack | None:
    return _tried(lambda: os.mkfifo(trial / "pipe", 0o600), State.NOTE, "named pipes")


def _sockets(trial: Path) -> _Lack | None:
    descriptor = os.open(trial, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            # the path of the folder may be too long for a socket
            return _tried(lambda: one.bind(f"/proc/self/fd/{descriptor}/socket"), State.NOTE, "sockets")
    finally:
        os.close(descriptor)


def _links(trial: Path) -> _Lack | None:
    said = "symbolic links: archives that hold some cannot be unpacked"
    return _tried(lambda: (trial / "link").symlink_to("file"), State.NOTE, said)


def _tried(act: Callable[[], object], state: State, what: str) -> _Lack | None:
    try:
        act()
    except OSError as error:
        return _Lack(state, f"{what} ({error.strerror or error})")
    return None
