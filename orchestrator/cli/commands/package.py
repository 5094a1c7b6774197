"""``orch package``, ``orch unpack`` and ``orch lock``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.app import packaging
from orchestrator.cli.failures import problem_data, problems_text
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted


@click.command(cls=Command)
@click.argument("topology", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The CSAR (default: <name>-<version>.csar here). A CSAR that is there is replaced.",
)
@pass_session
def package(session: Session, topology: Path, out: Path | None) -> None:
    """Pack a topology, with all that it needs, into one file (a CSAR).

    Of a topology go in: its documents, the playbooks and scripts of its operations with what lies about them, its
    artifacts, the profiles of your own that it imports, and `registry` and `orch.lock` beside it. Of a folder goes in
    everything that is not hidden. The same sources give the same file, byte for byte.

    \b
    Examples:
      orch package topology.yaml
      orch package topology.yaml -o wordcount.csar
      orch package my-profile/
    """
    made = packaging.package(session.home.settings, topology, out)
    if session.json:
        session.data(
            {
                "file": str(made.file),
                "name": made.name,
                "version": made.version,
                "files": list(made.files),
                "problems": [problem_data(problem) for problem in made.problems],
            }
        )
        return
    if made.problems:
        session.err(problems_text(made.problems, session.error_terminal))
    session.note(f"{made.file}: {made.name} {made.version}".rstrip() + f", {counted(len(made.files), 'file')}")


@click.command(cls=Command)
@click.argument("csar", type=click.Path(path_type=Path))
@click.option(
    "-d",
    "--directory",
    "folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to (default: a folder of the archive's name, here). It must be new or empty.",
)
@pass_session
def unpack(session: Session, csar: Path, folder: Path | None) -> None:
    """Unpack a CSAR, if that is safe.

    Nothing is unpacked from an archive that would write outside its folder, that holds links leading outside, or that
    would grow beyond reason.

    \b
    Examples:
      orch unpack wordcount.csar
      orch unpack wordcount.csar -d /tmp/wordcount
    """
    found = packaging.unpack(csar, folder)
    if session.json:
        session.data(
            {
                "folder": str(found.folder),
                "entry": str(found.entry),
                "name": found.name,
                "version": found.version,
                "sha256": found.digest,
            }
        )
        return
    session.note(f"{csar} is unpacked into {found.folder}; its topology is {found.entry}")


@click.command(cls=Command)
@click.argument("topology", type=click.Path(path_type=Path))
@pass_session
def lock(session: Session, topology: Path) -> None:
    """Write down what a topology is made of, in `orch.lock` beside it.

    Every document, every profile with its version, and every file that carries out an operation is noted with its
    SHA-256. From then on the topology is read only as long as all of them are the same.

    \b
    Examples:
      orch lock topology.yaml
      orch lock wordcount.csar
    """
    locked = packaging.lock(session.home.settings, topology)
    profiles = sorted({file.profile for file in locked.topology.documents if file.profile is not None})
    if session.json:
        files = [*locked.topology.documents, *locked.topology.files]
        session.data(
            {
                "file": str(locked.file),
                "changed": locked.changed,
                "profiles": profiles,
                "files": [{"path": f.path, "profile": f.profile, "sha256": f.sha256} for f in files],
            }
        )
        return
    documents, others = len(locked.topology.documents), len(locked.topology.files)
    what = f"{counted(documents, 'document')}, {counted(others, 'other file')}"
    session.note(f"{locked.file}: {what}" + (f"; profiles: {', '.join(profiles)}" if profiles else ""))
    if locked.changed:
        session.note("it said something else before")
