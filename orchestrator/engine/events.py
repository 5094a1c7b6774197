"""Events of executions, written in batches: they are not worth a transaction each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from orchestrator.errors import StorageError
from orchestrator.model.values import Value
from orchestrator.state import Event, Store

_FLUSH_SECONDS = 0.1


class EventWriter:
    """Takes events from any thread and stores them soon, in order. ``on_error`` hears when they cannot be stored."""

    def __init__(self, store: Store, on_error: Callable[[StorageError], None]) -> None:
        self._store = store
        self._on_error = on_error
        self._pending: list[Event] = []
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        threading.Thread(target=self._loop, name="orch-events", daemon=True).start()

    def add(
        self,
        execution_id: str,
        kind: str,
        text: str,
        *,
        level: str = "info",
        step: str | None = None,
        node: str | None = None,
        instance: str | None = None,
        data: Mapping[str, Value] | None = None,
    ) -> None:
        """Take an event. ``kind``: execution, step, state, job, task, output."""
        event = Event(0, execution_id, time.time(), kind, level, text, step, node, data, instance)
        with self._lock:
            self._pending.append(event)
        self._wake.set()

    def flush(self) -> None:
        """Store all that was taken so far. Raises StorageError."""
        with self._flushing:
            with self._lock:
                batch, self._pending = self._pending, []
            self._store.add_events(batch)

    def _loop(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            try:
                self.flush()
            except StorageError as error:
                self._on_error(error)
            # let a burst of events gather into one transaction
            threading.Event().wait(_FLUSH_SECONDS)
