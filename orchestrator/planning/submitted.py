"""Jobs that a workflow watches where nothing is certain to have submitted them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep
from orchestrator.model.problems import Problem
from orchestrator.model.topology import RUNNABLE, Inline, Topology
from orchestrator.planning.graph import BLOCK, predecessors
from orchestrator.planning.problems import PlanFault, fault

_SUBMIT, _RUN = "submit", "run"


def inlined_workflows(topology: Topology) -> set[str]:
    """Workflows that are put into others, and are judged with them."""
    return {
        activity.workflow
        for workflow in topology.workflows.values()
        for step in workflow.steps.values()
        for activity in step.activities
        if isinstance(activity, Inline)
    }


def run_before_submit(topology: Topology, plan: Plan) -> Iterator[Problem]:
    """Calls of ``Runnable.run`` that a path leads to on which the job of the node was not submitted.

    What is said of nodes whose job the plan submits nowhere is not told here.
    """
    submits = {step.id: step.node for step in plan.steps if _calls(step, _SUBMIT)}
    submitted = set(submits.values())
    incoming = predecessors(plan)
    unsure = [
        step
        for step in plan.steps
        if _calls(step, _RUN)
        and step.node in submitted
        and _watched(topology, step.node)
        and not _right_behind(step, incoming[step.id], submits)
    ]
    nodes = list(dict.fromkeys(step.node for step in unsure))
    for base in range(0, len(nodes), BLOCK):
        bits = {node: 1 << index for index, node in enumerate(nodes[base : base + BLOCK])}
        certain = _certain(plan.steps, incoming, {step: bits.get(node, 0) for step, node in submits.items()})
        for step in unsure:
            if step.node in bits and not certain[step.id] & bits[step.node]:
                yield _problem(plan, step, [name for name, node in submits.items() if node == step.node])


def _calls(step: PlanStep, operation: str) -> bool:
    return step.requirement is None and (step.interface, step.operation) == (RUNNABLE, operation)


def _watched(topology: Topology, name: str) -> bool:
    """Whether orch itself watches the jobs of a node."""
    node = topology.node_templates.get(name)
    run = node.operation(RUNNABLE, _RUN) if node is not None else None
    return run is not None and run.implementation is not None and run.implementation.artifact_type == JOB_WATCH


def _right_behind(step: PlanStep, edges: Sequence[Edge], submits: Mapping[str, str]) -> bool:
    """Whether the success of a submit is the only thing that a step waits for, as in nearly all workflows."""
    return len(edges) == 1 and edges[0].when is Outcome.SUCCESS and submits.get(edges[0].source) == step.node


def _certain(
    steps: Sequence[PlanStep], incoming: Mapping[str, Sequence[Edge]], own: Mapping[str, int]
) -> dict[str, int]:
    """By step, the nodes (as bits) whose job is submitted when it starts, whichever way leads to it.

    The steps are in topological order; of those in a circle nothing is certain.
    """
    found: dict[str, int] = {}
    for step in steps:
        together, ways = 0, []
        joined = False
        for edge in incoming[step.id]:
            before = found.get(edge.source, 0)
            if edge.when is Outcome.SUCCESS:
                together |= before | own.get(edge.source, 0)
                joined = True
            else:
                ways.append(before)
        if joined:
            ways.append(together)
        certain = ways[0] if ways else 0
        for way in ways[1:]:
            certain &= way
        found[step.id] = certain
    return found


def _problem(plan: Plan, step: PlanStep, submits: Sequence[str]) -> Problem:
    named = ", ".join(repr(name) for name in submits[:3])
    message = (
        f"step {step.id!r} of workflow {plan.workflow!r} runs the job of {step.node}, which need not be submitted "
        "by then"
    )
    hint = f"let the success of {named} lead to it, or call Runnable.submit of {step.node} right before it"
    return fault(PlanFault.RUN_BEFORE_SUBMIT, message, step.span, hint)
