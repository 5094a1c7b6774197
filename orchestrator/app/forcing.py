"""Use case: undeploy by force. It always ends with the deployment gone, and tells what may remain outside."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator import paths
from orchestrator.app import updating
from orchestrator.app.instances import living
from orchestrator.app.living_jobs import end_living_jobs_of, still_living
from orchestrator.app.placement import placed
from orchestrator.app.policies import with_policies
from orchestrator.app.reading import plan_of
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import ConfigurationError, OrchError
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.topology import RUNNABLE, STANDARD, Topology
from orchestrator.sites import LOCAL
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus, Failure, StepStatus

PATIENCE_SECONDS = 60.0
"""How long an execution may take to be cancelled."""
STEP_SECONDS = 600.0
"""How long an operation may take when it has no limit of its own."""
ABANDONED = "abandoned"
"""The state of a node of which nothing can be undone."""
_POLL_SECONDS = 0.1
_IMAGE_OUTPUTS = (
    (STANDARD, "start", "filename"),
    (RUNNABLE, "run", "filename"),
    (STANDARD, "start", "image_file_path"),
    (RUNNABLE, "submit", "image_file_path"),
)


@dataclass(frozen=True)
class Forced:
    """What can be carried out of an undeployment by force (None: nothing), and what is known to remain already."""

    deployment: Deployment
    plan: Plan | None
    notes: tuple[str, ...]


def end_executions(home: Home, deployment: Deployment) -> list[str]:
    """Cancel all that is under way on a deployment, and jobs that outlived it; what could not be cancelled is told."""
    under_way = [e for e in home.store.executions(deployment.id) if not e.status.final]
    notes = [note for execution in under_way for note in _end(home, execution)]
    end_living_jobs_of(home, deployment)  # those that go on are named in the end
    return notes


def prepare(home: Home, deployment: Deployment, notes: Iterable[str] = ()) -> Forced:
    """The plan that undoes what can be undone, whatever fails; nodes on sites that are not known are passed over."""
    told = list(notes)
    try:
        deployment = updating.settle(home, deployment)
        topology = topology_of(deployment)
        known = _known_matches(home, deployment)
        plan = with_policies(
            placed(plan_of(topology, "uninstall", living(home, deployment)), topology, deployment.matches), topology
        )
    except (OrchError, msgspec.MsgspecError) as error:
        return Forced(deployment, None, (*told, f"nothing was undone: {error}"))
    lost = set(deployment.matches.values()) - set(known.values())
    told += [
        f"{node}: nothing was undone, its site {site!r} is described nowhere" for node, site in _abandoned(plan, lost)
    ]
    if lost:
        deployment = msgspec.structs.replace(deployment, matches=known)
        home.store.replace_deployment(deployment)
    return Forced(deployment, _persistent(plan, lost), tuple(told))


def finish(home: Home, forced: Forced, execution_id: str | None) -> list[str]:
    """Have the deployment be gone, however its undeployment ended; what may remain outside is told, a line for each."""
    told = list(forced.notes)
    if execution_id is not None:
        execution = home.store.execution(execution_id)
        if not execution.status.final:
            home.store.end_execution(execution, ExecutionStatus.FAILED, Failure("broken off by force"), None)
        told += _undone(home, execution, forced.plan or Plan("uninstall"))
    told += still_living(home, home.store.executions(forced.deployment.id))
    told += _images(home, forced)
    if home.store.deployment(forced.deployment.id).status is not DeploymentStatus.UNDEPLOYED:
        home.store.set_deployment_status(forced.deployment.id, DeploymentStatus.UNDEPLOYED)
    return list(dict.fromkeys(told))


def _end(home: Home, execution: Execution) -> Iterator[str]:
    """Cancel an execution; when that cannot be done in order, it is only recorded as cancelled."""
    why = f"it did not end within {PATIENCE_SECONDS:.0f} s"
    try:
        _cancel(home, execution)
    except (OrchError, msgspec.MsgspecError) as error:
        why = str(error)
    execution = home.store.execution(execution.id)
    if not execution.status.final:
        failure = Failure("cancelled by force", output=why)
        home.store.end_execution(execution, ExecutionStatus.CANCELLED, failure, None)
        yield f"execution {execution.id} ({execution.workflow}) could not be cancelled in order: {why}"


def _cancel(home: Home, execution: Execution) -> None:
    ours = home.engine.cancel(execution)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if ours:
            if home.engine.wait(execution.id, _POLL_SECONDS):
                return
            continue
        now = home.store.execution(execution.id)
        if now.status.final:
            return
        ours = not home.owner.alive(now.owner) and home.engine.cancel(now)
        time.sleep(_POLL_SECONDS)


def _known_matches(home: Home, deployment: Deployment) -> dict[str, str]:
    """The matched nodes whose sites are described. Raises ConfigurationError when no description can be read."""
    home.sites_of(msgspec.structs.replace(deployment, matches={}))
    known = {}
    for node, site in deployment.matches.items():
        try:
            home.sites_of(msgspec.structs.replace(deployment, matches={node: site}))
        except ConfigurationError:
            continue
        known[node] = site
    return known


def _abandoned(plan: Plan, lost: set[str]) -> list[tuple[str, str]]:
    steps = [step for step in plan.steps if step.kind is StepKind.OPERATION and step.site in lost]
    return list(dict.fromkeys((step.node, step.site or "") for step in steps))


def _persistent(plan: Plan, lost: set[str]) -> Plan:
    """The plan going on whatever fails, tried once; steps on lost sites do nothing."""
    return msgspec.structs.replace(plan, steps=tuple(_persistent_step(step, lost) for step in plan.steps))


def _persistent_step(step: PlanStep, lost: set[str]) -> PlanStep:
    if step.kind is not StepKind.OPERATION:
        return step
    if step.site in lost:
        return PlanStep(step.id, StepKind.STATE, step.node, state=ABANDONED, site=step.site, span=step.span)
    limit = step.policy.timeout or STEP_SECONDS
    policy = msgspec.structs.replace(step.policy, timeout=limit, retries=0, continue_on_error=True)
    return msgspec.structs.replace(step, policy=policy)


def _undone(home: Home, execution: Execution, plan: Plan) -> Iterator[str]:
    """The operations that failed, or that it never came to."""
    ledger = home.store.ledger(execution.id)
    for step in plan.steps:
        entry = ledger.get(step.id)
        if step.kind is not StepKind.OPERATION or (entry is not None and entry.status is StepStatus.DONE):
            continue
        why = f"failed: {entry.failure.message}" if entry and entry.failure else "was not carried out"
        yield f"{step.title} {why}"


def _images(home: Home, forced: Forced) -> Iterator[str]:
    """The files of images that were built or transferred, as far as they are not known to be gone."""
    for node in _nodes(forced.deployment):
        for operation in _IMAGE_OUTPUTS:
            found = home.store.output(forced.deployment.id, None, node, "0", operation)
            if found not in (None, ""):
                yield from _image(home, node, str(found))


def _image(home: Home, node: str, file: str) -> Iterator[str]:
    path = Path(file) if "/" in file else home.settings.site_folder(LOCAL) / "images" / file
    yield f"{node}: the image {path if paths.exists(path) else file}"


def _nodes(deployment: Deployment) -> Sequence[str]:
    try:
        topology: Topology = topology_of(deployment)
    except msgspec.MsgspecError:
        return ()
    return tuple(topology.node_templates)
