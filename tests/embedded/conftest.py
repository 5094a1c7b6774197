"""Fixtures for tests of the whole: a home of its own for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.orch import Orch, Workflow


@pytest.fixture
def orch(tmp_path: Path) -> Iterator[Orch]:
    runner = Orch(tmp_path)
    yield runner
    runner.stop()


@pytest.fixture
def workflow(orch: Orch) -> Workflow:
    return Workflow(orch)


@pytest.fixture
def deployed(workflow: Workflow) -> Workflow:
    workflow.orch("deploy", workflow.topology)
    return workflow
