"""A call of an operation, as it is asked for and with everything looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import resources
from orchestrator.model.expressions import Expression
from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.topology import Implementation, NodeTemplate, Operation, Relationship
from orchestrator.model.values import Value
from orchestrator.operations.hosts import Place, Side
from orchestrator.operations.lookup import FIRST_INSTANCE
from orchestrator.state import Failure


@dataclass(frozen=True)
class OperationCall:
    """Which operation is called, on what, and with what of its own.

    ``targets``: of an operation of a relationship, the instances of its target that it is about; all when empty.
    """

    node: str
    interface: str
    operation: str
    requirement: str | None = None
    operation_host: str | None = None
    inputs: Mapping[str, Expression] = field(default_factory=dict)
    job_id: str | None = None
    instances: tuple[str, ...] = (FIRST_INSTANCE,)
    targets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Round:
    """One of the runs that a call needs: the inputs of every instance, also of those that are not worked on.

    ``opposite`` is the instance at the other end of the relationship that the run is for; None: it is for all.
    """

    inputs: Mapping[str, Mapping[str, Value]]
    opposite: str | None = None


@dataclass(frozen=True)
class ResolvedCall:
    """A call with everything looked up. ``inputs`` are native values, secrets hidden in them, of the first instance.

    ``instances`` are those that are worked on, on the machines of ``place``; they are of the call's node, or of the
    relationship's target when ``side`` says so. ``rounds`` follow one another. ``lost`` names the secrets that earlier
    operations left and that nobody knows any more: ``***`` is in their place.
    """

    call: OperationCall
    node: NodeTemplate
    relationship: Relationship | None
    operation: Operation
    implementation: Implementation
    inputs: Mapping[str, Value]
    origins: Mapping[str, str]
    outputs: tuple[str, ...]
    side: Side
    place: Place
    instances: tuple[str, ...]
    rounds: tuple[Round, ...]
    lost: tuple[str, ...] = ()

    @property
    def watches_job(self) -> bool:
        """Whether the operation is the watching of a job by orch itself, so that nothing is to be run for it."""
        return self.implementation.artifact_type == JOB_WATCH

    @property
    def ours(self) -> bool:
        """Whether its playbook ships with orch: those take native values."""
        path = self.implementation.path
        return path is not None and Path(path).is_relative_to(resources.playbooks_folder())

    @property
    def named(self) -> str:
        """``Node: Interface.operation``."""
        return f"{self.call.node}: {self.call.interface}.{self.call.operation}"


@dataclass(frozen=True)
class OperationResult:
    """What came of an operation: its outputs, or why there are none.

    ``outputs`` are those of the first instance, ``by_instance`` those of each instance by its id.
    """

    outputs: Mapping[str, Value]
    failure: Failure | None = None
    cancelled: bool = False
    by_instance: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
