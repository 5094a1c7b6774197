"""Declared workflows: as written, with inline and delegate expanded."""

from __future__ import annotations

import pytest
from sketches import ids, inline, interface, links, node, relation, span, step, steps, topology

from orchestrator.errors import UserError
from orchestrator.model.expressions import Call, Function, ListOf, Literal
from orchestrator.model.plan import Edge, Outcome, StepKind
from orchestrator.model.problems import DocumentError
from orchestrator.model.topology import (
    RUNNABLE,
    CallOperation,
    Delegate,
    Group,
    PropertyDefinition,
    Schema,
    Topology,
    Workflow,
)
from orchestrator.planning import declared_plan, plan_problems, planning_problems

A = node("A", "start submit run")


def refused(made: Topology, workflow: str = "w") -> list[tuple[str, str]]:
    with pytest.raises(DocumentError) as caught:
        declared_plan(made, workflow)
    assert all(p.span for p in caught.value.problems)
    return [(p.code, p.message) for p in caught.value.problems]


def test_steps_are_taken_as_written_in_the_order_they_can_run() -> None:
    w = steps(
        step("late", "A", "executed"),
        step("call", "A", "Runnable.run", on_success=("late",)),
        step("early", "A", "executing", on_success=("call",)),
    )
    plan = declared_plan(topology(A, workflows={"w": w}), "w")
    assert ids(plan) == ["early", "call", "late"]
    assert plan.edges == (Edge("early", "call"), Edge("call", "late"))
    call = plan.step("call")
    assert (call.kind, call.node, call.interface, call.operation, call.span) == (
        StepKind.OPERATION,
        "A",
        RUNNABLE,
        "run",
        span(7),
    )
    assert (plan.step("late").kind, plan.step("late").state) == (StepKind.STATE, "executed")


def test_several_activities_become_a_chain() -> None:
    w = steps(
        step("s", "A", "executing", "Runnable.run", "executed", on_success=("t",), on_failure=("f",), on_cancel=("c",)),
        *(step(name, "A", "done") for name in "tfc"),
    )
    plan = declared_plan(topology(A, workflows={"w": w}), "w")
    chain = ["s", "s.2", "s.3"]
    assert set(plan.edges) == {
        Edge("s", "s.2"),
        Edge("s.2", "s.3"),
        Edge("s.3", "t"),
        *(Edge(one, "f", Outcome.FAILURE) for one in chain),
        *(Edge(one, "c", Outcome.CANCEL) for one in chain),
    }


def test_operation_host_of_the_step_wins() -> None:
    made = node("A", interfaces={RUNNABLE: interface(RUNNABLE, ["run"], host="ORCHESTRATOR")})
    w = steps(step("own", "A", "Runnable.run"), step("other", "A", "Runnable.run", operation_host="HOST"))
    plan = declared_plan(topology(made, workflows={"w": w}), "w")
    assert plan.step("own").operation_host == "ORCHESTRATOR"
    assert plan.step("other").operation_host == "HOST"


def test_target_relationship_names_the_assignment() -> None:
    made = node("A", needs=[relation("toB", "B", "add_target", requirement="host"), relation("toC", "C", "add_target")])
    w = steps(
        step("s", "A", "Configure.add_target", target_relationship="toC"),
        step("d", "A", "Configure.add_source", target_relationship="host"),
    )
    plan = declared_plan(topology(made, node("B"), node("C"), workflows={"w": w}), "w")
    assert (plan.step("s").requirement, plan.step("s").operation_host) == ("toC", None)
    assert (plan.step("d").requirement, plan.step("d").operation_host) == ("toB", "TARGET")


def test_inline_puts_the_other_workflow_in_place() -> None:
    inner = steps(
        step("x", "A", "Runnable.submit", on_success=("y",), on_failure=("rescue",)),
        step("y", "A", "Runnable.run"),
        step("rescue", "A", "error"),
    )
    outer = steps(
        step("first", "A", "initial", on_success=("mid",)),
        step("mid", None, inline("inner"), on_success=("last",)),
        step("last", "A", "executed"),
    )
    plan = declared_plan(topology(A, workflows={"w": outer, "inner": inner}), "w")
    assert set(plan.edges) == {
        Edge("first", "mid.x"),
        Edge("mid.x", "mid.y"),
        Edge("mid.x", "mid.rescue", Outcome.FAILURE),
        Edge("mid.y", "last"),
    }


