"""Asynchronous jobs of each kind: what to submit, the state tables, watching many at once.

It prepares and watches jobs; it must never decide what happens next, nor carry a playbook out.
"""

from orchestrator.jobs.batch import sbatch_words, slurm_job, without_scheduler
from orchestrator.jobs.expansion import expand, referenced_names
from orchestrator.jobs.local import LocalJobs
from orchestrator.jobs.output_files import error_files, last_lines, written
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
from orchestrator.jobs.slurm_states import state_of
from orchestrator.jobs.submission import (
    BatchOptions,
    JobContext,
    JobKind,
    Login,
    SecretInJob,
    SiteFolders,
    Submission,
    Submitted,
    Unsettled,
    first_given,
    submission_of,
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
    "SecretInJob",
    "SiteFolders",
    "SiteSlots",
    "SlurmJobs",
    "Submission",
    "Submitted",
    "Unsettled",
    "Watcher",
    "dag_run",
    "error_files",
    "expand",
    "first_given",
    "http_download",
    "image_creation",
    "image_transfer",
    "last_lines",
    "pycompss",
    "pycompss_first_generation",
    "referenced_names",
    "sbatch_words",
    "slurm_job",
    "stage_in",
    "stage_out",
    "state_of",
    "submission_of",
    "without_scheduler",
    "written",
    "written_arguments",
]
