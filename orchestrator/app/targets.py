"""Use cases: what a word of the user stands for: a topology file, a deployment or an execution; and its plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import paths
from orchestrator.app.executing import find_deployment
from orchestrator.app.instances import Instances, at_first, living
from orchestrator.app.placement import placed
from orchestrator.app.reading import load, plan_of
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.plan import Plan
from orchestrator.model.problems import Problem
from orchestrator.model.topology import Topology
from orchestrator.planning import workflow_names
from orchestrator.state import Deployment


@dataclass(frozen=True)
class Target:
    """A topology, and the deployment of it that was meant, if one was.

    ``plan`` and ``states`` (step to state) are set when an execution was meant. ``warnings`` are those of a file.
    """

    topology: Topology
    deployment: Deployment | None = None
    plan: Plan | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Problem, ...] = ()


def named_target(
    home: Home, word: str | None, workflow: str | None, deployment: str | None, *, executions: bool = False
) -> tuple[Target, str | None]:
    """What is meant by ``[FILE] [WORKFLOW]`` and ``--deployment NAME``, and which workflow of it.

    Without a file it is the deployment that is named, or the only one there is; a single word is then the workflow.
    Raises as :func:`find_target`.
    """
    if deployment is not None or word is None:
        if word is not None and workflow is not None:
            raise UserError(f"{word!r} and --deployment exclude each other", hint="name a file or a deployment")
        found = find_deployment(home, deployment)
        return Target(topology_of(found), found), workflow or word
    if workflow is None and not paths.exists(Path(word)) and (only := _only_deployment(home, word)) is not None:
        return Target(topology_of(only), only), word
    return find_target(home, word, executions=executions), workflow


def _only_deployment(home: Home, workflow: str) -> Deployment | None:
    """The only deployment there is, if it has a workflow of that name."""
    living = home.store.deployments()
    if len(living) != 1 or living[0].name == workflow:
        return None
    return living[0] if workflow in workflow_names(topology_of(living[0])) else None


def find_target(home: Home, word: str, *, executions: bool = False) -> Target:
    """What a word stands for: a file that is there, else a deployment, else (if wanted) an execution.

    Raises UserError when it is none of these, DocumentError when the file has faults.
    """
    if paths.exists(Path(word)):
        topology, warnings = load(home, Path(word))
        return Target(topology, warnings=warnings)
    living = {deployment.name: deployment for deployment in home.store.deployments()}
    if word in living:
        return Target(topology_of(living[word]), living[word])
    found = _execution(home, word) if executions else None
    if found is not None:
        return found
    names = f"deployed: {', '.join(living)}" if living else "nothing is deployed"
    what = "file, deployment or execution" if executions else "file or deployment"
    raise UserError(f"there is no {what} {word!r}", hint=names)


def _execution(home: Home, word: str) -> Target | None:
    from orchestrator.app.executions import show_execution, step_states

    try:
        details = show_execution(home, word)
    except UserError:
        return None
    deployment = home.store.deployment(details.summary.execution.deployment_id)
    return Target(topology_of(deployment), deployment, details.plan, step_states(details))


def target_plan(home: Home, target: Target, workflow: str) -> Plan:
    """The plan of a workflow, with the sites of its steps where they are known. Raises UserError, DocumentError."""
    plan = plan_of(target.topology, workflow, _instances(home, target, workflow))
    if target.deployment is None:
        return plan
    return placed(plan, target.topology, target.deployment.matches)


def _instances(home: Home, target: Target, workflow: str) -> Instances:
    if target.deployment is None:
        return at_first(target.topology, {})
    return (
        at_first(target.topology, target.deployment.inputs)
        if workflow == "install"
        else living(home, target.deployment)
    )


def workflows_of(target: Target) -> tuple[str, ...]:
    """The workflows of which there is a plan: declared ones, and those that every topology has."""
    return workflow_names(target.topology)
