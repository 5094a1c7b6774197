"""Which SQLite is used, and what connections to an old one get."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import sqlalchemy as sa
from dbos._utils import retriable_sqlite_exception

from orchestrator.errors import ConfigurationError, StorageError
from orchestrator.state import databases, sqlite


def of_version(*version: int) -> ModuleType:
    return SimpleNamespace(sqlite_version_info=version, sqlite_version=".".join(map(str, version)))  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    sqlite.driver.cache_clear()
    yield
    sqlite.driver.cache_clear()


OLDEST, OLD, NEW = of_version(3, 26, 0), of_version(3, 40, 1), of_version(3, 50, 4)


@pytest.mark.parametrize(
    ("there", "used"),
    [
        ([NEW], NEW),
        ([OLD], OLD),
        ([OLD, NEW], NEW),
        ([OLDEST, OLD], OLD),
        ([of_version(3, 35, 0)], of_version(3, 35, 0)),
    ],
)
def test_the_first_that_has_all_or_else_the_newest_is_used(
    there: list[ModuleType], used: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_drivers", lambda: there)
    assert sqlite.driver() == used


@pytest.mark.parametrize("there", [[], [OLDEST], [of_version(3, 34, 1)]])
def test_too_old_a_sqlite_is_told_with_what_to_do(there: list[ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_drivers", lambda: there)
    with pytest.raises(ConfigurationError, match=r"orch needs SQLite 3\.35 or newer") as raised:
        sqlite.driver()
    assert "sqlean.py" in (raised.value.hint or "")
    assert "PostgreSQL" in (raised.value.hint or "")


def test_an_old_sqlite_knows_the_time_to_the_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dbos writes into its tables on Python 3.12 and newer."""
    monkeypatch.setattr(sqlite, "driver", lambda: OLD)
    with sqlite3.connect(":memory:") as connection:
        sqlite.prepare(connection)
        connection.execute("CREATE TABLE t (a, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))")
        connection.execute("INSERT INTO t (a) VALUES (1)")
        at, whole = connection.execute("SELECT at, unixepoch() FROM t").fetchone()
        assert abs(at / 1000 - whole) < 60
    connection.close()


def test_readers_do_not_wait_for_writers(tmp_path: Path) -> None:
    engine = databases.open_database(tmp_path / "state.sqlite")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


def test_where_there_is_no_shared_memory_a_rollback_journal_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "bears_write_ahead_log", lambda folder: False)
    engine = databases.open_database(tmp_path / "state.sqlite")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    engine.dispose()


def test_what_a_log_holds_is_kept_when_it_is_left(tmp_path: Path) -> None:
    here, there = tmp_path / "here.sqlite", tmp_path / "there.sqlite"
    with closing(
        sqlite.with_best_journal(partial(sqlite.driver().connect, here, isolation_level=None), here)
    ) as connection:
        assert sqlite.journal_mode(connection) == "wal"
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (7)")
        for end in ("", "-wal"):  # as a home is copied while somebody works in it
            shutil.copy(f"{here}{end}", f"{there}{end}")
    sqlite._leave_write_ahead_log(there)
    with closing(sqlite.driver().connect(there)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("SELECT a FROM t").fetchall() == [(7,)]


def test_a_database_with_another_journal_gets_a_log_where_that_can_be(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    with closing(sqlite.driver().connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("CREATE TABLE t (a)")
        connection.commit()
    with closing(sqlite.with_best_journal(partial(sqlite.driver().connect, file), file)) as connection:
        assert sqlite.journal_mode(connection) == "wal"
    assert [path.name for path in tmp_path.iterdir()] == ["state.sqlite"]


def test_both_databases_are_opened_with_the_same_sqlite(tmp_path: Path) -> None:
    for engine in (databases.open_database(tmp_path / "a"), databases.open_durable_database(tmp_path / "b", 3)):
        assert isinstance(engine, sa.Engine)
        assert engine.dialect.loaded_dbapi is sqlite.driver()
        with engine.connect() as connection:
            version = connection.exec_driver_sql("SELECT sqlite_version()").scalar()
            assert version == sqlite.driver().sqlite_version
        engine.dispose()


class TestLockedDurableDatabase:
    """Dbos asks again without end when it hears "database is locked"."""

    @pytest.fixture
    def engine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
        monkeypatch.setattr(sqlite, "LOCK_WAIT_SECONDS", 0.1)
        engine = databases.open_durable_database(tmp_path / "dbos.sqlite", 3)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
        return engine

    @pytest.mark.parametrize("statement", ["INSERT INTO t VALUES (1)", "DELETE FROM t", "CREATE TABLE u (a)"])
    def test_it_is_an_error_when_the_time_is_over(self, engine: sa.Engine, tmp_path: Path, statement: str) -> None:
        with closing(sqlite.driver().connect(tmp_path / "dbos.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StorageError, match="locked for") as caught, engine.begin() as connection:
                connection.exec_driver_sql(statement)
        assert caught.value.hint is not None
        assert "another program holds it" in caught.value.hint
        assert not retriable_sqlite_exception(caught.value)
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def test_what_is_wrong_otherwise_stays_what_it_is(self, engine: sa.Engine) -> None:
        with pytest.raises(sa.exc.OperationalError, match="no such table"), engine.begin() as connection:
            connection.exec_driver_sql("INSERT INTO locked VALUES (1)")


def test_space_is_given_back_unless_somebody_hinders_that(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    engine = databases.open_database(file)
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE t (a)")
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(1000000))")
        connection.exec_driver_sql("DELETE FROM t")
    engine.dispose()
    assert databases.compact(file)
    assert file.stat().st_size < 100_000
    (tmp_path / "none.sqlite").write_text("this is no database" * 100)
    assert not databases.compact(tmp_path / "none.sqlite")
