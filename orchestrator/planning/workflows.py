"""The workflows of a topology by name: declared ones come before generated ones."""

from __future__ import annotations

from difflib import get_close_matches

from orchestrator.errors import UserError
from orchestrator.model.plan import Plan
from orchestrator.model.problems import DocumentError, Problem, Problems
from orchestrator.model.topology import Topology
from orchestrator.planning.declared import declared_plan
from orchestrator.planning.generated import GENERATED_WORKFLOWS, generated_plan
from orchestrator.planning.instances import instance_problems
from orchestrator.planning.problems import plan_problems
from orchestrator.planning.submitted import inlined_workflows, run_before_submit


def workflow_names(topology: Topology) -> tuple[str, ...]:
    """The workflows that can be planned: the declared ones as written, then the generated ones they do not replace."""
    return tuple(dict.fromkeys((*topology.workflows, *GENERATED_WORKFLOWS)))


def plan_workflow(topology: Topology, name: str) -> Plan:
    """The plan of the declared workflow of that name, else of the generated one.

    Raises UserError, telling which workflows there are, for an unknown name, and DocumentError for a declared workflow
    with faults that leave no plan.
    """
    if name in topology.workflows:
        return declared_plan(topology, name)
    if name in GENERATED_WORKFLOWS:
        return generated_plan(topology, name)
    names = workflow_names(topology)
    close = get_close_matches(name, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    raise UserError(
        f"{topology.name} has no workflow named {name!r}",
        hint=f"{guess}its workflows are {', '.join(names)}",
        code="E1201",
    )


def planning_problems(topology: Topology) -> list[Problem]:
    """The faults of all plans of a topology, each once: of every declared workflow, and of the order of its nodes.

    Also what is wrong with the numbers of their instances.
    """
    problems = Problems()
    for problem in instance_problems(topology):
        problems.add(problem)
    inlined = inlined_workflows(topology)
    for name in topology.workflows:
        try:
            plan = declared_plan(topology, name)
            found = [*plan_problems(plan), *(() if name in inlined else run_before_submit(topology, plan))]
        except DocumentError as error:
            found = error.problems
        for problem in found:
            problems.add(problem)
    if "install" not in topology.workflows:
        for problem in plan_problems(generated_plan(topology, "install")):
            problems.add(problem)
    return list(problems)
