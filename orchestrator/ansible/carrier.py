"""What carries Ansible: the contract between a run and the ways to start Ansible's process."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Launch:
    """How Ansible is started for one run.

    ``environment`` is the whole environment, ``arguments`` follow the word ``ansible-playbook``. The process leads a
    session of its own, writes ``{"type": "process", "pid": …, "start": …}`` to the pipe ``events`` before anything
    else, and goes on only when it has read the line ``go`` from the pipe ``go``. Its working folder is ``folder``.
    """

    folder: Path
    environment: Mapping[str, str]
    arguments: tuple[str, ...]
    events: Path
    go: Path


class Carried:
    """Ansible's process as its run sees it: what it prints, and how it ends."""

    _KEPT = 400_000

    def __init__(self) -> None:
        self.done, self._end = os.pipe()
        self.return_code: int | None = None
        """As Popen gives it, negative for a signal; None also for a signal that is not known."""
        self.error: Exception | None = None
        self._texts: deque[str] = deque()
        self._size = 0
        self._lock = threading.Lock()

    def printed(self, text: str) -> None:
        """Keep what Ansible printed, the oldest is forgotten."""
        with self._lock:
            self._texts.append(text)
            self._size += len(text)
            while self._size > self._KEPT and len(self._texts) > 1:
                self._size -= len(self._texts.popleft())

    def log(self) -> str:
        """The end of what Ansible printed."""
        with self._lock:
            return "".join(self._texts)

    def ended(self, return_code: int | None, error: Exception | None = None) -> None:
        """Say that the process is gone: the file descriptor ``done`` becomes readable. ``error``: it never started."""
        self.return_code = return_code
        self.error = error
        os.close(self._end)

    def close(self) -> None:
        """Release ``done``; only after the end."""
        os.close(self.done)


class Carrier(Protocol):
    """A way to start Ansible. Used by several threads at once."""

    def start(self, launch: Launch) -> Carried:
        """Start Ansible. Does not wait for anything that a playbook does."""
