"""``orch executions``: list, show, logs, cancel, resume."""

from __future__ import annotations

import time
from typing import Any

import click

from orchestrator.app import executions as use
from orchestrator.cli.commands.deployments import executions_table, presentable
from orchestrator.cli.failures import failure_text
from orchestrator.cli.following import (
    Left,
    execution_data,
    failure_data,
    failure_facts,
    heeding_signals,
    see_through,
    tell_end,
    watch,
)
from orchestrator.cli.options import Group, verbose_option
from orchestrator.cli.progress import Progress
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import Terminal, clean
from orchestrator.cli.text import date, duration, shown, table
from orchestrator.cli.views import event_data
from orchestrator.model.plan import StepKind
from orchestrator.state import Event, ExecutionStatus

LEVELS = ("debug", "info", "warning", "error")
_CANCEL_TRIES = 3
_COLOURS = {"warning": "yellow", "error": "red"}


@click.group(cls=Group)
def executions() -> None:
    """What ran: list, show, logs, cancel, resume.

    An execution is one run of a workflow on a deployment; deploying and undeploying are executions, too (of the
    workflows install and uninstall). Its id may be shortened to a beginning that is its own.
    """


@executions.command("list")
@click.option("--deployment", metavar="NAME", help="Only those of one deployment.")
@click.option("-n", "--limit", type=click.IntRange(min=1), help="Only the newest ones.")
@pass_session
def list_(session: Session, deployment: str | None, limit: int | None) -> None:
    """List the executions, newest first.

    A status `interrupted` means that the process that carried it out is gone: resume or cancel it.

    \b
    Examples:
      orch executions list
      orch executions list --deployment wordcount -n 10 --json
    """
    wanted = None
    if deployment is not None:
        from orchestrator.app.executing import find_deployment

        wanted = find_deployment(session.home, deployment)
    found = use.list_executions(session.home, wanted, limit)
    if session.json:
        session.data([execution_data(s.execution, s.deployment, s.status) for s in found])
    elif found:
        session.out(executions_table(session, found))
    else:
        session.note("nothing has run yet; `orch deploy TOPOLOGY` deploys a topology")


@executions.command()
@click.argument("id", required=False, metavar="[ID]")
@pass_session
def show(session: Session, id: str | None) -> None:
    """Show one execution: its steps, jobs and failure. Without ID: the newest.

    \b
    Examples:
      orch executions show
      orch executions show 3f2a91c0 --json
    """
    details = use.show_execution(session.home, use.full_id(session.home, id))
    if session.json:
        session.data(_details_data(details))
        return
    execution, terminal = details.summary.execution, session.terminal
    session.out(executions_table(session, [details.summary]))
    inputs = presentable(dict(execution.inputs))
    if inputs:
        rows = [[name, shown(value)] for name, value in inputs.items()]
        session.out("\n" + table(["INPUT", "VALUE"], rows, terminal))
    session.out("\n" + _steps_table(details, terminal))
    if details.jobs:
        rows = [[j.node, j.reference.site, j.reference.id, j.state.value, clean(j.detail)] for j in details.jobs]
        session.out("\n" + table(["JOB OF", "SITE", "ID", "STATE", "DETAIL"], rows, terminal, states=3))
    if execution.failure is not None:
        message = terminal.styled("failure:", "red", bold=True) + f" {clean(execution.failure.message)}"
        session.out("\n" + message)
        facts = failure_facts(execution.failure, cancelled=execution.status is ExecutionStatus.CANCELLED)
        if facts:
            session.out(failure_text(terminal, facts))


def _steps_table(details: use.ExecutionDetails, terminal: Terminal) -> str:
    states = use.step_states(details)
    rows = []
    for step in details.plan.steps:
        if step.kind is StepKind.STATE:
            continue
        entry = details.ledger.get(step.id)
        took = ""
        if entry is not None and states[step.id] != "waiting":
            took = duration((entry.ended or time.time()) - entry.started)
        rows.append([step.title, step.site or "", states[step.id], took])
    return table(["STEP", "SITE", "STATE", "TOOK"], rows, terminal, states=2)


def _details_data(details: use.ExecutionDetails) -> dict[str, Any]:
    summary = details.summary
    states = use.step_states(details)
    steps = []
    for step in details.plan.steps:
        entry = details.ledger.get(step.id)
        steps.append(
            {
                "id": step.id,
                "title": step.title,
                "node": step.node,
                "site": step.site,
                "kind": step.kind.value,
                "state": states[step.id],
                "attempt": entry.attempt if entry else None,
                "started": entry.started if entry else None,
                "ended": entry.ended if entry else None,
                "failure": failure_data(entry.failure) if entry and entry.failure else None,
            }
        )
    jobs = [
        {
            "node": job.node,
            "site": job.reference.site,
            "id": job.reference.id,
            "token": job.reference.token,
            "state": job.state.value,
            "detail": job.detail,
            "created": job.created,
            "ended": job.ended,
        }
        for job in details.jobs
    ]
    inputs = presentable(dict(summary.execution.inputs))
    data = execution_data(summary.execution, summary.deployment, summary.status)
    return {**data, "inputs": inputs, "steps": steps, "jobs": jobs}


