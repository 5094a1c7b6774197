"""Somebody else reads a database: nothing is left beside it, and its owner can write it afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support import required

from orchestrator.errors import StorageError
from orchestrator.state import Deployment, DeploymentStatus, Store
from orchestrator.state.reading import is_of_another, open_for_reading

OWNER, READER = 61001, 61002


def as_user(user: int, act: Callable[[], object]) -> str:
    """Do something in a process of another user; what it gives, or raises, as text."""
    result, end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            os.umask(0o022)
            said = str(act())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(end, said.encode())
        os._exit(0)
    os.close(end)
    with os.fdopen(result) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def add(store: Store, name: str) -> None:
    now = time.time()
    status = DeploymentStatus.DEPLOYED
    store.add_deployment(Deployment(name, name, status, "f", b"{}", {}, {}, (), now, now))


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user may write to, with the database of one of them."""
    required(os.geteuid() == 0, "only root can be other users")
    with tempfile.TemporaryDirectory(prefix="orch-users-") as folder:
        os.chmod(folder, 0o777)
        assert as_user(OWNER, lambda: add(Store(Path(folder) / "state.sqlite"), "first")) == "None"
        yield Path(folder)


def names(home: Path) -> str:
    return " ".join(d.name for d in Store(home / "state.sqlite").deployments())


def files(home: Path) -> set[tuple[str, int]]:
    return {(path.name, path.stat().st_uid) for path in home.iterdir()}


def read_and_die(home: Path) -> None:
    assert is_of_another(home / "state.sqlite")
    store = Store(home / "state.sqlite")
    with store._read() as connection:
        connection.exec_driver_sql("select count(*) from deployments").fetchall()
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_reader_that_is_killed_leaves_nothing_and_hinders_nobody(home: Path) -> None:
    before = files(home)
    assert as_user(READER, lambda: names(home)) == "first"
    assert as_user(READER, lambda: read_and_die(home)) == ""
    assert {uid for _, uid in files(home)} == {OWNER}
    assert files(home) == before
    assert as_user(OWNER, lambda: add(Store(home / "state.sqlite"), "second")) == "None"
    assert as_user(READER, lambda: names(home)) == "first second"


def test_what_the_owner_is_writing_now_is_read(home: Path) -> None:
    store = Store(home / "state.sqlite")  # as root: its files belong to the owner
    add(store, "second")
    assert (home / "state.sqlite-wal").stat().st_size > 0
    for name in ("third", "fourth"):
        assert as_user(READER, lambda: names(home)) == " ".join(d.name for d in store.deployments())
        add(store, name)
    assert {uid for _, uid in files(home)} == {OWNER}


def test_who_may_not_write_it_leaves_nothing_by_trying(home: Path) -> None:
    before = files(home)
    said = as_user(READER, lambda: add(Store(home / "state.sqlite"), "mine"))
    assert said.startswith(StorageError.__name__)
    assert f"{home / 'state.sqlite'} belongs to" in said
    assert files(home) == before
    assert as_user(OWNER, lambda: add(Store(home / "state.sqlite"), "second")) == "None"
    assert as_user(READER, lambda: names(home)) == "first second"


def test_who_is_let_write_it_may(home: Path) -> None:
    for path in home.iterdir():
        path.chmod(0o666)
    assert as_user(READER, lambda: add(Store(home / "state.sqlite"), "mine")) == "None"
    assert as_user(OWNER, lambda: names(home)) == "first mine"


def test_a_rollback_journal_is_read_with_its_locks(home: Path) -> None:
    file = home / "state.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
    assert as_user(READER, lambda: names(home)) == "first"
    engine = open_for_reading(file)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select name from deployments").fetchall() == [("first",)]


def test_ones_own_database_and_none_at_all_are_nobody_elses(tmp_path: Path) -> None:
    assert not is_of_another(tmp_path / "state.sqlite")
    Store(tmp_path / "state.sqlite")
    assert not is_of_another(tmp_path / "state.sqlite")
