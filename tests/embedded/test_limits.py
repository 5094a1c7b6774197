"""The limit of a site holds over all workers, whatever happens to them."""

from __future__ import annotations

import pytest
from support.limits import a_place_outlives_its_worker, two_workers_keep_the_limit
from support.orch import Orch

from orchestrator.state import FileOwner, Store


def store_of(orch: Orch) -> Store:
    return Store(orch.home / "state.sqlite", alive=FileOwner(orch.home / "locks").alive)


@pytest.mark.parametrize("limit", [1, 2])
def test_two_workers_keep_the_limit(orch: Orch, limit: int) -> None:
    two_workers_keep_the_limit(orch, lambda: store_of(orch), limit)


def test_a_place_outlives_its_worker(orch: Orch) -> None:
    a_place_outlives_its_worker(orch, lambda: store_of(orch))
