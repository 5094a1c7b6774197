"""Use cases: look at executions, follow them, cancel them, go on with them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from orchestrator.app.changes import changes_since
from orchestrator.app.living_jobs import end_living_jobs, living_jobs, still_living
from orchestrator.app.step_names import named_steps
from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.model.decoding import from_json
from orchestrator.model.jobs import JobState
from orchestrator.model.plan import Plan, StepKind
from orchestrator.state import (
    Deployment,
    DeploymentStatus,
    Event,
    EventFilter,
    Execution,
    ExecutionStatus,
    JobRecord,
    LedgerEntry,
    Rework,
)

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class ExecutionSummary:
    """An execution with what a list shows of it. ``interrupted``: it is under way, but its process is dead."""

    execution: Execution
    deployment: str
    interrupted: bool

    @property
    def status(self) -> str:
        """The status as people read it."""
        return "interrupted" if self.interrupted else self.execution.status.value


@dataclass(frozen=True)
class ExecutionDetails:
    """All that is known of an execution."""

    summary: ExecutionSummary
    plan: Plan
    ledger: dict[str, LedgerEntry]
    jobs: list[JobRecord]


def list_executions(
    home: Home, deployment: Deployment | None = None, limit: int | None = None
) -> list[ExecutionSummary]:
    """The executions, newest first."""
    executions = home.store.executions(deployment.id if deployment else None, limit=limit)
    # read after them: a deployment is there before its executions are
    names = {d.id: d.name for d in home.store.deployments(all_=True)}
    return [_summary(home, execution, names[execution.deployment_id]) for execution in executions]


def show_execution(home: Home, execution_id: str) -> ExecutionDetails:
    """One execution. Raises UserError."""
    execution = home.store.execution(execution_id)
    name = home.store.deployment(execution.deployment_id).name
    return ExecutionDetails(
        _summary(home, execution, name),
        _plan(execution),
        home.store.ledger(execution.id),
        _as_last_heard(home, execution.id),
    )


def _as_last_heard(home: Home, execution_id: str) -> list[JobRecord]:
    """The jobs; those that have not ended are as the events tell them: only a job's end is recorded with it."""
    jobs = home.store.jobs(execution_id)
    if all(job.state.final for job in jobs):
        return jobs
    heard = {}
    for event in home.store.events(execution_id, wanted=EventFilter(kinds=("job",))):
        if event.data and {"job", "state"} <= event.data.keys():
            heard[event.data["job"]] = (JobState(event.data["state"]), event.text.partition(": ")[2])

    def current(job: JobRecord) -> JobRecord:
        state, detail = heard.get(job.reference.id, (job.state, job.detail))
        return job if job.state.final or state.final else msgspec.structs.replace(job, state=state, detail=detail)

    return [current(job) for job in jobs]


def step_states(details: ExecutionDetails) -> dict[str, str]:
    """The state of every step: waiting, running, done, failed, cancelled, skipped."""
    states = {}
    for step in details.plan.steps:
        entry = details.ledger.get(step.id)
        state = entry.status.value if entry else "waiting"
        if state == "stale" or (state == "running" and details.summary.execution.status.final):
            state = "waiting"
        states[step.id] = state
    return states


def operation_steps(plan: Plan) -> int:
    """How many steps of a plan do something."""
    return sum(step.kind is StepKind.OPERATION for step in plan.steps)


def follow(
    home: Home, execution_id: str, *, after: int = 0, wanted: EventFilter | None = None
) -> Iterator[Event | None]:
    """The events of an execution from ``after`` on, as they come, until it has ended or its process is dead.

    None is given now and then while nothing happens, so that a live view can move. When this process carries the
    execution out, an error that keeps it from going on is raised.
    """
    ours = home.engine if execution_id in _ours(home) else None
    while True:
        over = ours.wait(execution_id, _POLL_SECONDS) if ours is not None else _is_over(home, execution_id)
        for event in home.store.events(execution_id, after):
            after = event.id
            if wanted is None or wanted.admits(event):
                yield event
        if over:
            return
        yield None
        if ours is None:
            time.sleep(_POLL_SECONDS)


def cancel(home: Home, execution_id: str) -> Execution:
    """Have an execution cancelled: by its own process, or by this one when that is dead. Raises UserError.

    Follow it afterwards to see it end.
    """
    execution = home.store.execution(execution_id)
    home.engine.cancel(execution)
    return execution


def end_jobs(home: Home, execution_id: str) -> list[str] | None:
    """Cancel the jobs that an execution which has ended left behind; those that may go on are returned, each in a line.

    None when it has left none.
    """
    execution = home.store.execution(execution_id)
    return end_living_jobs(home, execution) if living_jobs(home, execution) else None


def may_go_on(home: Home, execution_id: str) -> list[str]:
    """A line for each job of an execution that is not known to have ended."""
    return still_living(home, [home.store.execution(execution_id)])


