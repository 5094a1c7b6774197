"""Workers of a crash test: they are killed again and again, and others started in their place."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crash.processes import family

READY = "carries out at most"
"""What a worker says when it has started."""
_START_LIMIT = 60.0


@dataclass(frozen=True)
class Worker:
    """A worker and the file that its words go to."""

    process: subprocess.Popen[str]
    log: Path

    def is_ready(self) -> bool:
        """Whether it has started to take work."""
        return READY in self.log.read_text()


Starter = Callable[[dict[str, str]], Worker]

PLACES = (
    "attempt.begun",
    "submit.before:Native",
    "submit.after:Native",
    "watch.running:Native",
    "watch.ended:Native",
    "playbook.event:Left",
    "playbook.event:Right",
    "playbook.event:Foreign",
    "playbook.event:Join",
    "playbook.event:Service",
    "states:install",
    "states:uninstall",
)


class Workers:
    """``count`` workers, one of which is killed every few seconds until :meth:`stop`."""

    def __init__(self, count: int, seed: int, start: Starter, killed: Callable[[], None]) -> None:
        self._choice = random.Random(f"{seed}/workers")
        self._start = start
        self._killed = killed
        self._over = threading.Event()
        self._living = [self._another() for _ in range(count)]
        self._killer = threading.Thread(target=self._kill_on, daemon=True)
        self._killer.start()

    def stop(self) -> list[int]:
        """Let the workers stop of themselves; their exit statuses."""
        self._over.set()
        self._killer.join()
        for worker in self._living:
            self._await_start(worker)
            worker.process.terminate()
        return [worker.process.wait(60) for worker in self._living]

    def _await_start(self, worker: Worker) -> None:
        """Wait until a worker takes work or has ended: one that is killed while it starts does no harm to anything."""
        deadline = time.monotonic() + _START_LIMIT
        while not worker.is_ready() and worker.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)

    def _another(self) -> Worker:
        """A new worker; every third one is killed when it reaches a place."""
        armed = self._choice.random() < 0.33
        return self._start({"ORCH_KILL_AT": self._choice.choice(PLACES)} if armed else {})

    def _kill_on(self) -> None:
        while True:
            victim = self._choice.choice(self._living)
            self._await_start(victim)
            if self._over.wait(self._choice.uniform(0.5, 8)):
                break
            leader = victim.process.pid
            for pid in family(leader) if self._choice.random() < 0.25 else [leader]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            victim.process.wait()
            self._replace_dead()
        self._replace_dead()

    def _replace_dead(self) -> None:
        for index, worker in enumerate(self._living):
            if worker.process.poll() is not None:
                self._killed()
                self._living[index] = self._start({}) if self._over.is_set() else self._another()
