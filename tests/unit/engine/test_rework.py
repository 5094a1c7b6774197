"""Which steps are done again: what comes after what, fingerprints, the jobs that are submitted anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.app.step_names import named_steps
from orchestrator.engine.fingerprints import fingerprint, with_job
from orchestrator.engine.rework import downstream, rework_of
from orchestrator.errors import UserError
from orchestrator.model.jobs import JobReference, JobState
from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind
from orchestrator.model.values import Secret
from orchestrator.operations import OperationCall
from orchestrator.state import JobRecord, Rework


def plan(names: str, *edges: str) -> Plan:
    steps = tuple(PlanStep(name, StepKind.OPERATION, name, "work", "work") for name in names)
    return Plan("w", steps, tuple(Edge(e[0], e[1]) for e in edges))


def job_plan() -> Plan:
    steps = (
        PlanStep("count", StepKind.OPERATION, "N", "Runnable", "submit"),
        PlanStep("count.2", StepKind.OPERATION, "N", "tosca.interfaces.node.lifecycle.Runnable", "run"),
    )
    return Plan("w", steps, (Edge("count", "count.2"),))


def job(generation: int, state: JobState) -> JobRecord:
    token = f"e-N-{generation}"
    reference = JobReference("local", "launcher", token, f"id{generation}")
    return JobRecord("e", "N", generation, "count", reference, state, "exit code 0", True, 1.0, 2.0)


def test_what_comes_after_a_step_is_found_over_all_edges() -> None:
    shape = plan("abcdx", "ab", "bc", "ad")
    failing = msgspec.structs.replace(shape, edges=(*shape.edges, Edge("d", "x", Outcome.FAILURE)))
    assert downstream(failing, ["b"]) == {"c"}
    assert downstream(failing, ["a"]) == {"b", "c", "d", "x"}
    assert downstream(failing, ["b", "d"]) == {"c", "x"}


@given(st.data())
def test_every_edge_out_of_what_is_done_again_stays_in_it(data: st.DataObject) -> None:
    names = "abcdefgh"
    pairs = [f"{a}{b}" for i, a in enumerate(names) for b in names[i + 1 :]]
    shape = plan(names, *data.draw(st.lists(st.sampled_from(pairs), unique=True)))
    again = data.draw(st.sets(st.sampled_from(names), min_size=1))
    below = downstream(shape, again)
    assert not below & again
    assert all(e.target in below | again for e in shape.edges if e.source in below | again)
    reached = {e.target for e in shape.edges if e.source in below | again}
    assert below <= reached


def test_what_is_skipped_is_not_done_again_but_what_is_behind_it_may_be() -> None:
    found = rework_of(plan("abc", "ab", "bc"), ["a"], ["b"], [])
    assert found == Rework(again=("a",), below=("c",), skipped=("b",))
    with pytest.raises(UserError, match="cannot both"):
        rework_of(plan("abc"), ["a"], ["a"], [])


def test_an_ended_job_that_is_to_be_watched_again_is_submitted_anew() -> None:
    jobs = [job(1, JobState.FAILED), job(2, JobState.COMPLETED)]
    (new,) = rework_of(job_plan(), ["count.2"], [], jobs).jobs
    assert (new.generation, new.reference.token, new.state, new.seen) == (3, "e-N-3", JobState.QUEUED, False)
    assert rework_of(job_plan(), ["count.2"], [], [job(1, JobState.RUNNING)]).jobs == ()
    # when its submission is done again, that makes the new one
    assert rework_of(job_plan(), ["count", "count.2"], [], jobs).jobs == ()


def test_a_name_means_all_activities_of_a_step() -> None:
    assert named_steps(job_plan(), "count") == ("count", "count.2")
    assert named_steps(job_plan(), "count.2") == ("count.2",)
    with pytest.raises(UserError, match="has no step 'cont'") as raised:
        named_steps(job_plan(), "cont")
    assert raised.value.hint == "did you mean 'count'? its steps are: count, count.2"


def told(path: Path, salt: str = "e1", **inputs: Any) -> str:
    return fingerprint(OperationCall("N", "work", "work"), inputs, str(path), salt)


def test_a_fingerprint_tells_inputs_playbook_and_job(tmp_path: Path) -> None:
    playbook = tmp_path / "work.yaml"
    playbook.write_text("- hosts: all\n")
    before = told(playbook, a=1, b={"x": [1], "y": 2})
    assert told(playbook, b={"y": 2, "x": [1]}, a=1) == before
    assert told(playbook, a="1", b={"x": [1], "y": 2}) != before
    assert with_job(before, None) == before
    assert with_job(before, "1") != with_job(before, "2")
    playbook.write_text("- hosts: all # mended\n")
    assert told(playbook, a=1, b={"x": [1], "y": 2}) != before
    playbook.unlink()
    assert told(playbook, a=1) == told(playbook, a=1)


def test_a_secret_counts_but_cannot_be_told(tmp_path: Path) -> None:
    one = told(tmp_path, key=["x", Secret("one")])
    assert one == told(tmp_path, key=["x", Secret("one")])
    assert one != told(tmp_path, key=["x", Secret("two")])
    assert one != told(tmp_path, "e2", key=["x", Secret("one")])
    assert one != told(tmp_path, key=["x", "***"])
