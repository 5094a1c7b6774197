"""Asynchronous jobs of each kind: what to submit, the state tables, watching many at once.

It prepares and watches jobs; it must never decide what happens next, nor carry a playbook out.
"""

from orchestrator.jobs.expansion import expand, referenced_names
from orchestrator.jobs.local import LocalJobs
from orchestrator.jobs.preparation import (
    JobContext,
    JobKind,
    SiteFolders,
    Submission,
    dag_run,
    http_download,
    image_creation,
    image_transfer,
    stage_in,
    stage_out,
)
from orchestrator.jobs.pycompss import pycompss, pycompss_first_generation
from orchestrator.jobs.slots import SiteSlots
from orchestrator.jobs.watching import JobBackend, Watcher

__all__ = [
    "JobBackend",
    "JobContext",
    "JobKind",
    "LocalJobs",
    "SiteFolders",
    "SiteSlots",
    "Submission",
    "Watcher",
    "dag_run",
    "expand",
    "http_download",
    "image_creation",
    "image_transfer",
    "pycompss",
    "pycompss_first_generation",
    "referenced_names",
    "stage_in",
    "stage_out",
]
