"""``orch deploy``, ``orch run`` and ``orch undeploy``: they carry something out, and follow it to its end."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.app import executing, packaging
from orchestrator.app.inputs import read_inputs
from orchestrator.app.policies import read_overrides
from orchestrator.cli.following import see_through
from orchestrator.cli.options import Command, input_options, policy_options, verbose_option
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import clean
from orchestrator.cli.text import counted
from orchestrator.errors import UserError


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="The name of the deployment (default: that of the topology).")
@input_options
@click.option("--site", help="The site that every abstract node stands for.")
@click.option("--match", "matches", multiple=True, metavar="NODE=SITE", help="The site of one abstract node.")
@click.option("--lock", is_flag=True, help="Write down in orch.lock what the topology is made of, first.")
@policy_options
@verbose_option
@pass_session
def deploy(
    session: Session,
    file: Path,
    name: str | None,
    pairs: tuple[str, ...],
    inputs_file: Path | None,
    site: str | None,
    matches: tuple[str, ...],
    lock: bool,
    timeouts: tuple[str, ...],
    retries: tuple[str, ...],
    continued: tuple[str, ...],
    verbose: bool,
) -> int:
    """Deploy a topology, once: its images are built and copied, its services configured.

    Everything is checked before anything is touched. Afterwards `orch run` runs its workflows. A deployment that failed
    is begun anew by the same command, or gone on with by `orch executions resume`.

    \b
    Examples:
      orch deploy topology.yaml
      orch deploy topology.yaml --name wordcount --site my-cluster
      orch deploy topology.yaml --match Prepare=local --match Simulate=my-cluster
      orch deploy topology.yaml --inputs inputs.yaml -i image_folder=/work/images
    """
    given = read_inputs(pairs, inputs_file)
    if lock:
        packaging.lock(session.home.settings, file)
    started = executing.deploy(
        session.home,
        file,
        name=name,
        given=given,
        site=site,
        matches=read_matches(matches) or None,
        overrides=read_overrides(timeouts, retries, continued),
    )
    _tell_start(session, started)
    return see_through(session, started.execution.id, verbose=verbose)


@click.command(cls=Command)
@click.argument("workflow")
@click.option("--deployment", metavar="NAME", help="The deployment; not needed when there is only one.")
@input_options
@policy_options
@verbose_option
@pass_session
def run(
    session: Session,
    workflow: str,
    deployment: str | None,
    pairs: tuple[str, ...],
    inputs_file: Path | None,
    timeouts: tuple[str, ...],
    retries: tuple[str, ...],
    continued: tuple[str, ...],
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
    """
    given = read_inputs(pairs, inputs_file)
    overrides = read_overrides(timeouts, retries, continued)
    started = executing.run(session.home, workflow, deployment_name=deployment, given=given, overrides=overrides)
    _tell_start(session, started)
    return see_through(session, started.execution.id, verbose=verbose)


@click.command(cls=Command)
@click.argument("name", required=False)
@verbose_option
@pass_session
def undeploy(session: Session, name: str | None, verbose: bool) -> int:
    """Undo a deployment.

    NAME may be left out when there is only one. What its runs produced stays.

    \b
    Examples:
      orch undeploy
      orch undeploy wordcount
    """
    started = executing.undeploy(session.home, name)
    _tell_start(session, started)
    return see_through(session, started.execution.id, verbose=verbose)


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
