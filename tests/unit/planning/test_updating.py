"""The difference between two topologies, and the plan that turns one into the other."""

from __future__ import annotations

from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from sketches import ids, links, node, relation, topologies, topology

from orchestrator.model.expressions import Call, Function, Literal
from orchestrator.model.plan import Plan, StepKind
from orchestrator.model.source import Span
from orchestrator.model.topology import NodeTemplate, Topology, Workflow
from orchestrator.planning import generated_plan, plan_problems
from orchestrator.planning.difference import Aspect, Change, Detail, Difference, difference
from orchestrator.planning.updating import UPDATE, tears_down, update_plan

EMPTY = Topology("sketch", "t.yaml")


def with_property(made: NodeTemplate, **values: object) -> NodeTemplate:
    properties = {n: v if isinstance(v, Call) else Literal(v) for n, v in values.items()}
    return msgspec.structs.replace(made, properties=properties)


def get_input(name: str) -> Call:
    return Call(Function.GET_INPUT, (Literal(name),))


def compared(old: Topology, new: Topology) -> Difference:
    return difference(old, new, {}, {})


def updated(old: Topology, new: Topology) -> Plan:
    return update_plan(old, new, compared(old, new))


# --- differences


def test_a_changed_property_is_told_with_both_values() -> None:
    found = compared(topology(with_property(node("A"), port=1)), topology(with_property(node("A"), port=2)))
    (told,) = found.nodes
    assert (told.name, told.change) == ("A", Change.CHANGED)
    assert told.details == (Detail(Aspect.PROPERTY, "port", Change.CHANGED, 1, 2),)


def test_true_is_not_one() -> None:
    old, new = topology(with_property(node("A"), x=[1])), topology(with_property(node("A"), x=[True]))
    assert compared(old, new).names(Change.CHANGED) == ("A",)


def test_an_input_with_another_value_changes_the_nodes_that_read_it() -> None:
    made = topology(with_property(node("A"), x=get_input("a")), with_property(node("B"), x=get_input("b")))
    found = difference(made, made, {"a": 1, "b": 1}, {"a": 2, "b": 1})
    assert found.names(Change.CHANGED) == ("A",)
    assert found.inputs == (Detail(Aspect.INPUT, "a", Change.CHANGED, 1, 2),)


def test_writing_a_value_as_an_input_changes_no_node() -> None:
    old, new = topology(with_property(node("A"), x=7)), topology(with_property(node("A"), x=get_input("a")))
    found = difference(old, new, {}, {"a": 7})
    assert (found.nodes, [d.name for d in found.inputs]) == ((), ["a"])


def test_requirements_operations_and_artifacts_are_told() -> None:
    old = topology(node("A", "start", ["B"]), node("B"))
    new = topology(node("A", "start stop", [relation("to_C", "C")]), node("B"), node("C"))
    found = {d.name: (d.aspect, d.change, d.before, d.after) for d in compared(old, new).nodes[0].details}
    assert found == {
        "to_B": (Aspect.REQUIREMENT, Change.REMOVED, "B", None),
        "to_C": (Aspect.REQUIREMENT, Change.ADDED, None, "C"),
        "Standard.stop": (Aspect.OPERATION, Change.ADDED, None, None),
    }


def test_places_and_texts_change_no_node() -> None:
    made = node("A", "start")
    moved = msgspec.structs.replace(made, span=Span("other.yaml", 9, 9, 9, 9), description="new", metadata={"a": 1})
    found = compared(topology(made), topology(moved))
    assert (found.nodes, found.others) == ((), ("descriptions and metadata",))


def test_a_workflow_is_told_by_name() -> None:
    old, new = topology(workflows={"w": {}}), topology(workflows={"v": {}})
    found = [(d.name, d.change) for d in compared(old, new).workflows]
    assert found == [("w", Change.REMOVED), ("v", Change.ADDED)]
    described = msgspec.structs.replace(old, workflows={"w": Workflow("w", description="other")})
    assert compared(old, described).workflows == ()


