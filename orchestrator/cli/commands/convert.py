"""``orch convert``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.app.convert import NEWEST, Converted, Fate
from orchestrator.app.convert import convert as write
from orchestrator.cli.failures import place_text, problem_data, problems_text
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import clean

_HEADINGS = {
    Fate.LOST: "not in the new document:",
    Fate.EXTENSION: "kept, though the Simple Profile does not have it (other orchestrators may refuse it):",
    Fate.CHANGED: "written in another way:",
}


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", default=NEWEST, show_default=True, metavar="DIALECT", help="The dialect to write.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write into a new file, not to the output."
)
@pass_session
def convert(session: Session, file: Path, to: str, output: Path | None) -> None:
    """Write a topology or a file of types in TOSCA Simple Profile 1.3.

    What comes out is one document that means the same: types of other files are written into it, the profiles that
    ship with orch are imported. What it cannot hold, or only orch will understand, is said.

    \b
    Examples:
      orch convert alien-topology.yaml
      orch convert alien-topology.yaml --to tosca_simple_yaml_1_3 -o topology.yaml
    """
    made = write(session.home.settings, file, to=to, output=output)
    if session.json:
        session.data(_data(made, output))
        return
    if made.problems and not session.quiet:
        session.err(problems_text(made.problems, session.error_terminal))
    if output is None:
        session.out(made.text.rstrip("\n"))
    else:
        session.note(f"{output}: {to}")
    if not session.quiet:
        _tell(session, made)


def _tell(session: Session, made: Converted) -> None:
    for fate, heading in _HEADINGS.items():
        found = [remark for remark in made.remarks if remark.fate is fate]
        if not found:
            continue
        session.err(session.error_terminal.styled(heading, "yellow" if fate is Fate.LOST else None, bold=True))
        for remark in found:
            times = f"{remark.count} times, first at " if remark.count > 1 else ""
            place = f" ({times}{place_text(remark.span)})" if remark.span is not None else ""
            session.err(f"  {clean(remark.message)}{place}")


def _data(made: Converted, output: Path | None) -> dict[str, Any]:
    return {
        "file": str(output) if output is not None else None,
        "text": made.text,
        "remarks": [
            {
                "fate": remark.fate.value,
                "message": remark.message,
                "count": remark.count,
                "file": remark.span.file if remark.span else None,
                "line": remark.span.line if remark.span else None,
                "column": remark.span.column if remark.span else None,
            }
            for remark in made.remarks
        ],
        "problems": [problem_data(problem) for problem in made.problems],
    }
