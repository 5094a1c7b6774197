"""Use case: end jobs that outlived their executions: those of one that failed while they may still be at work."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from orchestrator.app.wiring import Home
from orchestrator.errors import OrchError, StorageError
from orchestrator.state import Deployment, Execution, JobRecord


def living_jobs(home: Home, execution: Execution) -> list[JobRecord]:
    """The jobs of an execution that are not known to have ended."""
    return [job for job in home.store.jobs(execution.id) if not job.state.final]


def end_living_jobs(home: Home, execution: Execution) -> list[str]:
    """Cancel the jobs of an execution that has ended; those that may go on are returned, each in a line.

    Raises UserError when it has not ended.
    """
    jobs = living_jobs(home, execution)
    if not jobs:
        return []
    try:
        return home.engine.end_jobs(execution)
    except StorageError:
        raise
    except (
        OrchError,
        msgspec.MsgspecError,
    ) as error:  # its sites are described nowhere, its topology is not to be read
        return [f"{_named(job)} may still be {job.state.value}: {error}" for job in jobs]


def end_living_jobs_of(home: Home, deployment: Deployment) -> list[str]:
    """The same for all executions of a deployment that have ended."""
    ended = [execution for execution in home.store.executions(deployment.id) if execution.status.final]
    return [line for execution in ended for line in end_living_jobs(home, execution)]


def still_living(home: Home, executions: Iterable[Execution]) -> list[str]:
    """A line for each job of some executions that is not known to have ended."""
    found = (job for execution in executions for job in living_jobs(home, execution))
    return [f"{_named(job)} may still be {job.state.value}" for job in found]


def _named(job: JobRecord) -> str:
    return f"{job.node}: job {job.reference.id} on site {job.reference.site}"