def test_another_type_or_site_replaces_a_node() -> None:
    made = topology(node("A"))
    typed = topology(msgspec.structs.replace(node("A"), type="example.nodes.Other"))
    assert compared(made, typed).names(Change.REPLACED) == ("A",)
    assert difference(made, made, {}, {}, moved={"A": ("here", "there")}).names(Change.REPLACED) == ("A",)


def test_what_is_not_wholly_there_is_done_again() -> None:
    made = topology(node("A"), node("B"), node("C"))
    found = difference(made, made, {}, {}, anew={"A"}, again={"B"})
    assert (found.names(Change.ADDED), found.names(Change.CHANGED)) == (("A",), ("B",))


@settings(deadline=None)  # the machine may be busy
@given(topologies())
def test_nothing_is_different_from_itself(made: Topology) -> None:
    again = msgspec.json.decode(msgspec.json.encode(made), type=Topology)
    assert difference(made, again, {"a": 1}, {"a": 1}).empty


# --- plans


def test_a_changed_node_is_stopped_configured_and_started() -> None:
    made = node("A", "create configure start stop delete")
    plan = updated(topology(with_property(made, x=1)), topology(with_property(made, x=2)))
    words = "stopping stop stopped configuring configure configured starting start started"
    assert ids(plan) == [f"A_{word}" for word in words.split()]
    assert (plan.workflow, links(plan)) == (UPDATE, set(zip(ids(plan), ids(plan)[1:], strict=False)))


def test_a_changed_node_without_operations_gets_its_last_state() -> None:
    assert ids(updated(topology(with_property(node("A"), x=1)), topology(with_property(node("A"), x=2)))) == [
        "A_started"
    ]


def test_nodes_that_depend_on_a_changed_one_are_left_alone() -> None:
    user = node("User", "configure start stop", ["A"])
    made = node("A", "start")
    plan = updated(topology(user, with_property(made, x=1)), topology(user, with_property(made, x=2)))
    assert {step.node for step in plan.steps} == {"A"}


def test_a_node_of_another_type_is_removed_and_added() -> None:
    made = node("A", "create delete")
    plan = updated(topology(made), topology(msgspec.structs.replace(made, type="example.nodes.Other")))
    words = "deleting delete deleted initial creating create created started"
    assert ids(plan) == [f"A_{word}" for word in words.split()]


def test_what_goes_goes_before_anything_comes() -> None:
    plan = updated(
        topology(node("A", "delete"), node("B", "delete")), topology(node("C", "create"), node("D", "create"))
    )
    order = ids(plan)
    assert max(order.index(f"{n}_deleted") for n in "AB") < min(order.index(f"{n}_initial") for n in "CD")
    before = _ancestors(plan)
    assert all({"A_deleted", "B_deleted"} <= before[f"{n}_initial"] for n in "CD")


def test_a_node_that_stays_hears_of_a_source_that_goes_and_one_that_comes() -> None:
    target = node("T", "configure stop")
    old = node("Old", "stop", [relation("uses", "T", "add_source", "remove_source", "remove_target")])
    new = node("New", "start", [relation("uses", "T", "add_source", "remove_source", "pre_configure_target")])
    plan = updated(topology(target, old), topology(target, new))
    called = [step.id for step in plan.steps if step.kind is StepKind.OPERATION]
    assert called == [
        "Old_uses_remove_target",
        "Old_stop",
        "Old_uses_remove_source",
        "New_start",
        "New_uses_add_source",
    ]


def test_a_source_that_stays_hears_of_a_target_that_is_replaced() -> None:
    source = node("S", "configure stop", [relation("uses", "T", "add_target", "remove_target")])
    target = node("T", "start stop")
    plan = updated(
        topology(source, target), topology(source, msgspec.structs.replace(target, type="example.nodes.Other"))
    )
    called = [step.id for step in plan.steps if step.kind is StepKind.OPERATION]
    assert called == ["S_uses_remove_target", "T_stop", "T_start", "S_uses_add_target"]


