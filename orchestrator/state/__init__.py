"""Deployments, instances, executions, the ledger of steps, jobs and events, in SQL.

It stores and finds records; it must never know what they mean (no TOSCA, no Ansible, no dbos).
"""

from orchestrator.state.advisory import AdvisoryOwner
from orchestrator.state.ownership import FileOwner, Owner, OwnerLock, start_time_of
from orchestrator.state.records import (
    Deployment,
    DeploymentStatus,
    Event,
    Execution,
    ExecutionStatus,
    Failure,
    JobRecord,
    LedgerEntry,
    Process,
    StepStatus,
    Unfinished,
)
from orchestrator.state.store import Store

__all__ = [
    "AdvisoryOwner",
    "Deployment",
    "DeploymentStatus",
    "Event",
    "Execution",
    "ExecutionStatus",
    "Failure",
    "FileOwner",
    "JobRecord",
    "LedgerEntry",
    "Owner",
    "OwnerLock",
    "Process",
    "StepStatus",
    "Store",
    "Unfinished",
    "start_time_of",
]
