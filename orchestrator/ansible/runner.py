"""Runs one playbook from start to end."""

from __future__ import annotations

import importlib.metadata
import os
import re
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from orchestrator.ansible.carrier import Carried, Carrier
from orchestrator.ansible.cold import ColdCarrier
from orchestrator.ansible.folder import RunFolder, inventory, run_folder
from orchestrator.ansible.forked import ForkedCarrier
from orchestrator.ansible.journal import Journal
from orchestrator.ansible.masking import Mask
from orchestrator.ansible.playbook import EventKind, PlaybookResult, PlaybookRun, TaskEvent, TaskFailure
from orchestrator.ansible.processes import Process, end_run, end_shared_connections, killed_child
from orchestrator.ansible.traces import reason_of
from orchestrator.ansible.trial import fault_of
from orchestrator.errors import WorkError
from orchestrator.model.values import secrets_in

_shared = ForkedCarrier(trial=lambda carrier, version: fault_of(partial(run_playbook, carrier=carrier), version))
"""Carries the runs of this process: it starts nothing before the first of them."""

_LOOK_AT_CHILDREN = 1.0
"""Seconds between looks for workers that were killed: Ansible itself gets as long to notice it."""

_LOG_TAIL = 16_000
_TICK = 0.1
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_ERROR_LINE = re.compile(r"^(?:\[ERROR\]:|ERROR!) *", re.MULTILINE)
_ORIGIN = re.compile(r"^Origin: (.+?:\d+)(?::\d+)?$", re.MULTILINE)


def carrier_fault() -> str | None:
    """Why this process runs each playbook by a plain ansible-playbook; None when it has a warm Ansible to fork from.

    The first call finds out, which takes about a second.
    """
    return _shared.fault()


def plain_fault() -> str | None:
    """What is wrong with a plain ansible-playbook; None when a trial of it succeeds, which takes seconds."""
    return fault_of(partial(run_playbook, carrier=ColdCarrier()), importlib.metadata.version("ansible-core"))


def run_playbook(
    run: PlaybookRun,
    *,
    on_event: Callable[[TaskEvent], None],
    on_process: Callable[[int, float], None],
    stop: threading.Event,
    carrier: Carrier | None = None,
) -> PlaybookResult:
    """Run the playbook and wait for its end. Several threads may do so at once.

    ``on_process`` gets the id and start time (clock ticks) of Ansible's process before that does anything: what
    :func:`end_session` needs. ``on_event`` is called in this thread while the playbook runs. When ``stop`` is set, all
    processes of the run are ended, and the result says ``cancelled``.

    Raises :class:`StorageError` if the run's folder cannot be made, :class:`WorkError` if Ansible's process was lost. A
    failing playbook is a result, not an error.
    """
    secrets = secrets_in([dict(run.all_variables), *map(dict, run.variables.values()), *_connections(run)])
    journal = Journal(Mask(secrets), on_event, run.words)
    if carrier is None:
        carrier = _shared
        carrier.fault()
        if (warning := carrier.warning()) is not None:
            on_event(TaskEvent(EventKind.WARNING, "", "", warning))
    with run_folder(run) as folder:
        watch = _Watch(run, folder, journal, on_process, stop)
        carried = watch.through(carrier)
        if journal.end is None:
            watch.end_what_is_left()
        if any(not host.is_local for host in run.hosts):
            end_shared_connections(folder.path)
    if carried.error is not None and not watch.cancelled:
        raise WorkError(
            f"Ansible could not be carried to its end: {carried.error}",
            hint="run the operation again; if the machine is short of memory, run fewer at a time",
        ) from carried.error
    return _result(run, journal, carried, watch, Mask(secrets))


def _connections(run: PlaybookRun) -> list[dict[str, object]]:
    return [dict(host.connection) for host in run.hosts]


