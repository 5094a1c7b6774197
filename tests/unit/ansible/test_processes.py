"""The processes of a run are found and ended, others are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from orchestrator.ansible.processes import RUN_VARIABLE, Process, end_run, end_session, find_process, mark_of, members

FOREVER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
Started = tuple[subprocess.Popen[bytes], Process]


def start(words: list[str], **options: object) -> Started:
    child = subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True, **options)  # type: ignore[call-overload]
    assert child.stdout.readline() == b"up\n"
    process = find_process(child.pid)
    assert process is not None
    return child, process


@pytest.fixture
def leader() -> Iterator[Started]:
    started = start(FOREVER)
    yield started
    started[0].kill()
    started[0].wait()


def test_a_process_is_told_from_a_later_one_with_its_id(leader: Started) -> None:
    process = leader[1]
    assert process.is_alive()
    assert not Process(process.pid, process.start + 1).is_alive()
    end_session(process.pid, process.start + 1)
    assert process.is_alive()


def test_marked_processes_belong_to_the_run_even_without_their_leader(leader: Started) -> None:
    child, process = leader
    marked, orphan = start(FOREVER, env={**os.environ, RUN_VARIABLE: mark_of(process)})
    other, stranger = start(FOREVER, env={**os.environ, RUN_VARIABLE: mark_of(Process(process.pid, 1))})
    try:
        assert {process, orphan} <= members(process)
        assert stranger not in members(process)
        child.kill()
        child.wait()
        end_session(process.pid, float(process.start))
        assert not orphan.is_alive()
        assert stranger.is_alive()
    finally:
        for each in (marked, other):
            each.kill()
            each.wait()


def test_one_that_ignores_the_request_is_killed() -> None:
    child, process = start(STUBBORN)
    began = time.monotonic()
    end_run(process, grace=0.3)
    assert time.monotonic() - began >= 0.3
    assert not process.is_alive()
    child.wait()


def test_an_ended_process_that_was_not_collected_counts_as_gone(leader: Started) -> None:
    child, process = leader
    child.kill()
    end_run(process)
    assert not process.is_alive()
    assert find_process(process.pid) is None


def test_never_itself() -> None:
    own = find_process(os.getpid())
    assert own is not None
    assert own not in members(own)
