"""Use case: what each operation of a plan would be given: host, playbook, variables with where they come from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.app.engine_wiring import surroundings
from orchestrator.app.inputs import Given, accept, accept_so_far, optional, topology_inputs
from orchestrator.app.placement import abstract_nodes
from orchestrator.app.recorded import recorded
from orchestrator.app.targets import Target
from orchestrator.app.wiring import Home
from orchestrator.errors import OrchError
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value, masked
from orchestrator.operations import OperationCall, Operations
from orchestrator.sites import match_nodes
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus


@dataclass(frozen=True)
class Variable:
    """An input of an operation; secrets in its value are masked."""

    name: str
    value: Value
    origin: str


@dataclass(frozen=True)
class ResolvedStep:
    """What an operation would be given, or why that cannot be told yet."""

    step: PlanStep
    host: str
    implementation: str
    variables: tuple[Variable, ...] = ()
    problem: str | None = None


def resolve_plan(
    home: Home, target: Target, workflow: str, plan: Plan, given: Mapping[str, Given]
) -> list[ResolvedStep]:
    """Resolve the operations of a plan with the inputs given so far; those that are not given count as not there.

    Values that operations have yet to leave are empty. Raises DocumentError for an unknown or wrongly typed input,
    UserError when a node of a file cannot be matched to a site.
    """
    deployment = target.deployment or _imagined(home, target.topology, given)
    values = accept_so_far(target.topology, workflow, given)
    execution = imagined_execution(deployment, workflow, values)
    around = surroundings(home, deployment, execution, target.topology)
    operations = Operations(around, home.runs)
    return [_resolved(operations, step) for step in plan.steps if step.kind is StepKind.OPERATION]


def _resolved(operations: Operations, step: PlanStep) -> ResolvedStep:
    call = OperationCall(
        node=step.node,
        interface=step.interface or "",
        operation=step.operation or "",
        requirement=step.requirement,
        operation_host=step.operation_host,
        inputs=step.inputs,
        instances=step.instances,
        targets=step.targets,
    )
    try:
        resolved = operations.resolve(call)
    except OrchError as error:
        return ResolvedStep(step, operations.host(call), "", problem=error.message)
    implementation = resolved.implementation
    named = "watched by orch" if resolved.watches_job else implementation.path or f"{implementation.file} (not there)"
    variables = tuple(
        Variable(name, masked(value), resolved.origins[name]) for name, value in sorted(resolved.inputs.items())
    )
    return ResolvedStep(step, resolved.place.described, named, variables)


def _imagined(home: Home, topology: Topology, given: Mapping[str, Given]) -> Deployment:
    """A deployment of a file as it would be with the given inputs; it is stored nowhere."""
    folder = Path(topology.file).resolve().parent
    known = {use.name for use in topology_inputs(topology)}
    own = {name: item for name, item in given.items() if name in known}
    now = time.time()
    return Deployment(
        id="",
        name=topology.name,
        status=DeploymentStatus.DEPLOYING,
        source=str(Path(topology.file).resolve()),
        topology=recorded(topology),
        inputs=accept(topology, optional(topology_inputs(topology)), own),
        matches=match_nodes(abstract_nodes(topology), home.sites(folder)),
        site_files=tuple(str(file) for file in home.settings.site_files(folder)),
        created=now,
        updated=now,
    )


def imagined_execution(deployment: Deployment, workflow: str, inputs: Mapping[str, Value]) -> Execution:
    """An execution that is not begun, for what is asked before it."""
    return Execution(
        id="",
        deployment_id=deployment.id,
        workflow=workflow,
        status=ExecutionStatus.QUEUED,
        attempt=1,
        inputs=inputs,
        plan=b"",
        owner=None,
        cancel_requested=None,
        created=time.time(),
        started=None,
        ended=None,
        failure=None,
    )
