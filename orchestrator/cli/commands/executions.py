"""``orch executions``: list, show, logs, cancel, resume."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import click

from orchestrator.app import executions as use
from orchestrator.app.leaving import under_way
from orchestrator.app.step_names import named_nodes, named_steps
from orchestrator.cli import completing
from orchestrator.cli.commands.deployments import executions_table, presentable
from orchestrator.cli.failures import failure_text
from orchestrator.cli.following import (
    Left,
    execution_data,
    failure_data,
    failure_facts,
    heeding_signals,
    outputs_table,
    see_through,
    tell_end,
    watch,
)
from orchestrator.cli.options import Group, deployment_option, repeated_option, steps_option, verbose_option
from orchestrator.cli.progress import Progress
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.step_list import predecessors, steps_text
from orchestrator.cli.terminal import Terminal, clean
from orchestrator.cli.text import date, moment_data, shown, table
from orchestrator.cli.times import moment
from orchestrator.cli.views import event_data
from orchestrator.state import Event, EventFilter, ExecutionStatus

KINDS = ("execution", "step", "state", "job", "task", "output")
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
@deployment_option("Only those of one deployment.")
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
@click.argument("id", required=False, metavar="[ID]", shell_complete=completing.executions)
@deployment_option("Without ID: the newest of this deployment.")
@pass_session
def show(session: Session, id: str | None, deployment: str | None) -> None:
    """Show one execution: its steps, jobs and failure. Without ID: the newest.

    \b
    Examples:
      orch executions show
      orch executions show 3f2a91c0 --json
    """
    details = use.show_execution(session.home, use.full_id(session.home, id, deployment))
    if session.json:
        session.data(_details_data(details))
        return
    execution, terminal = details.summary.execution, session.terminal
    session.out(executions_table(session, [details.summary]))
    inputs = presentable(dict(execution.inputs))
    if inputs:
        rows = [[name, shown(value)] for name, value in inputs.items()]
        session.out("\n" + table(["INPUT", "VALUE"], rows, terminal))
    session.out("\n" + steps_text(details, terminal))
    if details.jobs:
        rows = [[j.node, j.reference.site, j.reference.id, j.state.value, clean(j.detail)] for j in details.jobs]
        session.out("\n" + table(["JOB OF", "SITE", "ID", "STATE", "DETAIL"], rows, terminal, states=3))
    if execution.outputs:
        session.out("\n" + outputs_table(execution.outputs, terminal))
    if execution.failure is not None:
        message = terminal.styled("failure:", "red", bold=True) + f" {clean(execution.failure.message)}"
        session.out("\n" + message)
        facts = failure_facts(execution.failure, cancelled=execution.status is ExecutionStatus.CANCELLED)
        if facts:
            session.out(failure_text(terminal, facts))


def _details_data(details: use.ExecutionDetails) -> dict[str, Any]:
    summary = details.summary
    states = use.step_states(details)
    before = predecessors(details.plan)
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
                "after": list(before.get(step.id, {})),
                "attempt": entry.attempt if entry else None,
                "started": moment_data(entry.started) if entry else None,
                "ended": moment_data(entry.ended) if entry else None,
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
            "created": moment_data(job.created),
            "ended": moment_data(job.ended),
        }
        for job in details.jobs
    ]
    inputs = presentable(dict(summary.execution.inputs))
    data = execution_data(summary.execution, summary.deployment, summary.status)
    return {**data, "inputs": inputs, "steps": steps, "jobs": jobs}


@executions.command()
@click.argument("id", required=False, metavar="[ID]", shell_complete=completing.executions)
@deployment_option("Without ID: the newest of this deployment.")
@click.option("-f", "--follow", is_flag=True, help="Go on until it has ended.")
@click.option("--level", type=click.Choice(LEVELS), default="info", show_default=True, help="This level and above.")
@steps_option("--step", "steps", help="Only what is about this step.")
@repeated_option(
    "--node",
    "nodes",
    metavar="NODE",
    shell_complete=completing.nodes_of_execution,
    help="Only what is about this node.",
)
@repeated_option("--kind", "kinds", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--since", metavar="TIME", help="Not before this time (18:30, 2025-01-31 18:30) or so long ago (10m).")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Of what there is, only the last N.")
@pass_session
def logs(
    session: Session,
    id: str | None,
    deployment: str | None,
    follow: bool,
    level: str,
    steps: tuple[str, ...],
    nodes: tuple[str, ...],
    kinds: tuple[str, ...],
    since: str | None,
    tail: int | None,
) -> int:
    """Show what an execution says: steps, jobs and their output. Without ID: the newest.

    \b
    Examples:
      orch executions logs
      orch executions logs -f 3f2a91c0
      orch executions logs --deployment wordcount
      orch executions logs --level debug          # every task of the playbooks
      orch executions logs --step count_words --kind output --tail 20
      orch executions logs --since 10m --level warning
      orch executions logs --json | jq .text
    """
    execution_id = use.full_id(session.home, id, deployment)
    plan = use.show_execution(session.home, execution_id).plan
    wanted = EventFilter(
        steps=tuple(found for step in steps for found in named_steps(plan, step)),
        nodes=named_nodes(plan, nodes),
        levels=LEVELS[LEVELS.index(level) :],
        kinds=kinds,
        since=moment(since, time.time()) if since is not None else None,
    )
    progress = Progress(plan)
    last = use.last_event(session.home, execution_id)
    for event in use.logs(session.home, execution_id, wanted, newest=tail) if tail != 0 else []:
        if event.id <= last:
            _log(session, event, progress)
    if not follow:
        return 0
    with heeding_signals() as asked:
        for item in use.follow(session.home, execution_id, after=last, wanted=wanted):
            number = asked()
            if number is not None:
                return 128 + number
            if item is not None:
                _log(session, item, progress)
    if not use.result(session.home, execution_id).status.final:
        session.err(
            f"the process that carried it out is gone: `orch executions resume {execution_id}` takes it up again"
        )
    return 0


def _log(session: Session, event: Event, progress: Progress) -> None:
    if session.json:
        session.data(event_data(event), line=True)
        return
    session.out(log_text(event, progress, session.terminal))


def log_text(event: Event, progress: Progress, terminal: Terminal) -> str:
    """An event as lines of a log: time, level, what it is about, what it says."""
    when = terminal.styled(date(event.time), dim=True)
    level = terminal.styled(f"{event.level:<7}", _COLOURS.get(event.level))
    title = clean(progress.title(event.step, event.node)) or event.kind
    step = progress.steps.get(event.step or "")
    if step is not None and len(step.step.instances) > 1 and event.instance is not None:
        title += f" [{clean(event.instance)}]"
    if event.kind == "output":
        title = f"{clean(event.node or '')} {terminal.symbols.bar}"
    elif event.kind == "state":
        title = ""
    lines = clean(event.text).splitlines() or [""]
    head = f"{when} {level} " + (f"{terminal.styled(title, bold=True)}  " if title else "")
    return "\n".join(f"{head}{line}".rstrip() for line in lines)


@executions.command()
@click.argument("id", shell_complete=completing.executions)
@steps_option("--step", "steps", help="Only this step, not the whole.")
@verbose_option
@pass_session
def cancel(session: Session, id: str, steps: tuple[str, ...], verbose: bool) -> int:
    """Cancel an execution: its playbooks are ended, its jobs cancelled, newest first.

    It is followed until that is done; what could not be stopped is named. The exit status is 0 when it was cancelled
    and nothing of it goes on. A cancelled execution can be resumed. A job that had ended before it could be cancelled
    is taken for what it ended as.

    Of an execution that has ended, jobs that may still be at work are cancelled: those of one that failed when it was
    not known how its job is.

    With --step only that step and its job end; one that has not begun is not started. What is beside it goes on. Then
    the targets of its on_cancel run, if it has any, and the execution goes on with them; else nothing new starts, and
    it ends as cancelled, or as failed when another step failed.

    \b
    Examples:
      orch executions cancel 3f2a91c0
      orch executions cancel 3f2a91c0 --step simulate
    """
    execution_id = use.full_id(session.home, id)
    if steps:
        return _cancel_steps(session, execution_id, steps, verbose=verbose)
    if use.result(session.home, execution_id).status.final:
        left = use.end_jobs(session.home, execution_id)
        if left is not None:
            return _tell_left_jobs(session, execution_id, left)
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
    stopped = not use.may_go_on(session.home, execution_id) and not (execution.failure and execution.failure.output)
    if session.json:
        session.data({"result": execution_data(execution, deployment.name, execution.status.value)}, line=True)
        return 0 if stopped else 1
    session.note(f"{execution.workflow} of {deployment.name} is cancelled [{execution.id}]")
    if execution.failure is not None:
        session.err(failure_text(session.error_terminal, failure_facts(execution.failure, cancelled=True)))
    return 0 if stopped else 1


def _tell_left_jobs(session: Session, execution_id: str, left: Sequence[str]) -> int:
    """Say what became of the jobs that an execution had left behind."""
    if session.json:
        session.data({"may_go_on": list(left)}, line=True)
    elif not left:
        session.note(f"no job of execution {execution_id} goes on")
    for line in left:
        session.err(clean(line))
    return 1 if left else 0


def _cancel_steps(session: Session, execution_id: str, steps: Sequence[str], *, verbose: bool) -> int:
    """Cancel single steps, and wait until they have ended; the whole execution, when this process takes it over."""
    home = session.home
    after = use.last_event(home, execution_id)
    asked = [step for word in steps for step in use.cancel_step(home, execution_id, word)]
    if execution_id in under_way(home):
        session.note("the process that carried it out is gone: it is gone on with here")
        see_through(session, execution_id, after=after, verbose=verbose)
    else:
        with heeding_signals() as heard:
            for _ in use.follow(home, execution_id, after=after):
                number = heard()
                if number is not None:
                    return 128 + number
                if all(state != "running" for state in use.states_of(home, execution_id, asked).values()):
                    break
    states = use.states_of(home, execution_id, asked)
    if session.json:
        session.data({"steps": states}, line=True)
    for step, state in states.items():
        session.note(
            f"{clean(step)} is {state}" + ("" if state == "cancelled" else ": it could not be cancelled in time")
        )
    left = {entry.failure.output for entry in use.entries_of(home, execution_id, asked) if entry.failure}
    for line in sorted(line for line in left if line):
        session.err(line)
    return 0 if set(states.values()) == {"cancelled"} and not any(left) else 1


@executions.command()
@click.argument("id", required=False, metavar="[ID]", shell_complete=completing.executions)
@deployment_option("Without ID: the newest of this deployment.")
@steps_option("--from", "again", help="Do this step and all that depends on it again.")
@steps_option("--skip", "skipped", help="Take this step as done without doing it.")
@verbose_option
@pass_session
def resume(
    session: Session,
    id: str | None,
    deployment: str | None,
    again: tuple[str, ...],
    skipped: tuple[str, ...],
    verbose: bool,
) -> int:
    """Go on with an execution that failed, was cancelled, or lost its process. Without ID: the newest.

    What is done is not done again; jobs that still run are taken up; failed ones are submitted anew. Playbooks are read
    as they are now, so one that was mended is used.

    With --from a step and all that depends on it are done again, of an execution that is done, too; its jobs are
    submitted anew. What depends on it is not repeated where neither its inputs nor its playbook have changed; the steps
    that were not are named in the end. Files that have changed since they were worked with are named, too.
    `orch executions show ID` lists the names of the steps.

    \b
    Examples:
      orch executions resume 3f2a91c0
      orch executions resume 3f2a91c0 --from count_words
      orch executions resume 3f2a91c0 --skip stage_in
    """
    execution_id = use.full_id(session.home, id, deployment)
    after = use.last_event(session.home, execution_id)
    changed = use.changed(session.home, execution_id, again)
    use.resume(session.home, execution_id, again=again, skipped=skipped)
    for line in changed if not session.json else ():
        session.warn(clean(line))
    if session.json and changed:
        session.data({"changed": changed}, line=True)
    status = see_through(session, execution_id, after=after, verbose=verbose)
    kept = use.kept(session.home, execution_id, after) if again and not session.json else []
    if kept:
        session.note(f"not done again, because nothing had changed for them: {clean(', '.join(kept))}")
    return status
