"""What a store does, whatever its database: run over SQLite by tests/unit, over PostgreSQL by tests/services."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from orchestrator.errors import UserError
from orchestrator.model.jobs import JobReference, JobState
from orchestrator.state import (
    Deployment,
    DeploymentStatus,
    Event,
    EventFilter,
    Execution,
    ExecutionStatus,
    Failure,
    JobRecord,
    Rework,
    StepStatus,
    Store,
    WorkedOn,
)
from orchestrator.state.pruning import Pruning

EXCLUSIVE = ("install", "update", "uninstall")


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


class StoreContract:
    """To be inherited; the fixture ``open_store`` opens the same database again and again."""

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Store:
        return open_store()

    def test_a_deployment_comes_back_as_it_was(self, store: Store) -> None:
        store.add_deployment(deployment())
        assert store.deployments() == [deployment()]

    def test_a_name_belongs_to_one_living_deployment(self, store: Store) -> None:
        store.add_deployment(deployment())
        with pytest.raises(UserError, match="exists already"):
            store.add_deployment(deployment("d2"))
        store.set_deployment_status("d1", DeploymentStatus.UNDEPLOYED)
        store.add_deployment(deployment("d2"))
        assert [d.id for d in store.deployments()] == ["d2"]
        assert [d.id for d in store.deployments(all_=True)] == ["d1", "d2"]

    def test_an_execution_is_claimed_once(self, store: Store) -> None:
        store.add_execution(execution())
        assert store.claim(execution(), "one", 1)
        assert not store.claim(execution(), "two", 1)
        assert store.execution("e1").owner == "one"

    def test_executions_are_found_by_the_beginning_of_their_id(self, store: Store) -> None:
        for id_ in ("abc1", "abd2"):
            store.add_execution(execution(id_))
        assert store.execution("abd").id == "abd2"
        with pytest.raises(UserError, match="several"):
            store.execution("ab")
        with pytest.raises(UserError, match="no execution '%'"):
            store.execution("%")

    def test_the_end_of_an_execution_and_of_its_deployment_are_one(self, store: Store) -> None:
        store.add_deployment(deployment())
        store.add_execution(execution())
        failure = Failure("it broke", step="s", output="tail")
        store.end_execution(execution(), ExecutionStatus.FAILED, failure, DeploymentStatus.DEPLOY_FAILED)
        assert store.execution("e1").failure == failure
        assert store.deployment("d1").status is DeploymentStatus.DEPLOY_FAILED

    def test_the_ledger_keeps_the_last_word(self, store: Store) -> None:
        store.begin_step("e1", "s", 1)
        store.end_step("e1", "s", StepStatus.FAILED, Failure("no"))
        store.begin_step("e1", "s", 2)
        store.end_step("e1", "s", StepStatus.DONE)
        entry = store.ledger_entry("e1", "s")
        assert entry is not None
        assert (entry.status, entry.attempt, entry.failure) == (StepStatus.DONE, 2, None)

    def test_states_are_recorded_with_their_steps(self, store: Store) -> None:
        store.record_states(execution(), [("s1", "N", ("0", "1"), "starting"), ("s2", "N", ("0",), "started")])
        assert store.node_states("d1") == {"N": {"0": "started", "1": "starting"}}
        assert {s: e.status for s, e in store.ledger("e1").items()} == {"s1": StepStatus.DONE, "s2": StepStatus.DONE}

    def test_steps_that_set_no_state_at_all(self, store: Store) -> None:
        store.record_states(execution(), [])
        store.record_states(execution(), [("s", "N", (), "started")])
        assert store.node_states("d1") == {}
        assert list(store.ledger("e1")) == ["s"]

    @pytest.mark.parametrize("before", ["started", "configured", "creating", None])
    def test_a_success_ends_the_error_of_a_node(self, store: Store, before: str | None) -> None:
        both = WorkedOn("d1", "N", ("0", "1"))
        store.record_states(execution(), [("s0", "M", ("0",), "started")])
        if before is not None:
            store.record_states(execution(), [("s0", "N", ("0", "1"), before)])
        states = store.node_states("d1")
        store.begin_step("e1", "s", 1)
        for _ in range(2):
            store.end_step("e1", "s", StepStatus.FAILED, Failure("no"), worked_on=both)
            assert store.node_states("d1")["N"] == {"0": "error", "1": "error"}
        store.end_step("e1", "s", StepStatus.CANCELLED, worked_on=both)
        assert store.node_states("d1")["N"] == {"0": "error", "1": "error"}
        store.end_step("e1", "s", StepStatus.DONE, worked_on=both)
        assert store.node_states("d1") == states
        store.end_step("e1", "s", StepStatus.DONE, worked_on=both)
        assert store.node_states("d1") == states

    def test_only_what_was_worked_on_leaves_the_error(self, store: Store) -> None:
        store.record_states(execution(), [("s0", "N", ("0", "1"), "started")])
        store.begin_step("e1", "s", 1)
        store.end_step("e1", "s", StepStatus.FAILED, worked_on=WorkedOn("d1", "N", ("0", "1")))
        store.end_step("e1", "s", StepStatus.DONE, worked_on=WorkedOn("d1", "N", ("1",)))
        store.end_step("e1", "s", StepStatus.DONE, worked_on=WorkedOn("d1", "M", ("0",)))
        assert store.node_states("d1")["N"] == {"0": "error", "1": "started"}
        # a state that is set is no error any more, and what was before is forgotten
        store.record_states(execution(), [("s0", "N", ("0",), "creating")])
        store.end_step("e1", "s", StepStatus.FAILED, worked_on=WorkedOn("d1", "N", ("0",)))
        store.end_step("e1", "s", StepStatus.DONE, worked_on=WorkedOn("d1", "N", ("0",)))
        assert store.node_states("d1")["N"] == {"0": "creating", "1": "started"}

    def test_the_id_of_an_execution_goes_before_those_that_begin_with_it(self, store: Store) -> None:
        for id_ in ("abcd", "abc", "abce", "ab"):
            store.add_execution(execution(id_))
        assert store.execution("ab").id == "ab"
        assert store.execution("abc").id == "abc"
        assert store.execution("abcd").id == "abcd"
        with pytest.raises(UserError, match="several"):
            store.execution("a")

    def test_jobs_are_kept_by_generation(self, store: Store) -> None:
        reference = JobReference("local", "launcher", "t-1", "t-1")
        job = JobRecord("e1", "N", 1, "s", reference, JobState.QUEUED, "", False, 1.0, None)
        store.put_job(job)
        store.put_job(msgspec.structs.replace(job, state=JobState.FAILED, seen=True))
        store.put_job(msgspec.structs.replace(job, generation=2, created=2.0))
        assert [(j.generation, j.state) for j in store.jobs("e1")] == [(1, JobState.FAILED), (2, JobState.QUEUED)]

    def test_an_execution_reads_its_own_outputs_before_those_of_others(self, store: Store) -> None:
        key = ("Runnable", "submit", "path")
        for id_ in ("e1", "e2"):
            store.put_outputs("d1", id_, "N", "0", ("Runnable", "submit"), {"path": f"/{id_}"})
        assert store.output("d1", "e1", "N", "0", key) == "/e1"
        assert store.output("d1", None, "N", "0", key) == "/e2"
        assert store.output("d1", "e1", "N", "0", ("Runnable", "submit", "other")) is None

    def test_events_are_read_on_from_where_one_was(self, store: Store) -> None:
        store.add_events([Event(0, "e1", float(i), "step", "info", str(i), data={"i": i}) for i in range(3)])
        first = store.events("e1", limit=1)[0]
        assert [e.text for e in store.events("e1", after=first.id)] == ["1", "2"]

    def test_events_are_found_by_what_they_are_about(self, store: Store) -> None:
        about = [("a", "A", "info", "step"), ("b", "B", "error", "task"), ("a", "A", "debug", "task")]
        store.add_events(
            [
                Event(0, "e1", float(i), kind, level, str(i), step, node, instance="1")
                for i, (step, node, level, kind) in enumerate(about)
            ]
        )
        filters = {
            EventFilter(): ["0", "1", "2"],
            EventFilter(steps=("a",)): ["0", "2"],
            EventFilter(nodes=("B",)): ["1"],
            EventFilter(kinds=("task",), levels=("debug", "info")): ["2"],
            EventFilter(since=1.0): ["1", "2"],
        }
        for wanted, found in filters.items():
            assert [e.text for e in store.events("e1", wanted=wanted)] == found
            assert [e.text for e in store.events("e1") if wanted.admits(e)] == found
        assert [e.text for e in store.events("e1", newest=2)] == ["1", "2"]
        assert store.events("e1")[0].instance == "1"
        assert store.last_event("e1") == store.events("e1")[-1].id
        assert store.last_event("none") == 0

    def test_a_new_attempt_begins_with_its_rework_and_without_the_cancels_of_the_old(self, store: Store) -> None:
        store.add_execution(execution())
        for step in "abcd":
            store.begin_step("e1", step, 1)
            store.end_step("e1", step, StepStatus.DONE if step != "d" else StepStatus.FAILED, fingerprint=f"f{step}")
        store.request_step_cancel(execution(), "later")
        before = store.execution("e1")
        assert not store.claim(execution(owner="somebody"), "me", 2, rework=Rework(again=("a",)))
        assert store.ledger("e1")["a"].status is StepStatus.DONE
        assert store.claim(before, "me", 2, rework=Rework(again=("a",), below=("b", "d"), skipped=("d", "later")))
        ledger = store.ledger("e1")
        assert {s: (e.status.value, e.fingerprint) for s, e in ledger.items()} == {
            "a": ("stale", None),
            "b": ("stale", "fb"),
            "c": ("done", "fc"),
            "d": ("skipped", None),
            "later": ("skipped", None),
        }
        assert all(entry.cancel_requested is None for entry in ledger.values())
        store.keep_step("e1", "b", 2)
        store.keep_step("e1", "c", 2)
        entries = store.ledger("e1")
        assert [(entries[s].status, entries[s].attempt) for s in "bc"] == [(StepStatus.DONE, 2), (StepStatus.DONE, 1)]

    def test_the_outputs_of_a_workflow_are_kept(self, store: Store) -> None:
        store.add_execution(execution())
        assert store.execution("e1").outputs is None
        store.end_execution(execution(), ExecutionStatus.DONE, None, None, {"x": [1, "***"]})
        assert store.execution("e1").outputs == {"x": [1, "***"]}

    def test_pruning_leaves_what_is_newest_and_what_goes_on(self, store: Store) -> None:
        store.add_deployment(deployment(status=DeploymentStatus.DEPLOYED))
        pruning = Pruning(store)
        for i, id_ in enumerate(("e1", "e2", "e3")):
            store.add_execution(execution(id_, workflow="run", created=float(i)))
            store.add_events([Event(0, id_, 1.0, "step", "info", "x")])
            store.put_outputs("d1", id_, "N", "0", ("work", "work"), {"x": f"/jobs/{id_}-N-1", f"own{i}": id_})
        for id_ in ("e1", "e2"):
            store.end_execution(execution(id_), ExecutionStatus.DONE, None, None)
        ended = pruning.ended_before(2.0**40)
        assert [e.id for e in ended] == ["e2", "e1"]
        assert pruning.ended_before(1.0) == []
        # what each left as its own is the newest of its kind, and names it
        assert [pruning.in_use(e) for e in ended] == [True, True]
        assert not pruning.remove_execution(msgspec.structs.replace(ended[1], attempt=2))
        assert not pruning.remove_execution(store.execution("e3"))
        assert pruning.remove_execution(ended[1])
        assert [e.id for e in store.executions()] == ["e3", "e2"]
        assert store.events("e1") == []
        assert store.output("d1", "e1", "N", "0", ("work", "work", "x")) == "/jobs/e3-N-1"
        assert store.output("d1", None, "N", "0", ("work", "work", "own0")) == "e1"
        assert not pruning.remove_deployment(deployment())

    def test_many_writers_lose_nothing(self, store: Store, open_store: Callable[[], Store]) -> None:
        def write(name: str) -> None:
            own = open_store()
            for i in range(50):
                own.begin_step("e1", f"{name}{i}", 1)

        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.ledger("e1")) == 200

    def test_what_is_queued_is_taken_oldest_first(self, store: Store) -> None:
        for i in (2, 1, 3):
            store.add_execution(execution(f"e{i}", workflow="run", created=float(i)))
        assert store.queued() == 3
        assert [e.id for e in store.claimable(EXCLUSIVE, 2)] == ["e1", "e2"]
        assert store.claim(store.execution("e1"), "one", 1, EXCLUSIVE)
        assert [e.id for e in store.claimable(EXCLUSIVE, 9)] == ["e2", "e3"]
        assert [(u.id, u.owner) for u in store.unfinished()] == [("e1", "one")]

    def test_what_changes_a_deployment_excludes_all_else_of_it(self, store: Store) -> None:
        runs = [execution(f"r{i}", workflow="run", created=float(i)) for i in (1, 2, 5)]
        change = execution("u3", workflow="uninstall", created=3.0)
        elsewhere = execution("o4", deployment_id="d2", workflow="uninstall", created=4.0)
        for each in (*runs, change, elsewhere):
            store.add_execution(each)
        assert [e.id for e in store.claimable(EXCLUSIVE, 9)] == ["r1", "r2", "o4"]
        # runs that were queued before a change come before it, and overlap; those queued after it wait for it
        assert not store.claim(change, "x", 1, EXCLUSIVE)
        assert store.claim(runs[0], "x", 1, EXCLUSIVE)
        assert store.claim(runs[1], "x", 1, EXCLUSIVE)
        assert store.claim(elsewhere, "x", 1, EXCLUSIVE)
        assert not store.claim(change, "x", 1, EXCLUSIVE)
        assert not store.claim(runs[2], "x", 1, EXCLUSIVE)
        found = store.hindrance(runs[2], EXCLUSIVE)
        assert found is not None
        assert found.id == "u3"
        for run in runs[:2]:
            store.end_execution(run, ExecutionStatus.DONE, None, None)
        assert store.hindrance(change, EXCLUSIVE) is None
        assert store.claim(change, "x", 1, EXCLUSIVE)
        assert not store.claim(runs[2], "x", 1, EXCLUSIVE)
        # what is under way is taken over whatever others do
        assert store.claim(store.execution("u3"), "y", 1, EXCLUSIVE)
        store.end_execution(change, ExecutionStatus.DONE, None, None)
        assert store.claim(runs[2], "x", 1, EXCLUSIVE)

    def test_of_many_that_exclude_each_other_one_is_claimed(
        self, store: Store, open_store: Callable[[], Store]
    ) -> None:
        for round_ in range(10):
            store.add_deployment(deployment(f"d{round_}", f"n{round_}"))
            made = [
                execution(f"e{round_}-{i}", deployment_id=f"d{round_}", workflow="update", created=1.0)
                for i in range(4)
            ]
            for each in made:
                store.add_execution(each)
            start, won = threading.Barrier(4), []

            def claim(each: Execution, start: threading.Barrier, won: list[str]) -> None:
                own = open_store()
                start.wait()
                if own.claim(each, "x", 1, EXCLUSIVE):
                    won.append(each.id)

            threads = [threading.Thread(target=claim, args=(each, start, won)) for each in made]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(won) == 1

    def test_what_was_never_begun_is_withdrawn_or_ended_while_nobody_has_it(self, store: Store) -> None:
        store.add_deployment(deployment())
        for i in (1, 2, 3):
            store.add_execution(execution(f"e{i}", workflow="run"))
        assert store.claim(execution("e1", workflow="run"), "one", 1)
        assert not store.withdraw(execution("e1"))
        assert not store.end_queued(execution("e1"), ExecutionStatus.CANCELLED, None)
        assert store.withdraw(execution("e2"))
        assert store.end_queued(execution("e3"), ExecutionStatus.CANCELLED, DeploymentStatus.DEPLOY_FAILED)
        assert {e.id: e.status.value for e in store.executions()} == {"e1": "running", "e3": "cancelled"}
        assert store.deployment("d1").status is DeploymentStatus.DEPLOY_FAILED

    def test_processes_are_known_with_their_machine(self, store: Store) -> None:
        store.add_process("e1", 7, 70.0)
        here = store.host
        store.host = "elsewhere"
        store.add_process("e1", 7, 70.0)
        store.host = here
        assert {(p.host, p.pid) for p in store.processes("e1")} == {(here, 7), ("elsewhere", 7)}
        store.remove_process(7, 70.0)
        assert [p.host for p in store.processes("e1")] == ["elsewhere"]
        store.remove_process(7, 70.0, "elsewhere")
        assert store.processes("e1") == []

    def test_any_text_can_be_an_event_and_any_length_a_name(self, store: Store) -> None:
        long = "n" * 1000
        store.add_events([Event(0, "e1", 1.0, "output", "info", "a\0b\ud800c", step=long, node=long)])
        store.begin_step("e1", long, 1)
        store.record_states(execution(), [(long, long, ("0",), "started")])
        event = store.events("e1")[0]
        assert event.text == "a\N{REPLACEMENT CHARACTER}b?c"
        assert (event.step, list(store.ledger("e1"))) == (long, [long])
