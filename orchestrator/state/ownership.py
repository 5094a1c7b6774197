"""Ownership: which process carries an execution out, and whether it still lives.

Every process has an executor id that is never used again, and holds a lock of that name that is released when it
dies, however it dies; so who gets the lock knows that the owner is gone. With SQLite the locks are files, released by
the kernel; with PostgreSQL see :mod:`orchestrator.state.advisory`.
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

from orchestrator.errors import StorageError
from orchestrator.storage import why_unwritable

_TRIES = 5
_BETWEEN_TRIES = 0.02


def start_time_of(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22 of stat); None when there is no such one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def new_executor_id(name: str = "") -> str:
    """An executor id that was never used; ``name`` is for people to know the process by."""
    unique = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    return f"{name}-{unique}" if name else unique


class OwnerLock(Protocol):
    """A held lock."""

    def release(self) -> None:
        """Give it back."""


class Owner(Protocol):
    """This process among those that carry executions out. Raises StorageError when locks cannot be had at all."""

    executor_id: str

    def claim(self) -> None:
        """Take this process's own lock; it is held until the process ends. A second call does nothing."""

    def release(self) -> None:
        """Give the own lock back: nobody may be carrying anything out under this executor id any more."""

    def acquire(self, executor_id: str) -> OwnerLock | None:
        """The lock of an executor, or None when somebody holds it: it lives, or is just being taken over from."""

    def alive(self, executor_id: str | None) -> bool:
        """Whether the process with this executor id still lives."""

    def held(self) -> bool:
        """Whether the own lock, once claimed, is still held. When it is not, others may take this process's work."""

    def watch(self, lost: Callable[[], None]) -> None:
        """Have a function called, in another thread, when the own lock is lost while this process lives."""


class FileLock:
    """A lock file that is held."""

    def __init__(self, path: Path, handle: IO[str]) -> None:
        self._path = path
        self._handle = handle

    def release(self) -> None:
        """Let go of the lock and remove its file."""
        self._path.unlink(missing_ok=True)
        self._handle.close()


class FileOwner:
    """Locks that are files in a folder of a home: for processes of one machine."""

    def __init__(self, folder: Path, name: str = "") -> None:
        self._folder = folder
        self.executor_id = new_executor_id(name)
        self._own: FileLock | None = None

    def claim(self) -> None:
        """See :class:`Owner`."""
        if self._own is None:
            self._own = self.acquire(self.executor_id)
            if self._own is None:
                raise StorageError(f"the lock of a new process is already held in {self._folder}")

    def release(self) -> None:
        """See :class:`Owner`."""
        if self._own is not None:
            self._own.release()
            self._own = None

    def acquire(self, executor_id: str) -> FileLock | None:
        """See :class:`Owner`."""
        path = self._folder / f"{executor_id}.lock"
        for _ in range(_TRIES):
            handle = self._open(path)
            # whoever held the lock may have removed this very file since it was opened here
            if self._lock(handle, fcntl.LOCK_EX) and _is_at(handle, path):
                return FileLock(path, handle)
            handle.close()
            threading.Event().wait(_BETWEEN_TRIES)  # somebody may only be looking, see `alive`
        return None

    def alive(self, executor_id: str | None) -> bool:
        """See :class:`Owner`."""
        if executor_id is None:
            return False
        if executor_id == self.executor_id and self._own is not None:
            return True
        try:
            handle = (self._folder / f"{executor_id}.lock").open()
        except OSError:
            return False
        with handle:
            # shared, so that several may look at once
            return not self._lock(handle, fcntl.LOCK_SH)

    def held(self) -> bool:
        """See :class:`Owner`. The kernel takes no lock from a living process."""
        return True

    def watch(self, lost: Callable[[], None]) -> None:
        """See :class:`Owner`."""

    def _open(self, path: Path) -> IO[str]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return path.open("a")
        except OSError as error:
            what, remedy = why_unwritable(path, error)
            raise StorageError(f"cannot make the lock file {path}: {what}", hint=remedy) from error

    @staticmethod
    def _lock(handle: IO[str], kind: int) -> bool:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _is_at(handle: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False
