"""``orch deploy``, ``orch run`` and ``orch undeploy``: they carry something out, and follow it to its end."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.app import executing, executions, forcing, packaging
from orchestrator.app.inputs import Given
from orchestrator.app.policies import Overrides
from orchestrator.cli import completing
from orchestrator.cli.commands.topologies import plan_data, plan_table
from orchestrator.cli.differences import difference_data, difference_summary, difference_text
from orchestrator.cli.failures import report
from orchestrator.cli.following import see_through
from orchestrator.cli.options import (
    Command,
    deployment_option,
    input_options,
    policy_options,
    repeated_option,
    verbose_option,
    with_earlier_name,
)
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import clean
from orchestrator.cli.text import counted
from orchestrator.errors import OrchError, UserError
from orchestrator.state import Deployment, ExecutionStatus

_LEFT = 128
"""Exit statuses above this say that a signal came."""

detach_option = click.option("--detach", is_flag=True, help="Only queue it for `orch worker`, print its id and return.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@with_earlier_name(option=True)
@deployment_option("The name of the deployment (default: that of the topology).")
@input_options
@click.option("--site", shell_complete=completing.sites, help="The site that every abstract node stands for.")
@repeated_option(
    "--match",
    "matches",
    metavar="NODE=SITE",
    shell_complete=completing.matches,
    help="The site of one abstract node.",
)
@repeated_option(
    "--or-site",
    "instead",
    metavar="SITE",
    shell_complete=completing.sites,
    help="The site to take in the place of one that is out of reach or refuses such jobs.",
)
@repeated_option(
    "--recreate",
    metavar="NODE",
    help="In an update, tear this node down and make it again, whatever has changed.",
)
@click.option("--lock", is_flag=True, help="Write down in orch.lock what the topology is made of, first.")
@click.option("--dry-run", is_flag=True, help="Show what is different and what would be done, and do nothing.")
@policy_options
@detach_option
@verbose_option
@pass_session
def deploy(
    session: Session,
    file: Path,
    deployment: str | None,
    given: dict[str, Given],
    site: str | None,
    matches: tuple[str, ...],
    instead: tuple[str, ...],
    recreate: tuple[str, ...],
    lock: bool,
    dry_run: bool,
    overrides: Overrides,
    detach: bool,
    verbose: bool,
) -> int:
    """Deploy a topology, once: its images are built and copied, its services configured.

    Everything is checked before anything is touched. Afterwards `orch run` runs its workflows. A deployment that failed
    is begun anew by the same command, or gone on with by `orch executions resume`.

    When a deployment of that name is there already, it is updated: what is different is shown, and only that is done.
    Inputs and sites that are not given stay as they are. A node that changed is stopped, configured and started; what
    only its creation takes notice of is warned of, and brought about with --recreate.

    \b
    Examples:
      orch deploy topology.yaml
      orch deploy topology.yaml --deployment wordcount --site my-cluster
      orch deploy topology.yaml --match Prepare=local --match Simulate=my-cluster
      orch deploy topology.yaml --inputs inputs.yaml -i image_folder=/work/images
      orch deploy changed.yaml --deployment wordcount --dry-run
    """
    if lock and not dry_run:
        packaging.lock(session.home.settings, file)
    prepared = executing.prepare_deploy(
        session.home,
        file,
        name=deployment,
        given=given,
        site=site,
        matches=read_matches(matches) or None,
        instead=instead,
        overrides=overrides,
        recreate=recreate,
    )
    if dry_run:
        return _tell_plan(session, prepared)
    _tell_difference(session, prepared)
    session.home.queue_only = detach
    started = executing.begin_deploy(session.home, prepared)
    if started is None:
        return _tell_up_to_date(session, prepared)
    return see_started(session, started, verbose=verbose)


@click.command(cls=Command)
@click.argument("workflow", shell_complete=completing.runnable_workflows)
@deployment_option()
@input_options
@policy_options
@detach_option
@verbose_option
@pass_session
def run(
    session: Session,
    workflow: str,
    deployment: str | None,
    given: dict[str, Given],
    overrides: Overrides,
    detach: bool,
    verbose: bool,
) -> int:
    """Run a workflow of a deployment, as often as you like.

    The run is followed to its end. Ctrl-C detaches: jobs go on, and `orch executions resume` takes the run up again;
    `orch executions cancel` ends it. The exit status is 0 when it is done, 1 when it failed or was cancelled, 2 when
    the request was wrong.

    \b
    Examples:
      orch run exec_job -i oid=my-text -i result_data_path=/tmp/result
      orch run exec_job --inputs inputs.yaml -i num_nodes=2
      orch run exec_job --inputs inputs.yaml --timeout 12h --retries PyCOMPSJob=2
      orch run exec_job --deployment wordcount --inputs inputs.yaml --json
      orch run exec_job --inputs inputs.yaml --detach
    """
    session.home.queue_only = detach
    started = executing.run(session.home, workflow, deployment_name=deployment, given=given, overrides=overrides)
    return see_started(session, started, verbose=verbose)


@click.command(cls=Command)
@with_earlier_name()
@deployment_option()
@click.option("--force", is_flag=True, help="Whatever is wrong with it; tells what may remain.")
@detach_option
@verbose_option
@pass_session
def undeploy(session: Session, deployment: str | None, force: bool, detach: bool, verbose: bool) -> int:
    """Undo a deployment.

    What its runs produced stays. With --force the deployment is gone afterwards whatever fails: what is under way is
    cancelled first, and what may remain outside is told.

    \b
    Examples:
      orch undeploy
      orch undeploy --deployment wordcount
      orch undeploy --deployment wordcount --force
    """
    if force and detach:
        raise UserError("--force and --detach exclude each other", hint="what is forced is seen through to its end")
    if force:
        return _undeploy_by_force(session, deployment, verbose=verbose)
    session.home.queue_only = detach
    started = executing.undeploy(session.home, deployment)
    return see_started(session, started, verbose=verbose)


def _undeploy_by_force(session: Session, name: str | None, *, verbose: bool) -> int:
    """Undeploy by force, and tell what may remain; 0 when the deployment is gone."""
    session.carrying = True
    started, forced = executing.undeploy_by_force(session.home, name)
    if started is not None:
        _tell_start(session, started)
        try:
            status = see_through(session, started.execution.id, verbose=verbose)
        except OrchError as error:
            status = report(session, error)
        ended = executions.result(session.home, started.execution.id).status
        if status > _LEFT or ended is ExecutionStatus.CANCELLED:
            return status
    remains = forcing.finish(session.home, forced, started.execution.id if started else None)
    _tell_remains(session, forced.deployment, remains)
    return 0


def _tell_remains(session: Session, deployment: Deployment, remains: list[str]) -> None:
    if session.json:
        session.data({"undeployed": {"deployment": deployment.name, "may_remain": remains}}, line=True)
        return
    session.note(f"{deployment.name} is gone" + ("" if remains else "; nothing is known to remain outside"))
    if remains:
        lines = "\n".join(f"  {clean(line)}" for line in remains)
        session.warn(f"this may remain outside:\n{lines}")


def _tell_plan(session: Session, prepared: executing.Prepared) -> int:
    """Show what would be done."""
    difference = prepared.difference
    if session.json:
        session.data(
            {
                "deployment": prepared.deployment.name,
                "difference": difference_data(difference) if difference else None,
                "plan": plan_data(prepared.plan),
                "warnings": list(prepared.warnings),
            }
        )
        return 0
    for warning in prepared.warnings:
        session.warn(clean(warning))
    _tell_difference(session, prepared, asked=True)
    if difference is not None and difference.empty:
        return _tell_up_to_date(session, prepared)
    if prepared.plan.steps:
        session.out(plan_table(session, prepared.plan))
    session.note(f"nothing was done: {prepared.plan.workflow} would have {counted(len(prepared.plan.steps), 'step')}")
    return 0


def _tell_difference(session: Session, prepared: executing.Prepared, *, asked: bool = False) -> None:
    """Show what is different from what is deployed, when something is. ``asked``: with ``--quiet``, too."""
    difference = prepared.difference
    if difference is None or difference.empty:
        return
    if session.json:
        session.data({"difference": difference_data(difference)}, line=True)
        return
    say = session.out if asked else session.note
    say(f"{prepared.deployment.name}: {difference_summary(difference)}")
    say(difference_text(difference, session.terminal))


def _tell_up_to_date(session: Session, prepared: executing.Prepared) -> int:
    """Say that nothing has to be carried out."""
    name, difference = prepared.deployment.name, prepared.difference
    changed = difference is not None and not difference.empty
    if session.json:
        session.data({"result": {"deployment": name, "execution": None, "changed": changed}}, line=True)
        return 0
    said = "is updated; no operation had to be carried out" if changed else "is up to date: no difference"
    session.note(session.terminal.styled(f"{session.terminal.symbols.done} {name} {said}", "green"))
    return 0


def read_matches(words: tuple[str, ...]) -> dict[str, str]:
    """The sites of abstract nodes from words ``NODE=SITE``. Raises UserError."""
    matches: dict[str, str] = {}
    for word in words:
        node, equals, site = word.partition("=")
        if not (node and equals and site):
            raise UserError(f"--match {word!r} is not of the form NODE=SITE")
        if matches.get(node, site) != site:
            raise UserError(f"--match gives {node!r} two sites: {matches[node]!r} and {site!r}")
        matches[node] = site
    return matches


def see_started(session: Session, started: executing.Started, *, verbose: bool) -> int:
    """Follow what was started to its end; or, when it was only queued, say its id."""
    if not session.home.queue_only:
        _tell_start(session, started)
        return see_through(session, started.execution.id, verbose=verbose)
    for warning in started.warnings if not session.json else ():
        session.warn(clean(warning))
    if session.json:
        facts = {"execution": started.execution.id, "deployment": started.deployment.name}
        workflow = started.execution.workflow
        session.data({"queued": {**facts, "workflow": workflow, "warnings": list(started.warnings)}}, line=True)
        return 0
    session.out(started.execution.id)
    if not session.quiet:
        session.err("queued: `orch worker` carries it out, `orch executions logs -f` follows it")
    return 0


def _tell_start(session: Session, started: executing.Started) -> None:
    session.carrying = True
    if session.json:
        session.data(
            {
                "started": {
                    "execution": started.execution.id,
                    "deployment": started.deployment.name,
                    "workflow": started.execution.workflow,
                    "warnings": list(started.warnings),
                }
            },
            line=True,
        )
        return
    for warning in started.warnings:
        session.warn(clean(warning))
    if not session.terminal.live:
        steps = counted(len(started.plan.steps), "step")
        session.note(
            f"{started.execution.workflow} of {started.deployment.name}: {steps} (execution {started.execution.id})"
        )