def test_inlined_steps_see_what_the_activity_gives_as_inputs() -> None:
    def asked(name: str) -> Call:
        return Call(Function.GET_INPUT, (Literal(name),))

    call = CallOperation(RUNNABLE, "run", {"text": ListOf((asked("a"), asked("b"), asked("c")))})
    inner = Workflow(
        "inner",
        inputs={"b": PropertyDefinition("b", Schema("string"), default=Literal("default"))},
        steps=steps(step("x", "A", call)),
    )
    outer = Workflow("w", steps=steps(step("s", None, inline("inner", a=asked("outer")))))
    made = Topology("t", "t.yaml", node_templates={"A": A}, workflows={"w": outer, "inner": inner})
    inputs = declared_plan(made, "w").step("s.x").inputs
    assert inputs["a"] == asked("outer")
    assert inputs["b"] == Literal("default")
    assert inputs["text"] == ListOf((asked("outer"), Literal("default"), asked("c")))


def test_delegate_is_the_generated_steps_of_the_node() -> None:
    w = steps(step("up", "A", Delegate("install"), on_success=("end",)), step("end", "A", "ready"))
    plan = declared_plan(topology(node("A", "start", ["B"]), node("B", "create"), workflows={"w": w}), "w")
    assert ids(plan) == ["up.A_initial", "up.A_starting", "up.A_start", "up.A_started", "end"]
    assert links(plan) == set(zip(ids(plan), ids(plan)[1:], strict=False))


def test_links_lead_through_steps_that_become_nothing() -> None:
    w = steps(
        step("a", "A", "one", on_success=("nothing",)),
        step("nothing", "B", Delegate("run"), on_success=("z",)),
        step("z", "A", "two"),
    )
    assert links(declared_plan(topology(A, node("B"), workflows={"w": w}), "w")) == {("a", "z")}


def test_target_may_be_a_group() -> None:
    w = steps(step("s", "both", "starting", "Standard.start", on_success=("t",)), step("t", "A", "done"))
    made = topology(A, node("B"), workflows={"w": w}, groups=[Group("both", "tosca.groups.Root", ("A", "B"))])
    plan = declared_plan(made, "w")
    assert {s.id: s.node for s in plan.steps if s.id != "t"} == {"s.A": "A", "s.B": "B", "s.2.A": "A", "s.2.B": "B"}
    assert {("s.2.A", "t"), ("s.2.B", "t"), ("s.A", "s.2.B")} <= links(plan)


def test_filter_of_a_step_is_the_condition_of_all_it_became() -> None:
    inner = steps(step("x", "A", "done", filter=({"ready": True},)), step("y", "A", "done"))
    w = steps(step("s", None, inline("inner"), filter=({"state": "ok"},)), step("t", "A", "done"))
    plan = declared_plan(topology(A, workflows={"w": w, "inner": inner}), "w")
    assert {s.id: s.condition for s in plan.steps} == {
        "s.x": ({"state": "ok"}, {"ready": True}),
        "s.y": ({"state": "ok"},),
        "t": (),
    }


def test_inline_recursion_is_a_problem() -> None:
    workflows = {"w": steps(step("a", None, inline("v"))), "v": steps(step("b", None, inline("w")))}
    (problem,) = refused(topology(A, workflows=workflows))
    assert problem == ("P0004", "step 'a.b' inlines a workflow into itself: w -> v -> w")


def test_names_that_do_not_exist_are_problems_all_at_once() -> None:
    w = steps(
        step("a", None, inline("v")),
        step("b", "A", Delegate("instal")),
        step("c", "AA", "done"),
        step("d", "A", "Configure.add_source", target_relationship="r"),
    )
    assert sorted(code for code, _ in refused(topology(A, workflows={"w": w}))) == [
        "P0005",
        "P0005",
        "P0006",
        "P0006",
    ]
    with pytest.raises(UserError):
        declared_plan(topology(A), "w")


def test_workflows_that_multiply_are_refused() -> None:
    many = [step(f"s{i}", None, inline("w1")) for i in range(20)]
    workflows = {"w": steps(*many)}
    for depth in range(1, 6):
        workflows[f"w{depth}"] = steps(*(step(f"s{i}", None, inline(f"w{depth + 1}")) for i in range(20)))
    workflows["w6"] = steps(step("s", "A", "done"))
    assert {code for code, _ in refused(topology(A, workflows=workflows))} == {"P0007"}


def test_deeply_inlined_workflows_are_refused() -> None:
    workflows = {f"w{d}": steps(step("s", None, inline(f"w{d + 1}"))) for d in range(2000)}
    workflows["w2000"] = steps(step("s", "A", "done"))
    assert {code for code, _ in refused(topology(A, workflows=workflows), "w0")} == {"P0007"}


def test_problems_of_all_workflows_are_collected_once() -> None:
    w = steps(step("a", "A", "x", on_success=("b",)), step("b", "A", "y", on_success=("a", "c")))
    v = steps(step("a", None, inline("v")))
    made = topology(A, workflows={"w": w, "v": v})
    assert sorted(p.code for p in planning_problems(made)) == ["P0001", "P0002", "P0004"]
    assert [p.code for p in plan_problems(declared_plan(made, "w"))] == ["P0001", "P0002"]
