"""How the databases are reached: a SQLite file of the home, or PostgreSQL for several machines.

On PostgreSQL all tables are in the schema ``orch``, which every connection has as its search path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.errors import MachineError, StorageError
from orchestrator.model.values import Secret
from orchestrator.state import sqlite
from orchestrator.state.obstacles import obstacle
from orchestrator.state.tables import SCHEMA

_COMPACT_SECONDS = 10
"""How long to wait for others who work with a database before it is compacted."""

DURABLE = "the database of durable executions"

_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")
_LOCKED = re.compile("database( table)? is locked")
_HOST = re.compile(r"[A-Za-z0-9._:%-]*")
# a server or a network that is gone must be noticed in seconds, not after TCP's two hours
_NOTICED_SOON = {
    "connect_timeout": 10,
    "keepalives_idle": 3,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "tcp_user_timeout": 8000,
}


def open_database(database: Path | Secret, **options: Any) -> sa.Engine:
    """SQLAlchemy's engine for a SQLite file or the URL of a PostgreSQL database; it connects when first used.

    Raises MachineError when the URL is none of PostgreSQL, or the SQLite that is there is too old. The URL is
    never shown: it may hold a password.
    """
    if isinstance(database, Path):
        engine = _sqlite_engine(database, **options)
        sa.event.listen(engine, "do_connect", partial(_connect_sqlite, database))
        return engine
    if "poolclass" not in options:
        # servers admit about a hundred connections from all processes together
        options = {"pool_pre_ping": True, "pool_size": 5, "max_overflow": 5, **options}
    engine = sa.create_engine(_postgresql_url(database), connect_args={**_NOTICED_SOON}, **options)
    sa.event.listen(engine, "connect", _prepare_postgresql)
    return engine


def open_durable_database(file: Path, connections: int) -> sa.Engine:
    """SQLAlchemy's engine for the SQLite file that belongs to dbos, with as many connections at the most.

    It is what dbos would make by itself, but for the SQLite in use, and that the wait for a lock has an end: what is
    done with it raises StorageError then. Raises MachineError when the SQLite that is there is too old.
    """
    engine = _sqlite_engine(file, pool_size=connections, max_overflow=0, pool_pre_ping=True)
    sa.event.listen(engine, "connect", _prepare_durable)
    sa.event.listen(engine, "handle_error", partial(_end_wait, file))
    return engine


def _end_wait(file: Path, context: sa.engine.ExceptionContext) -> None:
    """Raises StorageError for a lock that was waited for in vain: dbos would wait again, and for ever."""
    if _LOCKED.match(str(context.original_exception)):
        said = f"it was locked for {sqlite.LOCK_WAIT_SECONDS} s"
        raise unusable(DURABLE, file, said) from context.original_exception


def compact(file: Path) -> bool:
    """Give the space of what was deleted from a SQLite database back; False when somebody hinders that."""
    driver = sqlite.driver()
    try:
        with closing(driver.connect(file, isolation_level=None)) as connection:
            sqlite.prepare(connection)
            connection.execute(f"PRAGMA busy_timeout={_COMPACT_SECONDS * 1000}")
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except driver.Error:
        return False
    return True


def _sqlite_engine(file: Path, **options: Any) -> sa.Engine:
    return sa.create_engine(sa.URL.create("sqlite", database=str(file)), module=sqlite.driver(), **options)


def insert_of(engine: sa.Engine) -> Any:
    """The INSERT of a database that knows what to do on a conflict; the other database's dialect is not loaded."""
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert
    from sqlalchemy.dialects import postgresql

    return postgresql.insert


def _postgresql_url(text: Secret) -> sa.URL:
    hint = "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special characters percent-encoded (@ is %40), "
    hint += "in ORCH_DATABASE or as `database` of config.yaml in orch's home"
    try:
        url = sa.make_url(text.reveal())
    except (sa.exc.ArgumentError, ValueError):
        raise MachineError("the URL of the database cannot be understood", hint=hint) from None
    if url.drivername not in _POSTGRESQL:
        raise MachineError("the database must be a PostgreSQL database", hint=hint)
    if text.reveal().count("@") > 1 or not _HOST.fullmatch(url.host or ""):
        raise MachineError("the URL of the database cannot be understood", hint=hint)
    if not url.database:
        raise MachineError("the URL of the database does not name a database", hint=hint)
    return url.set(drivername="postgresql+psycopg")


def _connect_sqlite(file: Path, dialect: Any, _record: object, words: Any, settings: dict[str, Any]) -> Any:
    connection = sqlite.with_best_journal(lambda: dialect.connect(*words, **settings), file)
    connection.isolation_level = None  # transactions are begun by hand, see Store._write
    return connection


def _prepare_durable(connection: Any, _record: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    sqlite.prepare(connection)
    connection.execute("PRAGMA foreign_keys=ON")


def _prepare_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET search_path TO {SCHEMA}")
    connection.commit()  # the pool rolls back what it gets back, and the setting with it


@contextmanager
def translated(engine: sa.Engine) -> Iterator[None]:
    """Raises StorageError for whatever goes wrong with the database, but IntegrityError as it is."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
        said = getattr(error, "orig", None) or error
        raise _unusable("the state database", engine.url.database, engine.dialect.name, str(said)) from error


def unusable(what: str, database: Path | Secret, said: str) -> StorageError:
    """The error for a database that cannot be used: ``said`` is what its driver says, which may mislead."""
    file = str(database) if isinstance(database, Path) else None
    return _unusable(what, file, "sqlite" if file else "postgresql", said)


def _unusable(what: str, file: str | None, dialect: str, said: str) -> StorageError:
    if dialect != "sqlite":
        named = "ORCH_DATABASE or config.yaml names it"
        hint = f"see that the database server runs, can be reached and lets this user in ({named})"
        return StorageError(f"{what} cannot be used: {said}", hint=hint)
    hindered = obstacle(Path(file)) if file else None
    if hindered is not None:
        found, remedy = hindered
        return StorageError(f"{what} cannot be used: {found} ({said})", hint=remedy)
    if "locked" in said:
        hint = "another program holds it: end that, or try again when it has ended"
    elif "full" in said:
        hint = "make room on its disk"
    elif "malformed" in said or "not a database" in said:
        hint = f"{file} is damaged: restore it from a backup, or move it away to begin anew"
    else:
        hint = "try again"
    return StorageError(f"{what} cannot be used: {said}", hint=hint)
