"""The fast way to carry a playbook: a process that has imported Ansible forks for each one (see :mod:`.warm`)."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from orchestrator.ansible.carrier import Carried, Carrier, Launch
from orchestrator.ansible.cold import ColdCarrier
from orchestrator.ansible.environment import ROOM, base_environment
from orchestrator.ansible.processes import RUN_VARIABLE, Process, find_process
from orchestrator.errors import DOCTOR

_PREFIX = "orch-ansible-"
_ROOM_FOR_MARK = 64
_READY_LIMIT = 60.0
_END_LIMIT = 5.0
"""Seconds to wait for the warm process to load Ansible, and to end."""


class ForkedCarrier:
    """Starts one warm Ansible process at the first run, which forks a child for each.

    The warm process ends with this one, whatever ends it, and is replaced if it has died. Much of what it does is not
    public in Ansible, so a trial shows first that it works with the Ansible that is there: ``trial`` is given a carrier
    and the version, and tells what is wrong. If it is of no use, runs are carried by ``fallback``.
    """

    def __init__(
        self, fallback: Carrier | None = None, trial: Callable[[Carrier, str], str | None] = lambda *_: None
    ) -> None:
        self._fallback = fallback or ColdCarrier()
        self._trial = trial
        self._lock = threading.Lock()
        self._warm: _Warm | None = None
        self._proven = False
        self._fault: str | None = None
        self._told = False

    def start(self, launch: Launch) -> Carried:
        """Have the warm process fork for this run. The first run waits until it is ready and was tried."""
        if self.fault() is None:
            with suppress(OSError):
                return self._living().start(launch)
        return self._fallback.start(launch)

    def warning(self) -> str | None:
        """What people should know of the way in which runs are carried; it is told once."""
        with self._lock:
            told, self._told = self._told, self._fault is not None
            if self._fault is None or told:
                return None
        return (
            f"Ansible cannot be kept ready between playbooks ({self._fault}); each is run by a plain ansible-playbook, "
            f"which takes longer. {DOCTOR}"
        )

    def fault(self) -> str | None:
        """Why the warm process is of no use, None if it is; the first call finds out, which takes about a second."""
        with self._lock:
            if not self._proven and self._fault is None:
                self._fault = self._find_fault()
                self._proven = self._fault is None
            return self._fault

    def _find_fault(self) -> str | None:
        try:
            warm = self._living_locked()
            if (fault := warm.fault()) is None:
                fault = self._trial(warm, warm.version)
        except OSError as error:
            fault = f"it cannot be started: {error.strerror or error}"
        if fault is not None and self._warm is not None:
            self._warm.close()
            self._warm = None
        return fault

    def close(self) -> None:
        """End the warm process. Runs that it carries go on to their end."""
        with self._lock:
            if self._warm is not None:
                self._warm.close()
                self._warm = None

    def _living(self) -> _Warm:
        with self._lock:
            return self._living_locked()

    def _living_locked(self) -> _Warm:
        if self._warm is None or not self._warm.is_alive():
            if self._warm is not None:
                self._warm.close()
            self._warm = _Warm()
            atexit.register(self._warm.close)
        return self._warm


class _Warm:
    """The warm process and the runs that it carries."""

    def __init__(self) -> None:
        self._folder = _own_folder()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self._lock = threading.Lock()
        self._count = 0
        self._running: dict[int, Carried] = {}
        self._answered = threading.Event()
        self._fault: str | None = "it has ended while it was importing Ansible"
        self.version = "unknown"
        with theirs:
            # A session of its own keeps Ctrl-C at the terminal away from it.
            self._process = subprocess.Popen(
                [sys.executable, str(ROOM / "warm.py"), str(self._folder)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=self._folder,
                env=self._environment(),
                start_new_session=True,
            )
        threading.Thread(target=self._listen, name="ansible-warm", daemon=True).start()

    def _environment(self) -> dict[str, str]:
        own = {"ANSIBLE_HOME": str(self._folder), "ANSIBLE_LOCAL_TEMP": str(self._folder), "TMPDIR": str(self._folder)}
        return base_environment() | own | {RUN_VARIABLE: "-" * _ROOM_FOR_MARK}

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def fault(self) -> str | None:
        """Why Ansible could not be loaded, None if it was; waits for it."""
        if not self._answered.wait(_READY_LIMIT):
            return f"importing Ansible takes longer than {_READY_LIMIT:g} s"
        return self._fault

    def start(self, launch: Launch) -> Carried:
        """Have it fork for a run, once it is ready."""
        self._answered.wait(_READY_LIMIT)
        carried = Carried()
        reading, writing = os.pipe()
        with self._lock:
            self._count += 1
            number = self._count
            self._running[number] = carried
        request = {
            "id": number,
            "environment": dict(launch.environment),
            "arguments": launch.arguments,
            "folder": str(launch.folder),
            "events": str(launch.events),
            "go": str(launch.go),
        }
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [writing])
        except OSError:
            self._running.pop(number, None)
            os.close(reading)
            carried.ended(None)
            carried.close()
            raise
        finally:
            os.close(writing)
        threading.Thread(target=_keep_output, args=(reading, carried), name="ansible-output", daemon=True).start()
        return carried

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_LIMIT)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self) -> None:
        with suppress(OSError):
            while data := self._socket.recv(4096):
                answer = json.loads(data)
                if "version" in answer:
                    self.version, self._fault = answer["version"], answer.get("fault")
                    self._answered.set()
                if (carried := self._running.pop(answer.get("id"), None)) is not None:
                    carried.ended(answer["code"])
        self._answered.set()
        # The warm process is gone, and with it the knowledge how its children end.
        with self._lock:
            for carried in self._running.values():
                carried.ended(None, OSError("the warm Ansible process has ended"))
            self._running.clear()
        self._socket.close()


def _own_folder() -> Path:
    """A folder that bears its owner's name; those whose owners were killed, and their warm process too, are removed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*-*"):
        pid, start, _ = folder.name.removeprefix(_PREFIX).split("-", 2)
        if pid.isdigit() and start.isdigit() and not Process(int(pid), int(start)).is_alive():
            shutil.rmtree(folder, ignore_errors=True)
    owner = find_process(os.getpid())
    name = f"{owner.pid}-{owner.start}" if owner else "0-0"
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{name}-"))


def _keep_output(reading: int, carried: Carried) -> None:
    with os.fdopen(reading, encoding="utf-8", errors="replace") as output:
        for line in output:
            carried.printed(line)
