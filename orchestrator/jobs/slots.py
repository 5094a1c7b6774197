"""How many jobs a site takes at once, over all processes of one home or one database.

Who holds a place is in the store, so the limit of a site holds whatever number of workers there are, and a place
outlives the process that took it: the job does, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.model.jobs import JobReference
from orchestrator.state import Store, WantedPlace

_INTERVAL_SECONDS = 0.25
_chance = secrets.SystemRandom()


@dataclass(eq=False)
class _Waiter:
    place: WantedPlace
    taken: asyncio.Future[None]


class SiteSlots:
    """Places for jobs, for all executions of this process. To be used from one event loop.

    While somebody waits, the store is asked once per ``interval`` (seconds) for all who wait; who waits longest in this
    process comes first. Between processes chance decides: a place that was given back goes to whoever asks next.
    """

    def __init__(self, store: Store, interval: float = _INTERVAL_SECONDS) -> None:
        self._store = store
        self._interval = interval
        self._waiting: list[_Waiter] = []
        self._come = asyncio.Event()
        self._asking: asyncio.Task[None] | None = None

    async def take(self, wanted: WantedPlace) -> None:
        """Wait for a place. Can be cancelled. Raises StorageError."""
        waiter = _Waiter(wanted, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._come.set()
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())
        try:
            await waiter.taken
        except asyncio.CancelledError:
            if waiter.taken.done() and not waiter.taken.cancelled():  # both came in the same moment
                await self.give_back(wanted.site, wanted.token)
            raise
        finally:
            self._waiting.remove(waiter)

    async def occupy(self, wanted: WantedPlace) -> None:
        """Take a place whatever the limit is: for a job that is there already. Raises StorageError."""
        await asyncio.to_thread(self._store.occupy_place, wanted)

    async def give_back(self, site: str, token: str) -> None:
        """Give a place back, if one is held under the token. Raises StorageError."""
        await asyncio.to_thread(self._store.give_back_place, site, token)

    async def _ask(self) -> None:
        try:
            while self._waiting:
                self._come.clear()
                wanted = [waiter.place for waiter in self._waiting if not waiter.taken.done()]
                await self._hand_out(await asyncio.to_thread(self._store.take_places, wanted))
                # not in step with other processes: whose turn comes first after a place is free is to be chance
                pause = self._interval * _chance.uniform(0.5, 1.5)
                with contextlib.suppress(TimeoutError):
                    if self._waiting:
                        await asyncio.wait_for(self._come.wait(), pause)
        except Exception as error:
            for waiter in self._waiting:
                if not waiter.taken.done():
                    waiter.taken.set_exception(error)

    async def _hand_out(self, taken: list[WantedPlace]) -> None:
        for place in taken:
            waiters = [w for w in self._waiting if w.place == place and not w.taken.done()]
            for waiter in waiters:
                waiter.taken.set_result(None)
            if not waiters:
                # who waited for it has given up meanwhile
                await self.give_back(place.site, place.token)


class ExecutionSlots:
    """The places for the jobs of one execution. ``limit_of`` gives a site's limit, None for none.

    Nothing is recorded at sites without a limit.
    """

    def __init__(self, slots: SiteSlots, execution_id: str, limit_of: Callable[[str], int | None]) -> None:
        self._slots = slots
        self._execution_id = execution_id
        self._limit_of = limit_of
        self._held: set[str] = set()

    async def take(self, job: JobReference) -> bool:
        """Wait for a place for a job; True when there is one. One job takes one place, however often it asks."""
        wanted = self._wanted(job)
        if wanted is not None:
            await self._slots.take(wanted)
            self._held.add(job.token)
        return True

    async def occupy(self, job: JobReference) -> None:
        """Take a place whatever the limit is, unless there is one: for a job that is there already."""
        wanted = self._wanted(job)
        if wanted is not None and job.token not in self._held:
            await self._slots.occupy(wanted)
            self._held.add(job.token)

    async def give_back(self, job: JobReference) -> None:
        """Give the place of a job back, if it has one."""
        if job.token in self._held or self._wanted(job) is not None:
            await self._slots.give_back(job.site, job.token)
            self._held.discard(job.token)

    def _wanted(self, job: JobReference) -> WantedPlace | None:
        limit = self._limit_of(job.site)
        return None if limit is None else WantedPlace(job.site, job.token, self._execution_id, limit)
