"""The schema's version: looked at once when a store is opened, and brought up to date when that is safe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import sqlalchemy as sa

from orchestrator.errors import StorageError
from orchestrator.state import tables as t

_LEGACY = "orch_schema"
"""The table in which version 1 kept its number."""

_SHOWN = 5

Alive = Callable[[str | None], bool]


def is_current(connection: sa.Connection) -> bool:
    """Whether the database has the schema that this orch knows: one cheap query.

    Raises StorageError when it is newer.
    """
    try:
        found = connection.execute(sa.select(t.version.c.version_num)).scalar_one_or_none()
    except (sa.exc.OperationalError, sa.exc.ProgrammingError):  # there is no such table
        connection.rollback()
        return False
    return _refused_when_newer(found) == t.HEAD


def bring_up_to_date(connection: sa.Connection, alive: Alive) -> None:
    """Make the tables, or change those of an older version, in the transaction of the connection.

    Raises StorageError when the database is newer, or is being worked on by a process of an older orch.
    """
    if connection.dialect.name == "postgresql":
        # two processes must not both make the tables; the lock ends with the transaction
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7305806813)"))
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {t.SCHEMA}"))
    inspector = sa.inspect(connection)
    found: str | None = None
    if inspector.has_table(t.version.name):
        found = _refused_when_newer(connection.execute(sa.select(t.version.c.version_num)).scalar_one_or_none())
    elif inspector.has_table(_LEGACY):
        found = "0001"
        t.version.create(connection)
        connection.execute(sa.insert(t.version).values(version_num=found))
    if found is None:
        schema = t.SCHEMA if connection.dialect.name == "postgresql" else None
        refuse_foreign(inspector.get_table_names(schema))
        t.metadata.create_all(connection)
        connection.execute(sa.insert(t.version).values(version_num=t.HEAD))
    elif found != t.HEAD:
        _refuse_while_busy(connection, alive)
        _migrate(connection)


def refuse_foreign(names: Iterable[str]) -> None:
    """Raises StorageError for tables that are there where no orch has left its version: another program's."""
    found = set(names)
    if found and not found & {t.version.name, _LEGACY}:
        shown = ", ".join(sorted(found)[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
        raise StorageError(
            f"the state database is another program's: it has the tables {shown}, and no version of orch",
            hint="move it away, or let ORCH_HOME or ORCH_DATABASE name another place",
        )


def _refused_when_newer(found: str | None) -> str | None:
    if found is not None and found > t.HEAD:
        raise StorageError(
            f"the database has schema version {found}, newer than this orch, which knows {t.HEAD}",
            hint="use the version of orch that wrote it, or newer; or another ORCH_HOME",
        )
    return found


def _refuse_while_busy(connection: sa.Connection, alive: Alive) -> None:
    rows = connection.execute(sa.text("SELECT id, owner FROM executions WHERE status = 'running'"))
    busy = [row.id for row in rows if alive(row.owner)]
    if busy:
        raise StorageError(
            f"the database is of an older orch, which is carrying executions out: {', '.join(busy)}",
            hint="let them end, or detach from them (Ctrl-C) and resume them with this orch",
        )


def _migrate(connection: sa.Connection) -> None:
    from alembic import command  # heavy, and hardly ever needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
