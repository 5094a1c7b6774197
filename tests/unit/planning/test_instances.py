"""How many instances nodes have, and what it takes to have another number of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
import networkx as nx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sketches import node, relation, topology
from support.weaving import (
    NODE_OPERATIONS,
    RELATIONSHIP_OPERATIONS,
    Bond,
    Event,
    closure,
    earlier,
    words_of,
)

from orchestrator.model.expressions import Call, Function, Literal
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.topology import (
    CapabilityAssignment,
    NodeTemplate,
    PropertyDefinition,
    Relationship,
    Topology,
)
from orchestrator.planning import (
    SCALE,
    decider,
    followers,
    generated_plan,
    initial_instances,
    instance_ids,
    instance_problems,
    plan_problems,
    planning_problems,
    scale_plan,
    scaling_of,
    with_instances,
)

HOSTED_ON = "tosca.relationships.HostedOn"
SCALABLE = "tosca.capabilities.Scalable"


def scalable(made: NodeTemplate, *, written: bool = True, **values: object) -> NodeTemplate:
    """The node with a capability that its template has assigned, or that is as its type has it."""
    given = {f"{name}_instances": v if isinstance(v, Call) else Literal(v) for name, v in values.items()}
    spans = {"capabilities.scalable": made.span} if written and made.span else {}
    capabilities = {"scalable": CapabilityAssignment("scalable", SCALABLE, given)}
    return msgspec.structs.replace(made, capabilities=capabilities, spans=spans)


def hosted(name: str, host: str, operations: str = "") -> NodeTemplate:
    return node(name, operations, [of_type(relation("host", host), HOSTED_ON)])


def of_type(made: Relationship, kind: str) -> Relationship:
    return msgspec.structs.replace(made, type=kind, lineage=(kind,))


# --- how many


def test_a_node_has_as_many_as_it_says_and_what_it_hosts_has_as_many() -> None:
    made = topology(
        scalable(node("Machine"), min=1, default=3, max=5),
        hosted("Runtime", "Machine"),
        hosted("App", "Runtime"),
        node("Other"),
    )
    three = ("0", "1", "2")
    assert initial_instances(made) == {"Machine": three, "Runtime": three, "App": three, "Other": ("0",)}
    assert followers(made, "Machine") == ["Machine", "Runtime", "App"]
    assert decider(made, "Other") is None


def test_the_nearest_word_counts() -> None:
    made = topology(
        scalable(node("Machine"), min=1, default=3, max=5),
        scalable(hosted("Runtime", "Machine"), min=1, default=2, max=2),
        hosted("App", "Runtime"),
    )
    assert {name: len(ids) for name, ids in initial_instances(made).items()} == {"Machine": 3, "Runtime": 2, "App": 2}


def test_what_is_hosted_follows_its_host_unless_its_template_says_otherwise() -> None:
    host = scalable(node("Machine"), min=1, default=3, max=5)
    as_its_type = scalable(hosted("Runtime", "Machine"), written=False, min=1, default=1, max=1)
    single = scalable(hosted("Runtime", "Machine"), min=1, default=1, max=1)
    alone = scalable(node("Runtime"), written=False, min=1, default=1, max=1)
    assert len(initial_instances(topology(host, as_its_type))["Runtime"]) == 3
    assert len(initial_instances(topology(host, single))["Runtime"]) == 1
    assert decider(topology(alone), "Runtime") == "Runtime"


def test_the_default_is_the_minimum_where_none_is_written() -> None:
    assert initial_instances(topology(scalable(node("A"), min=2, max=4)))["A"] == ("0", "1")
    assert initial_instances(topology(scalable(node("A"), min=0, max=4)))["A"] == ("0",)


def test_an_input_may_say_how_many() -> None:
    wanted = Call(Function.GET_INPUT, (Literal("many"),))
    made = topology(scalable(node("A"), min=1, default=wanted, max=9))
    made = msgspec.structs.replace(made, inputs={"many": PropertyDefinition("many", "integer", default=Literal(4))})
    assert len(initial_instances(made)["A"]) == 4
    assert len(initial_instances(made, {"many": 7})["A"]) == 7
    (problem,) = instance_problems(made, {"many": 10})
    assert "default_instances is 10, which is not within 1 to 9" in problem.message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"min": 1, "default": 3, "max": 2}, "default_instances is 3, which is not within 1 to 2"),
        ({"min": 2, "default": 1, "max": 3}, "default_instances is 1, which is not within 2 to 3"),
        ({"min": 0, "default": 0, "max": 3}, "default_instances is 0, which is not within 1 to 3"),
        ({"min": 3, "max": 2}, "min_instances is 3, max_instances 2"),
        ({"min": -1, "max": 2}, "min_instances is -1"),
        ({"min": 0, "max": 0}, "max_instances 0"),
        ({"default": "many"}, "default_instances is 'many', which is no whole number"),
        ({"default": True}, "no whole number"),
        ({"default": Call(Function.GET_ATTRIBUTE, (Literal("SELF"), Literal("x")))}, "cannot be told before"),
    ],
)
def test_numbers_that_make_no_sense_are_problems(values: Mapping[str, object], said: str) -> None:
    made = topology(scalable(node("A"), **values))
    (problem,) = instance_problems(made)
    assert problem.code == "P0008"
    assert said in problem.message
    assert problem.span == made.node_templates["A"].span
    assert problem in planning_problems(made)
    assert initial_instances(made)["A"] == ("0",)


@given(st.integers(-2, 5), st.integers(-2, 5), st.integers(-2, 5))
def test_the_default_is_within_the_bounds_or_a_problem(low: int, default: int, high: int) -> None:
    made = topology(scalable(node("A"), min=low, default=default, max=high))
    right = 0 <= low <= high and max(1, low) <= default <= high
    assert (instance_problems(made) == []) == right
    scaling = scaling_of(made, "A")
    assert scaling is not None
    assert scaling.admits(len(initial_instances(made)["A"]))


# --- plans


def test_a_plan_is_told_the_instances_of_each_step_and_written_shortly_without() -> None:
    made = topology(node("A", "create"), node("B", "create"))
    plan = generated_plan(made, "install")
    several = with_instances(plan, {"A": ("0", "1"), "B": ("0",)})
    assert {s.node: s.instances for s in several.steps} == {"A": ("0", "1"), "B": ("0",)}
    assert with_instances(plan, {"A": ("0",)}) == plan
    assert msgspec.json.decode(msgspec.json.encode(several), type=Plan) == several
    assert b"instances" not in msgspec.json.encode(plan)
    assert {s.several for s in several.steps} == {"x2", ""}


@st.composite
def scaled(draw: st.DrawFn) -> tuple[Topology, dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    """A topology, and how many instances there are of each node before and after."""
    made = []
    before: dict[str, tuple[str, ...]] = {}
    after: dict[str, tuple[str, ...]] = {}
    for index in range(draw(st.integers(1, 4))):
        name = f"n{index}"
        needs = []
        before[name], after[name] = (instance_ids(draw(st.integers(1, 3))) for _ in range(2))
        for number, target in enumerate(draw(st.lists(st.integers(0, index - 1), max_size=2)) if index else []):
            hooks = draw(st.lists(st.sampled_from(RELATIONSHIP_OPERATIONS), unique=True))
            needs.append(relation(f"r{number}", f"n{target}", *hooks))
        if index and draw(st.booleans()):
            host = f"n{draw(st.integers(0, index - 1))}"
            hooks = draw(st.lists(st.sampled_from(RELATIONSHIP_OPERATIONS), unique=True))
            needs.append(of_type(relation("host", host, *hooks), HOSTED_ON))
            before[name], after[name] = before[host], after[host]
        operations = draw(st.lists(st.sampled_from(NODE_OPERATIONS), unique=True))
        made.append(node(name, " ".join(operations), needs))
    return topology(*draw(st.permutations(made))), before, after


Scaled = tuple[Topology, dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]


def more(one: Mapping[str, tuple[str, ...]], other: Mapping[str, tuple[str, ...]]) -> set[tuple[str, str]]:
    """The instances that one has and the other has not."""
    return {(name, i) for name, ids in one.items() for i in ids if i not in other[name]}


def done(plan: Plan, of_nodes: Callable[[PlanStep], bool]) -> Counter[tuple[str, str, str]]:
    """How often each operation is done on each instance of a node."""
    steps = [s for s in plan.steps if s.kind is StepKind.OPERATION and s.requirement is None and of_nodes(s)]
    return Counter((s.node, str(s.operation), i) for s in steps for i in s.instances)


@given(scaled())
def test_every_instance_that_comes_or_goes_gets_its_lifecycle_once(case: Scaled) -> None:
    made, before, after = case
    plan = scale_plan(made, before, after)
    assert plan.workflow == SCALE
    assert [p for p in plan_problems(plan) if p.severity.value == "error"] == []
    expected = Counter(
        (name, operation, i)
        for words, moved in (
            (("create", "configure", "start"), more(after, before)),
            (("stop", "delete"), more(before, after)),
        )
        for name, i in moved
        for operation in made.node_templates[name].interfaces["Standard"].operations
        if operation in words
    )
    assert done(plan, lambda _: True) == expected
    states = Counter((s.node, str(s.state), i) for s in plan.steps if s.kind is StepKind.STATE for i in s.instances)
    assert {(n, i) for n, state, i in states if state == "started"} == more(after, before)
    assert {(n, i) for n, state, i in states if state == "deleted"} == more(before, after)
    assert set(states.values()) <= {1}


@given(scaled())
def test_every_pair_that_comes_or_goes_is_told_of_once(case: Scaled) -> None:
    made, before, after = case
    told: Counter[tuple[str, str, str, str, str]] = Counter()
    plan = scale_plan(made, before, after)
    for step in plan.steps:
        if step.requirement is None or "configure" in str(step.operation):
            continue
        everyone = before if str(step.operation).startswith("remove") else after
        relationship = relationship_of(made, step)
        for i in step.instances:
            targets = step.targets or everyone[relationship.target]
            on_host = HOSTED_ON in relationship.lineage
            for j in [i] if on_host else targets:
                told[step.node, relationship.name, str(step.operation), i, j] += 1
    expected = Counter(
        (n.name, r.name, operation, i, j)
        for n in made.node_templates.values()
        for r in n.relationships
        for operation, all_, moved in hooks_of(r, before, after)
        for i in all_[n.name]
        for j in ([i] if HOSTED_ON in r.lineage else all_[r.target])
        if (n.name, i) in moved or (r.target, j) in moved
    )
    assert told == expected


def relationship_of(made: Topology, step: PlanStep) -> Relationship:
    return next(r for r in made.node_templates[step.node].relationships if r.name == step.requirement)


def hooks_of(
    relationship: Relationship, before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, Mapping[str, tuple[str, ...]], set[tuple[str, str]]]]:
    interface = relationship.interfaces.get("Configure")
    names = interface.operations if interface else {}
    adding = [(o, after, more(after, before)) for o in names if o.startswith("add_")]
    return adding + [(o, before, more(before, after)) for o in names if o.startswith("remove_")]


@given(scaled())
def test_operations_around_configure_run_where_it_is_configured(case: Scaled) -> None:
    made, before, after = case
    steps = [s for s in scale_plan(made, before, after).steps if s.requirement and "configure" in str(s.operation)]
    run = Counter(
        (step.node, step.requirement, str(step.operation), i)
        for step in steps
        for i in (step.instances if str(step.operation).endswith("_source") else step.targets)
    )
    assert run == Counter(
        (n.name, r.name, operation, i)
        for n in made.node_templates.values()
        for r in n.relationships
        for operation in (r.interfaces["Configure"].operations if r.interfaces else ())
        if "configure" in operation
        for name, i in more(after, before)
        if name == (n.name if operation.endswith("_source") else r.target)
    )


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6))
def test_operations_with_a_host_are_for_the_machines_of_the_instances(hosts: int, few: int, many: int) -> None:
    """An instance is on the one of its host with the same id, else on the first."""
    assume(few < many)
    relationship = of_type(relation("host", "A", "add_source", "remove_target"), HOSTED_ON)
    made = topology(node("A"), node("B", "create", [relationship]))
    before, after = ({"A": instance_ids(hosts), "B": instance_ids(number)} for number in (few, many))
    for one, other in ((before, after), (after, before)):
        (step,) = [s for s in scale_plan(made, one, other).steps if s.requirement]
        assert step.instances == instance_ids(many)[few:]
        assert set(step.targets) == {i if int(i) < hosts else "0" for i in step.instances}


@given(scaled())
def test_scaling_in_mirrors_scaling_out(case: Scaled) -> None:
    made, before, after = case
    assume(all(len(before[name]) <= len(after[name]) for name in before))
    up, down = scale_plan(made, before, after), scale_plan(made, after, before)
    started = {(s.node, i) for s in up.steps if s.state == "started" for i in s.instances}
    deleted = {(s.node, i) for s in down.steps if s.state == "deleted" for i in s.instances}
    assert started == deleted == more(after, before)
    first, last = order_of(up), order_of(down)
    names = {name for name, _ in started}
    for one in names:
        for other in names:
            was_first = (one, "started") in first[other, "started"]
            assert was_first == ((other, "deleted") in last[one, "deleted"]), (one, other)


@given(scaled())
def test_the_order_is_that_of_whole_nodes(case: Scaled) -> None:
    """As far as both ends of a relationship come, or go."""
    made, before, after = case
    bonds = [Bond(n.name, r.name, r.target) for n in made.node_templates.values() for r in n.relationships]
    targets = {(bond.source, bond.name): bond.target for bond in bonds}
    planned = order_of(scale_plan(made, before, after))
    for workflow, moved in (("install", more(after, before)), ("uninstall", more(before, after))):
        names = {name for name, _ in moved}
        ours = {
            event
            for event in planned
            if belongs(event, workflow) and event[0] in names and targets.get(event[:2], event[0]) in names
        }
        for event, wanted in earlier(workflow, made.node_templates, bonds).items():
            if event in ours:
                assert wanted & ours <= planned[event], event


def belongs(event: Event, workflow: str) -> bool:
    states = {"install": ("creat", "configur", "start", "initial"), "uninstall": ("stop", "delet")}
    return event[-1] in words_of(workflow) if len(event) == 3 else event[-1].startswith(states[workflow])


def order_of(plan: Plan) -> dict[Event, set[Event]]:
    """What comes before each event by the edges of a plan."""
    graph: nx.DiGraph[Event] = nx.DiGraph()
    events = {s.id: _event(s) for s in plan.steps}
    graph.add_nodes_from(events.values())
    graph.add_edges_from((events[e.source], events[e.target]) for e in plan.edges)
    return closure(graph)


def _event(step: PlanStep) -> Event:
    if step.requirement is not None:
        return (step.node, step.requirement, str(step.operation))
    return (step.node, str(step.operation or step.state))


def test_with_the_same_numbers_there_is_nothing_to_do() -> None:
    made = topology(node("A", "create"), hosted("B", "A", "create"))
    assert scale_plan(made, {"A": ("0",), "B": ("0",)}, {"A": ("0",), "B": ("0",)}).steps == ()
