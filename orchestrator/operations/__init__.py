"""Carries out one operation: resolves its inputs, runs its implementation, collects its outputs.

It returns facts; it must never decide the order of steps, retry, or write to the store.
"""

from orchestrator.operations.calls import OperationCall, OperationResult, ResolvedCall
from orchestrator.operations.lookup import FIRST_INSTANCE, Surroundings, lookup_for
from orchestrator.operations.naming import instance_name
from orchestrator.operations.operations import JOB_STATUS, Operations
from orchestrator.operations.variables import JOB_ID

__all__ = [
    "FIRST_INSTANCE",
    "JOB_ID",
    "JOB_STATUS",
    "OperationCall",
    "OperationResult",
    "Operations",
    "ResolvedCall",
    "Surroundings",
    "instance_name",
    "lookup_for",
]
