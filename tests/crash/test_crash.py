"""The crash test in short: a dozen executions; `make crash` runs as many as wanted."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import small_file_system

from crash.driver import Crash
from crash.scenario import ACTS, Act, scenarios
from crash.traces import Harm, Run, Step, Traces, falsely_said, repeated_jobs, untrue


@pytest.mark.parametrize(("seed", "workers", "count"), [(1, 0, 8), (2, 2, 2)])
def test_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path, seed: int, workers: int, count: int) -> None:
    said: list[str] = []
    tally = Crash(tmp_path / "crash", said.append, workers=workers).run(seed, count)
    assert tally.wrong == [], "\n".join(said)
    assert tally.executions == count
    assert tally.acts.total() >= count, "\n".join(said)


def test_nothing_is_lost_when_the_disk_is_full(tmp_path: Path) -> None:
    said: list[str] = []
    with small_file_system(tmp_path / "disk", "16m") as disk:
        tally = Crash(tmp_path / "crash", said.append, lanes=1, acts=(Act.DISK,), disk=disk).run(1, 2)
    assert tally.wrong == [], "\n".join(said)
    assert tally.acts[Act.DISK] > 0


def test_a_seed_tells_all() -> None:
    assert scenarios(7, 50) == scenarios(7, 50)
    assert scenarios(7, 50) != scenarios(8, 50)
    assert scenarios(7, 50)[:20] == scenarios(7, 20)


def test_all_acts_are_in_half_as_many_executions() -> None:
    for seed in range(10):
        planned = {move.act for scenario in scenarios(seed, len(ACTS)) for move in scenario.moves}
        assert planned >= set(ACTS)


def traces(*lines: str) -> Traces:
    """Traces as a file would have them, with a second between the lines."""
    found = Traces()
    for number, line in enumerate(lines):
        word, node, operation, name = line.split()
        found.lines.append((word, Run(node, operation, name, time=float(number))))
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


BEFORE, AFTER, IN_BETWEEN, STRUCK = Harm(-5, -3), Harm(5, 9), Harm(0.5, 9), Harm(5, 9, frozenset("a"))


@pytest.mark.parametrize(
    ("state", "last", "harm", "wrong"),
    [
        ("completed", "end", IN_BETWEEN, False),
        ("completed", "fail", IN_BETWEEN, True),
        ("completed", None, IN_BETWEEN, True),
        ("failed", "fail", BEFORE, False),
        ("failed", "end", BEFORE, True),
        ("failed", None, BEFORE, True),
        ("failed", None, STRUCK, False),
        ("vanished", "end", STRUCK, False),
        ("cancelled", "end", AFTER, True),
        ("cancelled", "end", BEFORE, True),
        ("cancelled", "end", IN_BETWEEN, False),
        ("cancelled", "fail", AFTER, True),
        ("cancelled", None, AFTER, False),
        ("running", "end", AFTER, False),
    ],
)
def test_what_is_said_of_a_job_is_what_it_says_itself(state: str, last: str | None, harm: Harm, wrong: bool) -> None:
    told = traces("begin N job a", *([f"{last} N job a"] if last else []))
    assert bool(falsely_said([{"token": "a", "state": state}], told, [harm], 0.1)) is wrong


def test_a_job_that_ended_well_is_not_to_be_run_again() -> None:
    told = traces("begin N job a", "end N job a", "begin N job b")
    assert repeated_jobs(told, [AFTER], 0.1) != []
    assert repeated_jobs(told, [STRUCK], 0.1) == repeated_jobs(told, [IN_BETWEEN], 0.1) == []
    assert repeated_jobs(traces("begin N job a", "fail N job a", "begin N job b"), [], 0.1) == []
