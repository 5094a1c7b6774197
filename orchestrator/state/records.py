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
    """What the ledger knows of a step.

    SKIPPED: taken as done on request. STALE: was done, but is to be done again unless all that it was done with is
    still the same.
    """

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    STALE = "stale"

    @property
    def settled(self) -> bool:
        """Whether the step needs not be done any more."""
        return self in (StepStatus.DONE, StepStatus.SKIPPED)


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
    """One run of a workflow on a deployment. ``owner`` is the executor id of the process that carries it out.

    ``outputs`` are those of the workflow, secrets masked; None until it is done.
    """

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
    outputs: Mapping[str, Value] | None = None


class LedgerEntry(msgspec.Struct, frozen=True):
    """What is known of one step of an execution.

    ``fingerprint`` tells what it was done with; ``cancel_requested`` when somebody asked to cancel it.
    """

    execution_id: str
    step: str
    status: StepStatus
    attempt: int
    started: float
    ended: float | None
    failure: Failure | None
    fingerprint: str | None = None
    cancel_requested: float | None = None


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


class WorkedOn(msgspec.Struct, frozen=True):
    """The instances of a node that a step worked on."""

    deployment_id: str
    node: str
    instances: tuple[str, ...]


class WantedPlace(msgspec.Struct, frozen=True):
    """A place for a job that an execution would like to have at a site which takes ``limit`` jobs at once."""

    site: str
    token: str
    execution_id: str
    limit: int


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
    instance: str | None = None


class EventFilter(msgspec.Struct, frozen=True):
    """Which events are wanted: of some steps, nodes, levels or kinds (empty: any), and not before ``since``."""

    steps: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    since: float | None = None

    def admits(self, event: Event) -> bool:
        """Whether an event is wanted."""
        sets = (
            (event.step, self.steps),
            (event.node, self.nodes),
            (event.level, self.levels),
            (event.kind, self.kinds),
        )
        named = all(not wanted or value in wanted for value, wanted in sets)
        return named and (self.since is None or event.time >= self.since)


class Rework(msgspec.Struct, frozen=True):
    """What a new attempt changes in the ledger before it begins.

    The steps ``again`` are to be done again, those of ``below`` if anything has changed for them; ``skipped`` are taken
    as done. ``jobs`` are to be submitted anew.
    """

    again: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    jobs: tuple[JobRecord, ...] = ()


class CancelRequest(msgspec.Struct, frozen=True):
    """Somebody asked to cancel an execution, or one step of it."""

    execution: str
    step: str | None


class Unfinished(msgspec.Struct, frozen=True):
    """An execution that has not ended, and the executor that carries it out or did so until it died."""

    id: str
    owner: str


class Process(msgspec.Struct, frozen=True):
    """A process that works for an execution: the machine it runs on, and what tells it from others there."""

    host: str
    pid: int
    start_time: float
