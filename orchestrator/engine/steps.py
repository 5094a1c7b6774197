"""Carrying out one step: an operation, its job, and what is recorded of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextvars import ContextVar
from hashlib import sha256
from typing import TypeVar

import msgspec

from orchestrator import faults
from orchestrator.ansible import EventKind, TaskEvent
from orchestrator.engine.events import EventWriter
from orchestrator.engine.fingerprints import fingerprint, with_job
from orchestrator.engine.parts import EngineSettings, ExecutionParts
from orchestrator.errors import OrchError, StorageError, UserError, WorkError
from orchestrator.jobs import (
    JobKind,
    Scheduler,
    Submission,
    Submitted,
    Unsettled,
    Watcher,
    error_files,
    last_lines,
    state_of,
    submission_of,
    without_scheduler,
    written,
)
from orchestrator.model.durations import seconds
from orchestrator.model.expressions import Literal
from orchestrator.model.jobs import JobReport, JobState
from orchestrator.model.plan import Outcome, PlanStep
from orchestrator.model.topology import RUNNABLE, interface_name
from orchestrator.model.values import Secret, Value, masked, revealed
from orchestrator.operations import (
    FIRST_INSTANCE,
    JOB_ID,
    JOB_STATUS,
    OperationCall,
    OperationResult,
    ResolvedCall,
    instance_name,
)
from orchestrator.state import Failure, JobRecord, LedgerEntry, StepStatus, Store, WorkedOn
from orchestrator.tosca.conditions import hold

_LEVELS = {EventKind.FAILED: "error", EventKind.UNREACHABLE: "error", EventKind.WARNING: "warning"}
"""Of events of playbooks; all others are for those who look into details."""

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
T = TypeVar("T")
_TAIL_LINES = 20
_WORD = 60
_UNKNOWN_STATES_BORNE = 5
_SETTLING_SECONDS = 5.0
"""Between two looks for a job of which it is not known whether it was submitted."""

_ASKED_SECONDS = 60.0
"""So long a monitoring playbook may take when a job is about to be cancelled."""


class Interrupted(Exception):
    """The step was broken off on purpose (cancel or detach)."""


class Interruption:
    """Breaks a step off: its playbooks listen to ``playbooks``, its waits to ``waits``."""

    def __init__(self, *, broken: bool = False) -> None:
        self.playbooks = threading.Event()
        self.waits = asyncio.Event()
        if broken:
            self.set()

    def set(self) -> None:
        """Break it off."""
        self.playbooks.set()
        self.waits.set()


_interruption: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


def check_interruption() -> None:
    """For what a step waits for in a thread of its own: raises Interrupted when the step is to be broken off."""
    interruption = _interruption.get()
    if interruption is not None and interruption.playbooks.is_set():
        raise Interrupted


class StepRunner:
    """Carries out the steps of one execution. ``stop`` and ``stopped`` break off what the step of this task does."""

    def __init__(
        self,
        parts: ExecutionParts,
        store: Store,
        events: EventWriter,
        watcher: Watcher,
        settings: EngineSettings,
        slots: asyncio.Semaphore,
    ) -> None:
        self._parts = parts
        self._store = store
        self._events = events
        self._watcher = watcher
        self._settings = settings
        self._slots = slots
        self.playbooks = 0
        self.wanted = 0
        """Playbooks that run or wait for their turn."""
        self._detaching = False
        self._broken_off = False
        self._outside = Interruption()
        self._under_way: dict[str, Interruption] = {}
        self._fingerprints: dict[str, str] = {}

    @property
    def stop(self) -> threading.Event:
        """Set when the playbooks of the step of this task are to end."""
        return (_interruption.get() or self._outside).playbooks

    @property
    def stopped(self) -> asyncio.Event:
        """Set when the waits of the step of this task are to end."""
        return (_interruption.get() or self._outside).waits

    def break_off(self, *, detaching: bool = False) -> None:
        """End what runs: playbooks are stopped, waits given up. Jobs go on.

        When ``detaching``, the steps that are broken off leave no result: they are neither done nor cancelled.
        """
        self._detaching = detaching
        self._broken_off = True
        for interruption in (self._outside, *self._under_way.values()):
            interruption.set()

    def cancel_step(self, step_id: str) -> None:
        """End what a single step does, if it is under way; the request for it is in the store."""
        interruption = self._under_way.get(step_id)
        if interruption is not None:
            interruption.set()

    def go_on(self) -> None:
        """Let steps run again after a break: those that clean up after a cancel."""
        self._broken_off = False
        self._outside = Interruption()

    async def carry_out(self, step: PlanStep, attempt: int) -> Outcome:
        """Carry a step out, unless the ledger says that it was; its failure is a value, not an exception.

        Raises StorageError: then nothing is known, and the step is to be done again.
        """
        entry = await asyncio.to_thread(self._store.ledger_entry, self._parts.execution.id, step.id)
        if entry is not None and entry.status is StepStatus.SKIPPED:
            return Outcome.SUCCESS
        if entry is not None and entry.attempt == attempt:
            if entry.status is StepStatus.DONE:
                return Outcome.SUCCESS
            if entry.status is StepStatus.FAILED:
                return _after_failure(step)
        interruption = Interruption(broken=self._broken_off)
        self._under_way[step.id] = interruption
        _interruption.set(interruption)
        try:
            return await self._carried_out(step, attempt, entry)
        finally:
            del self._under_way[step.id]

    async def _carried_out(self, step: PlanStep, attempt: int, entry: LedgerEntry | None) -> Outcome:
        execution = self._parts.execution
        if entry is not None and entry.cancel_requested is not None:
            return await self._cancelled(step)
        stale = entry is not None and entry.status is StepStatus.STALE
        if entry is not None and stale and await self._is_unchanged(step, entry.fingerprint):
            await asyncio.to_thread(self._store.keep_step, execution.id, step.id, attempt)
            self._event(step, "step", "unchanged: not repeated", state="done", kept=True)
            return Outcome.SUCCESS
        # before the step is begun: what is submitted from then on is taken up when this process dies
        failure = await self._end_former_job(step) if stale else None
        await asyncio.to_thread(self._store.begin_step, execution.id, step.id, attempt)
        self._event(step, "step", "started", state="running")
        try:
            failure = failure or await self._with_retries(step)
        except Interrupted:
            if self._detaching:
                await asyncio.get_running_loop().create_future()
            return await self._cancelled(step)
        found = self._fingerprints.pop(step.id, None)
        if failure is None:
            told = with_job(found, await self._job_worked_on(step)) if found else None
            await self._end_step(step, StepStatus.DONE, fingerprint=told)
            self._event(step, "step", "done", state="done")
            return Outcome.SUCCESS
        failure = msgspec.structs.replace(
            failure, step=step.id, node=failure.node or step.node, span=failure.span or step.span
        )
        await self._end_step(step, StepStatus.FAILED, failure)
        self._event(step, "step", failure.message, state="failed", level="error", failure=msgspec.to_builtins(failure))
        return _after_failure(step)

    async def _end_step(
        self, step: PlanStep, status: StepStatus, failure: Failure | None = None, fingerprint: str | None = None
    ) -> None:
        execution = self._parts.execution
        worked_on = WorkedOn(execution.deployment_id, step.node, step.instances)
        end = self._store.end_step
        await asyncio.to_thread(end, execution.id, step.id, status, failure, fingerprint, worked_on=worked_on)

    async def _cancelled(self, step: PlanStep) -> Outcome:
        """End a step that was broken off, or is not to be begun; its job, too, when the step alone was cancelled."""
        execution = self._parts.execution
        entry = await asyncio.to_thread(self._store.ledger_entry, execution.id, step.id)
        failure, text = None, "cancelled"
        if entry is not None and entry.cancel_requested is not None:
            left = await self._cancel_job_of(step)
            text = "cancelled by request"
            failure = Failure(f"{step.id} was {text}", step=step.id, node=step.node, output=left, span=step.span)
        await self._end_step(step, StepStatus.CANCELLED, failure)
        self._event(step, "step", text, state="cancelled", level="warning")
        return Outcome.CANCEL

    async def _cancel_job_of(self, step: PlanStep) -> str:
        """Cancel the job that a step submits or watches, if there is one; why it could not be, or nothing."""
        job = await self._latest_job(step.node)
        concerned = job is not None and (job.step == step.id or interface_name(step.interface or "") == RUNNABLE)
        if job is None or not concerned or job.state.final:
            return ""
        left = await self._cancel_or_tell(job)
        return left or ""

    async def _is_unchanged(self, step: PlanStep, before: str | None) -> bool:
        """Whether a step would be done with the very same things as before."""
        if before is None:
            return False
        try:
            if not await asyncio.to_thread(self.condition_holds, step):
                return False
            call = self._call(step, await self._latest_job(step.node))
            found = await asyncio.to_thread(self._resolved_and_known, call)
        except StorageError:
            raise
        except (OrchError, ValueError, Interrupted):
            return False  # why it cannot be resolved is told when it is carried out
        return with_job(found[1], await self._job_worked_on(step)) == before

    def _resolved_and_known(self, call: OperationCall) -> tuple[ResolvedCall, str]:
        resolved = self._parts.operations.resolve(call)
        inputs = [resolved.inputs, *([each.opposite, each.inputs] for each in resolved.rounds)]
        return resolved, fingerprint(call, inputs, resolved.implementation.path, self._parts.execution.id)

    async def _job_worked_on(self, step: PlanStep) -> str | None:
        """The id of the job that a step watches."""
        if interface_name(step.interface or "") != RUNNABLE or step.operation == "submit":
            return None
        job = await self._latest_job(step.node)
        return job.reference.id if job else None

    async def _end_former_job(self, step: PlanStep) -> Failure | None:
        """Before a step is done again: cancel the job that it has submitted, when that is still there.

        The next one is recorded, so that it is not taken for done what this step did before.
        """
        job = await self._latest_job(step.node)
        of_job = interface_name(step.interface or "") == RUNNABLE
        submits = step.operation == "submit" if of_job else job is not None and job.step == step.id
        if job is None or not submits:
            return None
        left = None if job.state.final else await self._cancel_or_tell(job)
        if left:
            return Failure(left)
        if job.seen or job.state is not JobState.FAILED:
            await self._put(self._new_job(step, job.generation + 1))
        return None

    async def _with_retries(self, step: PlanStep) -> Failure | None:
        for turn in range(step.policy.retries):
            failure = await self._once(step)
            if failure is None:
                return None
            wait = step.policy.backoff * 2**turn
            text = f"{failure.message}; tried again in {wait:g} s ({turn + 1} of {step.policy.retries})"
            self._event(step, "step", text, level="warning")
            await self._pause(wait)
        return await self._once(step)

    async def _once(self, step: PlanStep) -> Failure | None:
        """Do what a step does; every error but those of our own store is a failure of the step."""
        if not await asyncio.to_thread(self.condition_holds, step):
            self._event(step, "step", "nothing to do: its condition does not hold")
            return None
        limit = step.policy.timeout
        _deadline.set(None if limit is None else time.monotonic() + limit)
        try:
            return await self._perform(step)
        except (Interrupted, StorageError):
            raise
        except OrchError as error:
            return Failure(error.message, hint=error.advice)
        except Exception as error:  # a defect of ours must not take the other steps with it
            self._event(step, "step", traceback.format_exc(), level="debug")
            return Failure(
                f"{type(error).__name__}: {error}", hint="this is a fault of orch: please report it with the logs"
            )

    def condition_holds(self, step: PlanStep) -> bool:
        """Whether a step is to do anything. Raises WorkError for a condition that cannot be understood."""
        try:
            operations = self._parts.operations
            return hold(
                step.condition,
                lambda name: operations.attribute(step.node, name),
                lambda name: operations.attribute_type(step.node, name),
            )
        except ValueError as error:
            raise WorkError(f"{step.id}: {error}") from error

    # --- what a step does

    def _call(self, step: PlanStep, job: JobRecord | None) -> OperationCall:
        """The call of a step's operation; ``job`` is the node's latest."""
        interface, operation = interface_name(step.interface or ""), step.operation or ""
        return OperationCall(
            node=step.node,
            interface=interface,
            operation=operation,
            requirement=step.requirement,
            operation_host=step.operation_host,
            inputs=step.inputs,
            job_id=job.reference.id if job and interface == RUNNABLE and operation != "submit" else None,
            # a node has one job, which is that of its first instance, as with Yorc
            instances=step.instances[:1] if interface == RUNNABLE else step.instances,
            targets=step.targets,
        )

    async def _perform(self, step: PlanStep) -> Failure | None:
        interface, operation = interface_name(step.interface or ""), step.operation or ""
        job = await self._latest_job(step.node)
        call = self._call(step, job)
        resolved, self._fingerprints[step.id] = await asyncio.to_thread(self._resolved_and_known, call)
        for lost in resolved.lost:
            text = (
                f"{lost} was a secret, which is kept nowhere: this step is given *** instead; do the step that makes it"
            )
            self._event(step, "step", f"{text} again: `orch executions resume` with --from", level="warning")
        kind = self._parts.kind_of(step.node) if step.requirement is None else None
        if kind is None:
            return await self._foreign(step, resolved, job)
        match interface, operation:
            case "Runnable", "submit":
                return await self._submit(step, resolved, kind)
            case "Runnable", "run":
                return await self._watch(step, resolved)
            case "Standard", "start":
                return await self._start(step, resolved, kind)
            case _:
                return await self._plain(step, resolved)

    async def _start(self, step: PlanStep, resolved: ResolvedCall, kind: JobKind) -> Failure | None:
        """A job that is run at deployment (``run_in_standard_mode``): submitted and watched in one step."""
        if str(resolved.inputs.get("run_in_standard_mode")).lower() != "true":
            return None
        return await self._submit(step, resolved, kind) or await self._watch(step, resolved)

    async def _plain(self, step: PlanStep, resolved: ResolvedCall) -> Failure | None:
        result = await self._run(step, resolved, {}, resolved.outputs)
        await self._keep(step, resolved, result.outputs, result.by_instance)
        return result.failure

    # --- jobs that orch watches itself

    async def _submit(self, step: PlanStep, resolved: ResolvedCall, kind: JobKind) -> Failure | None:
        job = await self._next_job(step)
        submission = await asyncio.to_thread(self._submission, step, resolved, kind, job)
        scheduler = await asyncio.to_thread(self._parts.scheduler, job.reference)
        if scheduler is None:
            submission = without_scheduler(submission)
        if not await self._unless_stopped(self._parts.slots.take(job.reference)):
            return _no_place(job)
        # before it is submitted, so that its token is known whatever happens then
        await self._put(job)
        faults.reach(f"submit.before:{step.node}")
        if scheduler is not None:
            await self._hand_over(step, resolved, job, scheduler, submission)
            return None
        extra = {**self._parts.job_variables(step.node), **_job_variables(job, submission)}
        result = await self._run(step, resolved, extra, (JOB_ID, *submission.outputs))
        faults.reach(f"submit.after:{step.node}")
        if result.failure is not None:
            if (await self._watcher.look(job.reference)).state is JobState.VANISHED:
                await self._was_not_submitted(job)
            return result.failure
        reference = msgspec.structs.replace(job.reference, id=str(revealed(result.outputs[JOB_ID])))  # orch made it
        await self._put(msgspec.structs.replace(job, reference=reference, seen=True))
        await self._keep(step, resolved, {n: v for n, v in result.outputs.items() if n != JOB_ID})
        self._event(step, "job", f"submitted as {reference.id}", job=reference.id)
        return None

    def _submission(self, step: PlanStep, resolved: ResolvedCall, kind: JobKind, job: JobRecord) -> Submission:
        return submission_of(kind, resolved.inputs, self._parts.job_context(step.node, job.reference.token))

    async def _hand_over(
        self, step: PlanStep, resolved: ResolvedCall, job: JobRecord, scheduler: Scheduler, submission: Submission
    ) -> None:
        """Submit a job to the scheduler of its site, directly."""
        try:
            submitted = await self._handed_over(step, job, scheduler, submission)
        except (WorkError, UserError):
            await self._was_not_submitted(job)
            raise
        faults.reach(f"submit.after:{step.node}")
        reference = msgspec.structs.replace(job.reference, id=submitted.id)
        await self._put(msgspec.structs.replace(job, reference=reference, seen=True))
        await self._keep(step, resolved, {**submission.outputs, "job_id": submitted.id})
        how = "found again as" if submitted.adopted else "submitted as"
        self._event(step, "job", f"{how} {reference.id}", job=reference.id)

    async def _handed_over(
        self, step: PlanStep, job: JobRecord, scheduler: Scheduler, submission: Submission
    ) -> Submitted:
        """Submit a job; while it is not known whether the scheduler took it, ask again, and say so."""
        patience = min(scheduler.patience, scheduler.patience if (left := _remaining()) is None else left)
        deadline = time.monotonic() + patience
        said = ""
        while True:
            try:
                return await asyncio.to_thread(scheduler.submit, job.reference.token, submission)
            except Unsettled as error:
                if time.monotonic() >= deadline:
                    raise
                if error.message != said:
                    said = error.message
                    self._event(step, "job", f"{said}; it is looked for", level="warning")
            await self._pause(_SETTLING_SECONDS)

    async def _watch(self, step: PlanStep, resolved: ResolvedCall) -> Failure | None:
        job = await self._latest_job(step.node)
        if job is not None and _to_be_submitted(job):
            # tried again: the job that failed is over, so there must be another
            failure = await self._submit(step, await self._resolved_submit(step), self._kind(step))
            if failure is not None:
                return failure
            job = await self._latest_job(step.node)
        if job is None or not job.seen:
            raise WorkError(
                f"{step.node}: there is no job to watch",
                hint="call Runnable.submit before Runnable.run in the workflow",
            )
        tail: list[str] = []

        def on_output(text: str) -> None:
            tail.extend(text.splitlines())
            del tail[:-_TAIL_LINES]
            self._event(step, "output", text.rstrip("\n"))

        def on_report(report: JobReport) -> None:
            waits = f": {report.detail}" if report.detail and not report.state.final else ""
            self._event(step, "job", f"{report.state.value}{waits}", job=job.reference.id, state=report.state.value)
            if report.state is JobState.RUNNING:
                faults.reach(f"watch.running:{step.node}")

        await self._parts.slots.occupy(job.reference)
        report = await self._unless_stopped(self._watcher.wait(job.reference, on_output, on_report))
        if report is None:
            # it may have ended in time, after all
            report, failure = await self._out_of_time(step, job)
            if report is None:
                return failure
        faults.reach(f"watch.ended:{step.node}")
        if report.state is JobState.VANISHED:
            report = await self._end_rest_of(job) or report
        await asyncio.to_thread(self._collect, step, job)
        await self._end_job(job, report.state, report.detail)
        faults.reach(f"job.ended:{step.node}")
        if report.state is JobState.COMPLETED:
            await self._keep(step, resolved, report.results)
            return await asyncio.to_thread(self._without_outputs, step, resolved, report.results)
        vanished = report.state is JobState.VANISHED
        hint = "look for what ended it (out of memory? a restart?), then resume: it is submitted again"
        where = await asyncio.to_thread(self._where, job)
        tail += await asyncio.to_thread(self._errors, step, job)
        message = f"{_job_failed(step.node, report)}; all its output: {where}"
        return Failure(message, hint=hint if vanished else None, output="\n".join(tail))

    def _without_outputs(self, step: PlanStep, resolved: ResolvedCall, results: Mapping[str, Value]) -> Failure | None:
        """The failure of a step whose job has completed, but has left no output that something reads."""
        execution = self._parts.execution
        operation = (resolved.call.interface, resolved.call.operation)

        def is_there(name: str) -> bool:
            key = (*operation, name)
            return self._store.output(execution.deployment_id, execution.id, step.node, FIRST_INSTANCE, key) is not None

        wanted = (name for name in resolved.outputs if name not in (JOB_ID, JOB_STATUS))
        missing = [name for name in wanted if name not in results and not is_there(name)]
        if not missing:
            return None
        return Failure(
            f"{step.node}: the job has completed, but has left no {', '.join(missing)}, which is wanted as an output",
            hint="mend what sets it, or do not read it; `orch executions resume` with `--from` does the job again",
        )

    async def _end_rest_of(self, job: JobRecord) -> JobReport | None:
        """End what is left of a vanished job, so that it is not at work beside the one submitted in its place.

        How it ended, if that is known now.
        """
        try:
            report = await self._cancel_job(job)
        except StorageError:
            raise
        except OrchError as error:
            text = f"{job.node}: what is left of job {job.reference.id} may go on: {error.message}"
            self._events.add(job.execution_id, "job", text, level="warning", step=job.step, node=job.node)
            return None
        return report if report.state not in (JobState.CANCELLED, JobState.VANISHED) else None

    def _where(self, job: JobRecord) -> str:
        """Where all that a job has written is."""
        folder = self._parts.job_folder(job.reference)
        files = written(folder)
        if files:
            return ", ".join(map(str, files))
        scheduler = self._parts.scheduler(job.reference)
        if scheduler is None:
            return str(folder)
        return f"{scheduler.where(job.reference.token)} at site {job.reference.site}"

    def _errors(self, step: PlanStep, job: JobRecord) -> list[str]:
        """The end of what a job wrote to a standard error of its own; more of it goes to the log."""
        found: list[str] = []
        for file in error_files(self._parts.job_folder(job.reference)):
            self._event(step, "output", "\n".join((f"{file.name}:", *last_lines(file))))
            found += [f"{file.name}:", *last_lines(file, _TAIL_LINES)]
        return found

    def _collect(self, step: PlanStep, job: JobRecord) -> None:
        """Bring a job's output files here; when they cannot be had, that is told and is no failure."""
        scheduler = self._parts.scheduler(job.reference)
        if scheduler is not None:
            try:
                scheduler.collect(job.reference.token, self._parts.job_folder(job.reference))
            except OrchError as error:
                self._event(step, "job", f"its output files could not be brought: {error.message}", level="warning")

    async def _out_of_time(self, step: PlanStep, job: JobRecord) -> tuple[JobReport | None, Failure | None]:
        """Cancel a job whose time is over: how it had ended by itself before that, or why the step has failed."""
        text = f"{step.node}: the job took longer than {step.policy.timeout:g} s"
        try:
            report = await self._cancel_job(job)
        except StorageError:
            raise
        except OrchError as error:
            return None, Failure(f"{text}; it could not be cancelled: {error.message}", hint=error.advice)
        if report.state in (JobState.COMPLETED, JobState.FAILED):
            return report, None
        await self._end_job(job, JobState.TIMEOUT, "cancelled: out of time")
        return None, Failure(f"{text}, it was cancelled")

    async def _resolved_submit(self, step: PlanStep) -> ResolvedCall:
        call = OperationCall(step.node, RUNNABLE, "submit", inputs=step.inputs)
        return await asyncio.to_thread(self._parts.operations.resolve, call)

    def _kind(self, step: PlanStep) -> JobKind:
        kind = self._parts.kind_of(step.node)
        assert kind is not None
        return kind

    async def _next_job(self, step: PlanStep) -> JobRecord:
        """The job to submit, not yet recorded.

        The token of a job that may still be there, or has done its work for this step, is used again: the job system
        adopts it instead of making another. So is one that was never submitted.
        """
        last = await self._latest_job(step.node)
        if last is None:
            return self._new_job(step, 1)
        if not last.state.final or (last.state is JobState.COMPLETED and last.step == step.id):
            return last
        unused = last.state is JobState.FAILED and not last.seen
        return self._new_job(step, last.generation + (0 if unused else 1))

    def _new_job(self, step: PlanStep, generation: int) -> JobRecord:
        execution = self._parts.execution
        token = f"{execution.id}-{_word(step.node)}-{generation}"
        reference = self._parts.reference(step.node, token)
        return JobRecord(
            execution.id, step.node, generation, step.id, reference, JobState.QUEUED, "", False, time.time(), None
        )

    async def _latest_job(self, node: str) -> JobRecord | None:
        jobs = [job for job in await self._jobs() if job.node == node]
        return max(jobs, key=lambda job: job.generation, default=None)

    async def _jobs(self) -> list[JobRecord]:
        return await asyncio.to_thread(self._store.jobs, self._parts.execution.id)

    async def _put(self, job: JobRecord) -> None:
        await asyncio.to_thread(self._store.put_job, job)

    async def _end_job(self, job: JobRecord, state: JobState, detail: str) -> None:
        await self._parts.slots.give_back(job.reference)
        await self._put(msgspec.structs.replace(job, state=state, detail=detail, ended=time.time()))

    async def _was_not_submitted(self, job: JobRecord) -> None:
        """Record that there is no such job; the token is free for the next try."""
        await self._end_job(msgspec.structs.replace(job, seen=False), JobState.FAILED, "it was not submitted")

    async def cancel_jobs(self) -> list[str]:
        """Cancel every job that is not known to have ended, newest first; what could not be cancelled is returned."""
        jobs = [job for job in reversed(await self._jobs()) if not job.state.final]
        return [left for job in jobs if (left := await self._cancel_or_tell(job))]

    async def _cancel_or_tell(self, job: JobRecord) -> str | None:
        """Cancel a job and record how it ended; when that cannot be done, why."""
        try:
            report = await self._cancel_job(job)
        except StorageError:
            raise
        except OrchError as error:
            return f"{job.node}: job {job.reference.id} could not be cancelled: {error.message}"
        cancelled = report.state in (JobState.CANCELLED, JobState.VANISHED)
        state = JobState.CANCELLED if cancelled else report.state
        ended = msgspec.structs.replace(job, seen=job.seen or not cancelled)
        await self._end_job(ended, state, "cancelled by request" if cancelled else report.detail)
        self._events.add(
            job.execution_id,
            "job",
            "cancelled" if cancelled else f"{state.value}: it had ended before it could be cancelled",
            step=job.step,
            node=job.node,
            level="warning",
            data={"job": job.reference.id, "state": state.value},
        )
        return None

    async def _cancel_job(self, job: JobRecord) -> JobReport:
        """End a job; how it ended, which may have been before. Raises OrchError when it may live, StorageError."""
        scheduler = await asyncio.to_thread(self._parts.scheduler, job.reference)
        if scheduler is not None:
            return await asyncio.to_thread(scheduler.cancel, job.reference.token)
        before = await self._look(job)
        if before.state.final and before.state is not JobState.VANISHED:
            return before
        step = self._parts.plan.step(job.step)
        call = OperationCall(job.node, RUNNABLE, "cancel", job_id=job.reference.id)
        resolved = await asyncio.to_thread(self._parts.operations.resolve, call)
        extra = {**self._parts.job_variables(job.node), "orch_token": job.reference.token}
        result = await self._run(step, resolved, extra, (), stop=threading.Event())
        after = await self._look(job)
        if after.state.final and (result.failure is None or after.state is not JobState.VANISHED):
            return after
        if result.failure is not None:
            last = result.failure.output.strip().rpartition("\n")[2]
            message = f"{result.failure.message}: {last}" if last else result.failure.message
            raise WorkError(message, hint=result.failure.hint)
        if self._parts.kind_of(job.node) is None:
            return JobReport(JobState.CANCELLED)
        raise WorkError(f"it is still {after.state.value}")

    async def _look(self, job: JobRecord) -> JobReport:
        """How a job is now; of one that its own playbooks watch, what they say."""
        if self._parts.kind_of(job.node) is not None:
            return await self._watcher.look(job.reference)
        unknown = JobReport(JobState.QUEUED)
        step = self._parts.plan.step(job.step)
        call = OperationCall(job.node, RUNNABLE, "run", inputs=step.inputs, job_id=job.reference.id)
        try:
            resolved = await asyncio.to_thread(self._parts.operations.resolve, call)
            result = await self._run(step, resolved, {}, resolved.outputs, stop=threading.Event(), limit=_ASKED_SECONDS)
        except StorageError:
            raise
        except (OrchError, ValueError):
            return unknown
        state = state_of(_word_of(result))
        return unknown if state is None or result.failure is not None else JobReport(state)

    # --- jobs that a foreign type's own playbooks submit and monitor

    async def _foreign(self, step: PlanStep, resolved: ResolvedCall, job: JobRecord | None) -> Failure | None:
        operation = (resolved.call.interface, resolved.call.operation)
        if operation == (RUNNABLE, "submit"):
            return await self._foreign_submit(step, resolved)
        if operation == (RUNNABLE, "run"):
            return await self._foreign_poll(step, resolved, job)
        return await self._plain(step, resolved)

    async def _foreign_submit(self, step: PlanStep, resolved: ResolvedCall) -> Failure | None:
        job = await self._next_job(step)
        if not await self._unless_stopped(self._parts.slots.take(job.reference)):
            return _no_place(job)
        await self._put(job)
        result = await self._run(step, resolved, {"orch_token": job.reference.token}, resolved.outputs)
        exported = result.outputs.get(JOB_ID)
        if isinstance(exported, Secret):
            return Failure(
                f"{step.node}: the {JOB_ID} that the submit operation exports has a secret in it",
                hint="ids of jobs are stored and shown: have the operation export one without secrets",
            )
        identifier = str(exported or "")
        failure = result.failure
        if failure is None and not identifier:
            failure = Failure(f"{step.node}: the submit operation does not properly export a {JOB_ID}")
        if failure is not None:
            await self._was_not_submitted(job)
            return failure
        reference = msgspec.structs.replace(job.reference, id=identifier, backend=PLAYBOOK)
        await self._put(msgspec.structs.replace(job, reference=reference, seen=True))
        await self._keep(step, resolved, result.outputs)
        self._event(step, "job", f"submitted as {identifier}", job=identifier)
        return None

    async def _foreign_poll(self, step: PlanStep, resolved: ResolvedCall, job: JobRecord | None) -> Failure | None:
        if job is not None and _to_be_submitted(job):
            failure = await self._foreign_submit(step, await self._resolved_submit(step))
            if failure is not None:
                return failure
            job = await self._latest_job(step.node)
            again = OperationCall(
                step.node, RUNNABLE, "run", inputs=step.inputs, job_id=job.reference.id if job else None
            )
            resolved = await asyncio.to_thread(self._parts.operations.resolve, again)
        if job is not None:
            await self._parts.slots.occupy(job.reference)
        unknown = 0
        interval = monitoring_interval(resolved, self._settings.foreign_poll_interval)
        while True:
            result = await self._run(step, resolved, {}, resolved.outputs)
            word = _word_of(result)
            state = state_of(word)
            unknown = 0 if state else unknown + 1
            if state is not None and state.final:
                return await self._foreign_end(step, resolved, job, state, result)
            if _remaining() == 0:
                return await self._foreign_out_of_time(step, resolved, job)
            if unknown >= _UNKNOWN_STATES_BORNE:
                return _untold(step.node, word, result.failure)
            self._event(step, "job", word.lower() or "unknown")
            left = _remaining()
            await self._pause(interval if left is None else min(interval, left))
            if _remaining() == 0:
                return await self._foreign_out_of_time(step, resolved, job)

    async def _foreign_end(
        self, step: PlanStep, resolved: ResolvedCall, job: JobRecord | None, state: JobState, result: OperationResult
    ) -> Failure | None:
        word = _word_of(result)
        if job is not None:
            await self._end_job(job, state, word)
        await self._keep(step, resolved, result.outputs)
        if state is not JobState.COMPLETED:
            return Failure(f"{step.node}: the job ended as {word}")
        failure = self._without_outputs(step, resolved, result.outputs)
        return (result.failure or failure) if failure else None

    async def _foreign_out_of_time(
        self, step: PlanStep, resolved: ResolvedCall, job: JobRecord | None
    ) -> Failure | None:
        if job is None:
            return Failure(f"{step.node}: the job took longer than {step.policy.timeout:g} s")
        report, failure = await self._out_of_time(step, job)
        if report is None:
            return failure
        # the playbook that says that it has ended also tells its outputs
        result = await self._run(step, resolved, {}, resolved.outputs, stop=threading.Event(), limit=_ASKED_SECONDS)
        state = state_of(_word_of(result))
        if result.failure is not None or state is None or not state.final:
            return result.failure or Failure(f"{step.node}: the job ended as {report.state.value}")
        return await self._foreign_end(step, resolved, job, state, result)

    # --- helpers

    async def _run(
        self,
        step: PlanStep,
        resolved: ResolvedCall,
        extra: Mapping[str, Value],
        outputs: tuple[str, ...],
        stop: threading.Event | None = None,
        limit: float | None = None,
    ) -> OperationResult:
        """Run an operation; with a ``stop`` of its own it goes on when the step is broken off, ``limit`` seconds."""
        execution_id = self._parts.execution.id
        processes: list[tuple[int, float]] = []

        def on_process(pid: int, start_time: float) -> None:
            processes.append((pid, start_time))
            self._store.add_process(execution_id, pid, start_time)

        nodes = [step.node, *([resolved.relationship.target] if resolved.relationship else [])]
        hosts = {instance_name(node, instance): instance for node in nodes for instance in resolved.instances}

        def on_event(event: TaskEvent) -> None:
            faults.reach(f"playbook.event:{step.node}")
            if event.kind is EventKind.SCRIPT:
                self._event(step, "output", event.text, instance=hosts.get(event.host))
                return
            level = _LEVELS.get(event.kind, "debug")
            kind = "" if event.kind is EventKind.WARNING else event.kind.name.lower()
            text = ": ".join(part for part in (kind, event.task, event.text) if part)
            self._event(step, "task", text, level=level, instance=hosts.get(event.host))

        async with self._turn():
            if stop is None and self.stop.is_set():
                raise Interrupted
            self.playbooks += 1
            try:
                result = await asyncio.to_thread(
                    self._parts.operations.run,
                    resolved,
                    extra=extra,
                    outputs=outputs,
                    on_event=on_event,
                    on_process=on_process,
                    stop=stop or self.stop,
                    timeout=_remaining() if stop is None else limit,
                )
            finally:
                self.playbooks -= 1
                for pid, start_time in processes:
                    await asyncio.to_thread(self._store.remove_process, pid, start_time)
        if result.cancelled:
            raise Interrupted
        return result

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the turns to run a playbook, of which all executions of the process share a few."""
        self.wanted += 1
        try:
            async with self._slots:
                yield
        finally:
            self.wanted -= 1

    async def _unless_stopped(self, waiting: Awaitable[T]) -> T | None:
        """The outcome of a wait; None when the step's time is over first."""
        task = asyncio.ensure_future(waiting)
        stopped = asyncio.ensure_future(self.stopped.wait())
        await asyncio.wait({task, stopped}, timeout=_remaining(), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if task.done():
            return task.result()
        task.cancel()
        if self.stopped.is_set():
            raise Interrupted
        return None

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stopped.wait(), seconds)
            raise Interrupted

    async def _keep(
        self,
        step: PlanStep,
        resolved: ResolvedCall,
        outputs: Mapping[str, Value],
        by_instance: Mapping[str, Mapping[str, Value]] | None = None,
    ) -> None:
        """Store the outputs of an operation, and the attributes that they are mapped to; secrets as ``***``."""
        found = {i: dict(o) for i, o in (by_instance or {FIRST_INSTANCE: outputs}).items() if o}
        if found:
            await asyncio.to_thread(self._store_outputs, step, resolved, found)

    def _store_outputs(self, step: PlanStep, resolved: ResolvedCall, found: Mapping[str, Mapping[str, Value]]) -> None:
        execution = self._parts.execution
        operation = (resolved.call.interface, resolved.call.operation)
        kept = self._parts.operations.kept
        for instance, values in found.items():
            shown = masked(dict(values))
            self._store.put_outputs(execution.deployment_id, execution.id, step.node, instance, operation, shown)
            kept.keep_outputs(step.node, instance, operation, values)
        for node, instance, values in self._parts.operations.attributes_of(resolved, found):
            self._store.put_attributes(execution.deployment_id, node, instance, masked(dict(values)))
            kept.keep_attributes(node, instance, values)

    def _event(
        self, step: PlanStep, kind: str, text: str, *, level: str = "info", instance: str | None = None, **data: Value
    ) -> None:
        self._events.add(
            self._parts.execution.id,
            kind,
            text,
            level=level,
            step=step.id,
            node=step.node,
            instance=instance,
            data=data or None,
        )


