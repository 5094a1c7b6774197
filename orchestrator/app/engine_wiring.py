"""The part of the wiring that the engine needs; apart, because it imports Ansible and dbos."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import msgspec

from orchestrator.app.inputs import workflow_inputs
from orchestrator.app.job_kinds import SCHEDULED, batch_script, job_kind
from orchestrator.app.placement import site_of
from orchestrator.app.update_operations import UpdateOperations
from orchestrator.app.updating import as_before, before_of, merged
from orchestrator.app.wiring import Home, topology_of
from orchestrator.engine import Engine, EngineSettings, ExecutionParts, check_interruption
from orchestrator.jobs import (
    Argument,
    ExecutionSlots,
    JobBackend,
    JobContext,
    JobKind,
    LocalJobs,
    Login,
    SiteFolders,
    SiteSlots,
    SlurmJobs,
    Watcher,
    first_given,
    written_arguments,
)
from orchestrator.model.decoding import from_json
from orchestrator.model.expressions import evaluate
from orchestrator.model.jobs import JobReference
from orchestrator.model.plan import Plan
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.operations import FIRST_INSTANCE, Operations, Surroundings, lookup_for
from orchestrator.planning import UPDATE
from orchestrator.services import launcher
from orchestrator.sites import LOCAL, ConnectionKind, SchedulerKind, Site, inherited, passed_on
from orchestrator.state import Deployment, Execution


def make_engine(home: Home) -> Engine:
    """The engine of a home."""
    settings = home.settings
    slots = SiteSlots(home.store)
    return Engine(
        store=home.store,
        owner=home.owner,
        parts_of=lambda execution: _parts(home, execution, slots),
        watcher=Watcher(partial(_backend, home)),
        settings=EngineSettings(dbos_database=settings.durable_database, run_places=settings.run_places),
    )


def _backend(home: Home, reference: JobReference) -> JobBackend:
    """What has a job."""
    return home.connections.scheduler_of(reference) or LocalJobs(home.settings.site_folder(reference.site) / "jobs")


@dataclass(frozen=True)
class Placed:
    """What the parts of one execution are made from."""

    home: Home
    deployment: Deployment
    execution: Execution
    topology: Topology
    sites: Mapping[str, Site]

    def site(self, node: str) -> Site:
        """The site on which a node's jobs run."""
        name = site_of(self.topology, {n: s.name for n, s in self.sites.items()}, node)
        return next((site for site in self.sites.values() if site.name == name), Site(name=LOCAL))

    def login(self, site: Site) -> tuple[str, str]:
        """Who logs in to a site, and the key: the workflow's inputs say, or else the site."""
        if site.connection is ConnectionKind.LOCAL:
            return "", ""
        given = {**self.deployment.inputs, **self.execution.inputs}
        user = first_given(given, "user_id", "user") or site.user
        return str(user), str(first_given(given, "vault_id") or site.key)

    def folders(self, site: Site) -> SiteFolders:
        """The folders of a site's embedded services; of another machine, those of its jobs are there."""
        own = self.home.settings.site_folder(site.name)
        beside = Path(self.deployment.source).parent
        named = site.services.image_creation.registry
        there = own
        if site.connection is not ConnectionKind.LOCAL:
            there = Path(self.home.connections.folder(site, *self.login(site)))
        return SiteFolders(
            jobs=own / "jobs",
            # one builder for all sites: an image that is built for one may be brought to others, too
            images=self.home.settings.site_folder(LOCAL) / "images",
            transferred=there / "transferred",
            unpacked=there / "unpacked",
            catalogue=self.home.catalogue_folder(site),
            registries=tuple(Path(p) for p in (named, beside / "registry") if p is not None),
        )

    def job_context(self, node: str, token: str) -> JobContext:
        """For whom and where a job of a node runs."""
        site = self.site(node)
        return JobContext(
            token=token,
            execution=self.execution.id,
            deployment=self.deployment.name,
            workflow=self.execution.workflow,
            node=node,
            site=site,
            folders=self.folders(site),
            workflow_inputs=self.workflow_inputs(),
            script=batch_script(self.topology.node_templates[node]),
            arguments=self.arguments(node),
            inherited=inherited(site.inherit),
            login=self._login(site),
        )

    def arguments(self, node: str) -> tuple[Argument, ...]:
        around = surroundings(self.home, self.deployment, self.execution, self.topology)
        lookup = lookup_for(around, node)
        return written_arguments(self.topology.node_templates[node], lambda written: evaluate(written, lookup))

    def _login(self, site: Site) -> Login | None:
        if site.connection is ConnectionKind.LOCAL:
            return None
        user, key = self.login(site)
        settings, keys = self.home.connections.credentials(site, user, key)
        return Login(settings, keys)

    def workflow_inputs(self) -> dict[str, Value]:
        """All inputs that a job may name; those that may be given and are not are there, without a value."""
        used = workflow_inputs(self.topology, self.execution.workflow)
        declared = dict.fromkeys((*self.topology.inputs, *(use.name for use in used)))
        return {**declared, **self.deployment.inputs, **self.execution.inputs}

    def is_scheduled(self, node: str) -> bool:
        """Whether the scheduler of its site runs a node's jobs."""
        return self.site(node).scheduler is not SchedulerKind.LOCAL and self.kind(node) in SCHEDULED

    def reference(self, node: str, token: str) -> JobReference:
        """Where a node's job is to be found again."""
        site = self.site(node)
        if not self.is_scheduled(node):
            return JobReference(site=site.name, backend=LocalJobs.name, token=token, id=token)
        user, key = self.login(site)
        return JobReference(site=site.name, backend=SlurmJobs.name, token=token, id=token, user=user, key=key)

    def job_variables(self, node: str) -> Mapping[str, Value]:
        """How a playbook reaches the launcher of the node's site."""
        return {
            "orch_jobs": str(self.home.settings.site_folder(self.site(node).name) / "jobs"),
            "orch_launcher": launcher.__file__,
            "orch_python": sys.executable,
            "orch_inherit": _inherited(self.site(node)),
        }

    def kind(self, node: str) -> JobKind | None:
        """How a node's operations become jobs."""
        return job_kind(self.topology.node_templates[node])


