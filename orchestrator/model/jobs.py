"""Jobs: what an external system runs for an operation."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from orchestrator.model.values import Value


class JobState(enum.Enum):
    """The states of a job, whichever system runs it. Every system's own states are mapped to these by a table."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    VANISHED = "vanished"

    @property
    def final(self) -> bool:
        """Whether a job stays in this state for good."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobReference(msgspec.Struct, frozen=True):
    """Where a job can be found again: the site, the kind of system there, our token, the system's id of it.

    ``user`` is who logged in to submit it, with the private key that the secret store has as ``key``; both are empty
    for jobs of this machine.
    """

    site: str
    backend: str
    token: str
    id: str
    user: str = ""
    key: str = ""


class JobReport(msgspec.Struct, frozen=True):
    """What is known of a job at one moment. ``results`` are the outputs that a completed job left.

    ``lost`` tells why it cannot be known how the job is, though it was asked for long enough: it may live, or have
    ended well. Then ``state`` is the last that was known.
    """

    state: JobState
    detail: str = ""
    exit_code: int | None = None
    results: Mapping[str, Value] = {}
    lost: str = ""
