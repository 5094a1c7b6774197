"""``orch prune``."""

from __future__ import annotations

import click

from orchestrator.app.pruning import Pruned
from orchestrator.app.pruning import prune as prune_home
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted
from orchestrator.errors import UserError
from orchestrator.model.durations import seconds
from orchestrator.model.sizes import size_text


@click.command(cls=Command)
@click.option(
    "--older-than", default="30d", show_default=True, metavar="TIME", help="What ended longer ago than this (12h, 30d)."
)
@click.option(
    "--keep",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Leave the newest N executions of each deployment, however old they are.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@pass_session
def prune(session: Session, older_than: str, keep: int, dry_run: bool) -> None:
    """Remove what is over: executions that ended long ago, with their events, results of steps and jobs' folders;
    deployments that are gone; unpacked archives that nothing uses. It is said how much space was freed.

    What has not ended is never touched. The outputs and files that a deployment still reads stay, and so does the last
    execution that changed it. `retention: 90d` in config.yaml of the home has `orch worker` do this once a day.

    \b
    Examples:
      orch prune --dry-run
      orch prune --older-than 7d --keep 10
    """
    try:
        age = seconds(older_than)
    except ValueError as error:
        raise UserError(f"--older-than: {error}") from error
    pruned = prune_home(session.home, age, keep=keep, dry_run=dry_run)
    if session.json:
        session.data(
            {
                "executions": list(pruned.executions),
                "deployments": list(pruned.deployments),
                "folders": pruned.folders,
                "freed": pruned.freed,
                "kept": pruned.kept,
                "dry_run": dry_run,
            }
        )
        return
    session.out(pruned_text(pruned, dry_run=dry_run))
    if pruned.kept:
        session.note(f"{counted(pruned.kept, 'older execution')} left: still needed, or among those to be kept")
    if not pruned.compacted:
        session.err("the database was not made smaller: somebody works with it; `orch prune` again later")


def pruned_text(pruned: Pruned, *, dry_run: bool = False) -> str:
    """What was removed, in one line."""
    what = [
        counted(len(pruned.executions), "execution"),
        counted(len(pruned.deployments), "deployment"),
        counted(pruned.folders, "folder"),
    ]
    if dry_run:
        return f"would remove {', '.join(what)}: {size_text(pruned.freed)} and what the database has of them"
    return f"removed {', '.join(what)}: {size_text(pruned.freed)} freed"
