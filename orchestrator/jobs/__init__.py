"""Asynchronous jobs of each kind: what to submit, the state tables, watching many at once.

It prepares and watches jobs; it must never decide what happens next, nor carry a playbook out.
"""

from orchestrator.jobs.batch import slurm_job, without_scheduler
from orchestrator.jobs.expansion import expand, referenced_names
from orchestrator.jobs.local import LocalJobs
from orchestrator.jobs.preparation import (
    dag_run,
    http_download,
    image_creation,
    image_transfer,
    stage_in,
    stage_out,
)
from orchestrator.jobs.pycompss import pycompss, pycompss_first_generation
from orchestrator.jobs.slots import ExecutionSlots, SiteSlots
from orchestrator.jobs.slurm import SlurmJobs
from orchestrator.jobs.submission import (
    BatchOptions,
    JobContext,
    JobKind,
    Login,
    SiteFolders,
    Submission,
    Submitted,
    first_given,
)
from orchestrator.jobs.watching import JobBackend, Scheduler, Watcher
from orchestrator.jobs.written import Argument, Piece, written_arguments

__all__ = [
    "Argument",
    "BatchOptions",
    "ExecutionSlots",
    "JobBackend",
    "JobContext",
    "JobKind",
    "LocalJobs",
    "Login",
    "Piece",
    "Scheduler",
    "SiteFolders",
    "SiteSlots",
    "SlurmJobs",
    "Submission",
    "Submitted",
    "Watcher",
    "dag_run",
    "expand",
    "first_given",
    "http_download",
    "image_creation",
    "image_transfer",
    "pycompss",
    "pycompss_first_generation",
    "referenced_names",
    "slurm_job",
    "stage_in",
    "stage_out",
    "without_scheduler",
    "written_arguments",
]
