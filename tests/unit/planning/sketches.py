"""Topologies in a few words, for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from orchestrator.model.plan import Plan
from orchestrator.model.source import Span
from orchestrator.model.topology import (
    CONFIGURE,
    RUNNABLE,
    STANDARD,
    Activity,
    CallOperation,
    Group,
    Implementation,
    Inline,
    Interface,
    NodeTemplate,
    Operation,
    Relationship,
    SetState,
    Topology,
    Workflow,
    WorkflowStep,
)

RUNNABLE_OPERATIONS = {"submit", "run", "cancel"}


def span(line: int) -> Span:
    return Span("t.yaml", line, 1, line, 9)


def interface(name: str, operations: Iterable[str], host: str | None = None) -> Interface:
    made = {o: Operation(o, implementation=Implementation(f"{o}.yml", operation_host=host)) for o in operations}
    return Interface(name, operations=made)


def relation(name: str, target: str, *operations: str, requirement: str = "dependency") -> Relationship:
    interfaces = {CONFIGURE: interface(CONFIGURE, operations)} if operations else {}
    return Relationship(name, requirement, target, "tosca.relationships.DependsOn", (), interfaces=interfaces)


def node(name: str, operations: str = "", needs: Iterable[str | Relationship] = (), **more: object) -> NodeTemplate:
    """A node with these implemented operations (Standard ones and Runnable ones, as their names say)."""
    wanted = operations.split()
    interfaces = {
        STANDARD: interface(STANDARD, [o for o in wanted if o not in RUNNABLE_OPERATIONS]),
        RUNNABLE: interface(RUNNABLE, [o for o in wanted if o in RUNNABLE_OPERATIONS]),
    }
    relationships = tuple(n if isinstance(n, Relationship) else relation(f"to_{n}", n) for n in needs)
    fields = {"interfaces": interfaces, "relationships": relationships, "span": span(1), **more}
    return NodeTemplate(name, "example.nodes.Any", ("example.nodes.Any",), **fields)  # type: ignore[arg-type]


def topology(
    *nodes: NodeTemplate,
    workflows: Mapping[str, Mapping[str, WorkflowStep]] | None = None,
    groups: Iterable[Group] = (),
) -> Topology:
    declared = {name: Workflow(name, steps=steps) for name, steps in (workflows or {}).items()}
    return Topology(
        "sketch",
        "t.yaml",
        node_templates={n.name: n for n in nodes},
        workflows=declared,
        groups={g.name: g for g in groups},
    )


def steps(*made: WorkflowStep) -> dict[str, WorkflowStep]:
    return {step.name: step for step in made}


def step(name: str, target: str | None, *activities: Activity | str, **more: object) -> WorkflowStep:
    """A step; a text ``Interface.operation`` is a call, another text a state."""
    made = tuple(_activity(a) if isinstance(a, str) else a for a in activities)
    return WorkflowStep(name, target, made, span=span(7), **more)  # type: ignore[arg-type]


def inline(workflow: str, **inputs: object) -> Inline:
    return Inline(workflow, inputs=inputs, span=span(8))  # type: ignore[arg-type]


def _activity(text: str) -> Activity:
    return CallOperation(*text.split(".", 1)) if "." in text else SetState(text)


def ids(plan: Plan) -> list[str]:
    return [s.id for s in plan.steps]


def links(plan: Plan) -> set[tuple[str, str]]:
    return {(e.source, e.target) for e in plan.edges}


OPERATIONS = ["create", "configure", "start", "stop", "delete", "submit", "run", "cancel"]
HOOKS = [
    "pre_configure_source",
    "pre_configure_target",
    "post_configure_source",
    "post_configure_target",
    "add_source",
    "add_target",
    "remove_source",
    "remove_target",
]


@st.composite
def topologies(draw: st.DrawFn, most: int = 9) -> Topology:
    """Topologies without cycles, in any document order."""
    count = draw(st.integers(1, most))
    nodes = []
    for index in range(count):
        targets = draw(st.lists(st.integers(0, index - 1), max_size=3, unique=True)) if index else []
        needs = [relation(f"r{t}", f"n{t}", *draw(st.lists(st.sampled_from(HOOKS), max_size=3))) for t in targets]
        operations = draw(st.lists(st.sampled_from(OPERATIONS), max_size=4))
        nodes.append(node(f"n{index}", " ".join(operations), needs))
    return topology(*draw(st.permutations(nodes)))
