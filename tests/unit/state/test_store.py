"""The store and the locks of owners."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from orchestrator.errors import StorageError, UserError
from orchestrator.model.jobs import JobReference, JobState
from orchestrator.state import (
    Deployment,
    DeploymentStatus,
    Event,
    Execution,
    ExecutionStatus,
    Failure,
    JobRecord,
    Owner,
    StepStatus,
    Store,
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.sqlite")


def deployment(id_: str = "d1", name: str = "n", **changes: object) -> Deployment:
    made = Deployment(
        id_, name, DeploymentStatus.DEPLOYING, "/t.yaml", b"{}", {"a": [1]}, {"E": "local"}, ("/s.yaml",), 1.0, 1.0
    )
    return msgspec.structs.replace(made, **changes)


def execution(id_: str = "e1", **changes: object) -> Execution:
    made = Execution(
        id_, "d1", "install", ExecutionStatus.QUEUED, 1, {"x": "y"}, b"{}", None, None, 1.0, None, None, None
    )
    return msgspec.structs.replace(made, **changes)


def test_a_deployment_comes_back_as_it_was(store: Store) -> None:
    store.add_deployment(deployment())
    assert store.deployments() == [deployment()]


def test_a_name_belongs_to_one_living_deployment(store: Store) -> None:
    store.add_deployment(deployment())
    with pytest.raises(UserError, match="exists already"):
        store.add_deployment(deployment("d2"))
    store.set_deployment_status("d1", DeploymentStatus.UNDEPLOYED)
    store.add_deployment(deployment("d2"))
    assert [d.id for d in store.deployments()] == ["d2"]
    assert [d.id for d in store.deployments(all_=True)] == ["d1", "d2"]


def test_an_execution_is_claimed_once(store: Store) -> None:
    store.add_execution(execution())
    assert store.claim(execution(), "one", 1)
    assert not store.claim(execution(), "two", 1)
    assert store.execution("e1").owner == "one"


def test_executions_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    for id_ in ("abc1", "abd2"):
        store.add_execution(execution(id_))
    assert store.execution("abd").id == "abd2"
    with pytest.raises(UserError, match="several"):
        store.execution("ab")
    with pytest.raises(UserError, match="no execution '%'"):
        store.execution("%")


def test_the_end_of_an_execution_and_of_its_deployment_are_one(store: Store) -> None:
    store.add_deployment(deployment())
    store.add_execution(execution())
    failure = Failure("it broke", step="s", output="tail")
    store.end_execution(execution(), ExecutionStatus.FAILED, failure, DeploymentStatus.DEPLOY_FAILED)
    assert store.execution("e1").failure == failure
    assert store.deployment("d1").status is DeploymentStatus.DEPLOY_FAILED


def test_the_ledger_keeps_the_last_word(store: Store) -> None:
    store.begin_step("e1", "s", 1)
    store.end_step("e1", "s", StepStatus.FAILED, Failure("no"))
    store.begin_step("e1", "s", 2)
    store.end_step("e1", "s", StepStatus.DONE)
    entry = store.ledger_entry("e1", "s")
    assert entry is not None
    assert (entry.status, entry.attempt, entry.failure) == (StepStatus.DONE, 2, None)


def test_states_are_recorded_with_their_steps(store: Store) -> None:
    store.record_states(execution(), [("s1", "N", "starting"), ("s2", "N", "started")], "0")
    assert store.node_states("d1") == {"N": {"0": "started"}}
    assert {s: e.status for s, e in store.ledger("e1").items()} == {"s1": StepStatus.DONE, "s2": StepStatus.DONE}


def test_jobs_are_kept_by_generation(store: Store) -> None:
    reference = JobReference("local", "launcher", "t-1", "t-1")
    job = JobRecord("e1", "N", 1, "s", reference, JobState.QUEUED, "", False, 1.0, None)
    store.put_job(job)
    store.put_job(msgspec.structs.replace(job, state=JobState.FAILED, seen=True))
    store.put_job(msgspec.structs.replace(job, generation=2, created=2.0))
    assert [(j.generation, j.state) for j in store.jobs("e1")] == [(1, JobState.FAILED), (2, JobState.QUEUED)]


def test_an_execution_reads_its_own_outputs_before_those_of_others(store: Store) -> None:
    key = ("Runnable", "submit", "path")
    for id_ in ("e1", "e2"):
        store.put_outputs("d1", id_, "N", "0", ("Runnable", "submit"), {"path": f"/{id_}"})
    assert store.output("d1", "e1", "N", "0", key) == "/e1"
    assert store.output("d1", None, "N", "0", key) == "/e2"
    assert store.output("d1", "e1", "N", "0", ("Runnable", "submit", "other")) is None


def test_events_are_read_on_from_where_one_was(store: Store) -> None:
    store.add_events([Event(0, "e1", float(i), "step", "info", str(i), data={"i": i}) for i in range(3)])
    first = store.events("e1", limit=1)[0]
    assert [e.text for e in store.events("e1", after=first.id)] == ["1", "2"]


def test_many_writers_lose_nothing(store: Store, tmp_path: Path) -> None:
    def write(name: str) -> None:
        own = Store(tmp_path / "state.sqlite")
        for i in range(50):
            own.begin_step("e1", f"{name}{i}", 1)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.ledger("e1")) == 200


def test_a_database_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_text("this is no database at all, just some text " * 50)
    with pytest.raises(StorageError, match="state database"):
        Store(tmp_path / "state.sqlite")


class TestOwner:
    def test_a_living_owner_is_alive(self, tmp_path: Path) -> None:
        owner, other = Owner(tmp_path), Owner(tmp_path)
        owner.claim()
        assert other.alive(owner.executor_id)
        assert other.acquire(owner.executor_id) is None
        owner.release()
        assert not other.alive(owner.executor_id)

    def test_nobody_is_not_alive(self, tmp_path: Path) -> None:
        assert not Owner(tmp_path).alive(None)
        assert not Owner(tmp_path).alive("never-seen")

    def test_a_killed_process_gives_its_lock_up(self, tmp_path: Path) -> None:
        code = (
            "import sys, pathlib; from orchestrator.state import Owner\n"
            "o = Owner(pathlib.Path(sys.argv[1])); o.claim(); print(o.executor_id, flush=True); sys.stdin.read()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        executor_id = process.stdout.readline().strip()
        owner = Owner(tmp_path)
        assert owner.alive(executor_id)
        process.kill()
        process.wait()
        deadline = time.monotonic() + 10
        while owner.alive(executor_id):
            assert time.monotonic() < deadline
        lock = owner.acquire(executor_id)
        assert lock is not None
        lock.release()
