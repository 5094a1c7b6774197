"""Deployments, instances, executions, the ledger of steps, jobs and events, in SQL.

It stores and finds records; it must never know what they mean (no TOSCA, no Ansible, no dbos).
"""

from orchestrator.state.ownership import Owner, OwnerLock, start_time_of
from orchestrator.state.records import (
    Deployment,
    DeploymentStatus,
    Event,
    Execution,
    ExecutionStatus,
    Failure,
    JobRecord,
    LedgerEntry,
    StepStatus,
)
from orchestrator.state.store import Store

__all__ = [
    "Deployment",
    "DeploymentStatus",
    "Event",
    "Execution",
    "ExecutionStatus",
    "Failure",
    "JobRecord",
    "LedgerEntry",
    "Owner",
    "OwnerLock",
    "StepStatus",
    "Store",
    "start_time_of",
]
