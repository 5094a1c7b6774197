"""What the engine is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.jobs import JobContext, JobKind, SiteSlots
from orchestrator.model.plan import Plan
from orchestrator.model.values import Value
from orchestrator.operations import Operations
from orchestrator.state import Execution


@dataclass(frozen=True)
class EngineSettings:
    """``dbos_database``: URL of the database that dbos alone uses; ``runs``: where private folders of playbooks are.

    Times are in seconds.
    """

    dbos_database: str
    runs: Path
    parallel_operations: int = 4
    watch_interval: float = 0.2
    cancel_check_interval: float = 0.5
    foreign_poll_interval: float = 15.0
    dequeue_interval: float = 0.05


@dataclass(frozen=True)
class ExecutionParts:
    """The parts that belong to one execution.

    ``kind_of`` tells how a node's operations become jobs that orch watches itself, None for nodes whose playbooks do
    it all; ``site_of`` names the site on which a node's jobs run; ``job_variables`` are the variables that a playbook
    needs to reach the job system of that site; ``slots`` are the places for jobs that all executions share.
    """

    execution: Execution
    plan: Plan
    operations: Operations
    kind_of: Callable[[str], JobKind | None]
    site_of: Callable[[str], str]
    job_context: Callable[[str, str], JobContext]
    job_variables: Callable[[str], Mapping[str, Value]]
    slots: SiteSlots
