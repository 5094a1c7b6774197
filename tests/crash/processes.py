"""What the kernel tells of processes: by words that they bear, by descent."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path


def processes_with(*words: str) -> dict[int, str]:
    """Processes with one of the words in their arguments, working folder or environment: id and arguments."""
    found = {}
    wanted = [word.encode() for word in words]
    for pid in _pids():
        entry = Path("/proc") / str(pid)
        try:
            arguments = (entry / "cmdline").read_bytes()
            rest = (entry / "environ").read_bytes() + os.readlink(entry / "cwd").encode()
        except OSError:
            continue
        if any(word in arguments or word in rest for word in wanted):
            found[pid] = _readable(arguments)
    return found


def commands_with(*words: str) -> list[int]:
    """Processes that have all the words in their arguments."""
    return [pid for pid in _pids() if all(word in arguments_of(pid) for word in words)]


def arguments_of(pid: int) -> str:
    """The arguments of a process, blanks between them; empty when it has ended."""
    try:
        return _readable((Path("/proc") / str(pid) / "cmdline").read_bytes())
    except OSError:
        return ""


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for other in _pids():
        children.setdefault(parent(other), []).append(other)
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found


def line(pid: int) -> list[int]:
    """A process and those that it descends from, but the first of the machine."""
    found = []
    while pid > 1:
        found.append(pid)
        pid = parent(pid)
    return found


def parent(pid: int) -> int:
    """The parent of a process; 0 when it has ended."""
    try:
        return int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def send(number: int, pids: Iterable[int]) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def kill(pids: Iterable[int]) -> None:
    """End processes at once."""
    send(signal.SIGKILL, pids)


def _pids() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _readable(arguments: bytes) -> str:
    return arguments.replace(b"\0", b" ").decode(errors="replace").strip()
