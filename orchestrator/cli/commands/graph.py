"""``orch graph``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from orchestrator.app.graphs import ENDINGS, PictureFormat, draw
from orchestrator.cli import completing
from orchestrator.cli.options import Command, deployment_option
from orchestrator.cli.session import Session, pass_session
from orchestrator.errors import StorageError, UserError


@click.command(cls=Command)
@click.argument("target", required=False, metavar="[FILE|EXECUTION]", shell_complete=completing.targets_and_executions)
@click.argument("workflow", required=False, shell_complete=completing.workflows)
@deployment_option()
@click.option(
    "--format",
    "format_name",
    type=click.Choice([f.value for f in PictureFormat]),
    help="Default: as the ending of FILE says, else svg.",
)
@click.option("-o", "--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="Where to write it.")
@pass_session
def graph(
    session: Session,
    target: str | None,
    workflow: str | None,
    deployment: str | None,
    format_name: str | None,
    file: Path | None,
) -> None:
    """Draw a topology, a workflow or an execution.

    That of a topology file, of a deployment, or of an execution, whose steps are then coloured by how far they are.
    With WORKFLOW its plan is drawn, else the nodes and their relationships. Without -o the picture goes to the standard
    output.

    \b
    Examples:
      orch graph topology.yaml -o topology.svg
      orch graph topology.yaml exec_job --format mermaid
      orch graph --deployment wordcount exec_job -o plan.png
      orch graph 3f2a91c0 -o execution.svg
    """
    wanted = PictureFormat(format_name) if format_name else _by_ending(file)
    if file is None and wanted is PictureFormat.PNG and sys.stdout.isatty():
        raise UserError("a PNG picture is not for a terminal", hint="name a file with -o")
    picture = draw(session.home, target, workflow, deployment, wanted)
    if file is None:
        newline = b"" if wanted is PictureFormat.PNG or picture.endswith(b"\n") else b"\n"
        sys.stdout.buffer.write(picture + newline)
        return
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise StorageError(f"{file}: the picture cannot be written: {error.strerror}", hint="see -o") from error
    if session.json:
        session.data({"file": str(file), "format": wanted.value})
    session.note(str(file))


def _by_ending(file: Path | None) -> PictureFormat:
    return ENDINGS.get(file.suffix.lower(), PictureFormat.SVG) if file else PictureFormat.SVG
