"""One attempt to carry an execution out: an in-process data-flow loop over reserved durable steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from orchestrator import faults
from orchestrator.engine.events import EventWriter
from orchestrator.engine.parts import EngineSettings, ExecutionParts
from orchestrator.engine.progress import Progress
from orchestrator.engine.steps import StepRunner
from orchestrator.model.plan import Outcome, PlanStep, StepKind
from orchestrator.operations import FIRST_INSTANCE
from orchestrator.state import DeploymentStatus, ExecutionStatus, Failure, StepStatus, Store

Durable = Callable[[Callable[[], Awaitable[object]]], Awaitable[object]]
"""Runs a function as a reserved durable step: the second time its recorded result comes back instead."""

_OUTCOMES: Mapping[StepStatus, Outcome] = {
    StepStatus.DONE: Outcome.SUCCESS,
    StepStatus.FAILED: Outcome.FAILURE,
    StepStatus.RUNNING: Outcome.CANCEL,
    StepStatus.CANCELLED: Outcome.CANCEL,
}


class Journal(Protocol):
    """Where the durable steps of an attempt are recorded."""

    async def first(self, function: Callable[[], Awaitable[object]]) -> object:
        """Run the first step of the attempt."""

    def reserve(self, name: str) -> Durable:
        """Reserve the next step; they are reserved in the same order every time."""


class Attempt:
    """Drives one attempt to its end and says how it ended."""

    def __init__(
        self,
        parts: ExecutionParts,
        store: Store,
        events: EventWriter,
        runner: StepRunner,
        settings: EngineSettings,
        afterwards: Mapping[ExecutionStatus, DeploymentStatus],
    ) -> None:
        self._parts = parts
        self._execution = parts.execution
        self._store = store
        self._events = events
        self._runner = runner
        self._settings = settings
        self._afterwards = afterwards
        self._cancelling = False
        self._cleaning_up = False
        self._why = "cancelled by request"
        self._places: dict[str, asyncio.Semaphore] = {}

    async def carry_out(self, journal: Journal) -> ExecutionStatus:
        """Run what is still to do.

        What that is was written down in the attempt's first durable step, so a replay reserves the same steps again.
        """
        done = await journal.first(self._done_before)
        assert isinstance(done, list)
        progress = Progress(self._parts.plan, done)
        operations = [step.id for step in self._parts.plan.steps if step.kind is StepKind.OPERATION]
        reserved = {step: journal.reserve(step) for step in operations if step not in progress.done}
        cancel = journal.reserve("cancel")
        if self._store.cancel_requested(self._execution.id):
            self._recall(progress)
            self._cancel()
        watch = asyncio.ensure_future(self._watch_for_cancel())
        try:
            await self._loop(progress, reserved)
        finally:
            watch.cancel()
        left: Sequence[str] = ()
        if self._cancelling:
            answer = await cancel(self._runner.cancel_jobs)
            left = [str(line) for line in answer] if isinstance(answer, list) else []
            self._cleaning_up = True
            self._runner.go_on()
            await self._loop(progress, reserved)
        return self._finish(progress, left)

    def _recall(self, progress: Progress) -> None:
        """Tell how far a dead process had come with this attempt; what it had under way counts as cancelled."""
        ledger = self._store.ledger(self._execution.id)
        known = {step: entry for step, entry in ledger.items() if entry.attempt == self._execution.attempt}
        while met := [step for step in progress.ready if step.id in known]:
            for step in met:
                progress.start(step.id)
                status = known[step.id].status
                passed_over = status is StepStatus.FAILED and step.policy.continue_on_error
                outcome = Outcome.SUCCESS if passed_over else _OUTCOMES[status]
                if outcome is Outcome.CANCEL:
                    self._store.end_step(self._execution.id, step.id, StepStatus.CANCELLED)
                progress.end(step.id, outcome)

    async def _done_before(self) -> list[str]:
        ledger = self._store.ledger(self._execution.id)
        return sorted(step for step, entry in ledger.items() if entry.status is StepStatus.DONE)

    async def _loop(self, progress: Progress, reserved: Mapping[str, Durable]) -> None:
        running: dict[asyncio.Future[Outcome], PlanStep] = {}
        while True:
            if self._cancelling:
                progress.halt()
            if self._cleaning_up or not self._cancelling:
                self._set_states(progress)
                for step in progress.ready:
                    progress.start(step.id)
                    running[asyncio.ensure_future(self._durably(step, reserved[step.id]))] = step
            if not running:
                return
            ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                progress.end(running.pop(task).id, task.result())

    async def _durably(self, step: PlanStep, durable: Durable) -> Outcome:
        async def carried_out() -> str:
            async with self._place(step.site or ""):
                return (await self._runner.carry_out(step, self._execution.attempt)).value

        return Outcome(await durable(carried_out))

    def _place(self, site: str) -> AbstractAsyncContextManager[object]:
        """Where a step waits until the plan lets one more of this execution be under way at the site."""
        parallel = self._parts.plan.parallel
        limits = [parallel[name] for name in {site, ""} if name in parallel]
        if not limits:
            return nullcontext()
        return self._places.setdefault(site, asyncio.Semaphore(min(limits)))

    def _set_states(self, progress: Progress) -> None:
        """Do the ready steps that only set a state, and those that become ready by them, in one transaction."""
        batch: list[tuple[str, str, str]] = []
        while states := [step for step in progress.ready if step.kind is StepKind.STATE]:
            for step in states:
                progress.start(step.id)
                if self._runner.condition_holds(step):
                    batch.append((step.id, step.node, step.state or ""))
                progress.end(step.id, Outcome.SUCCESS)
        if batch:
            faults.reach(f"states:{self._execution.workflow}")
            self._store.record_states(self._execution, batch, FIRST_INSTANCE)
            for step_id, node, state in batch:
                self._events.add(
                    self._execution.id, "state", f"{node} is {state}", step=step_id, node=node, data={"state": state}
                )

    async def _watch_for_cancel(self) -> None:
        limit = self._parts.plan.timeout
        end = None if limit is None else (self._execution.started or time.time()) + limit
        while not await asyncio.to_thread(self._store.cancel_requested, self._execution.id):
            if end is not None and time.time() > end:
                self._why = f"the workflow took longer than {limit:g} s"
                break
            await asyncio.sleep(self._settings.cancel_check_interval)
        self._cancel()

    def _cancel(self) -> None:
        if self._cancelling:
            return
        self._cancelling = True
        self._events.add(self._execution.id, "execution", f"cancelling: {self._why}", level="warning")
        self._runner.break_off()

    def _finish(self, progress: Progress, left: Sequence[str]) -> ExecutionStatus:
        failure: Failure | None = None
        if self._cancelling:
            status = ExecutionStatus.CANCELLED
            failure = Failure(self._why, output="\n".join(left))
        elif progress.failed:
            status = ExecutionStatus.FAILED
            ledger = self._store.ledger(self._execution.id)
            failures = [ledger[step].failure for step in progress.failed if step in ledger]
            failure = next((f for f in failures if f is not None), None)
        else:
            status = ExecutionStatus.DONE
        self._events.add(
            self._execution.id,
            "execution",
            status.value,
            level="info" if status is ExecutionStatus.DONE else "error",
            data={"status": status.value},
        )
        self._events.flush()
        self._store.end_execution(self._execution, status, failure, self._afterwards.get(status))
        return status
