"""Shared by all tests: what is fast and what is not is computed, never remembered."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support import required
from support.orch import Orch, Workflow

# the same examples every time in CI, and no verdict by the clock on a shared machine
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT.parent / "shared" / "samples" / "eflows4hpc"


def pytest_configure() -> None:
    """What the parent ignores (nohup, background jobs of scripts) is not ignored here, nor by what tests start."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything outside tests/unit uses real processes or services."""
    for item in items:
        if "unit" not in Path(item.path).relative_to(ROOT / "tests").parts:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def samples() -> Path:
    """The folder of public sample documents beside the checkout."""
    required(SAMPLES.is_dir(), f"no public samples at {SAMPLES}")
    return SAMPLES


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
