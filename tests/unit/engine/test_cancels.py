"""One query tells all executions of a process what is to be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from support.store_contract import execution

from orchestrator.engine.cancels import CancelWatch
from orchestrator.errors import StorageError
from orchestrator.state import CancelRequest, ExecutionStatus, StepStatus, Store


class Counting(Store):
    """A real store that counts its answers, and fails when told to."""

    asked = 0
    broken = False

    def cancel_requests(self, executions: Sequence[str]) -> list[CancelRequest]:
        self.asked += 1
        if self.broken:
            raise StorageError("gone")
        return super().cancel_requests(executions)


async def until(condition: object, watch: object = None) -> None:
    for _ in range(500):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


def test_each_hears_its_own_and_one_query_serves_all(tmp_path: Path) -> None:
    store = Counting(tmp_path / "state.sqlite")
    for i in range(50):
        store.add_execution(execution(f"e{i:02}", status=ExecutionStatus.RUNNING))
    heard: dict[str, set[str | None]] = {f"e{i:02}": set() for i in range(50)}

    async def scenario() -> None:
        watch = CancelWatch(store, 0.01)
        blocks = [watch.watching(name, told.add) for name, told in heard.items()]
        for block in blocks:
            block.__enter__()
        await until(lambda: store.asked >= 3)
        assert not any(heard.values())
        store.request_cancel("e07")
        store.begin_step("e09", "s", 1)
        assert store.request_step_cancel(store.execution("e09"), "s")
        store.broken = True
        before = store.asked
        await until(lambda: store.asked >= before + 3)
        store.broken = False
        await until(lambda: heard["e07"] and heard["e09"])
        for block in blocks:
            block.__exit__(None, None, None)
        asked = store.asked
        await asyncio.sleep(0.1)
        assert store.asked <= asked + 1

    asyncio.run(scenario())
    assert {name: told for name, told in heard.items() if told} == {"e07": {None}, "e09": {"s"}}


def test_a_step_that_has_not_begun_is_cancelled_by_the_request(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.sqlite")
    store.add_execution(execution())
    assert store.request_step_cancel(execution(), "later")
    entry = store.ledger_entry("e1", "later")
    assert entry is not None
    assert (entry.status, entry.cancel_requested is None) == (StepStatus.CANCELLED, False)
    store.begin_step("e1", "done", 1)
    store.end_step("e1", "done", StepStatus.DONE)
    assert not store.request_step_cancel(execution(), "done")
    # another attempt knows nothing of it
    assert store.claim(execution(), "me", 2)
    assert store.cancel_requests(["e1"]) == []
