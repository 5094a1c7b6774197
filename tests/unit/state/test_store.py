"""The store on SQLite, its schema, and the locks of owners."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.store_contract import StoreContract

from orchestrator.errors import StorageError
from orchestrator.state import FileOwner, Store


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: Store(tmp_path / "state.sqlite")


def test_a_database_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("this is no database at all, just some text " * 50)
    with pytest.raises(StorageError, match="state database"):
        Store(tmp_path / "state.sqlite")


class TestOwner:
    def test_a_living_owner_is_alive(self, tmp_path: Path) -> None:
        owner, other = FileOwner(tmp_path), FileOwner(tmp_path)
        owner.claim()
        assert other.alive(owner.executor_id)
        assert other.acquire(owner.executor_id) is None
        owner.release()
        assert not other.alive(owner.executor_id)

    def test_nobody_is_not_alive(self, tmp_path: Path) -> None:
        assert not FileOwner(tmp_path).alive(None)
        assert not FileOwner(tmp_path).alive("never-seen")

    def test_a_killed_process_gives_its_lock_up(self, tmp_path: Path) -> None:
        code = (
            "import sys, pathlib; from orchestrator.state import FileOwner\n"
            "o = FileOwner(pathlib.Path(sys.argv[1])); o.claim(); print(o.executor_id, flush=True); sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        executor_id = process.stdout.readline().strip()
        owner = FileOwner(tmp_path)
        assert owner.alive(executor_id)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while owner.alive(executor_id):
            assert time.monotonic() < deadline
        lock = owner.acquire(executor_id)
        assert lock is not None
        lock.release()

    def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = FileOwner(tmp_path).acquire("dead")
        assert first is not None
        opened = [(tmp_path / "dead.lock").open("a")]
        first.release()
        other = FileOwner(tmp_path).acquire("dead")
        assert other is not None
        late = FileOwner(tmp_path)
        open_now = late._open
        monkeypatch.setattr(late, "_open", lambda path: opened.pop() if opened else open_now(path))
        assert late.acquire("dead") is None
        other.release()
        assert late.acquire("dead") is not None

    def test_who_only_looks_makes_nobody_seem_alive(self, tmp_path: Path) -> None:
        dead = FileOwner(tmp_path).acquire("dead")
        assert dead is not None
        assert FileOwner(tmp_path).alive("dead")
        (tmp_path / "left.lock").touch()
        seen: list[bool] = []

        def look() -> None:
            seen.extend(FileOwner(tmp_path).alive("left") for _ in range(200))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not any(seen)
