"""The records of the store: frozen values, as they were when read."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from orchestrator.model.jobs import JobReference, JobState
from orchestrator.model.source import Span
from orchestrator.model.values import Value


class DeploymentStatus(enum.Enum):
    """Where a deployment is in its life."""

    DEPLOYING = "deploying"
    DEPLOYED = "deployed"
    DEPLOY_FAILED = "deploy_failed"
    UNDEPLOYING = "undeploying"
    UNDEPLOY_FAILED = "undeploy_failed"
    UNDEPLOYED = "undeployed"


class ExecutionStatus(enum.Enum):
    """How far an execution is. RUNNING with a dead owner means interrupted: it can be resumed."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nobody is to work on it any more (it may still be resumed)."""
        return self not in (ExecutionStatus.QUEUED, ExecutionStatus.RUNNING)


class StepStatus(enum.Enum):
    """What the ledger knows of a step."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Deployment(msgspec.Struct, frozen=True):
    """A deployed topology.

    ``matches`` maps abstract nodes to names of sites, ``site_files`` are the files that described those when it was
    deployed; times are seconds since the epoch.
    """

    id: str
    name: str
    status: DeploymentStatus
    source: str
    topology: bytes
    inputs: Mapping[str, Value]
    matches: Mapping[str, str]
    site_files: tuple[str, ...]
    created: float
    updated: float


class Failure(msgspec.Struct, frozen=True):
    """Why something failed: fit to be shown, secrets masked."""

    message: str
    step: str | None = None
    node: str | None = None
    task: str | None = None
    output: str = ""
    hint: str | None = None
    span: Span | None = None


class Execution(msgspec.Struct, frozen=True):
    """One run of a workflow on a deployment. ``owner`` is the executor id of the process that carries it out."""

    id: str
    deployment_id: str
    workflow: str
    status: ExecutionStatus
    attempt: int
    inputs: Mapping[str, Value]
    plan: bytes
    owner: str | None
    cancel_requested: float | None
    created: float
    started: float | None
    ended: float | None
    failure: Failure | None


class LedgerEntry(msgspec.Struct, frozen=True):
    """What is known of one step of an execution."""

    execution_id: str
    step: str
    status: StepStatus
    attempt: int
    started: float
    ended: float | None
    failure: Failure | None


class JobRecord(msgspec.Struct, frozen=True):
    """A job that an execution submitted, or was about to submit when it was last heard of.

    ``generation`` counts the submissions for the same node in the same execution: a new one is made only after the
    last job is known to have ended without success. ``seen`` tells that the job system has answered for it.
    """

    execution_id: str
    node: str
    generation: int
    step: str
    reference: JobReference
    state: JobState
    detail: str
    seen: bool
    created: float
    ended: float | None


class Event(msgspec.Struct, frozen=True):
    """Something that happened in an execution."""

    id: int
    execution_id: str
    time: float
    kind: str
    level: str
    text: str
    step: str | None = None
    node: str | None = None
    data: Mapping[str, Value] | None = None


class Unfinished(msgspec.Struct, frozen=True):
    """An execution that has not ended, and the executor that carries it out or did so until it died."""

    id: str
    owner: str


class Process(msgspec.Struct, frozen=True):
    """A process that works for an execution: the machine it runs on, and what tells it from others there."""

    host: str
    pid: int
    start_time: float
