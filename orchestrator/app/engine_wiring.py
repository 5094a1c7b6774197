"""The part of the wiring that the engine needs; apart, because it imports Ansible and dbos."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.app.placement import site_of
from orchestrator.app.update_operations import UpdateOperations
from orchestrator.app.updating import as_before, before_of, merged
from orchestrator.app.wiring import Home, topology_of
from orchestrator.engine import Engine, EngineSettings, ExecutionParts
from orchestrator.jobs import (
    JobContext,
    JobKind,
    LocalJobs,
    SiteFolders,
    SiteSlots,
    Watcher,
    dag_run,
    http_download,
    image_creation,
    image_transfer,
    pycompss,
    pycompss_first_generation,
    stage_in,
    stage_out,
)
from orchestrator.model.plan import Plan
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.operations import Operations, Surroundings
from orchestrator.planning import UPDATE
from orchestrator.services import launcher
from orchestrator.sites import LOCAL, Site
from orchestrator.state import Deployment, Execution

JOB_KINDS: Mapping[str, JobKind] = {
    "imagecreation.ansible.nodes.ImageCreation": image_creation,
    "dls.ansible.nodes.DLSDAGImageTransfer": image_transfer,
    "dls.ansible.nodes.DLSDAGStageInData": stage_in,
    "dls.ansible.nodes.DLSDAGStageOutData": stage_out,
    "dls.ansible.nodes.HTTP2SSH": http_download,
    "dls.ansible.nodes.DLSDAGRun": dag_run,
    "org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob": pycompss,
    "pycomps.ansible.nodes.PyCOMPSJob": pycompss_first_generation,
}
"""Node types whose jobs orch prepares and watches itself; a type derived from one of them counts as it."""


def make_engine(home: Home) -> Engine:
    """The engine of a home."""
    settings = home.settings
    slots = SiteSlots(lambda site: home.sites()[site].jobs or None if site in home.sites() else None)
    return Engine(
        store=home.store,
        owner=home.owner,
        parts_of=lambda execution: _parts(home, execution, slots),
        watcher=Watcher(lambda site: LocalJobs(settings.site_folder(site) / "jobs"), EngineSettings.watch_interval),
        settings=EngineSettings(dbos_database=settings.durable_database, runs=settings.runs),
    )


@dataclass(frozen=True)
class _Placed:
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

    def folders(self, site: Site) -> SiteFolders:
        """The folders of a site's embedded services."""
        own = self.home.settings.site_folder(site.name)
        beside = Path(self.deployment.source).parent
        named = site.services.image_creation.registry
        return SiteFolders(
            jobs=own / "jobs",
            images=own / "images",
            transferred=own / "transferred",
            unpacked=own / "unpacked",
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
            workflow_inputs={**self.deployment.inputs, **self.execution.inputs},
        )

    def job_variables(self, node: str) -> Mapping[str, Value]:
        """How a playbook reaches the launcher of the node's site."""
        return {
            "orch_jobs": str(self.folders(self.site(node)).jobs),
            "orch_launcher": launcher.__file__,
            "orch_python": sys.executable,
        }

    def kind(self, node: str) -> JobKind | None:
        """How a node's operations become jobs."""
        lineage = self.topology.node_templates[node].lineage
        return next((JOB_KINDS[type_name] for type_name in lineage if type_name in JOB_KINDS), None)


def _parts(home: Home, execution: Execution, slots: SiteSlots) -> ExecutionParts:
    deployment = home.store.deployment(execution.deployment_id)
    placed, operations = _at_work(home, deployment, execution)
    return ExecutionParts(
        execution=execution,
        plan=msgspec.json.decode(execution.plan, type=Plan),
        operations=operations,
        kind_of=placed.kind,
        site_of=lambda node: placed.site(node).name,
        job_context=placed.job_context,
        job_variables=placed.job_variables,
        slots=slots,
    )


def _at_work(home: Home, deployment: Deployment, execution: Execution) -> tuple[_Placed, Operations]:
    """On what an execution works, and with what: an update works on the old topology and the new one."""
    topology, sites = topology_of(deployment), home.sites_of(deployment)
    now = surroundings(home, deployment, execution, topology)
    base = before_of(deployment) if execution.workflow == UPDATE else None
    if base is None:
        return _Placed(home, deployment, execution, topology, sites), Operations(now, home.settings.runs)
    earlier = as_before(deployment, base)
    before = surroundings(home, earlier, execution, base.topology)
    both = _Placed(home, deployment, execution, merged(topology, base.topology), {**home.sites_of(earlier), **sites})
    return both, UpdateOperations(before, now, home.settings.runs)


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
        secrets=home.secrets,
        output_of=lambda node, instance, key: home.store.output(deployment.id, execution_id, node, instance, key),
        states=lambda: home.store.node_states(deployment.id),
    )