PLAYBOOK = "playbook"
"""The backend of a job that its node's own playbooks submit and watch."""


def _after_failure(step: PlanStep) -> Outcome:
    return Outcome.SUCCESS if step.policy.continue_on_error else Outcome.FAILURE


def _word_of(result: OperationResult) -> str:
    """What a monitoring playbook says of its job."""
    return str(masked(result.outputs.get(JOB_STATUS, ""))).upper()


def _no_place(job: JobRecord) -> Failure:
    return Failure(f"{job.node}: site {job.reference.site!r} had no place for the job in time")


def _untold(node: str, said: str, failure: Failure | None) -> Failure:
    """Why the state of a job cannot be told; the job itself may well go on."""
    message = f"{node}: the state of the job cannot be told, {_UNKNOWN_STATES_BORNE} times in a row"
    hint = "mend what asks for the state (or its playbook), then resume: the job is not submitted again"
    if failure is not None:
        return msgspec.structs.replace(failure, message=f"{message}: {failure.message}", hint=failure.hint or hint)
    what = f"its monitoring playbook says {said!r}, which is no state of a job" if said else f"{JOB_STATUS} was not set"
    return Failure(f"{message}: {what}", hint=hint)


def _to_be_submitted(job: JobRecord) -> bool:
    """Whether there must be another job: this one ended without success, or its submission was broken off."""
    return not job.seen or (job.state.final and job.state is not JobState.COMPLETED)


