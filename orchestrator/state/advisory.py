"""Ownership on PostgreSQL: advisory locks on a connection that this process keeps open for its life.

The server releases them when the connection is gone. That it notices a machine which is suddenly gone within seconds
is asked of it with keep-alive settings of that connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from hashlib import blake2b

import sqlalchemy as sa

from orchestrator.errors import StorageError
from orchestrator.model.values import Secret
from orchestrator.state.databases import open_database, translated
from orchestrator.state.ownership import new_executor_id

_CHECK_SECONDS = 1.0
_SERVER_SETTINGS = ("tcp_keepalives_idle = 3", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 2")
_HELD_BY_ANYBODY = sa.text(
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND classid = CAST(:high AS bigint)::oid AND objid = CAST(:low AS bigint)::oid"
)


class AdvisoryLock:
    """An advisory lock that is held."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release

    def release(self) -> None:
        """Give it back."""
        self._release()


class AdvisoryOwner:
    """Advisory locks of one database: for processes of several machines."""

    def __init__(self, database: Secret, name: str = "") -> None:
        self.executor_id = new_executor_id(name)
        self._engine = open_database(database, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self._guard = threading.RLock()
        self._connection: sa.Connection | None = None
        # PostgreSQL gives a lock to the same connection twice, so what this process holds is known here
        self._keys: dict[str, int] = {}
        self._lost = False

    def claim(self) -> None:
        """See :class:`orchestrator.state.Owner`."""
        with self._guard:
            if self.executor_id not in self._keys and self.acquire(self.executor_id) is None:
                raise StorageError("the lock of a new process is already held in the database")

    def release(self) -> None:
        """See :class:`orchestrator.state.Owner`."""
        self._give_back(self.executor_id)

    def acquire(self, executor_id: str) -> AdvisoryLock | None:
        """See :class:`orchestrator.state.Owner`."""
        with self._guard:
            if executor_id in self._keys:
                return None
            key = _key(executor_id)
            if not self._ask(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key}):
                return None
            self._keys[executor_id] = key
        return AdvisoryLock(lambda: self._give_back(executor_id))

    def alive(self, executor_id: str | None) -> bool:
        """See :class:`orchestrator.state.Owner`."""
        if executor_id is None:
            return False
        with self._guard:
            if executor_id == self.executor_id and executor_id in self._keys:
                return not self._lost
            key = _key(executor_id) % 2**64
            return bool(self._ask(_HELD_BY_ANYBODY, {"high": key >> 32, "low": key & 0xFFFFFFFF}))

    def held(self) -> bool:
        """See :class:`orchestrator.state.Owner`."""
        with self._guard:
            if self.executor_id in self._keys and not self._lost:
                try:
                    self._ask(sa.text("SELECT 1"), {})
                except StorageError:
                    return False
            return not self._lost

    def watch(self, lost: Callable[[], None]) -> None:
        """See :class:`orchestrator.state.Owner`."""

        def look() -> None:
            while self.held():
                threading.Event().wait(_CHECK_SECONDS)
            lost()

        threading.Thread(target=look, name="orch-owner", daemon=True).start()

    def _ask(self, statement: sa.TextClause, values: dict[str, int]) -> object:
        """The one value that a statement gives, on the connection that holds the locks."""
        if self._lost:
            raise StorageError(
                "the connection to the database that held this process's lock was lost",
                hint="when the database can be reached again: `orch executions resume`, or start the worker again",
            )
        try:
            with translated(self._engine):
                if self._connection is None:
                    self._connection = self._engine.connect()
                    for setting in _SERVER_SETTINGS:
                        self._connection.execute(sa.text(f"SET {setting}"))
                return self._connection.execute(statement, values).scalar()
        except StorageError:
            # a new connection would not hold what this one held
            self._lost = bool(self._keys)
            self._connection = None
            raise

    def _give_back(self, executor_id: str) -> None:
        with self._guard:
            key = self._keys.get(executor_id)
            if key is not None and not self._lost:
                self._ask(sa.text("SELECT pg_advisory_unlock(:key)"), {"key": key})
            self._keys.pop(executor_id, None)


def _key(executor_id: str) -> int:
    """The lock's number: signed, 64 bits."""
    return int.from_bytes(blake2b(f"orch:{executor_id}".encode(), digest_size=8).digest(), signed=True)
