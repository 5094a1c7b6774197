"""The table of node types whose jobs orch prepares and watches itself."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.jobs import (
    JobKind,
    dag_run,
    http_download,
    image_creation,
    image_transfer,
    pycompss,
    pycompss_first_generation,
    slurm_job,
    stage_in,
    stage_out,
)
from orchestrator.model.topology import RUNNABLE, NodeTemplate

JOB_KINDS: Mapping[str, JobKind] = {
    "imagecreation.ansible.nodes.ImageCreation": image_creation,
    "dls.ansible.nodes.DLSDAGImageTransfer": image_transfer,
    "dls.ansible.nodes.DLSDAGStageInData": stage_in,
    "dls.ansible.nodes.DLSDAGStageOutData": stage_out,
    "dls.ansible.nodes.HTTP2SSH": http_download,
    "dls.ansible.nodes.DLSDAGRun": dag_run,
    "org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob": pycompss,
    "pycomps.ansible.nodes.PyCOMPSJob": pycompss_first_generation,
    "orch.nodes.SlurmJob": slurm_job,
}
"""Node types whose jobs orch prepares and watches itself; a type derived from one of them counts as it."""

SCHEDULED = frozenset({pycompss, pycompss_first_generation, slurm_job})
"""The kinds of jobs that the scheduler of a site runs, where there is one; all others run beside the orchestrator."""

_BATCH_SCRIPT = "yorc.artifacts.Deployment.SlurmJob"


def job_kind(node: NodeTemplate) -> JobKind | None:
    """How a node's operations become jobs."""
    return next((JOB_KINDS[type_name] for type_name in node.lineage if type_name in JOB_KINDS), None)


def batch_script(node: NodeTemplate) -> str | None:
    """The path of the batch script, where the implementation of submit is one, as Yorc has it."""
    submit = node.operation(RUNNABLE, "submit")
    implementation = submit.implementation if submit else None
    if implementation is None or not (implementation.artifact_type or "").startswith(_BATCH_SCRIPT):
        return None
    return implementation.path
