"""One attempt to carry an execution out: an in-process data-flow loop over reserved durable steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from orchestrator import faults
from orchestrator.engine.cancels import CancelWatch
from orchestrator.engine.events import EventWriter
from orchestrator.engine.parts import ExecutionParts
from orchestrator.engine.progress import Progress
from orchestrator.engine.steps import StepRunner
from orchestrator.errors import OrchError, StorageError
from orchestrator.model.plan import Outcome, PlanStep, StepKind
from orchestrator.model.values import Value, masked
from orchestrator.state import DeploymentStatus, ExecutionStatus, Failure, StepStatus, Store

Durable = Callable[[Callable[[], Awaitable[object]]], Awaitable[object]]
"""Runs a function as a reserved durable step: the second time its recorded result comes back instead."""

_OUTCOMES: Mapping[StepStatus, Outcome] = {
    StepStatus.DONE: Outcome.SUCCESS,
    StepStatus.FAILED: Outcome.FAILURE,
    StepStatus.RUNNING: Outcome.CANCEL,
    StepStatus.CANCELLED: Outcome.CANCEL,
    StepStatus.SKIPPED: Outcome.SUCCESS,
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
        cancels: CancelWatch,
        afterwards: Mapping[ExecutionStatus, DeploymentStatus],
    ) -> None:
        self._parts = parts
        self._execution = parts.execution
        self._store = store
        self._events = events
        self._runner = runner
        self._cancels = cancels
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
        if await asyncio.to_thread(self._store.cancel_requested, self._execution.id):
            await self._recall(progress)
            self._cancel()
        with self._cancels.watching(self._execution.id, self._on_request):
            limit = asyncio.ensure_future(self._limit())
            try:
                await self._loop(progress, reserved)
            finally:
                limit.cancel()
        left: Sequence[str] = ()
        if self._cancelling:
            answer = await cancel(self._runner.cancel_jobs)
            left = [str(line) for line in answer] if isinstance(answer, list) else []
            self._cleaning_up = True
            self._runner.go_on()
            await self._loop(progress, reserved)
        return await self._finish(progress, left)

    async def _recall(self, progress: Progress) -> None:
        """Tell how far a dead process had come with this attempt; what it had under way counts as cancelled."""
        ledger = await asyncio.to_thread(self._store.ledger, self._execution.id)
        known = {step: entry for step, entry in ledger.items() if entry.attempt == self._execution.attempt}
        while met := [step for step in progress.ready if step.id in known]:
            for step in met:
                progress.start(step.id)
            for step in met:  # all of them were under way together: the end of one may halt what has not begun
                status = known[step.id].status
                passed_over = status is StepStatus.FAILED and step.policy.continue_on_error
                outcome = Outcome.SUCCESS if passed_over else _OUTCOMES[status]
                if outcome is Outcome.CANCEL:
                    await asyncio.to_thread(self._store.end_step, self._execution.id, step.id, StepStatus.CANCELLED)
                progress.end(step.id, outcome)

    async def _done_before(self) -> list[str]:
        ledger = await asyncio.to_thread(self._store.ledger, self._execution.id)
        for step in self._parts.plan.steps:
            entry = ledger.get(step.id)
            if entry and entry.status is StepStatus.SKIPPED and entry.attempt == self._execution.attempt:
                told = {"state": StepStatus.SKIPPED.value}
                self._events.add(
                    self._execution.id, "step", "skipped on request", step=step.id, node=step.node, data=told
                )
        return sorted(step for step, entry in ledger.items() if entry.status.settled)

    async def _loop(self, progress: Progress, reserved: Mapping[str, Durable]) -> None:
        running: dict[asyncio.Future[Outcome], PlanStep] = {}
        while True:
            if self._cancelling:
                progress.halt()
            if self._cleaning_up or not self._cancelling:
                await self._set_states(progress)
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

    async def _set_states(self, progress: Progress) -> None:
        """Do the ready steps that only set a state, and those that become ready by them, in one transaction."""
        batch: list[tuple[str, str, tuple[str, ...], str]] = []
        while states := [step for step in progress.ready if step.kind is StepKind.STATE]:
            for step in states:
                progress.start(step.id)
                if await asyncio.to_thread(self._runner.condition_holds, step):
                    batch.append((step.id, step.node, step.instances, step.state or ""))
                progress.end(step.id, Outcome.SUCCESS)
        if batch:
            faults.reach(f"states:{self._execution.workflow}")
            await asyncio.to_thread(self._store.record_states, self._execution, batch)
            for step_id, node, instances, state in batch:
                several = len(instances) > 1
                text = f"{node} ({', '.join(instances)}) is {state}" if several else f"{node} is {state}"
                data: dict[str, Value] = {"state": state, **({"instances": list(instances)} if several else {})}
                self._events.add(self._execution.id, "state", text, step=step_id, node=node, data=data)

    def _on_request(self, step: str | None) -> None:
        if step is None:
            self._cancel()
        else:
            self._runner.cancel_step(step)

    async def _limit(self) -> None:
        """Cancel the execution when its time is over."""
        limit = self._parts.plan.timeout
        if limit is None:
            return
        # only what earlier processes have used is measured by the clock of the day, which may be set
        used = min(max(0.0, time.time() - (self._execution.started or time.time())), limit)
        await asyncio.sleep(limit - used)
        self._why = f"the workflow took longer than {limit:g} s"
        self._cancel()

    def _cancel(self) -> None:
        if self._cancelling:
            return
        self._cancelling = True
        self._events.add(self._execution.id, "execution", f"cancelling: {self._why}", level="warning")
        self._runner.break_off()

    async def _unsuccessful(self, progress: Progress) -> tuple[ExecutionStatus, Failure | None]:
        """How an execution ended of which steps did not succeed: CANCELLED, when all of these were cancelled."""
        ledger = await asyncio.to_thread(self._store.ledger, self._execution.id)
        entries = [ledger[step] for step in progress.failed if step in ledger]
        failed = [entry for entry in entries if entry.status is not StepStatus.CANCELLED]
        failures = [entry.failure for entry in failed or entries]
        status = ExecutionStatus.FAILED if failed or not entries else ExecutionStatus.CANCELLED
        return status, next((f for f in failures if f is not None), None)

    async def _forget_what_is_gone(self) -> None:
        """Have the store forget instances that were taken away while their node stays."""
        if self._parts.plan.workflow == "scale":
            gone = [
                (step.node, i) for step in self._parts.plan.steps if step.state == "deleted" for i in step.instances
            ]
            await asyncio.to_thread(self._store.forget_instances, self._execution.deployment_id, gone)

    async def _outputs(self) -> Mapping[str, Value] | None:
        """The outputs of the workflow, secrets masked; what cannot be told is None, and an event says why."""
        found: dict[str, Value] = {}
        for name, value in self._parts.outputs.items():
            try:
                found[name] = masked(await asyncio.to_thread(value))
            except StorageError:
                raise
            except (OrchError, ValueError) as error:
                found[name] = None
                why = error.message if isinstance(error, OrchError) else str(error)
                text = f"the output {name} of the workflow cannot be told: {why}"
                self._events.add(self._execution.id, "execution", text, level="warning")
        return found

    async def _finish(self, progress: Progress, left: Sequence[str]) -> ExecutionStatus:
        failure: Failure | None = None
        outputs: Mapping[str, Value] | None = None
        if self._cancelling:
            status = ExecutionStatus.CANCELLED
            failure = Failure(self._why, output="\n".join(left))
        elif progress.failed:
            status, failure = await self._unsuccessful(progress)
        else:
            status = ExecutionStatus.DONE
            outputs = await self._outputs()
            await self._forget_what_is_gone()
        self._events.add(
            self._execution.id,
            "execution",
            status.value,
            level="info" if status is ExecutionStatus.DONE else "error",
            data={"status": status.value},
        )
        await asyncio.to_thread(self._events.flush)
        afterwards = self._afterwards.get(status)
        await asyncio.to_thread(self._store.end_execution, self._execution, status, failure, afterwards, outputs)
        return status
