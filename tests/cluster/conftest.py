"""One cluster for all these tests; they run by themselves, for they stop parts of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.cluster import Cluster, slurm_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with slurm_cluster() as running:
        yield running
