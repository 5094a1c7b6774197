"""What the engine is given to work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.jobs import ExecutionSlots, JobContext, JobKind, Scheduler
from orchestrator.model.jobs import JobReference
from orchestrator.model.plan import Plan
from orchestrator.model.values import Secret, Value
from orchestrator.operations import Operations
from orchestrator.state import Execution


@dataclass(frozen=True)
class EngineSettings:
    """``dbos_database``: the one that dbos alone uses, a SQLite file or the URL of a PostgreSQL database.

    ``run_places``: where private folders of playbooks may be. Times are in seconds.
    """

    dbos_database: Path | Secret
    run_places: tuple[Path, ...]
    parallel_operations: int = 4
    watch_interval: float = 0.2
    cancel_check_interval: float = 0.5
    foreign_poll_interval: float = 15.0
    dequeue_interval: float = 0.05


@dataclass(frozen=True)
class ExecutionParts:
    """The parts that belong to one execution.

    ``kind_of`` tells how a node's operations become jobs that orch watches itself, None for nodes whose playbooks do
    it all; ``reference`` says where a node's job of a token is to be found, ``scheduler`` gives the scheduler that has
    it, None for jobs that a playbook hands to our launcher; ``job_folder`` is where a job's output files are kept on
    this machine; ``job_variables`` are the variables that a playbook needs
    to reach the launcher; ``slots`` are the places for its jobs at the sites; ``outputs`` evaluate the outputs of the
    workflow, each raising OrchError or ValueError when it cannot be told.
    """

    execution: Execution
    plan: Plan
    operations: Operations
    kind_of: Callable[[str], JobKind | None]
    reference: Callable[[str, str], JobReference]
    scheduler: Callable[[JobReference], Scheduler | None]
    job_folder: Callable[[JobReference], Path]
    job_context: Callable[[str, str], JobContext]
    job_variables: Callable[[str], Mapping[str, Value]]
    slots: ExecutionSlots
    outputs: Mapping[str, Callable[[], Value]] = field(default_factory=dict)
