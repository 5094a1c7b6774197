"""Cancel requests: one query per interval tells all executions of a process what somebody asked to cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.errors import StorageError
from orchestrator.state import Store

OnRequest = Callable[[str | None], None]
"""Hears what is to be cancelled: a step, or with None the whole execution; the same request may be told again."""


class CancelWatch:
    """Looks for cancel requests of the executions that are watched, every ``interval`` seconds, while there are any.

    To be used from one event loop.
    """

    def __init__(self, store: Store, interval: float) -> None:
        self._store = store
        self._interval = interval
        self._watched: dict[str, OnRequest] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, execution_id: str, on_request: OnRequest) -> Iterator[None]:
        """Have ``on_request`` called for an execution while the block runs."""
        self._watched[execution_id] = on_request
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())
        try:
            yield
        finally:
            self._watched.pop(execution_id, None)

    async def _look(self) -> None:
        while self._watched:
            try:
                requests = await asyncio.to_thread(self._store.cancel_requests, list(self._watched))
            except StorageError:
                requests = []  # who is carried out will meet it, too; asked again when the database is back
            for request in requests:
                heard = self._watched.get(request.execution)
                if heard is not None:
                    heard(request.step)
            await asyncio.sleep(self._interval)
