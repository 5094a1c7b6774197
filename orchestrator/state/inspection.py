"""Looking into a database without changing it."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from orchestrator.errors import StorageError
from orchestrator.model.values import Secret
from orchestrator.state import sqlite
from orchestrator.state import tables as t
from orchestrator.state.databases import open_database, translated
from orchestrator.state.schema import refuse_foreign
from orchestrator.storage import ELSEWHERE

_BUSY_SECONDS = 3
_CHECKED_WHOLE = 32 * 1024**2
"""Bytes up to which a SQLite file is read from end to end."""


@dataclass(frozen=True)
class ServerFound:
    """A PostgreSQL server: its version, our schema's version there (None: no tables yet), whether this user may make
    or change the tables, and by how many seconds its clock is ahead of ours."""

    version: str
    schema: str | None
    may_write: bool
    clock_ahead: float


def newest_schema() -> str:
    """The schema's version that this orch knows."""
    return t.HEAD


def sqlite_in_use() -> tuple[str, str, bool]:
    """The module and version of the SQLite in use, and whether it has all that is wanted.

    Raises ConfigurationError when all there are are too old.
    """
    driver = sqlite.driver()
    return driver.__name__, driver.sqlite_version, tuple(driver.sqlite_version_info) >= sqlite.WANTED


def journal_mode(file: Path) -> str:
    """The journal that a new SQLite database gets at this place.

    Raises StorageError when there cannot be one, ConfigurationError when there is no SQLite.
    """
    driver = sqlite.driver()
    try:
        connect = partial(driver.connect, file, isolation_level=None)
        with closing(sqlite.with_best_journal(connect, file)) as connection:
            mode = sqlite.journal_mode(connection)
            connection.execute("CREATE TABLE trial (number INTEGER)")
            connection.execute("INSERT INTO trial VALUES (1)")
    except driver.Error as error:
        raise StorageError(f"{file.parent} can hold no SQLite database: {error}", hint=ELSEWHERE) from error
    return mode


def look_into(file: Path, *, ours: bool = True) -> str | None:
    """The schema's version in a SQLite file; None when it has none. A small file is read from end to end.

    ``ours``: whether all its tables should be ours. Raises StorageError when it cannot be read, is damaged, or should
    be ours and is another program's.
    """
    driver = sqlite.driver()
    try:
        connect = partial(driver.connect, f"file:{quote(str(file))}?mode=rw", uri=True, timeout=_BUSY_SECONDS)
        with closing(sqlite.with_best_journal(connect, file, improve=False)) as connection:
            connection.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000}")
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            found = None
            if t.version.name in names:
                found = connection.execute(f"SELECT version_num FROM {t.version.name}").fetchone()  # noqa: S608
            damage = _damage(connection) if file.stat().st_size <= _CHECKED_WHOLE else None
    except driver.Error as error:
        raise StorageError(
            f"{file} cannot be read: {error}",
            hint="restore it from a backup; or move it away to begin anew; or end the program that holds it",
        ) from error
    if damage is not None:
        raise StorageError(f"{file} is damaged: {damage}", hint="restore it from a backup")
    if ours:
        refuse_foreign(names)
    return str(found[0]) if found else None


def _damage(connection: Any) -> str | None:
    said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    return None if said == "ok" else said


def look_into_server(url: Secret) -> ServerFound:
    """What there is at a PostgreSQL database. Raises StorageError when it cannot be reached, ConfigurationError."""
    engine = open_database(url, poolclass=sa.NullPool)
    try:
        with translated(engine), engine.connect() as connection:
            version = str(connection.execute(sa.text("SHOW server_version")).scalar()).split(" ")[0]
            now = connection.execute(sa.text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS float)")).scalar()
            ahead = float(now or 0) - time.time()
            there = connection.execute(sa.text("SELECT to_regclass(:name)"), {"name": f"{t.SCHEMA}.{t.version.name}"})
            if there.scalar() is None:
                may = "SELECT has_database_privilege(current_database(), 'CREATE')"
                return ServerFound(version, None, bool(connection.execute(sa.text(may)).scalar()), ahead)
            may = f"SELECT has_schema_privilege('{t.SCHEMA}', 'CREATE')"
            may_write = bool(connection.execute(sa.text(may)).scalar())
            schema = connection.execute(sa.select(t.version.c.version_num)).scalar_one_or_none()
            return ServerFound(version, schema, may_write, ahead)
    finally:
        engine.dispose()
