"""A job is run only where it is certain to have been submitted."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from sketches import inline, node, span, step, steps, topology
from support.work import growth

from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.topology import Group, Implementation, NodeTemplate, Topology, WorkflowStep
from orchestrator.planning import planning_problems

SUBMIT, RUN = "Runnable.submit", "Runnable.run"


def job(name: str, watch: str | None = JOB_WATCH) -> NodeTemplate:
    made = node(name, "submit run cancel")
    interface = made.interfaces["Runnable"]
    run = msgspec.structs.replace(
        interface.operations["run"], implementation=Implementation("job", artifact_type=watch)
    )
    changed = msgspec.structs.replace(interface, operations={**interface.operations, "run": run})
    return msgspec.structs.replace(made, interfaces={**made.interfaces, "Runnable": changed})


def told(described: Topology) -> list[str]:
    found = [problem for problem in planning_problems(described) if problem.code == "P0009"]
    assert all(problem.hint and problem.span for problem in found)
    return [problem.message.split("'")[1] for problem in found]


def of(*made: WorkflowStep) -> Topology:
    return topology(job("C"), job("D"), workflows={"go": steps(*made)})


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        ([step("c", "C", SUBMIT, RUN), step("d", "C", RUN)], ["d"]),
        ([step("c", "C", RUN, SUBMIT)], ["c"]),
        ([step("a", "C", RUN, on_success=("b",)), step("b", "C", SUBMIT)], ["a"]),
        ([step("a", "C", SUBMIT, on_failure=("b",)), step("b", "C", RUN)], ["b"]),
        ([step("a", "C", SUBMIT, on_cancel=("b",)), step("b", "C", RUN)], ["b"]),
        ([step("c", "C", SUBMIT, on_success=("b",)), step("d", "D", SUBMIT, RUN), step("b", "D", RUN)], ["b"]),
        (
            [  # one of the two ways passes the submit by
                step("x", "D", "started", SUBMIT, on_success=("s",), on_failure=("r",)),
                step("s", "C", SUBMIT, on_success=("r",)),
                step("r", "C", RUN),
            ],
            ["r"],
        ),
    ],
    ids=["beside", "the other way round", "in the wrong order", "failed", "cancelled", "another node", "one way"],
)
def test_a_run_that_comes_too_early(made: list[WorkflowStep], wrong: list[str]) -> None:
    assert told(of(*made)) == wrong


@pytest.mark.parametrize(
    "made",
    [
        [step("c", "C", SUBMIT, RUN)],
        [step("c", "C", SUBMIT, "submitted", RUN)],
        [
            step("s", "C", SUBMIT, on_success=("m",)),
            step("m", "D", SUBMIT, RUN, on_success=("r",)),
            step("r", "C", RUN),
        ],
        [  # both ways come from the submit
            step("s", "C", SUBMIT, on_success=("x",)),
            step("x", "D", SUBMIT, on_success=("r",), on_failure=("r",)),
            step("r", "C", RUN),
        ],
        [step("c", "C", SUBMIT, RUN, on_failure=("x",)), step("x", "D", SUBMIT, RUN)],
        [  # run again when the first run failed
            step("s", "C", SUBMIT, on_success=("r",)),
            step("r", "C", RUN, on_failure=("again",)),
            step("again", "C", RUN),
        ],
        [step("c", "C", RUN)],
    ],
    ids=["chain", "with a state", "over another", "two ways", "clean-up", "again", "submitted nowhere"],
)
def test_what_is_no_mistake(made: list[WorkflowStep]) -> None:
    assert told(of(*made)) == []


def test_groups_and_workflows_in_others() -> None:
    group = Group("g", "tosca.groups.Root", ("C", "D"))
    described = topology(
        job("C"),
        job("D"),
        groups=[group],
        workflows={
            "all": steps(step("s", "g", SUBMIT, on_success=("r",)), step("r", "g", RUN)),
            "watch": steps(step("r", "C", RUN), step("late", "C", SUBMIT)),
            "outer": steps(step("s", "C", SUBMIT, on_success=("i",)), step("i", None, inline("watch"))),
        },
    )
    assert told(described) == []
    late = topology(workflows={"late": steps(step("i", None, inline("watch")))}).workflows
    assert told(msgspec.structs.replace(described, workflows={**described.workflows, **late})) == ["i.r"]


def test_what_playbooks_of_its_own_watch_is_left_alone() -> None:
    made = steps(step("c", "C", SUBMIT), step("d", "C", RUN))
    assert told(topology(job("C", None), workflows={"go": made})) == []


def test_the_place_is_that_of_the_call() -> None:
    call = msgspec.structs.replace(step("d", "C", RUN).activities[0], span=span(42))
    late = msgspec.structs.replace(step("d", "C", RUN), activities=(call,))
    (problem,) = [p for p in planning_problems(of(step("c", "C", SUBMIT, RUN), late)) if p.code == "P0009"]
    assert problem.span == span(42)
    assert problem.message == "step 'd' of workflow 'go' runs the job of C, which need not be submitted by then"


def test_the_work_is_in_proportion_to_the_steps() -> None:
    def telling(count: int) -> Callable[[], object]:
        first = [step(f"s{i}", f"n{i}", SUBMIT, on_success=(f"m{i}",)) for i in range(count)]
        between = [step(f"m{i}", f"n{i}", "waiting", on_success=(f"r{i}",)) for i in range(count)]
        last = [step(f"r{i}", f"n{i}", RUN) for i in range(count)]
        made = topology(*(job(f"n{i}") for i in range(count)), workflows={"w": steps(*first, *between, *last)})
        return lambda: told(made)

    assert growth(telling, 100) < 2.1
