"""Why something cannot be written: said with whose it is, and what to do."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from orchestrator.errors import StorageError
from orchestrator.state import look_into, obstacle, unusable
from orchestrator.storage import owner_name, user_name, what_to_do, why_unwritable


@pytest.mark.parametrize(
    ("number", "said", "remedy"),
    [
        (errno.ENOSPC, "no space is left", "make room"),
        (errno.EDQUOT, "quota", "make room"),
        (errno.EROFS, "read-only", "ORCH_HOME"),
        (errno.EACCES, "may not write there", "a folder of your own"),
        (errno.EPERM, "may not write there", "a folder of your own"),
        (errno.ENOTDIR, "a file is where a folder belongs", "ORCH_HOME"),
        (errno.EIO, "Input/output error", "ORCH_HOME"),
    ],
)
def test_each_reason_has_its_remedy(number: int, said: str, remedy: str, tmp_path: Path) -> None:
    what, todo = why_unwritable(tmp_path / "not" / "there", OSError(number, os.strerror(number)))
    assert said in what
    assert str(tmp_path) in what
    assert remedy in todo
    assert ("room" in todo) == (number in (errno.ENOSPC, errno.EDQUOT))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, user_name()),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, "try again"),
    ],
)
def test_what_to_do_about_any_file(number: int, said: str) -> None:
    assert said in what_to_do(OSError(number, os.strerror(number)))


def test_whose_it_is(tmp_path: Path) -> None:
    what, _ = why_unwritable(tmp_path, OSError(errno.EACCES, "Permission denied"))
    assert f"{tmp_path} belongs to {owner_name(tmp_path)}, and {user_name()} may not" in what
    assert user_name(987654321) == "user 987654321"


def test_a_folder_of_ones_own_that_is_closed(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    what, todo = why_unwritable(closed / "state.sqlite", OSError(errno.EACCES, "Permission denied"))
    assert what == f"{closed} is your own, and closed to writing"
    assert todo == f"chmod u+rwx {closed}"


def test_nothing_hinders_in_a_folder_of_ones_own(tmp_path: Path) -> None:
    assert obstacle(tmp_path / "state.sqlite") is None
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_gone_is_named(tmp_path: Path) -> None:
    found = obstacle(tmp_path / "gone" / "state.sqlite")
    assert found is not None
    assert str(tmp_path / "gone") in found[0]


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("database is locked", "another program holds it"),
        ("database disk image is malformed", "backup"),
        ("file is not a database", "backup"),
        ("database or disk is full", "make room"),
        ("disk I/O error", "try again"),
    ],
)
def test_what_sqlite_says_is_followed_by_what_to_do(said: str, hint: str, tmp_path: Path) -> None:
    error = unusable("the state database", tmp_path / "state.sqlite", said)
    assert said in error.message
    assert hint in (error.hint or "")
    assert (error.advice or "").endswith("; `orch doctor` tells more")


@pytest.mark.parametrize("content", [b"no database at all" * 500, b"SQLite format 3\0" + b"\xff" * 9000])
def test_a_file_that_is_no_database(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    file.write_bytes(content)
    with pytest.raises(StorageError, match=r"state\.sqlite"):
        look_into(file)
    assert file.read_bytes() == content


def test_a_torn_page_is_found(tmp_path: Path) -> None:
    file = tmp_path / "state.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 900,)] * 50)
    connection.close()
    content = bytearray(file.read_bytes())
    content[8192:12288] = b"\x77" * 4096
    file.write_bytes(content)
    with pytest.raises(StorageError, match=r"damaged|malformed"):
        look_into(file)
