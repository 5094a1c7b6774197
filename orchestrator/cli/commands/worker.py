"""``orch worker``: carries out what was queued."""

from __future__ import annotations

import click

from orchestrator.app import working
from orchestrator.app.leaving import detach
from orchestrator.app.pruning import Pruned
from orchestrator.cli.commands.prune import pruned_text
from orchestrator.cli.following import end_text, execution_data, heeding_signals
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import clean
from orchestrator.cli.text import counted
from orchestrator.state import ExecutionStatus


@click.command(cls=Command)
@click.option("--name", help="What it is called in events (default: worker).")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=working.JOBS,
    show_default=True,
    metavar="N",
    help="How many executions to carry out at once, those included that wait for their jobs.",
)
@pass_session
def worker(session: Session, name: str | None, jobs: int) -> int:
    """Carry out what was queued with --detach, and what processes that died have left.

    Any number of workers may run on one home. They may run on several machines when these share a PostgreSQL database:
    ORCH_DATABASE=postgresql://USER:PASSWORD@HOST/DATABASE. Ctrl-C or SIGTERM stops a worker: jobs go on, and other
    workers, or this one when it is started again, go on with its executions.

    \b
    Examples:
      orch worker
      orch worker --name night --jobs 10
    """
    session.carrying = True
    with heeding_signals() as asked:
        working.get_ready(session.home, name)

        def pruned(what: Pruned) -> None:
            if what.executions or what.folders:
                session.note(pruned_text(what))

        session.note(f"this worker carries out at most {counted(jobs, 'execution')} at once; Ctrl-C stops it")
        for report in working.work(session.home, jobs=jobs, stopped=lambda: asked() is not None, on_pruned=pruned):
            _tell(session, report)
            if asked() is not None:
                break
        left = detach(session.home)
        if session.json:
            session.data({"left": left}, line=True)
        else:
            session.note(f"stopped; {counted(len(left), 'execution')} left for other workers")
        return 128 + (asked() or 0)


def _tell(session: Session, report: working.Report) -> None:
    execution = report.execution
    if session.json:
        data = execution_data(execution, report.deployment, execution.status.value)
        session.data({report.what.value.replace(" ", "_"): data}, line=True)
    elif report.what is not working.Happening.ENDED:
        session.note(f"{report.what.value}: {execution.workflow} of {clean(report.deployment)} [{execution.id}]")
    elif execution.status is ExecutionStatus.DONE:
        session.note(f"done: {execution.workflow} of {clean(report.deployment)} [{execution.id}]")
    else:
        session.err(end_text(session, execution))
