"""Deployments, instances, executions, the ledger of steps, jobs and events, in SQL.

It stores and finds records; it must never know what they mean (no TOSCA, no Ansible, no dbos).
"""

from orchestrator.state.advisory import AdvisoryOwner
from orchestrator.state.databases import DURABLE, compact, open_durable_database, unusable
from orchestrator.state.inspection import (
    ServerFound,
    journal_mode,
    look_into,
    look_into_server,
    newest_schema,
    sqlite_in_use,
)
from orchestrator.state.obstacles import obstacle
from orchestrator.state.ownership import FileOwner, Owner, OwnerLock, start_time_of
from orchestrator.state.records import (
    CancelRequest,
    Deployment,
    DeploymentStatus,
    Event,
    EventFilter,
    Execution,
    ExecutionStatus,
    Failure,
    JobRecord,
    LedgerEntry,
    Process,
    Rework,
    StepStatus,
    Unfinished,
    WantedPlace,
    WorkedOn,
)
from orchestrator.state.store import Store

__all__ = [
    "DURABLE",
    "AdvisoryOwner",
    "CancelRequest",
    "Deployment",
    "DeploymentStatus",
    "Event",
    "EventFilter",
    "Execution",
    "ExecutionStatus",
    "Failure",
    "FileOwner",
    "JobRecord",
    "LedgerEntry",
    "Owner",
    "OwnerLock",
    "Process",
    "Rework",
    "ServerFound",
    "StepStatus",
    "Store",
    "Unfinished",
    "WantedPlace",
    "WorkedOn",
    "compact",
    "journal_mode",
    "look_into",
    "look_into_server",
    "newest_schema",
    "obstacle",
    "open_durable_database",
    "sqlite_in_use",
    "start_time_of",
    "unusable",
]