def cancel_step(home: Home, execution_id: str, word: str) -> list[str]:
    """Have one step of an execution cancelled; the ids of what of it had not ended yet. Raises UserError.

    When the process that carries the execution out is dead, this one goes on with it.
    """
    execution = home.store.execution(execution_id)
    steps = [s for s in named_steps(_plan(execution), word) if _plan(execution).step(s).kind is StepKind.OPERATION]
    asked = home.engine.cancel_step(execution, steps)
    if not asked:
        raise UserError(f"the step {word!r} of execution {execution.id} has ended already")
    return asked


def states_of(home: Home, execution_id: str, steps: Sequence[str]) -> dict[str, str]:
    """How far some steps are."""
    known = step_states(show_execution(home, execution_id))
    return {step: known[step] for step in steps}


def entries_of(home: Home, execution_id: str, steps: Sequence[str]) -> list[LedgerEntry]:
    """What the ledger has of some steps."""
    ledger = home.store.ledger(execution_id)
    return [ledger[step] for step in steps if step in ledger]


def resume(home: Home, execution_id: str, *, again: Sequence[str] = (), skipped: Sequence[str] = ()) -> Execution:
    """Go on with an execution in this process. Raises UserError.

    The steps ``again`` and all that depends on them are done again, as far as anything has changed for them; the steps
    ``skipped`` are taken as done.
    """
    from orchestrator.app.updating import refuse_overtaken  # heavy: imports networkx

    execution = home.store.execution(execution_id)
    refuse_overtaken(home, execution)
    deployment = home.store.deployment(execution.deployment_id)
    if deployment.status is DeploymentStatus.UNDEPLOYED and execution.workflow != "uninstall":
        raise UserError(f"execution {execution.id} cannot be gone on with: {deployment.name!r} is undeployed")
    home.engine.resume(execution, _rework(home, execution, again, skipped))
    return execution


def changed(home: Home, execution_id: str, again: Sequence[str] = ()) -> list[str]:
    """What of the files that an execution works with has changed since, each in a line."""
    return changes_since(home, home.store.execution(execution_id), again)


def kept(home: Home, execution_id: str, after: int) -> list[str]:
    """The steps that were to be done again, but were not, because nothing had changed for them; since an event."""
    wanted = EventFilter(kinds=("step",))
    events = home.store.events(execution_id, after, wanted=wanted)
    return [event.step for event in events if event.step and event.data and event.data.get("kept")]


def _rework(
    home: Home, execution: Execution, again: Sequence[str], skipped: Sequence[str]
) -> Callable[[], Rework] | None:
    """What is to be done again and what is to be skipped; None when nothing of that was said. Raises UserError."""
    from orchestrator.engine import rework_of  # heavy: imports Ansible and dbos

    plan = _plan(execution)
    named = list(dict.fromkeys(step for word in again for step in named_steps(plan, word)))
    passed = list(dict.fromkeys(step for word in skipped for step in named_steps(plan, word)))
    if not named and (not passed or execution.status is ExecutionStatus.DONE):
        return None
    rework_of(plan, named, passed, [])
    # the jobs are looked at when nobody works on the execution any more
    return lambda: rework_of(plan, named, passed, home.store.jobs(execution.id))


def _plan(execution: Execution) -> Plan:
    return from_json(execution.plan, Plan)


def result(home: Home, execution_id: str) -> Execution:
    """An execution as it is now."""
    return home.store.execution(execution_id)


def last_event(home: Home, execution_id: str) -> int:
    """The id of the newest event, to follow from there on."""
    return home.store.last_event(execution_id)


def logs(home: Home, execution_id: str, wanted: EventFilter | None = None, *, newest: int | None = None) -> list[Event]:
    """The events of an execution: those wanted, and of these only the ``newest`` N, if so said. Raises UserError."""
    return home.store.events(home.store.execution(execution_id).id, wanted=wanted, newest=newest)


def full_id(home: Home, execution_id: str | None, deployment: str | None = None) -> str:
    """The whole id of an execution; without one, the newest, or that of a deployment. Raises UserError."""
    of = None
    if deployment is not None:
        from orchestrator.app.executing import find_deployment  # heavy: reads topologies

        of = find_deployment(home, deployment)
    if execution_id is not None:
        found = home.store.execution(execution_id)
        if of is not None and found.deployment_id != of.id:
            raise UserError(f"execution {found.id} is not one of {of.name!r}", hint="leave one of the two out")
        return found.id
    newest = home.store.executions(of.id if of else None, limit=1)
    if not newest:
        raise UserError("there is no execution yet", hint="orch deploy TOPOLOGY")
    return newest[0].id


def _ours(home: Home) -> set[str]:
    # the engine is made only for commands that carry something out
    return home.engine.carried_out if "engine" in home.__dict__ else set()


def _is_over(home: Home, execution_id: str) -> bool:
    execution = home.store.execution(execution_id)
    waits = execution.status is ExecutionStatus.QUEUED and execution.owner is None
    return execution.status.final or (not waits and not home.owner.alive(execution.owner))


def _summary(home: Home, execution: Execution, deployment: str) -> ExecutionSummary:
    under_way = execution.status is ExecutionStatus.RUNNING
    return ExecutionSummary(execution, deployment, under_way and not home.owner.alive(execution.owner))
