"""The databases: which SQLite there is, and whether the state can be reached, read and written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.app.doctor.finding import Found, State
from orchestrator.errors import ConfigurationError
from orchestrator.storage import user_name

if TYPE_CHECKING:
    from orchestrator.app.settings import Settings

_CLOCKS = 5.0
"""Seconds that the clocks of this machine and of a database server may differ."""


def sqlite(settings: Settings) -> Found:
    """Which SQLite is used."""
    from orchestrator.state import sqlite_in_use

    try:
        module, version, wanted = sqlite_in_use()
    except ConfigurationError as error:
        if settings.database_url is not None:
            return State.NOTE, f"{error.message}; it is not used: the state is in PostgreSQL"
        raise
    said = f"SQLite {version} (module {module})"
    if not wanted:
        return State.NOTE, f"{said}: old, orch adds what it lacks", "the package sqlean.py has a newer one"
    return State.OK, said


def state(settings: Settings) -> Found:
    """Whether the databases can be used, and which schema they have."""
    database = settings.database
    if not isinstance(database, Path):
        return _server(settings)
    from orchestrator.state import obstacle

    for file in (settings.home / "state.sqlite", settings.home / "dbos.sqlite"):
        hindered = obstacle(file)
        if hindered is not None:
            return State.FAULT, *hindered
    return _files(database, settings.home / "dbos.sqlite")


def _files(database: Path, durable: Path) -> Found:
    from orchestrator.state import look_into, newest_schema

    if not database.exists():
        return State.OK, f"{database} is not there yet; the first deployment makes it"
    owner = database.stat().st_uid
    if os.geteuid() not in (0, owner):
        # who reads it may leave files beside it that its owner cannot use
        return State.NOTE, f"{database} of {user_name(owner)}: not looked into"
    schema = look_into(database)
    if durable.exists():
        look_into(durable, ours=False)
    said = f"{database}: schema {schema or 'none yet'}"
    if schema is None and durable.exists() and durable.stat().st_size:
        lost = f"{database} is empty, while {durable} is not: what was recorded before is lost"
        return State.WARNING, lost, "restore it from a backup, or move both away to begin anew"
    if schema is not None and schema > newest_schema():
        return _newer(said)
    if schema is not None and schema < newest_schema():
        return State.NOTE, f"{said}, of an older orch; the next command brings it up to date"
    return State.OK, said


def _server(settings: Settings) -> Found:
    from orchestrator.state import look_into_server, newest_schema

    assert settings.database_url is not None
    found = look_into_server(settings.database_url)
    said = f"PostgreSQL {found.version}: schema {found.schema or 'none yet'}"
    if found.schema is not None and found.schema > newest_schema():
        return _newer(said)
    if not found.may_write:
        remedy = "GRANT CREATE ON DATABASE to this user, or name a database of its own"
        return State.FAULT, f"{said}: this user may not make or change tables there", remedy
    if abs(found.clock_ahead) > _CLOCKS:
        ahead = "ahead of" if found.clock_ahead > 0 else "behind"
        text = f"{said}; its clock is {abs(found.clock_ahead):.0f} s {ahead} this machine's"
        return State.WARNING, text, "have both clocks set (NTP)"
    return State.OK, said


def _newer(said: str) -> Found:
    return State.FAULT, f"{said}, newer than this orch knows", "use the orch that wrote it, or a newer one"
