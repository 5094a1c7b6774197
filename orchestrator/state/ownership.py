"""Ownership: which process carries an execution out, and whether it still lives.

Every process has an executor id that is never used again and holds a lock file of that name. The kernel releases
the lock when the process dies, however it dies; so who gets the lock knows that the owner is gone.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path
from typing import IO

from orchestrator.errors import StorageError


def start_time_of(pid: int) -> int | None:
    """When a process started, in clock ticks since boot (proc(5), field 22 of stat); None when there is no such one."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


class OwnerLock:
    """A held lock; :meth:`release` gives it back."""

    def __init__(self, path: Path, handle: IO[str]) -> None:
        self._path = path
        self._handle = handle

    def release(self) -> None:
        """Let go of the lock and remove its file."""
        self._path.unlink(missing_ok=True)
        self._handle.close()


class Owner:
    """The lock folder of a home, and this process's own executor id in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.executor_id = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self._own: OwnerLock | None = None

    def claim(self) -> None:
        """Take this process's own lock; it is held until the process ends. A second call does nothing."""
        if self._own is None:
            self._own = self.acquire(self.executor_id)
            if self._own is None:
                raise StorageError(f"the lock of a new process is already held in {self._folder}")

    def release(self) -> None:
        """Give the own lock back: nobody may be carrying anything out under this executor id any more."""
        if self._own is not None:
            self._own.release()
            self._own = None

    def acquire(self, executor_id: str) -> OwnerLock | None:
        """The lock of an executor, or None when a living process holds it.

        Raises StorageError when the lock file cannot be made.
        """
        path = self._folder / f"{executor_id}.lock"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle = path.open("a")
        except OSError as error:
            raise StorageError(
                f"cannot make the lock file {path}: {error.strerror}", hint="free space or mend the permissions"
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        return OwnerLock(path, handle)

    def alive(self, executor_id: str | None) -> bool:
        """Whether the process with this executor id still lives."""
        if executor_id is None:
            return False
        if executor_id == self.executor_id and self._own is not None:
            return True
        if not (self._folder / f"{executor_id}.lock").exists():
            return False
        lock = self.acquire(executor_id)
        if lock is None:
            return True
        lock.release()
        return False
