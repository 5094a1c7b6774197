"""``orch explain``."""

from __future__ import annotations

import click

from orchestrator.app.explain import KINDS, SECTIONS
from orchestrator.app.explain import explain as find
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import paragraph, table
from orchestrator.tosca import ProblemKind


@click.command(cls=Command)
@click.argument("code", required=False)
@pass_session
def explain(session: Session, code: str | None) -> None:
    """Say what the code of a problem or an error stands for.

    Codes stand in brackets behind every message. Without CODE all of them are listed.

    \b
    Examples:
      orch explain T0401
      orch explain
    """
    if code is None:
        _list(session)
        return
    kind = find(code)
    if session.json:
        session.data(_data(kind))
        return
    session.out(session.terminal.styled(f"{kind.code}: {kind.title}", bold=True))
    session.out(paragraph(kind.explanation, session.terminal))
    session.out(f"{session.terminal.styled('remedy:', 'cyan', bold=True)} {kind.remedy}")


def _list(session: Session) -> None:
    if session.json:
        session.data([_data(kind) for kind in KINDS.values()])
        return
    for number, (section, kinds) in enumerate(SECTIONS.items()):
        if number:
            session.out()
        session.note(section)
        session.out(table(["CODE", "TITLE"], [[kind.code, kind.title] for kind in kinds], session.terminal))


def _data(kind: ProblemKind) -> dict[str, str]:
    return {"code": kind.code, "title": kind.title, "explanation": kind.explanation, "remedy": kind.remedy}