def _remaining() -> float | None:
    """The seconds that the step of this task still has; None without a limit."""
    deadline = _deadline.get()
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def monitoring_interval(resolved: ResolvedCall, default: float) -> float:
    """Seconds between two runs of a monitoring playbook, as Yorc has them.

    A node says it with ``monitoring_time_interval`` ("5s", "300ms", "1m") or ``monitoringTimeInterval`` (seconds).
    """
    for name in ("monitoring_time_interval", "monitoringTimeInterval"):
        expression = resolved.node.properties.get(name)
        if isinstance(expression, Literal) and expression.value not in (None, ""):
            try:
                return seconds(expression.value)
            except ValueError as error:
                raise WorkError(f"{resolved.node.name}: {name}: {error}") from error
    return default


def _job_variables(job: JobRecord, submission: Submission) -> dict[str, Value]:
    return {
        "orch_token": job.reference.token,
        "orch_job": {
            "token": job.reference.token,
            "argv": list(submission.argv),
            "env": dict(submission.environment),
            # Ansible's own temporary folder is gone when the playbook is over
            "unset": ["TMPDIR", "ORCH_EVENTS"],
            "files": dict(submission.files),
            "stdin": submission.stdin or "",
        },
        "orch_outputs": dict(submission.outputs),
    }


def _job_failed(node: str, report: JobReport) -> str:
    how = {
        JobState.CANCELLED: "was cancelled",
        JobState.TIMEOUT: "took too long",
        JobState.VANISHED: "has vanished: neither running nor ended properly",
    }.get(report.state, "failed")
    if report.detail and not report.detail.startswith("exit code"):
        return f"{node}: the job {how}: {report.detail}"
    code = f" with exit code {report.exit_code}" if report.exit_code is not None else ""
    return f"{node}: the job {how}{code}"


def _word(node: str) -> str:
    """The node's name as part of a token; names that differ give words that differ."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", node)[:_WORD]
    return word if word == node else f"{word}.{sha256(node.encode()).hexdigest()[:6]}"
