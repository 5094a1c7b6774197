"""The crash test in short: a dozen executions; `make crash` runs as many as wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash.driver import Crash
from crash.scenario import scenarios
from crash.traces import Run, Step, Traces, untrue


@pytest.mark.parametrize(("seed", "workers"), [(1, 0), (2, 2)])
def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path, seed: int, workers: int) -> None:
    said: list[str] = []
    tally = Crash(tmp_path, said.append, workers=workers).run(seed, 6)
    assert tally.wrong == [], "\n".join(said)
    assert tally.executions == 6
    assert tally.kills > 0


def test_a_seed_tells_all() -> None:
    assert scenarios(7, 50) == scenarios(7, 50)
    assert scenarios(7, 50) != scenarios(8, 50)
    assert scenarios(7, 50)[:20] == scenarios(7, 20)


def traces(*lines: str) -> Traces:
    """Traces as a file would have them."""
    found = Traces()
    for line in lines:
        word, node, operation, name = line.split()
        found.lines.append((word, Run(node, operation, name)))
    return found


def test_what_is_wrong_is_seen() -> None:
    task = Step("left", "Left", "work", "work", "done", 1)
    job = Step("run", "Native", "Runnable", "run", "done", 1)
    assert untrue([task, job], traces("begin Left work.work 1", "begin Native job a")) != []
    assert untrue([task], traces("begin Left work.work 1", "end Left work.work 1")) == []
    assert untrue([job], traces("begin Native job a", "end Native job a")) == []
    assert traces("begin A work.work 1", "begin A work.work 2", "end A work.work 1").overlapping() != []
    assert traces("begin A work.work 1", "begin A work.work 2", "end A work.work 2").overlapping() == []
    assert traces("begin N job a", "begin N job a").doubled_jobs() != []
    assert traces("begin N job a", "end N job a", "begin N job b").doubled_jobs() == []
