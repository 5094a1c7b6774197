"""Generated workflows: the steps of each node, the weaving, what is left out."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sketches import ids, interface, links, node, relation, topologies, topology
from support.work import growth

from orchestrator.errors import UserError
from orchestrator.model.plan import Plan, StepKind
from orchestrator.model.topology import RUNNABLE, STANDARD, Topology
from orchestrator.planning import GENERATED_WORKFLOWS, generated_plan, plan_problems, plan_workflow, workflow_names

CHAINS = {
    "install": "initial creating create created configuring configure configured starting start started",
    "uninstall": "stopping stop stopped deleting delete deleted",
    "start": "starting start started",
    "stop": "stopping stop stopped",
    "run": "submitting submit submitted executing run executed",
    "cancel": "cancelling cancel cancelled",
}
IDLE = {"install": "initial started", "uninstall": "deleted", "start": "started", "stop": "stopped"}


@pytest.mark.parametrize("workflow", GENERATED_WORKFLOWS)
def test_node_with_all_operations_goes_through_every_state(workflow: str) -> None:
    plan = generated_plan(topology(node("A", "create configure start stop delete submit run cancel")), workflow)
    assert ids(plan) == [f"A_{word}" for word in CHAINS[workflow].split()]
    assert links(plan) == set(zip(ids(plan), ids(plan)[1:], strict=False))


@pytest.mark.parametrize("workflow", GENERATED_WORKFLOWS)
def test_node_without_operations_keeps_the_states_others_wait_for(workflow: str) -> None:
    plan = generated_plan(topology(node("A")), workflow)
    assert ids(plan) == [f"A_{word}" for word in IDLE.get(workflow, "").split()]


def test_states_around_a_missing_operation_are_left_out() -> None:
    plan = generated_plan(topology(node("A", "create start")), "install")
    assert ids(plan) == [f"A_{w}" for w in ["initial", "creating", "create", "created", "starting", "start", "started"]]
    assert ids(generated_plan(topology(node("A", "delete")), "uninstall")) == ["A_deleting", "A_delete", "A_deleted"]
    assert ids(generated_plan(topology(node("A", "submit")), "run"))[-1] == "A_executed"


def test_operation_steps_say_what_to_call_and_where() -> None:
    made = node("A", interfaces={STANDARD: interface(STANDARD, ["start"], host="ORCHESTRATOR")})
    step = generated_plan(topology(made), "start").step("A_start")
    assert (step.kind, step.node, step.interface, step.operation) == (StepKind.OPERATION, "A", STANDARD, "start")
    assert step.operation_host == "ORCHESTRATOR"
    assert step.span == made.span
    plain = generated_plan(topology(node("A", "run")), "run").step("A_run")
    assert (plain.interface, plain.operation_host) == (RUNNABLE, None)


def test_dependent_starts_when_what_it_needs_is_through() -> None:
    made = topology(node("A", "start stop delete run", ["B"]), node("B", "start stop delete run"))
    assert ("B_started", "A_initial") in links(generated_plan(made, "install"))
    assert ("A_deleted", "B_stopping") in links(generated_plan(made, "uninstall"))
    assert ("B_started", "A_starting") in links(generated_plan(made, "start"))
    assert ("A_stopped", "B_stopping") in links(generated_plan(made, "stop"))
    assert ("B_executed", "A_executing") in links(generated_plan(made, "run"))


def test_run_order_is_seen_through_nodes_without_jobs() -> None:
    made = topology(
        node("A", "submit run", ["Env", "Mid"]), node("Mid", "", ["B"]), node("B", "submit run"), node("Env")
    )
    plan = generated_plan(made, "run")
    assert {s.node for s in plan.steps} == {"A", "B"}
    assert ("B_executed", "A_submitting") in links(plan)


def test_cancel_has_no_order_between_nodes() -> None:
    plan = generated_plan(topology(node("A", "cancel", ["B"]), node("B", "cancel")), "cancel")
    assert all(a[0] == b[0] for a, b in links(plan))


def test_configure_operations_of_relationships_surround_configure() -> None:
    hooks = ["pre_configure_source", "post_configure_source", "pre_configure_target", "post_configure_target"]
    made = topology(node("A", "configure", [relation("r", "B", *hooks)]), node("B"))
    plan = generated_plan(made, "install")
    source = ["A_configuring", "A_r_pre_configure_source", "A_configure", "A_r_post_configure_source", "A_configured"]
    target = ["B_configuring", "A_r_pre_configure_target", "A_r_post_configure_target", "B_configured"]
    for chain in (source, target):
        assert set(itertools.pairwise(chain)) <= links(plan)
    step = plan.step("A_r_pre_configure_target")
    assert (step.node, step.requirement, step.interface, step.operation_host) == ("A", "r", "Configure", "TARGET")
    assert plan.step("A_r_pre_configure_source").operation_host is None


def test_add_operations_run_when_both_sides_are_started() -> None:
    made = topology(node("A", "start", [relation("r", "B", "add_source", "add_target")]), node("B", "start"))
    plan = generated_plan(made, "install")
    assert ids(plan)[-2:] == ["A_r_add_source", "A_r_add_target"]
    assert {("A_started", "A_r_add_source"), ("A_started", "A_r_add_target")} <= links(plan)
    assert plan.step("A_r_add_source").operation_host == "TARGET"


def test_remove_operations_run_before_the_stop_of_their_side() -> None:
    made = topology(node("A", "stop", [relation("r", "B", "remove_source", "remove_target")]), node("B", "stop"))
    expected = {
        ("A_stopping", "A_r_remove_target"),
        ("A_r_remove_target", "A_stop"),
        ("B_stopping", "A_r_remove_source"),
        ("A_r_remove_source", "B_stop"),
    }
    for workflow in ("stop", "uninstall"):
        assert expected <= links(generated_plan(made, workflow))


def test_implied_edges_are_left_out() -> None:
    plan = generated_plan(topology(node("A", "", ["B", "C"]), node("B", "", ["C"]), node("C")), "install")
    assert ("C_started", "A_initial") not in links(plan)
    assert {("C_started", "B_initial"), ("B_started", "A_initial")} <= links(plan)


def test_equal_names_of_steps_are_told_apart() -> None:
    hooks = ("add_target",)
    made = topology(node("A", "", [relation("r", "B", *hooks), relation("r", "C", *hooks)]), node("B"), node("C"))
    assert ids(generated_plan(made, "install"))[-2:] == ["A_r_add_target", "A_r_add_target.2"]


def test_unknown_workflow_tells_which_exist() -> None:
    made = topology(node("A"), workflows={"exec_job": {}})
    with pytest.raises(UserError) as caught:
        plan_workflow(made, "exec_jbo")
    assert "exec_jbo" in caught.value.message
    assert caught.value.hint == "did you mean 'exec_job'? its workflows are " + ", ".join(workflow_names(made))
    assert workflow_names(made) == ("exec_job", *GENERATED_WORKFLOWS)
    with pytest.raises(UserError):
        generated_plan(made, "exec_job")


def test_declared_workflow_comes_before_the_generated_one_of_its_name() -> None:
    assert plan_workflow(topology(node("A"), workflows={"install": {}}), "install").steps == ()


def paths(plan: Plan) -> dict[str, set[str]]:
    """Everything that comes before each step."""
    before: dict[str, set[str]] = defaultdict(set)
    for edge in sorted(plan.edges, key=lambda e: ids(plan).index(e.target)):
        before[edge.target] |= {edge.source} | before[edge.source]
    return before


@given(topologies(), st.sampled_from(GENERATED_WORKFLOWS))
def test_steps_come_after_all_they_wait_for(made: Topology, workflow: str) -> None:
    plan = generated_plan(made, workflow)
    place = {step_id: index for index, step_id in enumerate(ids(plan))}
    assert len(place) == len(plan.steps)
    assert all(place[e.source] < place[e.target] for e in plan.edges)
    assert plan_problems(plan) == []
    assert plan == generated_plan(made, workflow)


@given(topologies())
def test_every_implemented_operation_is_called_once(made: Topology) -> None:
    for workflow, words in CHAINS.items():
        called = [
            (s.node, s.operation) for s in generated_plan(made, workflow).steps if s.operation and not s.requirement
        ]
        wanted = {
            (n.name, o) for n in made.node_templates.values() for i in n.interfaces.values() for o in i.operations
        }
        assert sorted(called) == sorted(pair for pair in wanted if pair[1] in words.split())


@given(topologies())
def test_nodes_follow_their_needs_and_uninstall_reverses_install(made: Topology) -> None:
    install, uninstall = paths(generated_plan(made, "install")), paths(generated_plan(made, "uninstall"))
    for n in made.node_templates.values():
        for r in n.relationships:
            assert f"{r.target}_started" in install[f"{n.name}_initial"]
            assert f"{n.name}_deleted" in uninstall[f"{r.target}_deleted"]


@given(topologies())
def test_no_edge_is_implied_by_others(made: Topology) -> None:
    plan = generated_plan(made, "install")
    before = paths(plan)
    for edge in plan.edges:
        others = [e.source for e in plan.edges if e.target == edge.target and e.source != edge.source]
        assert not any(edge.source in before[other] for other in others)


def test_planning_is_work_in_proportion_to_the_nodes() -> None:
    def planning(count: int) -> Callable[[], object]:
        made = topology(
            *(node(f"n{i}", "", {f"n{max(i - 1, 0)}", "n0", f"n{i // 2}"} - {f"n{i}"}) for i in range(count))
        )

        def plan() -> None:
            planned = generated_plan(made, "install")
            assert plan_problems(planned) == []
            assert len(planned.edges) == 2 * count - 1, "the chain implies all other edges"

        return plan

    assert growth(planning, 1_000) < 2.1
