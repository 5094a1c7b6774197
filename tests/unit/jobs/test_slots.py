"""Places for jobs: the limits of sites."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.limits import INTERVAL, PATIENCE, PlacesContract, job, running, wanted

from orchestrator.errors import StorageError
from orchestrator.jobs import ExecutionSlots, SiteSlots
from orchestrator.state import Store, WantedPlace


@pytest.fixture
def open_store(tmp_path: Path) -> Callable[[], Store]:
    return lambda: Store(tmp_path / "state.sqlite")


class TestSqlitePlaces(PlacesContract):
    """The contract, on SQLite."""


class Counting(Store):
    """A store that tells how often it was asked for places, and by how many at once."""

    def __init__(self, database: Path) -> None:
        super().__init__(database)
        self.asked: list[int] = []
        self.broken = False

    def take_places(self, wanted: Any) -> list[WantedPlace]:
        self.asked.append(len(wanted))
        if self.broken:
            raise StorageError("gone")
        return super().take_places(wanted)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    store = Counting(tmp_path / "state.sqlite")
    running(store, "e1")
    return store


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, PATIENCE))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(INTERVAL / 10)


def slots_of(store: Store, limit: int | None) -> ExecutionSlots:
    return ExecutionSlots(SiteSlots(store, INTERVAL), "e1", lambda _: limit)


def test_without_a_limit_nothing_is_recorded_or_asked(store: Counting) -> None:
    async def work() -> None:
        slots = slots_of(store, None)
        for token in ("a", "b"):
            assert await slots.take(job(token))
            await slots.occupy(job(token))
        assert store.places() == []
        await slots.give_back(job("a"))

    run(work())
    assert store.asked == []


def test_all_who_wait_are_asked_for_at_once_and_first_come_first_served(store: Counting) -> None:
    order: list[str] = []

    async def one(slots: ExecutionSlots, token: str) -> None:
        await slots.take(job(token))
        order.append(token)
        await slots.give_back(job(token))

    async def work() -> None:
        store.occupy_place(wanted("held"))
        slots = slots_of(store, 1)
        waiting = [asyncio.ensure_future(one(slots, token)) for token in "abcde"]
        await until(lambda: len(store.asked) >= 3)
        assert set(store.asked[1:]) == {5}
        store.give_back_place("hpc", "held")
        await asyncio.gather(*waiting)
        asked = len(store.asked)
        await asyncio.sleep(5 * INTERVAL)
        assert len(store.asked) == asked  # nobody waits, so nobody asks

    run(work())
    assert order == list("abcde")


def test_who_gives_up_waiting_leaves_no_place_behind(store: Counting) -> None:
    async def work() -> None:
        slots = slots_of(store, 1)
        await slots.take(job("a"))
        given_up = asyncio.ensure_future(slots.take(job("b")))
        waiting = asyncio.ensure_future(slots.take(job("c")))
        await until(lambda: 2 in store.asked)
        given_up.cancel()
        await slots.give_back(job("a"))
        await waiting
        assert [token for _, token, _ in store.places()] == ["c"]

    run(work())


def test_a_place_that_comes_too_late_is_given_back(store: Counting) -> None:
    async def work() -> None:
        slots = slots_of(store, 1)
        taking = asyncio.ensure_future(slots.take(job("a")))
        await until(lambda: bool(store.asked))
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await asyncio.wait_for(slots.take(job("b")), PATIENCE)

    run(work())


def test_one_who_comes_back_after_a_crash_has_its_place(store: Counting) -> None:
    async def work() -> None:
        assert await slots_of(store, 1).take(job("a"))
        again = slots_of(store, 1)
        assert await again.take(job("a"))
        await again.occupy(job("a"))
        assert len(store.places()) == 1
        await slots_of(store, 1).give_back(job("a"))  # by yet another process
        assert store.places() == []

    run(work())


def test_a_broken_store_is_told_to_all_who_wait(store: Counting) -> None:
    async def work() -> None:
        slots = slots_of(store, 1)
        store.broken = True
        said = await asyncio.gather(*(slots.take(job(t)) for t in "ab"), return_exceptions=True)
        assert [type(error) for error in said] == [StorageError, StorageError]
        store.broken = False
        assert await slots.take(job("a"))

    run(work())
