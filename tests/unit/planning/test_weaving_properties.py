"""Properties of the weaving: rules stated apart from the planner hold in plans, and however steps take turns."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import networkx as nx
from hypothesis import given
from hypothesis import strategies as st
from sketches import node, relation, topology
from support.weaving import (
    NODE_OPERATIONS,
    RELATIONSHIP_OPERATIONS,
    WORKFLOWS,
    Bond,
    Event,
    closure,
    earlier,
    violations,
    words_of,
)

from orchestrator.engine import Progress
from orchestrator.model.plan import Outcome, Plan, PlanStep
from orchestrator.model.topology import CONFIGURE, Topology
from orchestrator.planning import generated_plan

KINDS = [f"tosca.relationships.{kind}" for kind in ("HostedOn", "ConnectsTo", "DependsOn", "AttachesTo")]
WORKFLOW = st.sampled_from(WORKFLOWS)


@st.composite
def woven(draw: st.DrawFn, most: int = 5) -> Topology:
    """Topologies with relationships of several types, several between the same nodes, and any operations."""
    made = []
    for index in range(draw(st.integers(1, most))):
        targets = draw(st.lists(st.integers(0, index - 1), max_size=4)) if index else []
        needs = []
        for number, target in enumerate(targets):
            hooks = draw(st.lists(st.sampled_from(RELATIONSHIP_OPERATIONS), unique=True))
            one = relation(f"r{number}", f"n{target}", *hooks)
            needs.append(msgspec.structs.replace(one, type=draw(st.sampled_from(KINDS))))
        operations = draw(st.lists(st.sampled_from(NODE_OPERATIONS), unique=True))
        made.append(node(f"n{index}", " ".join(operations), needs))
    return topology(*draw(st.permutations(made)))


def bonds(made: Topology) -> list[Bond]:
    return [Bond(n.name, r.name, r.target) for n in made.node_templates.values() for r in n.relationships]


def event(step: PlanStep) -> Event:
    if step.requirement is not None:
        return (step.node, step.requirement, str(step.operation))
    return (step.node, str(step.operation or step.state))


def before(plan: Plan) -> dict[Event, set[Event]]:
    """What comes before each event by the edges of a plan."""
    graph: nx.DiGraph[Event] = nx.DiGraph()
    events = {step.id: event(step) for step in plan.steps}
    graph.add_nodes_from(events.values())
    graph.add_edges_from((events[e.source], events[e.target]) for e in plan.edges)
    return closure(graph)


def rules(made: Topology, workflow: str) -> dict[Event, set[Event]]:
    return earlier(workflow, made.node_templates, bonds(made))


@given(woven(), WORKFLOW)
def test_every_rule_holds_in_the_plan(made: Topology, workflow: str) -> None:
    planned = before(generated_plan(made, workflow))
    for each, wanted in rules(made, workflow).items():
        if each in planned:
            assert wanted & planned.keys() <= planned[each], each


@given(woven(), WORKFLOW)
def test_all_that_is_implemented_is_called_once_and_nothing_else(made: Topology, workflow: str) -> None:
    called = [event(s) for s in generated_plan(made, workflow).steps if s.operation]
    nodes = [(n.name, o) for n in made.node_templates.values() for i in n.interfaces.values() for o in i.operations]
    relationships = [
        (n.name, r.name, o)
        for n in made.node_templates.values()
        for r in n.relationships
        if CONFIGURE in r.interfaces
        for o in r.interfaces[CONFIGURE].operations
    ]
    assert sorted(called) == sorted(e for e in [*nodes, *relationships] if e[-1] in words_of(workflow))


@given(woven(), WORKFLOW)
def test_operations_of_relationships_are_called_on_their_side(made: Topology, workflow: str) -> None:
    target = {"pre_configure_target", "post_configure_target", "add_source", "remove_source"}
    for step in generated_plan(made, workflow).steps:
        if step.requirement is not None:
            assert (step.operation_host == "TARGET") == (step.operation in target), step.id


@given(woven())
def test_uninstall_mirrors_install(made: Topology) -> None:
    up, down = before(generated_plan(made, "install")), before(generated_plan(made, "uninstall"))
    for one in made.node_templates:
        for other in made.node_templates:
            first_up = (one, "started") in up[other, "started"]
            last_down = (other, "deleted") in down[one, "deleted"]
            assert first_up == last_down, (one, other)


@given(woven(), WORKFLOW)
def test_what_has_nothing_to_do_with_each_other_is_not_ordered(made: Topology, workflow: str) -> None:
    related: nx.DiGraph[str] = nx.DiGraph([(b.source, b.target) for b in bonds(made)])
    related.add_nodes_from(made.node_templates)
    reach = {n: nx.ancestors(related, n) | nx.descendants(related, n) | {n} for n in related}
    for each, them in before(generated_plan(made, workflow)).items():
        for other in them:
            if len(each) == len(other) == 2:
                assert other[0] in reach[each[0]], (other, each)


def carried_out(
    plan: Plan, choose: Callable[[list[str]], str], outcome: Callable[[str], Outcome]
) -> tuple[dict[str, int], dict[str, int], dict[str, Outcome]]:
    """When each step began and ended, when all that may start is started and ends in a chosen order."""
    progress = Progress(plan)
    began: dict[str, int] = {}
    ended: dict[str, int] = {}
    outcomes: dict[str, Outcome] = {}
    while True:
        for step in progress.ready:
            progress.start(step.id)
            began[step.id] = len(began) + len(ended)
        under_way = [step_id for step_id in began if step_id not in ended]
        if not under_way:
            return began, ended, outcomes
        chosen = choose(under_way)
        outcomes[chosen] = outcome(chosen)
        ended[chosen] = len(began) + len(ended)
        progress.end(chosen, outcomes[chosen])


@given(woven(), WORKFLOW, st.data())
def test_every_rule_holds_whatever_ends_first(made: Topology, workflow: str, data: st.DataObject) -> None:
    plan = generated_plan(made, workflow)
    began, ended, _ = carried_out(plan, lambda ids: data.draw(st.sampled_from(ids)), lambda _: Outcome.SUCCESS)
    assert began.keys() == ended.keys() == {step.id for step in plan.steps}
    assert all(ended[edge.source] < began[edge.target] for edge in plan.edges)
    events = {step.id: event(step) for step in plan.steps}
    moments = [{events[i]: moment for i, moment in times.items()} for times in (began, ended)]
    assert violations(rules(made, workflow), moments[0], moments[1]) == []


@given(woven(), WORKFLOW, st.data())
def test_nothing_starts_behind_a_failure(made: Topology, workflow: str, data: st.DataObject) -> None:
    plan = generated_plan(made, workflow)
    ways = st.sampled_from([Outcome.SUCCESS, Outcome.SUCCESS, Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCEL])
    began, ended, outcomes = carried_out(plan, lambda ids: data.draw(st.sampled_from(ids)), lambda _: data.draw(ways))
    assert began.keys() == ended.keys()
    events = {step.id: event(step) for step in plan.steps}
    wanted = rules(made, workflow)
    bad = {events[i]: ended[i] for i, outcome in outcomes.items() if outcome is not Outcome.SUCCESS}
    for step_id, moment in began.items():
        assert not wanted.get(events[step_id], set()) & bad.keys()
        assert all(ended[e.source] < moment for e in plan.edges if e.target == step_id)
        assert all(moment < failed for failed in bad.values()), "started after a failure"