@executions.command()
@click.argument("id", required=False, metavar="[ID]")
@click.option("-f", "--follow", is_flag=True, help="Go on until it has ended.")
@click.option("--level", type=click.Choice(LEVELS), default="info", show_default=True, help="This level and above.")
@pass_session
def logs(session: Session, id: str | None, follow: bool, level: str) -> int:
    """Show what an execution says: steps, jobs and their output. Without ID: the newest.

    \b
    Examples:
      orch executions logs
      orch executions logs -f 3f2a91c0
      orch executions logs --level debug          # every task of the playbooks
      orch executions logs --json | jq .text
    """
    execution_id = use.full_id(session.home, id)
    progress = Progress(use.show_execution(session.home, execution_id).plan)
    if not follow:
        for event in use.logs(session.home, execution_id):
            _log(session, event, level, progress)
        return 0
    with heeding_signals() as asked:
        for item in use.follow(session.home, execution_id):
            number = asked()
            if number is not None:
                return 128 + number
            if item is not None:
                _log(session, item, level, progress)
    if not use.result(session.home, execution_id).status.final:
        session.err(
            f"the process that carried it out is gone: `orch executions resume {execution_id}` takes it up again"
        )
    return 0


def _log(session: Session, event: Event, level: str, progress: Progress) -> None:
    if event.level in LEVELS and LEVELS.index(event.level) < LEVELS.index(level):
        return
    if session.json:
        session.data(event_data(event), line=True)
        return
    session.out(log_text(event, progress, session.terminal))


def log_text(event: Event, progress: Progress, terminal: Terminal) -> str:
    """An event as lines of a log: time, level, what it is about, what it says."""
    when = terminal.styled(date(event.time), dim=True)
    level = terminal.styled(f"{event.level:<7}", _COLOURS.get(event.level))
    title = clean(progress.title(event.step, event.node)) or event.kind
    if event.kind == "output":
        title = f"{clean(event.node or '')} {terminal.symbols.bar}"
    elif event.kind == "state":
        title = ""
    lines = clean(event.text).splitlines() or [""]
    head = f"{when} {level} " + (f"{terminal.styled(title, bold=True)}  " if title else "")
    return "\n".join(f"{head}{line}".rstrip() for line in lines)


@executions.command()
@click.argument("id")
@verbose_option
@pass_session
def cancel(session: Session, id: str, verbose: bool) -> int:
    """Cancel an execution: its playbooks are ended, its jobs cancelled, newest first.

    It is followed until that is done; what could not be stopped is named. The exit status is 0 when it was cancelled.
    A cancelled execution can be resumed.

    \b
    Example:
      orch executions cancel 3f2a91c0
    """
    execution_id = use.full_id(session.home, id)
    execution = None
    # when the process that carries it out dies before it has cancelled it, this one takes over
    for _ in range(_CANCEL_TRIES):
        after = use.last_event(session.home, execution_id)
        use.cancel(session.home, execution_id)
        try:
            watch(session, execution_id, after=after, verbose=verbose)
        except Left as left:
            return left.status
        execution = use.result(session.home, execution_id)
        if execution.status.final:
            break
    if execution is None or execution.status is not ExecutionStatus.CANCELLED:
        status = tell_end(session, execution_id)
        if status == 0:
            session.err("it had ended before it could be cancelled")
        return 1
    deployment = session.home.store.deployment(execution.deployment_id)
    if session.json:
        session.data({"result": execution_data(execution, deployment.name, execution.status.value)}, line=True)
        return 0
    session.note(f"{execution.workflow} of {deployment.name} is cancelled [{execution.id}]")
    if execution.failure is not None:
        session.err(failure_text(session.error_terminal, failure_facts(execution.failure, cancelled=True)))
    return 0


@executions.command()
@click.argument("id", required=False, metavar="[ID]")
@verbose_option
@pass_session
def resume(session: Session, id: str | None, verbose: bool) -> int:
    """Go on with an execution that failed, was cancelled, or lost its process. Without ID: the newest.

    What is done is not done again; jobs that still run are taken up; failed ones are submitted anew.

    \b
    Example:
      orch executions resume 3f2a91c0
    """
    execution_id = use.full_id(session.home, id)
    after = use.last_event(session.home, execution_id)
    use.resume(session.home, execution_id)
    return see_through(session, execution_id, after=after, verbose=verbose)
