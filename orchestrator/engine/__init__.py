"""Carries a plan out durably: order, parallelism, failure, cancel, recovery.

The only room that knows dbos. It must never read TOSCA text, nor know how an operation is done.
"""

from orchestrator.engine.engine import EXCLUSIVE, Engine
from orchestrator.engine.parts import EngineSettings, ExecutionParts
from orchestrator.engine.progress import Progress
from orchestrator.engine.rework import downstream, rework_of
from orchestrator.engine.steps import check_interruption

__all__ = [
    "EXCLUSIVE",
    "Engine",
    "EngineSettings",
    "ExecutionParts",
    "Progress",
    "check_interruption",
    "downstream",
    "rework_of",
]