def test_relationships_that_stay_are_not_taken_away_from_a_changed_node() -> None:
    made = node("A", "stop start", [relation("uses", "B", "remove_target", "add_target", "add_source")])
    plan = updated(topology(with_property(made, x=1), node("B")), topology(with_property(made, x=2), node("B")))
    assert [s.id for s in plan.steps if s.kind is StepKind.OPERATION] == ["A_stop", "A_start"]


@settings(deadline=None)  # the machine may be busy
@given(topologies())
def test_from_nothing_it_is_the_install(made: Topology) -> None:
    plan, install = updated(EMPTY, made), generated_plan(made, "install")
    assert (plan.steps, plan.edges) == (install.steps, install.edges)


@settings(deadline=None)  # the machine may be busy
@given(topologies())
def test_to_nothing_it_is_the_uninstall(made: Topology) -> None:
    plan, uninstall = updated(made, EMPTY), generated_plan(made, "uninstall")
    assert (plan.steps, plan.edges) == (uninstall.steps, uninstall.edges)


@st.composite
def changes(draw: st.DrawFn) -> tuple[Topology, Topology]:
    """Two topologies with nodes in common, some of them changed or of another type."""
    old, new = draw(topologies()), draw(topologies())
    shared = draw(st.sets(st.sampled_from(sorted(old.node_templates))))
    nodes = dict(new.node_templates)
    for name in shared & set(nodes):
        nodes[name] = old.node_templates[name]
    for name in draw(st.sets(st.sampled_from(sorted(nodes)))):
        nodes[name] = with_property(nodes[name], x=1)
    for name in draw(st.sets(st.sampled_from(sorted(nodes)), max_size=2)):
        nodes[name] = msgspec.structs.replace(nodes[name], type="example.nodes.Other")
    kept = {
        name: msgspec.structs.replace(made, relationships=tuple(r for r in made.relationships if r.target in nodes))
        for name, made in nodes.items()
    }
    return old, msgspec.structs.replace(new, node_templates=kept)


@settings(deadline=None)  # the machine may be busy
@given(changes())
def test_the_order_of_any_update(pair: tuple[Topology, Topology]) -> None:
    old, new = pair
    told = compared(old, new)
    plan = update_plan(old, new, told)
    assert plan_problems(plan) == []
    before = _ancestors(plan)
    gone = set(told.names(Change.REMOVED, Change.REPLACED))
    come = set(told.names(Change.ADDED, Change.REPLACED))
    changed = set(told.names(Change.CHANGED))
    assert {s.node for s in plan.steps if s.requirement is None} == gone | come | changed
    for name in gone:
        for r in old.node_templates[name].relationships:
            if r.target in gone:
                assert f"{name}_deleted" in before[_first(plan, r.target, down=True)]
        assert all(f"{name}_deleted" in before[f"{n}_initial"] for n in come)
    for name in come | changed:
        for r in new.node_templates[name].relationships:
            if r.target in come | changed:
                assert f"{r.target}_started" in before[_first(plan, name, down=False, changed=changed)]
    for name in changed:
        for one, other in (("stop", "configure"), ("stop", "start"), ("configure", "start")):
            if f"{name}_{one}" in before and f"{name}_{other}" in before:
                assert f"{name}_{one}" in before[f"{name}_{other}"]
        assert not {f"{name}_create", f"{name}_delete"} & set(ids(plan))


def _first(plan: Plan, node: str, *, down: bool, changed: set[str] = frozenset()) -> str:  # type: ignore[assignment]
    """The first state step of a node in one half of the plan; of a changed node, of all."""
    return next(
        s.id
        for s in plan.steps
        if s.node == node and s.kind is StepKind.STATE and (node in changed or tears_down(None, s.state) is down)
    )


def _ancestors(plan: Plan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {step.id: set() for step in plan.steps}
    into = defaultdict(list)
    for edge in plan.edges:
        into[edge.target].append(edge.source)
    for step in plan.steps:
        for source in into[step.id]:
            found[step.id] |= {source} | found[source]
    return found


def test_many_nodes_without_links_need_few_edges() -> None:
    old = topology(*(node(f"a{n}") for n in range(300)))
    plan = updated(old, topology(*(node(f"b{n}") for n in range(300))))
    assert len(plan.edges) < 1000
