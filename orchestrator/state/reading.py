"""How somebody reads a SQLite database that belongs to another user: without leaving anything beside it.

SQLite makes files beside a database while somebody has it open, readers included, and they belong to who made them. A
reader that is killed leaves them, and then the owner of the database cannot write it any more. So who does not own it
reads it with what is there, and makes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestrator.state import sqlite


def is_of_another(database: Path) -> bool:
    """Whether a database is there and belongs to another user. What root makes is given to the owner by SQLite."""
    try:
        owner = database.stat().st_uid
    except OSError:
        return False
    return os.geteuid() not in (0, owner)


def may_only_read(database: Path) -> bool:
    """Whether a database belongs to another user and may not be written. Trying to would leave files of ours."""
    return is_of_another(database) and not os.access(database, os.W_OK)


def open_for_reading(database: Path) -> sa.Engine:
    """SQLAlchemy's engine that reads a SQLite database and makes no files; each connection looks anew how it may."""

    def connect() -> Any:
        connection = sqlite.driver().connect(
            _address(database), uri=True, check_same_thread=False, isolation_level=None
        )
        sqlite.prepare(connection)
        return connection

    url = sa.URL.create("sqlite", database=str(database))
    return sa.create_engine(url, module=sqlite.driver(), creator=connect, poolclass=sa.NullPool)


def _address(database: Path) -> str:
    """The database's address with how it is to be opened.

    Where its owner works with it, its files are there, and are only read. Where nobody does, all is in the database
    itself, which is read as if nothing could change it: otherwise SQLite would make them (https://sqlite.org/uri.html).
    """
    address = f"{database.absolute().as_uri()}?mode=ro"
    with database.open("rb") as file:
        # https://sqlite.org/fileformat.html: a rollback journal needs no files of readers
        if file.read(20)[18:20] != b"\x02\x02":
            return address
    log, index = (database.with_name(database.name + ending) for ending in ("-wal", "-shm"))
    if log.exists() and index.exists():
        return f"{address}&readonly_shm=1"
    # a log that nobody has read yet must be, whatever that makes
    return address if log.exists() and log.stat().st_size > 0 else f"{address}&immutable=1"
