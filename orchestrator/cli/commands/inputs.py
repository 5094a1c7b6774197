"""``orch inputs``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.app.executing import runnable_workflows
from orchestrator.app.inputs import InputUse, topology_inputs, workflow_inputs
from orchestrator.app.inputs_file import inputs_text, write_inputs
from orchestrator.app.reading import plan_of
from orchestrator.app.targets import Target, named_target
from orchestrator.cli import completing
from orchestrator.cli.failures import is_private
from orchestrator.cli.options import Command, deployment_option
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted, shown, table


@click.command(cls=Command)
@click.argument("target", required=False, metavar="[FILE]", shell_complete=completing.targets)
@click.argument("workflow", required=False, shell_complete=completing.workflows)
@deployment_option()
@click.option(
    "-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="Write an inputs file to fill in."
)
@pass_session
def inputs(
    session: Session, target: str | None, workflow: str | None, deployment: str | None, file: Path | None
) -> None:
    """List the inputs of a topology or workflow, or write a file of them.

    Of a topology file, or of a deployment. Without WORKFLOW these are the inputs that are given at deployment, with it
    those of each run: declared ones, and those that only its nodes name.

    \b
    Examples:
      orch inputs topology.yaml
      orch inputs topology.yaml exec_job
      orch inputs exec_job -o inputs.yaml           # of the only deployment
      orch inputs --deployment wordcount exec_job --json
      orch run exec_job --inputs inputs.yaml
    """
    found, workflow = named_target(session.home, target, workflow, deployment)
    if workflow is None:
        known = topology_inputs(found.topology)
    else:
        plan_of(found.topology, workflow)  # says which workflows there are, if there is no such one
        known = workflow_inputs(found.topology, workflow)
    if file is not None:
        write_inputs(file, inputs_text(known, *_use(found, workflow, file)))
        session.note(f"{file}: {counted(len(known), 'input')}")
    if session.json:
        session.data([_input_data(item) for item in known])
    elif file is None:
        _tell(session, found, workflow, known)


def _use(found: Target, workflow: str | None, file: Path) -> tuple[str, str]:
    """What an inputs file is for, and the command that takes it."""
    if workflow is None:
        return f"the topology {found.topology.name}", f"orch deploy {found.topology.file} --inputs {file}"
    deployment = f" --deployment {found.deployment.name}" if found.deployment else ""
    return f"the workflow {workflow} of {found.topology.name}", f"orch run {workflow}{deployment} --inputs {file}"


def _tell(session: Session, found: Target, workflow: str | None, known: list[InputUse]) -> None:
    if known:
        session.out(inputs_table(session, known))
    else:
        session.note(f"{workflow or found.topology.name} takes no inputs")
    if workflow is None:
        declared = [name for name in runnable_workflows(found.topology) if name in found.topology.workflows]
        for name in declared:
            of = f"--deployment {found.deployment.name}" if found.deployment else str(found.topology.file)
            session.note(f"of a run: orch inputs {of} {name}")


def inputs_table(session: Session, known: list[InputUse]) -> str:
    """The inputs, one a line."""
    rows = [
        [
            item.name,
            item.type,
            "required" if item.required else "",
            _default(item),
            item.description,
            ", ".join(item.used_by) or ("" if item.declared else "not declared"),
        ]
        for item in known
    ]
    return table(
        ["NAME", "TYPE", "REQUIRED", "DEFAULT", "DESCRIPTION", "USED BY"], rows, session.terminal, less=["USED BY"]
    )


def _default(item: InputUse) -> str:
    if item.default is None:
        return ""
    if is_private(item.name) and item.default != "":
        return "***"
    return '""' if item.default == "" else shown(item.default)


def _input_data(item: InputUse) -> dict[str, Any]:
    return {
        "name": item.name,
        "type": item.type,
        "required": item.required,
        "default": item.default,
        "description": item.description,
        "used_by": list(item.used_by),
        "declared": item.declared,
    }
