"""A plan: steps and edges, an immutable value that can be stored, printed, drawn and executed."""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from orchestrator.model.expressions import Expression
from orchestrator.model.source import Span
from orchestrator.model.values import Value


class StepKind(enum.Enum):
    """What a step of a plan does."""

    OPERATION = "operation"
    STATE = "state"


class Outcome(enum.Enum):
    """How a step ended; an edge of a plan is taken when its source ended so."""

    SUCCESS = "success"
    FAILURE = "failure"
    CANCEL = "cancel"


class StepPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a step is carried out: ``timeout`` and ``backoff`` in seconds.

    It is tried once more up to ``retries`` times, after ``backoff``, twice as much, and so on. With
    ``continue_on_error`` its failure is recorded, and the execution goes on as if it had not failed.
    """

    timeout: float | None = None
    retries: int = 0
    backoff: float = 10.0
    continue_on_error: bool = False


class PlanStep(msgspec.Struct, frozen=True, omit_defaults=True):
    """One activity on ``instances`` of a node: their ids, which are "0", "1" and so on.

    ``id`` is unique in its plan and stable. ``interface``/``operation`` are set for OPERATION, ``state`` for STATE.
    ``requirement`` is the name of the assignment for an operation of a relationship, whose source is ``node``;
    ``targets`` are the instances of its target that it is about, all when there are none.
    ``condition``: clauses on the node's attributes (1.3 section 3.6.25); the step does nothing unless they hold.
    """

    id: str
    kind: StepKind
    node: str
    interface: str | None = None
    operation: str | None = None
    state: str | None = None
    requirement: str | None = None
    operation_host: str | None = None
    inputs: Mapping[str, Expression] = {}
    site: str | None = None
    policy: StepPolicy = StepPolicy()
    condition: tuple[Value, ...] = ()
    span: Span | None = None
    instances: tuple[str, ...] = ("0",)
    targets: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """A short text for people: ``StageIn: Runnable.run`` or ``StageIn -> executed``."""
        if self.kind is StepKind.STATE:
            return f"{self.node} -> {self.state}"
        return f"{self.node}: {self.interface}.{self.operation}"

    @property
    def several(self) -> str:
        """``x3`` when it works on three instances; empty when it works on one."""
        return f"x{len(self.instances)}" if len(self.instances) > 1 else ""


class Edge(msgspec.Struct, frozen=True):
    """``target`` may start when ``source`` ended with ``when``."""

    source: str
    target: str
    when: Outcome = Outcome.SUCCESS


class Plan(msgspec.Struct, frozen=True):
    """The steps of a workflow in an order in which each comes after its predecessors, and the edges between them.

    ``timeout``: seconds after which the whole is cancelled. ``parallel``: how many operations may be under way at a
    site, "" standing for each.
    """

    workflow: str
    steps: tuple[PlanStep, ...] = ()
    edges: tuple[Edge, ...] = ()
    timeout: float | None = None
    parallel: Mapping[str, int] = {}

    def step(self, step_id: str) -> PlanStep:
        """The step with this id. Raises KeyError."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
