"""Use cases: deploy, update, run, undeploy: everything is checked first, then an execution is stored and started."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator import faults
from orchestrator.app import forcing, updating
from orchestrator.app.inputs import Given, accept, topology_inputs, workflow_inputs
from orchestrator.app.instances import (
    CHANGING,
    at_first,
    forget_others,
    living,
    of_update,
    refuse_unfinished_scaling,
    refuse_while_to_be_scaled,
)
from orchestrator.app.living_jobs import end_living_jobs_of
from orchestrator.app.placement import abstract_nodes, placed
from orchestrator.app.plan_checks import refuse_impossible_steps
from orchestrator.app.policies import Overrides, with_policies
from orchestrator.app.preconditions import check_preconditions
from orchestrator.app.preflight import ignored_services
from orchestrator.app.reading import load, plan_of
from orchestrator.app.recorded import recorded
from orchestrator.app.secret_checks import check_secrets
from orchestrator.app.site_checks import fit_sites
from orchestrator.app.submission_checks import refuse_impossible_jobs
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.names import is_name, name_rule
from orchestrator.model.plan import Plan
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.planning import UPDATE, Difference, workflow_names
from orchestrator.sites import match_nodes
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus

INSTALL = "install"
UNINSTALL = "uninstall"


@dataclass(frozen=True)
class Started:
    """An execution that this process carries out now, or that is queued, and what is to be said beforehand."""

    execution: Execution
    deployment: Deployment
    plan: Plan
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """What it takes to deploy a topology; everything is checked, nothing is touched.

    ``difference`` is set when it is an update of something that is deployed: then ``plan`` may have no steps.
    """

    deployment: Deployment
    plan: Plan
    warnings: tuple[str, ...]
    earlier: Deployment | None = None
    update: updating.Update | None = None

    @property
    def difference(self) -> Difference | None:
        """What is different from what is deployed; None when nothing of that name is."""
        return self.update.difference if self.update else None


def prepare_deploy(
    home: Home,
    file: Path,
    *,
    name: str | None = None,
    given: Mapping[str, Given] | None = None,
    site: str | None = None,
    matches: Mapping[str, str] | None = None,
    instead: Sequence[str] = (),
    overrides: Overrides | None = None,
    recreate: Sequence[str] = (),
) -> Prepared:
    """See what it takes to deploy a topology: all of it, or what is different from the deployment of that name.

    Inputs and sites that are not given stay as they are; one of ``instead`` takes the place of a site that refuses the
    work. An update tears the nodes to ``recreate`` down and makes them again. Raises DocumentError, UserError,
    SecretError, ConfigurationError, SiteError.
    """
    topology, problems = load(home, file)
    wanted = _deployment_name(topology.name if name is None else name)
    earlier = next((d for d in home.store.deployments() if d.name == wanted), None)
    if earlier is not None:
        refuse_unfinished_scaling(home, earlier)
    base = updating.base_of(home, earlier, _new_execution_id()) if earlier is not None else None
    base = updating.recreating(base, topology, recreate)
    uses = topology_inputs(topology)
    values = accept(topology, updating.kept_inputs(uses, base) if base else uses, given or {})
    folder = file.resolve().parent
    sites = home.sites(folder)
    nodes = abstract_nodes(topology)
    kept = updating.kept_matches(base, nodes, sites) if base and site is None else {}
    matched = match_nodes(nodes, sites, site=site, matches={**kept, **(matches or {})})
    check_secrets(topology, home.secrets, values)
    matched, moved = fit_sites(home, topology, matched, sites, instead)
    refuse_impossible_jobs(topology, INSTALL, {node: sites[s] for node, s in matched.items()}, values)
    now = time.time()
    deployment = Deployment(
        id=earlier.id if earlier else uuid.uuid4().hex,
        name=wanted,
        status=DeploymentStatus.DEPLOYED if base else DeploymentStatus.DEPLOYING,
        source=str(Path(topology.file).resolve()),  # of a CSAR, its topology where it was unpacked
        topology=recorded(topology),
        inputs=msgspec.json.decode(msgspec.json.encode(values)),
        matches=matched,
        site_files=tuple(str(f) for f in home.settings.site_files(folder)),
        created=earlier.created if earlier else now,
        updated=now,
    )
    ignored = ignored_services(topology, {node: sites[s] for node, s in matched.items()})
    warnings = (*(str(problem) for problem in problems), *([ignored] if ignored else []), *moved)
    if base is not None:
        update = updating.prepare(base, deployment, overrides, instances=of_update(home, deployment))
        refuse_impossible_steps(updating.merged(topology, base.topology), update.plan)
        return Prepared(deployment, update.plan, (*warnings, *update.warnings), earlier, update)
    plan = placed(plan_of(topology, INSTALL, at_first(topology, deployment.inputs)), topology, matched)
    refuse_impossible_steps(topology, plan)
    plan = with_policies(plan, topology, overrides)
    _refuse_what_no_site_serves(home, deployment, INSTALL, {}, plan)
    return Prepared(deployment, plan, warnings, earlier)


def begin_deploy(home: Home, prepared: Prepared) -> Started | None:
    """Carry out what was prepared; None when there is nothing to be done: then it is so already. Raises UserError."""
    deployment, update, difference = prepared.deployment, prepared.update, prepared.difference
    if prepared.earlier is None:
        home.store.add_deployment(deployment)
    elif difference is not None and difference.empty and prepared.earlier.status is DeploymentStatus.DEPLOYED:
        if all(execution.status.final for execution in home.store.executions(deployment.id)):
            # its files may lie elsewhere now
            home.store.replace_deployment(deployment)
        return None
    else:
        refuse_while_busy(home, prepared.earlier)
        if update is None:
            home.store.replace_deployment(deployment)
            forget_others(home, deployment, prepared.plan)
        else:
            updating.store(home, update)
            faults.reach("update.stored")
    if update is None:
        return start(home, deployment, INSTALL, {}, prepared.plan, prepared.warnings)
    if not update.difference.nodes:
        return None
    return start(home, deployment, UPDATE, {}, prepared.plan, prepared.warnings, update.base.execution)


def run(
    home: Home,
    workflow: str,
    *,
    deployment_name: str | None = None,
    given: Mapping[str, Given] | None = None,
    overrides: Overrides | None = None,
) -> Started:
    """Run a workflow of a deployment. Raises before anything is touched, as :func:`prepare_deploy` does."""
    deployment = find_deployment(home, deployment_name)
    topology = topology_of(deployment)
    if workflow in CHANGING:
        raise UserError(f"{workflow!r} is not run by itself", hint="use `orch deploy`, `scale` or `undeploy`")
    plan = plan_of(topology, workflow, living(home, deployment))
    plan = with_policies(placed(plan, topology, deployment.matches), topology, overrides)
    if deployment.status is not DeploymentStatus.DEPLOYED:
        raise UserError(
            f"{deployment.name!r} is not deployed: it is {deployment.status.value}",
            hint="deploy it again, or resume what was interrupted (see `orch executions list`)",
        )
    refuse_while_to_be_scaled(home, deployment)
    values = accept(topology, workflow_inputs(topology, workflow), given or {}, also=topology_inputs(topology))
    refuse_impossible_steps(topology, plan)
    all_values = {**deployment.inputs, **values}
    refuse_impossible_jobs(topology, workflow, home.sites_of(deployment), all_values)
    check_secrets(topology, home.secrets, all_values, of_run=True)
    check_preconditions(home, deployment, topology, workflow)
    _refuse_what_no_site_serves(home, deployment, workflow, values, plan)
    return start(home, deployment, workflow, values, plan)


def undeploy(home: Home, deployment_name: str | None = None) -> Started:
    """Undeploy a deployment: its workflow ``uninstall`` is started. Raises UserError.

    Jobs that outlived their executions are ended before; those that cannot be are named in the warnings.
    """
    deployment = find_deployment(home, deployment_name)
    refuse_while_busy(home, deployment, behind_runs=home.queue_only)
    left = end_living_jobs_of(home, deployment)
    deployment = updating.settle(home, deployment)
    topology = topology_of(deployment)
    plan = plan_of(topology, UNINSTALL, living(home, deployment))
    plan = with_policies(placed(plan, topology, deployment.matches), topology)
    return start(home, deployment, UNINSTALL, {}, plan, tuple(left))


def undeploy_by_force(home: Home, deployment_name: str | None = None) -> tuple[Started | None, forcing.Forced]:
    """Undeploy a deployment whatever is wrong with it: what is under way is cancelled, steps that fail are passed over.

    Nothing is started when nothing can be carried out. :func:`orchestrator.app.forcing.finish` is to be called when
    what was started has ended. Raises UserError when there is no such deployment.
    """
    deployment = find_deployment(home, deployment_name)
    notes = forcing.end_executions(home, deployment)
    forced = forcing.prepare(home, home.store.deployment(deployment.id), notes)
    if forced.plan is None:
        return None, forced
    return start(home, forced.deployment, UNINSTALL, {}, forced.plan), forced


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
    return [name for name in workflow_names(topology) if name not in CHANGING]


def refuse_while_busy(home: Home, deployment: Deployment, *, behind_runs: bool = False) -> None:
    """See that nothing is under way on a deployment. Raises UserError.

    ``behind_runs``: what is to come can wait for runs to end.
    """
    for execution in home.store.executions(deployment.id):
        if execution.status.final or (behind_runs and execution.workflow not in CHANGING):
            continue
        if home.owner.alive(execution.owner):
            raise UserError(
                f"{deployment.name!r} is busy: {execution.workflow} is being carried out (execution {execution.id})",
                hint=f"wait for it, or `orch executions cancel {execution.id}`",
            )
        if execution.owner is None:
            raise UserError(
                f"{deployment.name!r}: {execution.workflow} (execution {execution.id}) waits for a worker",
                hint=f"`orch worker` carries it out, `orch executions cancel {execution.id}` takes it back",
            )
        raise UserError(
            f"{deployment.name!r}: {execution.workflow} (execution {execution.id}) was interrupted",
            hint=f"`orch executions resume {execution.id}` or `orch executions cancel {execution.id}` first",
        )


def _refuse_what_no_site_serves(
    home: Home, deployment: Deployment, workflow: str, inputs: Mapping[str, Value], plan: Plan
) -> None:
    from orchestrator.app.refusals import refuse_what_no_site_serves  # heavy: imports Ansible and dbos

    refuse_what_no_site_serves(home, deployment, workflow, inputs, plan)


def start(
    home: Home,
    deployment: Deployment,
    workflow: str,
    inputs: Mapping[str, Value],
    plan: Plan,
    warnings: tuple[str, ...] = (),
    execution_id: str | None = None,
) -> Started:
    """Store an execution, and carry it out in this process unless it is only to be queued. Raises UserError."""
    execution = Execution(
        id=execution_id or _new_execution_id(),
        deployment_id=deployment.id,
        workflow=workflow,
        status=ExecutionStatus.QUEUED,
        attempt=1,
        inputs=inputs,
        plan=msgspec.json.encode(plan),
        owner=None if home.queue_only else home.owner.executor_id,
        cancel_requested=None,
        created=time.time(),
        started=None,
        ended=None,
        failure=None,
    )
    if home.queue_only:
        home.store.add_execution(execution)
    else:
        home.owner.claim()  # before anybody can see the execution, and take its owner for dead
        home.store.add_execution(execution)
        home.engine.start(execution)
    return Started(execution, deployment, plan, warnings)


def _new_execution_id() -> str:
    return uuid.uuid4().hex[:12]


def _deployment_name(name: str) -> str:
    if not is_name(name):
        raise UserError(f"{name!r} is no name for a deployment", hint=f"{name_rule()}: use --name")
    return name
