"""Which SQLite is used, and how a connection to it is made fit for our databases and for dbos's.

A Python has the SQLite that it was built with: 3.26 on RHEL 8, 3.34 on RHEL 9, 3.40 on Debian 12. dbos wants 3.42, so
where Python's own is older, the one in the package ``sqlean.py`` is used (docs/adr/0006). Where no such package can be
had, Python's own does from :data:`NEEDED` on, with the one function that it lacks added.
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.errors import MachineError

NEEDED = (3, 35, 0)
"""The oldest SQLite that works: ``RETURNING`` came with it (https://sqlite.org/lang_returning.html)."""

WANTED = (3, 42, 0)
"""From here on SQLite has all that dbos asks for: ``unixepoch('subsec')`` (https://sqlite.org/lang_datefunc.html)."""

_CANDIDATES = ("sqlite3", "sqlean.dbapi2")

LOCK_WAIT_SECONDS = 60
"""How long a locked database is waited for: somebody looks into the file with another program, or makes a backup."""


@cache
def driver() -> ModuleType:
    """The DB-API module that SQLite databases are opened with: Python's own, or a newer one where that is too old.

    Raises MachineError when all there are are too old.
    """
    found = _drivers()
    good = next((module for module in found if _version(module) >= WANTED), None)
    best = good or max(found, key=_version, default=None)
    if best is None or _version(best) < NEEDED:
        has = f"SQLite {best.sqlite_version}" if best is not None else "no SQLite"
        raise MachineError(
            f"this Python has {has}, and orch needs SQLite {_shown(NEEDED)} or newer",
            hint="install the package sqlean.py beside orch, use a Python with a newer SQLite (uv's Pythons have one), "
            "or keep the state in PostgreSQL (ORCH_DATABASE)",
        )
    return best


def prepare(connection: Any) -> None:
    """Have a new connection wait for locks, and know the functions that newer versions have."""
    connection.execute(f"PRAGMA busy_timeout={round(LOCK_WAIT_SECONDS * 1000)}")
    if _version(driver()) < WANTED:
        connection.create_function("unixepoch", -1, _unixepoch)


def with_best_journal(connect: Callable[[], Any], file: Path, *, improve: bool = True) -> Any:
    """A prepared connection that ``connect`` makes to a database, with readers that do not wait for writers.

    That wants a write-ahead log, and this memory that processes share through a file, which not every network file
    system has (https://sqlite.org/wal.html); a rollback journal does everywhere. A database that came from a place that
    has it loses nothing. Without ``improve`` a journal that can be used stays as it is.
    """
    connection = connect()
    try:
        return _journalled(connection, file, improve)
    except driver().OperationalError:
        connection.close()  # it has read enough to keep others out
        if bears_write_ahead_log(file.parent):
            raise
        _leave_write_ahead_log(file)
    return _journalled(connect(), file, improve)


def _journalled(connection: Any, file: Path, improve: bool) -> Any:
    prepare(connection)
    mode = journal_mode(connection)
    if improve and mode != "wal" and bears_write_ahead_log(file.parent):
        mode = journal_mode(connection, "WAL")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")
    return connection


@cache
def bears_write_ahead_log(folder: Path) -> bool:
    """Whether a database in a folder can have a write-ahead log: tried with another database."""
    try:
        with tempfile.TemporaryDirectory(prefix=".try-", dir=folder, ignore_cleanup_errors=True) as trial:
            with closing(driver().connect(Path(trial) / "trial.sqlite", isolation_level=None)) as connection:
                mode = journal_mode(connection, "WAL")
                connection.execute("CREATE TABLE trial (number INTEGER)")
            return mode == "wal"
    except (OSError, driver().OperationalError):
        return False


def _leave_write_ahead_log(file: Path) -> None:
    """Have a database whose log cannot be used have a rollback journal; what the log holds is kept.

    Who has the database alone needs no shared memory, if it is said before the database is read.
    """
    with closing(driver().connect(file, isolation_level=None)) as connection:
        prepare(connection)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        journal_mode(connection, "DELETE")


def journal_mode(connection: Any, wanted: str = "") -> str:
    """The journal of a connection's database; first it is changed, where one is wanted and can be had."""
    return str(connection.execute(f"PRAGMA journal_mode{'=' if wanted else ''}{wanted}").fetchone()[0])


def _drivers() -> list[ModuleType]:
    found = []
    for name in _CANDIDATES:
        with contextlib.suppress(ImportError):
            found.append(importlib.import_module(name))
            if _version(found[-1]) >= WANTED:
                break
    return found


def _version(module: ModuleType) -> tuple[int, ...]:
    return tuple(module.sqlite_version_info)


def _shown(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version[:2]))


def _unixepoch(*arguments: str) -> float | int:
    """SQLite's function of that name for the present moment, in seconds; with ``subsec``, to the millisecond."""
    now = time.time()
    return round(now, 3) if "subsec" in arguments or "subsecond" in arguments else int(now)
