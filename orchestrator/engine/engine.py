"""The engine of one process: it starts, resumes and cancels executions, and takes over those of dead processes."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from orchestrator import faults
from orchestrator.ansible import end_session
from orchestrator.engine import durable
from orchestrator.engine.attempt import Attempt
from orchestrator.engine.cancels import CancelWatch
from orchestrator.engine.events import EventWriter
from orchestrator.engine.parts import EngineSettings, ExecutionParts
from orchestrator.engine.steps import StepRunner
from orchestrator.errors import Defect, OrchError, StorageError, UserError
from orchestrator.jobs import Watcher
from orchestrator.state import (
    DeploymentStatus,
    Execution,
    ExecutionStatus,
    Failure,
    Owner,
    Rework,
    Store,
)

_DETACH_SECONDS = 10.0
_BEGIN_SECONDS = 60.0
_AFTERWARDS = {
    "install": {
        ExecutionStatus.DONE: DeploymentStatus.DEPLOYED,
        ExecutionStatus.FAILED: DeploymentStatus.DEPLOY_FAILED,
        ExecutionStatus.CANCELLED: DeploymentStatus.DEPLOY_FAILED,
    },
    "update": {
        ExecutionStatus.DONE: DeploymentStatus.DEPLOYED,
        ExecutionStatus.FAILED: DeploymentStatus.DEPLOY_FAILED,
        ExecutionStatus.CANCELLED: DeploymentStatus.DEPLOY_FAILED,
    },
    "scale": {
        ExecutionStatus.DONE: DeploymentStatus.DEPLOYED,
        ExecutionStatus.FAILED: DeploymentStatus.DEPLOY_FAILED,
        ExecutionStatus.CANCELLED: DeploymentStatus.DEPLOY_FAILED,
    },
    "uninstall": {
        ExecutionStatus.DONE: DeploymentStatus.UNDEPLOYED,
        ExecutionStatus.FAILED: DeploymentStatus.UNDEPLOY_FAILED,
        ExecutionStatus.CANCELLED: DeploymentStatus.UNDEPLOY_FAILED,
    },
}
EXCLUSIVE = frozenset({"install", "uninstall", "update", "scale"})
"""Workflows that change a deployment as a whole: while one of them is under way, no other of it is, and vice versa."""

_DURING = {
    "install": DeploymentStatus.DEPLOYING,
    "update": DeploymentStatus.DEPLOYING,
    "scale": DeploymentStatus.DEPLOYING,
    "uninstall": DeploymentStatus.UNDEPLOYING,
}


class _Taken(UserError):
    """A living process carries the execution out."""


class _HasToWait(UserError):
    """Another execution of the deployment comes first."""


@dataclass
class _Running:
    """An execution that this process carries out."""

    ended: threading.Event = field(default_factory=threading.Event)
    since: float = field(default_factory=time.monotonic)
    runner: StepRunner | None = None
    loop: asyncio.AbstractEventLoop | None = None
    error: OrchError | None = None


class Engine:
    """Carries executions out in this process. There is one per process, as dbos has it."""

    def __init__(
        self,
        store: Store,
        owner: Owner,
        parts_of: Callable[[Execution], ExecutionParts],
        watcher: Watcher,
        settings: EngineSettings,
    ) -> None:
        self._store = store
        self._owner = owner
        self._parts_of = parts_of
        self._watcher = watcher
        self._settings = settings
        self._running: dict[str, _Running] = {}
        self._slots = asyncio.Semaphore(settings.parallel_operations)
        self._cancels = CancelWatch(store, settings.cancel_check_interval)
        self._launched = False
        self._events = EventWriter(store, self._storage_failed)

    # --- from outside

    @property
    def carried_out(self) -> set[str]:
        """The executions that this process carries out or has carried out."""
        return set(self._running)

    @property
    def busy(self) -> int:
        """How many executions have something to do in this process, instead of waiting for their jobs."""
        under_way = [running for running in list(self._running.values()) if not running.ended.is_set()]
        return sum(running.runner is None or running.runner.wanted > 0 for running in under_way)

    def start(self, execution: Execution) -> None:
        """Carry a new execution out. Raises UserError when others of its deployment come first: it is withdrawn."""
        self.launch()
        try:
            self._begin(execution, execution.attempt)
        except _HasToWait:
            self._store.withdraw(execution)
            raise

    def offer(self, execution: Execution) -> bool:
        """Carry out an execution that is queued or whose process died.

        False when another process was faster, or it has to wait for others of its deployment.
        """
        try:
            if execution.owner is None:
                self.launch()
                self._begin(execution, execution.attempt)
            else:
                self.resume(execution)
        except (_Taken, _HasToWait):
            return False
        return True

    def resume(self, execution: Execution, rework: Callable[[], Rework] | None = None) -> None:
        """Go on with an execution that failed, was cancelled or lost its process, from where it was.

        With ``rework``, asked for when nobody else works on the execution any more, some steps are done again or taken
        as done; then it may be done already. Raises UserError when there is nothing to do, a living process carries it
        out, or others of its deployment come first.
        """
        if execution.status is ExecutionStatus.DONE and rework is None:
            raise UserError(
                f"execution {execution.id} is done: there is nothing to resume",
                hint="`--from STEP` does a step and all that depends on it again",
            )
        self.launch()
        execution = self._take_over(execution)
        if rework is not None:
            self._begin(execution, execution.attempt + 1, rework())
            return
        begun = durable.is_begun(execution.id, execution.attempt)
        if not execution.status.final and begun is not False:
            self._begin(execution, execution.attempt)
            return
        self._begin(execution, execution.attempt + 1)

    def cancel_step(self, execution: Execution, steps: Sequence[str]) -> list[str]:
        """Ask for single steps of an execution to be cancelled; those that had not ended yet are returned.

        When its owner is dead this process goes on with it. Raises UserError when the execution has ended.
        """
        if execution.status.final:
            raise UserError(f"execution {execution.id} has ended already: it is {execution.status.value}")
        asked = [step for step in steps if self._store.request_step_cancel(execution, step)]
        execution = self._store.execution(execution.id)
        dead = execution.owner is not None and not self._owner.alive(execution.owner)
        if asked and dead and not execution.status.final:
            with suppress(_Taken):
                self.resume(execution)
        return asked

    def cancel(self, execution: Execution) -> bool:
        """Ask for an execution to be cancelled.

        False: its owner is alive and will do it; True: it is cancelled already, or this process does it.
        """
        if execution.status.final:
            raise UserError(f"execution {execution.id} has ended already: it is {execution.status.value}")
        # what was never begun leaves no trace, but that the deployment is not yet what it is said to be
        before = execution.workflow in ("install", "update")
        afterwards = DeploymentStatus.DEPLOY_FAILED if before else None
        if self._store.end_queued(execution, ExecutionStatus.CANCELLED, afterwards):
            return True
        self._store.request_cancel(execution.id)
        execution = self._store.execution(execution.id)
        if execution.status.final or self._owner.alive(execution.owner):
            return False
        try:
            self.resume(execution)
        except _Taken:
            return False
        return True

    def end_jobs(self, execution: Execution) -> list[str]:
        """Cancel the jobs that an execution has left behind; what could not be cancelled is returned, each in a line.

        Raises UserError when the execution is under way, and what keeps it from being looked at.
        """
        if not execution.status.final:
            raise _taken(execution)
        parts = self._parts_of(execution)
        runner = StepRunner(parts, self._store, self._events, self._watcher, self._settings, asyncio.Semaphore(1))
        left = asyncio.run(runner.cancel_jobs())
        self._events.flush()
        return left

    def give_up(self, execution_id: str, error: OrchError) -> None:
        """End an execution as failed that this process cannot go on with, so that it is not stuck with it."""
        execution = self._store.execution(execution_id)
        self._events.add(
            execution_id, "execution", error.message, level="error", data={"status": ExecutionStatus.FAILED.value}
        )
        self._events.flush()
        afterwards = _AFTERWARDS.get(execution.workflow, {}).get(ExecutionStatus.FAILED)
        failure = Failure(error.message, hint=error.advice)
        self._store.end_execution(execution, ExecutionStatus.FAILED, failure, afterwards)

    def forget(self, execution_id: str) -> None:
        """Drop what is kept here of an execution that has ended."""
        del self._running[execution_id]

    def wait(self, execution_id: str, timeout: float) -> bool:
        """Wait until an execution that this process carries out has ended; False when the time (seconds) is over.

        Raises the error that keeps this process from going on with it; the execution can be resumed then.
        """
        running = self._running[execution_id]
        if not running.ended.wait(timeout):
            if running.runner is None and time.monotonic() - running.since > _BEGIN_SECONDS:
                raise _stuck(execution_id, "its database does not hand the work out")
            return False
        if running.error is not None:
            raise running.error
        return True

    def detach(self) -> None:
        """Stop carrying anything out: end running playbooks, leave jobs alone. What was under way can be resumed."""
        runners = []
        for running in list(self._running.values()):
            if running.loop is not None and running.runner is not None and not running.ended.is_set():
                running.loop.call_soon_threadsafe(partial(running.runner.break_off, detaching=True))
                runners.append(running.runner)
        deadline = time.monotonic() + _DETACH_SECONDS
        while any(runner.playbooks for runner in runners) and time.monotonic() < deadline:
            threading.Event().wait(0.05)
        self._events.flush()

    def flush(self) -> None:
        """Store the events so far."""
        self._events.flush()

    def launch(self) -> None:
        """Get ready to carry executions out; what does so gets ready by itself, if need be."""
        if not self._launched:
            self._owner.claim()
            self._owner.watch(self._ownership_lost)
            durable.launch(
                self._settings.dbos_database, self._owner.executor_id, self._carry_out, self._settings.dequeue_interval
            )
            self._launched = True

    # --- inside

    def _begin(self, execution: Execution, attempt: int, rework: Rework | None = None) -> None:
        if not self._owner.held():
            raise _lost()
        if not self._store.claim(execution, self._owner.executor_id, attempt, EXCLUSIVE, rework):
            raise self._why_not(execution)
        self._running[execution.id] = _Running()
        during = _DURING.get(execution.workflow)
        if during is not None:
            self._store.set_deployment_status(execution.deployment_id, during)
        faults.reach("attempt.begun")
        durable.begin(self._owner.executor_id, execution.id, attempt)

    def _why_not(self, execution: Execution) -> UserError:
        first = self._store.hindrance(execution, EXCLUSIVE)
        if first is None:
            return _taken(execution)
        what = "waits to be carried out" if first.status is ExecutionStatus.QUEUED else "is under way"
        return _HasToWait(
            f"{execution.workflow} has to wait: {first.workflow} of the same deployment {what} (execution {first.id})",
            hint=f"wait for it, queue behind it with --detach, or `orch executions cancel {first.id}`",
        )

    def _take_over(self, execution: Execution) -> Execution:
        """Make sure that no living process, and nothing that a dead one left, works on the execution."""
        if execution.owner is None or execution.owner == self._owner.executor_id:
            return execution
        lock = self._owner.acquire(execution.owner)
        if lock is None and not execution.status.final:
            raise _taken(execution)
        try:
            found = self._store.execution(execution.id)
            if (found.owner, found.attempt, found.status) != (execution.owner, execution.attempt, execution.status):
                raise _taken(execution)  # it was taken over before this process had the lock
            self._end_what_is_left(execution)
            if not execution.status.final and not self._store.claim(
                execution, self._owner.executor_id, execution.attempt, EXCLUSIVE
            ):
                raise self._why_not(execution)
        finally:
            if lock is not None:
                lock.release()
        return self._store.execution(execution.id)

    def _end_what_is_left(self, execution: Execution) -> None:
        """End the Ansible sessions that a dead process left on this machine; those on others cannot be reached."""
        elsewhere: dict[str, list[int]] = {}
        for process in self._store.processes(execution.id):
            if process.host == self._store.host:
                end_session(process.pid, process.start_time)
            else:
                elsewhere.setdefault(process.host, []).append(process.pid)
            self._store.remove_process(process.pid, process.start_time, process.host)
        for place in self._settings.run_places:
            for left in place.glob(f"{execution.id}-*"):
                shutil.rmtree(left, ignore_errors=True)
        for host, pids in elsewhere.items():
            text = (
                f"taken over from {host}: Ansible processes there cannot be ended from {self._store.host} and may go "
                f"on for a while: {', '.join(map(str, sorted(pids)))}"
            )
            self._events.add(execution.id, "execution", text, level="warning")

    async def _carry_out(self, execution_id: str, attempt: int, journal: durable.DbosJournal) -> str:
        running = self._running[execution_id]
        try:
            return await self._attempt(running, execution_id, attempt, journal)
        except OrchError as error:
            running.error = error
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            running.error = _stuck(execution_id, what) if durable.of_database(error) else _defect(execution_id, what)
        running.ended.set()
        # without a result the workflow stays unfinished for dbos, so that it can be gone on with
        await durable.forever()
        raise AssertionError

    async def _attempt(self, running: _Running, execution_id: str, attempt: int, journal: durable.DbosJournal) -> str:
        execution = await asyncio.to_thread(self._store.execution, execution_id)
        parts = await asyncio.to_thread(self._parts_of, execution)
        runner = StepRunner(parts, self._store, self._events, self._watcher, self._settings, self._slots)
        running.runner, running.loop = runner, asyncio.get_running_loop()
        self._events.add(
            execution_id,
            "execution",
            f"{execution.workflow} started (attempt {attempt})",
            data={"status": "running", "owner": self._owner.executor_id, "host": self._store.host},
        )
        afterwards = _AFTERWARDS.get(execution.workflow, {})
        status = await Attempt(parts, self._store, self._events, runner, self._cancels, afterwards).carry_out(journal)
        running.ended.set()
        return status.value

    def _storage_failed(self, error: StorageError) -> None:
        for running in list(self._running.values()):
            if not running.ended.is_set():
                running.error = error
                running.ended.set()

    def _ownership_lost(self) -> None:
        """Others may take this process's executions over: go on with none of them."""
        for running in list(self._running.values()):
            if running.loop is not None and running.runner is not None and not running.ended.is_set():
                running.loop.call_soon_threadsafe(partial(running.runner.break_off, detaching=True))
        self._storage_failed(_lost())


def _stuck(execution_id: str, why: str) -> StorageError:
    return StorageError(
        f"execution {execution_id} cannot go on: {why}",
        hint=f"when the cause is mended: `orch executions resume {execution_id}`",
    )


def _defect(execution_id: str, what: str) -> Defect:
    return Defect(
        f"execution {execution_id} cannot go on: {what}", hint="this is a fault of orch: please report it with the logs"
    )


def _lost() -> StorageError:
    return StorageError(
        "the connection to the database that kept this process's executions for it was lost",
        hint="when the database can be reached again: `orch executions resume ID`, or start the worker again",
    )


def _taken(execution: Execution) -> UserError:
    return _Taken(
        f"execution {execution.id} is being carried out by a living process",
        hint=f"follow it with `orch executions logs -f {execution.id}`",
    )
