"""``orch scale``: more or fewer instances of nodes."""

from __future__ import annotations

import click

from orchestrator.app import scaling
from orchestrator.app.policies import Overrides
from orchestrator.cli import completing
from orchestrator.cli.commands.topologies import plan_data, plan_table
from orchestrator.cli.commands.work import detach_option, see_started
from orchestrator.cli.options import Command, deployment_option, policy_options, verbose_option
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted


@click.command(cls=Command)
@click.argument("numbers", nargs=-1, required=True, metavar="NODE=N...", shell_complete=completing.assigned_nodes)
@deployment_option()
@click.option("--dry-run", is_flag=True, help="Show what would be done, and do nothing.")
@policy_options
@detach_option
@verbose_option
@pass_session
def scale(
    session: Session,
    numbers: tuple[str, ...],
    deployment: str | None,
    dry_run: bool,
    overrides: Overrides,
    detach: bool,
    verbose: bool,
) -> int:
    """Give nodes of a deployment more or fewer instances.

    It works on nodes whose capability `scalable` allows that many (min_instances to max_instances); what is hosted on
    them goes with them. New instances are installed, the last ones are uninstalled; all others are left alone.

    \b
    Examples:
      orch scale Worker=5
      orch scale Worker=5 --dry-run
      orch scale Worker=2 Frontend=1 --deployment shop
    """
    wanted = scaling.read_numbers(numbers)
    prepared = scaling.prepare(session.home, wanted, deployment_name=deployment, overrides=overrides)
    if dry_run:
        return _tell_plan(session, prepared)
    session.home.queue_only = detach
    started = scaling.begin(session.home, prepared)
    if started is None:
        return _tell_nothing_to_do(session, prepared)
    return see_started(session, started, verbose=verbose)


def _tell_plan(session: Session, prepared: scaling.Prepared) -> int:
    """Show what would be done."""
    if session.json:
        changed = {c.node: {"before": list(c.before), "after": list(c.after)} for c in prepared.changed}
        plan = plan_data(prepared.plan)
        session.data({"deployment": prepared.deployment.name, "instances": changed, "plan": plan})
        return 0
    if not prepared.needed:
        return _tell_nothing_to_do(session, prepared)
    for node in prepared.changed:
        session.out(f"{node.node}: {counted(len(node.before), 'instance')} -> {len(node.after)}")
    if prepared.plan.steps:
        session.out(plan_table(session, prepared.plan))
    session.note(f"nothing was done: it would have {counted(len(prepared.plan.steps), 'step')}")
    return 0


def _tell_nothing_to_do(session: Session, prepared: scaling.Prepared) -> int:
    """Say that there are as many already."""
    name = prepared.deployment.name
    if session.json:
        session.data({"result": {"deployment": name, "execution": None, "changed": False}}, line=True)
        return 0
    mark = session.terminal.symbols.done
    session.note(session.terminal.styled(f"{mark} nothing to do: {name} has so many instances already", "green"))
    return 0
