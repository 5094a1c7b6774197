"""``orch doctor``."""

from __future__ import annotations

import click

from orchestrator.app.doctor import Finding, State, examine
from orchestrator.cli.options import Command
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted, table


@click.command(cls=Command)
@pass_session
def doctor(session: Session) -> int:
    """See whether this machine and orch's home have what orch needs, and what to do where they do not.

    Looked at: Python and packages, Ansible (by a trial), dbos, SQLite or PostgreSQL, the home and what its file system
    can do (by trials), secrets or Vault, sites, programs that are called, time zone and clock.

    A note is worth knowing; a warning means that something does not work, or soon will not; with a fault orch cannot
    work. The exit status is 0 when nothing is a fault, else 1.

    \b
    Examples:
      orch doctor
      orch doctor --json
    """
    found = examine(session.environment, session.home_folder, session.sites_file)
    status = 1 if any(item.state is State.FAULT for item in found) else 0
    if session.json:
        session.data([_data(item) for item in found])
        return status
    shown = [item for item in found if item.state is not State.OK] if session.quiet else found
    if shown:
        rows = [row for item in shown for row in _rows(item)]
        session.out(table(["STATE", "WHAT", "FOUND"], rows, session.terminal, states=0))
    session.note(_total(found))
    return status


def _data(item: Finding) -> dict[str, str]:
    return {"name": item.name, "state": item.state.value, "found": item.found, "remedy": item.remedy}


def _rows(item: Finding) -> list[list[str]]:
    """What was found; and below it what to do."""
    rows = [[item.state.value, item.name, item.found]]
    return rows if not item.remedy else [*rows, ["", "", f"to do: {item.remedy}"]]


def _total(found: list[Finding]) -> str:
    count = {state: sum(item.state is state for item in found) for state in State}
    if count[State.FAULT] or count[State.WARNING]:
        worse = [(State.FAULT, "fault"), (State.WARNING, "warning"), (State.NOTE, "note")]
        return ", ".join(counted(count[state], noun) for state, noun in worse if count[state])
    return "all is well"
