"""Use cases: deploy, run, undeploy: everything is checked first, then an execution is stored and started."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.app.inputs import Given, accept, topology_inputs, workflow_inputs
from orchestrator.app.placement import abstract_nodes, placed
from orchestrator.app.policies import Overrides, with_policies
from orchestrator.app.preconditions import check_preconditions
from orchestrator.app.preflight import check_secrets, ignored_services
from orchestrator.app.reading import load, plan_of
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.plan import Plan
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.planning import workflow_names
from orchestrator.sites import match_nodes
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus

INSTALL = "install"
UNINSTALL = "uninstall"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Started:
    """An execution that this process carries out now, and what should be said about it beforehand."""

    execution: Execution
    deployment: Deployment
    plan: Plan
    warnings: tuple[str, ...] = ()


def deploy(
    home: Home,
    file: Path,
    *,
    name: str | None = None,
    given: Mapping[str, Given] | None = None,
    site: str | None = None,
    matches: Mapping[str, str] | None = None,
    overrides: Overrides | None = None,
) -> Started:
    """Deploy a topology: its workflow ``install`` is started.

    A deployment of that name whose deploying failed is begun anew. Raises before anything is touched: DocumentError,
    UserError, SecretError, ConfigurationError.
    """
    topology, problems = load(home, file)
    values = accept(topology_inputs(topology), given or {}, also={})
    folder = file.resolve().parent
    sites = home.sites(folder)
    matched = match_nodes(abstract_nodes(topology), sites, site=site, matches=matches)
    plan = with_policies(placed(plan_of(topology, INSTALL), topology, matched), topology, overrides)
    check_secrets(topology, home.secrets)
    now = time.time()
    wanted = _deployment_name(name or topology.name)
    deployment = Deployment(
        id=uuid.uuid4().hex,
        name=wanted,
        status=DeploymentStatus.DEPLOYING,
        source=str(Path(topology.file).resolve()),  # of a CSAR, its topology where it was unpacked
        topology=msgspec.json.encode(topology),
        inputs=values,
        matches=matched,
        site_files=tuple(str(f) for f in home.settings.site_files(folder)),
        created=now,
        updated=now,
    )
    earlier = next((d for d in home.store.deployments() if d.name == wanted), None)
    if earlier is None:
        home.store.add_deployment(deployment)
    else:
        deployment = _again(home, earlier, deployment)
    ignored = ignored_services(topology, {node: sites[s] for node, s in matched.items()})
    warnings = [str(problem) for problem in problems] + ([ignored] if ignored else [])
    return _start(home, deployment, INSTALL, {}, plan, tuple(warnings))


def _again(home: Home, earlier: Deployment, deployment: Deployment) -> Deployment:
    """Put a deployment in the place of one whose deploying failed."""
    if earlier.status is DeploymentStatus.DEPLOYED:
        raise UserError(
            f"{earlier.name!r} is deployed already",
            hint=f"`orch undeploy {earlier.name}` first, or deploy under another name with --name",
        )
    _refuse_while_busy(home, earlier)
    again = msgspec.structs.replace(deployment, id=earlier.id, created=earlier.created)
    home.store.replace_deployment(again)
    return again


def run(
    home: Home,
    workflow: str,
    *,
    deployment_name: str | None = None,
    given: Mapping[str, Given] | None = None,
    overrides: Overrides | None = None,
) -> Started:
    """Run a workflow of a deployment. Raises before anything is touched, as :func:`deploy` does."""
    deployment = find_deployment(home, deployment_name)
    topology = topology_of(deployment)
    if workflow in (INSTALL, UNINSTALL):
        raise UserError(f"{workflow!r} is not run by itself", hint="use `orch deploy` or `orch undeploy`")
    plan = with_policies(placed(plan_of(topology, workflow), topology, deployment.matches), topology, overrides)
    if deployment.status is not DeploymentStatus.DEPLOYED:
        raise UserError(
            f"{deployment.name!r} is not deployed: it is {deployment.status.value}",
            hint="deploy it again, or resume what was interrupted (see `orch executions list`)",
        )
    values = accept(workflow_inputs(topology, workflow), given or {}, also=dict.fromkeys(topology.inputs))
    home.sites_of(deployment)
    check_secrets(topology, home.secrets)
    check_preconditions(home, deployment, topology, workflow)
    return _start(home, deployment, workflow, values, plan)


def undeploy(home: Home, deployment_name: str | None = None) -> Started:
    """Undeploy a deployment: its workflow ``uninstall`` is started. Raises UserError."""
    deployment = find_deployment(home, deployment_name)
    _refuse_while_busy(home, deployment)
    topology = topology_of(deployment)
    plan = with_policies(placed(plan_of(topology, UNINSTALL), topology, deployment.matches), topology)
    return _start(home, deployment, UNINSTALL, {}, plan)


def find_deployment(home: Home, name: str | None) -> Deployment:
    """A living deployment by its name; with only one, it need not be named. Raises UserError."""
    living = home.store.deployments()
    if name is None:
        if len(living) == 1:
            return living[0]
        if not living:
            raise UserError("nothing is deployed", hint="orch deploy TOPOLOGY")
        raise UserError("there are several deployments", hint=f"name one: {', '.join(d.name for d in living)}")
    for deployment in living:
        if deployment.name == name:
            return deployment
    names = ", ".join(d.name for d in living)
    raise UserError(f"there is no deployment {name!r}", hint=f"deployed: {names}" if names else "orch deploy TOPOLOGY")


def runnable_workflows(topology: Topology) -> list[str]:
    """The workflows that ``orch run`` runs."""
    return [name for name in workflow_names(topology) if name not in (INSTALL, UNINSTALL)]


def _refuse_while_busy(home: Home, deployment: Deployment) -> None:
    for execution in home.store.executions(deployment.id):
        if execution.status.final:
            continue
        if home.owner.alive(execution.owner):
            raise UserError(
                f"{deployment.name!r} is busy: {execution.workflow} is being carried out (execution {execution.id})",
                hint=f"wait for it, or `orch executions cancel {execution.id}`",
            )
        if execution.owner is not None:
            raise UserError(
                f"{deployment.name!r}: {execution.workflow} (execution {execution.id}) was interrupted",
                hint=f"`orch executions resume {execution.id}` or `orch executions cancel {execution.id}` first",
            )


def _start(
    home: Home,
    deployment: Deployment,
    workflow: str,
    inputs: Mapping[str, Value],
    plan: Plan,
    warnings: tuple[str, ...] = (),
) -> Started:
    execution = Execution(
        id=uuid.uuid4().hex[:12],
        deployment_id=deployment.id,
        workflow=workflow,
        status=ExecutionStatus.QUEUED,
        attempt=1,
        inputs=inputs,
        plan=msgspec.json.encode(plan),
        owner=None,
        cancel_requested=None,
        created=time.time(),
        started=None,
        ended=None,
        failure=None,
    )
    home.store.add_execution(execution)
    home.engine.start(execution)
    return Started(execution, deployment, plan, warnings)


def _deployment_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is no name for a deployment",
            hint="letters, digits, '.', '_' and '-', at most 100, not beginning with '.', '_' or '-': use --name",
        )
    return name
