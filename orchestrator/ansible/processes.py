"""Finds and ends the processes of a run, also those that have left its session or lost their parent."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

RUN_VARIABLE = "ORCH_RUN"
"""Marks the environment of every process of a run, with the leader's id and start time. A process that is to outlive
the run is started without it (and by a parent that ends before the run does)."""

GRACE = 3.0
"""Seconds between the request to end (SIGTERM) and the end (SIGKILL)."""

_KILL_LIMIT = 30.0
"""Seconds after which a process that survives SIGKILL (in uninterruptible sleep) is no longer waited for."""

_POLL = 0.02

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of this machine: its id, and its start time in clock ticks, which tells it from a later one."""

    pid: int
    start: int

    def is_alive(self) -> bool:
        """Whether it still runs; a process that has ended and was not collected by its parent does not."""
        status = _status(self.pid)
        return status is not None and status.process == self and not status.ended


@dataclass(frozen=True)
class _Status:
    process: Process
    parent: int
    session: int
    ended: bool


def find_process(pid: int) -> Process | None:
    """The living process of that id, if any."""
    status = _status(pid)
    return None if status is None or status.ended else status.process


def mark_of(leader: Process) -> str:
    """The value of :data:`RUN_VARIABLE` in the processes of a run."""
    return f"{leader.pid}-{leader.start}"


def end_session(pid: int, start_time: float) -> None:
    """End what an orchestrator that is gone has left: Ansible with this id and start time, and all its processes.

    These are its descendants, the members of its session, and everything with its mark in the environment, whoever
    their parent is now. Waits until they are gone. Has no effect on a process of that id with another start time.
    """
    end_run(Process(pid, int(start_time)))


def end_run(leader: Process, grace: float = GRACE) -> None:
    """End the run's processes: SIGTERM, after ``grace`` seconds SIGKILL; waits until they are gone."""
    known: set[Process] = set()
    asked: set[Process] = set()
    began = time.monotonic()
    while True:
        known |= members(leader)
        living = {process for process in known if process.is_alive()}
        elapsed = time.monotonic() - began
        if not living or elapsed > grace + _KILL_LIMIT:
            return
        if elapsed >= grace:
            _send(living, signal.SIGKILL)
        else:
            _send(living - asked, signal.SIGTERM)
            asked |= living
        time.sleep(_POLL)


def killed_child(leader: Process) -> int | None:
    """The signal that killed a child of a living process, if that has not asked for the child's end; None if none was.

    proc(5): the state of such a child is Z, and field 52 of stat is its status as in waitpid(2).
    """
    if not leader.is_alive():
        return None
    for children in (_PROC / str(leader.pid) / "task").glob("*/children"):
        with suppress(OSError):
            for pid in children.read_text().split():
                fields = (_PROC / pid / "stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] == b"Z" and (number := int(fields[49]) & 0x7F):
                    return number
    return None


def end_shared_connections(folder: Path) -> None:
    """End the ssh masters that Ansible left for later runs; they work in the run's folder and have no mark, as ssh
    writes its title over its environment."""
    masters = {
        status.process
        for status in _all_statuses()
        if _link(status.process.pid, "cwd") == str(folder.resolve()) and _is_ssh(status.process.pid)
    }
    _send(masters, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while any(master.is_alive() for master in masters) and time.monotonic() < deadline:
        time.sleep(_POLL)


def members(leader: Process) -> set[Process]:
    """The living processes of a run, the leader included; never the calling process or its ancestors."""
    statuses = {status.process.pid: status for status in _all_statuses()}
    main = statuses.get(leader.pid)
    led = main is not None and main.process == leader
    marked = f"{RUN_VARIABLE}={mark_of(leader)}".encode()
    found = {
        pid
        for pid, status in statuses.items()
        if (led and leader.pid in (pid, status.session)) or marked in _environment(pid)
    }
    found |= _descendants(found, statuses)
    return {statuses[pid].process for pid in found - _own_line(statuses) if not statuses[pid].ended}


def _descendants(roots: set[int], statuses: dict[int, _Status]) -> set[int]:
    children: dict[int, list[int]] = {}
    for pid, status in statuses.items():
        children.setdefault(status.parent, []).append(pid)
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _own_line(statuses: dict[int, _Status]) -> set[int]:
    line: set[int] = set()
    pid = os.getpid()
    while pid in statuses and pid not in line:
        line.add(pid)
        pid = statuses[pid].parent
    return line


def _send(processes: set[Process], number: signal.Signals) -> None:
    for process in processes:
        if process.is_alive():
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, number)


def _all_statuses() -> Iterator[_Status]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (status := _status(int(entry.name))) is not None:
            yield status


def _status(pid: int) -> _Status | None:
    # proc(5): pid (name) state ppid pgrp session … starttime is field 22; the name may hold spaces and parentheses.
    try:
        text = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    fields = text.rpartition(b")")[2].split()
    return _Status(Process(pid, int(fields[19])), int(fields[1]), int(fields[3]), fields[0] in (b"Z", b"X"))


def _environment(pid: int) -> list[bytes]:
    try:
        return (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _link(pid: int, name: str) -> str:
    try:
        return str((_PROC / str(pid) / name).readlink())
    except OSError:
        return ""


def _is_ssh(pid: int) -> bool:
    try:
        return (_PROC / str(pid) / "comm").read_bytes().strip() == b"ssh"
    except OSError:
        return False