class _Watch:
    """Follows the process of one run until it is gone."""

    def __init__(
        self,
        run: PlaybookRun,
        folder: RunFolder,
        journal: Journal,
        on_process: Callable[[int, float], None],
        stop: threading.Event,
    ) -> None:
        self._run = run
        self._folder = folder
        self._journal = journal
        self._on_process = on_process
        self._stop = stop
        self._leader: Process | None = None
        self._look_at = time.monotonic() + _LOOK_AT_CHILDREN
        self._seen: int | None = None
        self.cancelled = False
        self.timed_out = False
        self.worker_killed: int | None = None
        """The signal that a worker of Ansible was killed by, when Ansible did not notice it."""

    def end_what_is_left(self) -> None:
        """End what an Ansible that did not come to its end has left: scripts go on when their parent is killed."""
        if self._leader is not None:
            end_run(self._leader)

    def through(self, carrier: Carrier) -> Carried:
        """Start the process and stay with it until it has ended."""
        launch = self._folder.launch(self._run)
        document = inventory(self._run, sys.executable, self._folder.path / "remote")
        with (
            _pipe(self._folder.events) as events,
            _pipe(self._folder.go) as go,
            _feeding(self._folder.inventory, document),
        ):
            carried = carrier.start(launch)
            try:
                self._follow(carried, events, go)
            except BaseException:
                self._end(carried, go)
                raise
            finally:
                carried.close()
        return carried

    def _follow(self, carried: Carried, events: int, go: int) -> None:
        deadline = None if self._run.timeout is None else time.monotonic() + self._run.timeout
        with selectors.DefaultSelector() as selector:
            selector.register(events, selectors.EVENT_READ)
            selector.register(carried.done, selectors.EVENT_READ)
            ended = False
            while not ended:
                ready = {key.fd for key, _ in selector.select(_TICK)}
                ended = carried.done in ready
                self._read(events)
                self._meet(go)
                if self._leader is not None and (self._must_end(deadline, ended) or carried.error is not None):
                    # A carrier that has died leaves children that nobody waits for.
                    end_run(self._leader)
            self._read(events)

    def _must_end(self, deadline: float | None, ended: bool) -> bool:
        if ended or self.cancelled or self.timed_out or self.worker_killed:
            return False
        self.cancelled = self._stop.is_set()
        self.timed_out = not self.cancelled and deadline is not None and time.monotonic() > deadline
        self.worker_killed = self._killed_worker()
        return self.cancelled or self.timed_out or self.worker_killed is not None

    def _killed_worker(self) -> int | None:
        """The signal that killed a worker, if Ansible has not noticed: with ``strategy: free`` it waits for ever."""
        if self._leader is None or time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + _LOOK_AT_CHILDREN
        before, self._seen = self._seen, killed_child(self._leader)
        return self._seen if before is not None else None

    def _read(self, events: int) -> None:
        with suppress(BlockingIOError):
            while data := os.read(events, 65536):
                self._journal.read(data)

    def _meet(self, go: int) -> None:
        """Make the process known before it may begin."""
        if self._leader is None and (message := self._journal.process) is not None:
            self._leader = Process(message.pid, message.start)
            self._on_process(message.pid, float(message.start))
            if not self._stop.is_set():
                os.write(go, b"go\n")

    def _end(self, carried: Carried, go: int) -> None:
        """End the run after an error of ours."""
        os.write(go, b"stop\n")
        if self._leader is not None:
            end_run(self._leader)
        os.read(carried.done, 1)


@contextmanager
def _pipe(path: Path) -> Iterator[int]:
    # Opened for both directions, a pipe neither waits for its other end nor ends when that is closed.
    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _feeding(path: Path, document: bytes) -> Iterator[None]:
    """Give the document to whoever opens the pipe."""

    def feed() -> None:
        with suppress(BrokenPipeError), path.open("wb") as pipe:
            pipe.write(document)

    feeder = threading.Thread(target=feed, name="ansible-inventory")
    feeder.start()
    try:
        yield
    finally:
        # If nobody has read, this is the reader that lets the thread go.
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        feeder.join()


def _result(run: PlaybookRun, journal: Journal, carried: Carried, watch: _Watch, mask: Mask) -> PlaybookResult:
    log = _ESCAPES.sub("", mask.text(carried.log())).replace("\r\n", "\n")
    ok = carried.return_code == 0 and not watch.cancelled and not watch.timed_out
    failures = () if ok else journal.failures()
    if ok:
        failures = _idle(run) if journal.idle else _undefined(run, journal)
        ok = not failures
    elif watch.timed_out and run.timeout is not None:
        text = f"still running after {round(run.timeout, 1):g} s: it was ended"
        failures += (TaskFailure(task=journal.task, host="", message=text),)
    elif (number := watch.worker_killed) is not None:
        failures += (_killed("one of Ansible's worker processes", number, journal.task),)
    elif ((code := carried.return_code) is None or code < 0) and not watch.cancelled:
        failures += (_killed("the Ansible process", -(code or 0), journal.task),)
    elif not failures and not watch.cancelled:
        failures = (_general_failure(log, carried.return_code),)
    unreachable = journal.end.unreachable if journal.end else journal.unreachable
    return PlaybookResult(
        ok=ok,
        cancelled=watch.cancelled,
        outputs=journal.outputs,
        failures=failures,
        unreachable=tuple(unreachable),
        log_tail=log[-_LOG_TAIL:],
    )


def _idle(run: PlaybookRun) -> tuple[TaskFailure, ...]:
    known = ", ".join(["all", run.group.value, *(host.name for host in run.hosts)])
    message = f"the playbook {run.playbook} ran no task: its plays fit no host; `hosts` may be one of {known}"
    return (TaskFailure(task="", host="", message=message),)


def _undefined(run: PlaybookRun, journal: Journal) -> tuple[TaskFailure, ...]:
    return tuple(
        TaskFailure(
            task="Collect outputs",
            host=host.name,
            message=f"the playbook {run.playbook} ended without having set {name}, which is wanted as an output",
        )
        for host in run.hosts
        for name in (journal.missing.get(host.name, run.outputs) if run.outputs else ())
    )


def _killed(what: str, number: int, task: str) -> TaskFailure:
    name = (
        signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}" if number else "a signal"
    )
    why = " (the system does that when memory runs out)" if number == signal.SIGKILL else ""
    return TaskFailure(task=task, host="", message=f"{what} was killed by {name}{why}")


def _general_failure(log: str, return_code: int | None) -> TaskFailure:
    """What Ansible said when it gave up before or outside of any task."""
    found = _ERROR_LINE.search(log)
    text = log[found.end() :] if found else "\n".join(log.splitlines()[-20:])
    if found is None and (reason := reason_of(log)) is not None:
        return TaskFailure(task="", host="", message=f"Ansible is broken: {reason}", stderr=text.strip())
    origin = _ORIGIN.search(text)
    return TaskFailure(
        task="",
        host="",
        message=text.strip()[:_LOG_TAIL] or "Ansible ended without a message",
        return_code=return_code,
        place=origin.group(1) if origin else None,
    )