def _inherited(site: Site) -> dict[str, Value]:
    """Which variables of this process jobs on this machine have; the launcher reads the values from the process."""
    return {
        "pid": os.getpid(),
        "start": launcher.start_time(os.getpid()),
        "names": sorted(passed_on(site.inherit)),
    }


def _parts(home: Home, execution: Execution, slots: SiteSlots) -> ExecutionParts:
    deployment = _sharing_topology(home.store.deployment(execution.deployment_id))
    placed, operations = at_work(home, deployment, execution)
    home.connections.know(placed.sites.values())
    limits = {site.name: site.jobs for site in (*home.sites().usable.values(), *placed.sites.values())}
    return ExecutionParts(
        execution=execution,
        plan=_plan(execution.plan),
        operations=operations,
        kind_of=placed.kind,
        reference=placed.reference,
        scheduler=home.connections.scheduler_of,
        job_folder=lambda job: home.settings.site_folder(job.site) / "jobs" / job.token,
        job_context=placed.job_context,
        job_variables=placed.job_variables,
        slots=ExecutionSlots(slots, execution.id, lambda site: limits.get(site) or None),
        outputs=_outputs(surroundings(home, deployment, execution, placed.topology), execution.workflow),
    )


def _sharing_topology(deployment: Deployment) -> Deployment:
    """The deployment with the topology's text that others of this process hold already: there may be a thousand."""
    return msgspec.structs.replace(deployment, topology=_one(deployment.topology))


@lru_cache(maxsize=16)
def _one(text: bytes) -> bytes:
    return text


# executions of one workflow of one deployment have the same plan
@lru_cache(maxsize=16)
def _plan(plan: bytes) -> Plan:
    return from_json(plan, Plan)


def _outputs(around: Surroundings, workflow: str) -> dict[str, Callable[[], Value]]:
    """What evaluates the outputs of a declared workflow."""
    declared = around.topology.workflows.get(workflow)
    if declared is None or not around.topology.node_templates:
        return {}
    lookup = lookup_for(around, next(iter(around.topology.node_templates)))
    return {name: partial(evaluate, output, lookup) for name, output in declared.outputs.items()}


def at_work(home: Home, deployment: Deployment, execution: Execution) -> tuple[Placed, Operations]:
    """On what an execution works, and with what: an update works on the old topology and the new one."""
    topology, sites = topology_of(deployment), home.sites_of(deployment)
    now = surroundings(home, deployment, execution, topology)
    base = before_of(deployment) if execution.workflow == UPDATE else None
    if base is None:
        return Placed(home, deployment, execution, topology, sites), Operations(now, home.runs)
    earlier = as_before(deployment, base)
    before = surroundings(home, earlier, execution, base.topology)
    both = Placed(home, deployment, execution, merged(topology, base.topology), {**home.sites_of(earlier), **sites})
    return both, UpdateOperations(before, now, home.runs)


def surroundings(home: Home, deployment: Deployment, execution: Execution | None, topology: Topology) -> Surroundings:
    """What the expressions of a deployment are evaluated against."""
    execution_id = execution.id if execution else ""
    return Surroundings(
        topology=topology,
        deployment=deployment.name,
        execution=execution_id,
        topology_inputs=deployment.inputs,
        workflow_inputs=execution.inputs if execution else {},
        sites=home.sites_of(deployment),
        secrets=home.secrets_of_execution(execution_id, check_interruption) if execution else home.secrets,
        output_of=lambda node, instance, key: home.store.output(deployment.id, execution_id, node, instance, key),
        states=lambda: home.store.node_states(deployment.id),
        instances=lambda node: home.store.instances_of(deployment.id, node).get(node, (FIRST_INSTANCE,)),
        attribute_of=lambda node, instance, name: home.store.attribute(deployment.id, node, instance, name),
    )
