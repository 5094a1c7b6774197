"""The generated workflows as tables: states, operations and weaving as Alien4Cloud derives them.

Sources: Simple Profile 1.3 sections 5.8.4 and 5.8.5 (Standard, Configure), Alien4Cloud's declarative workflows
(Runnable, the weaving of relationships).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.model.topology import RUNNABLE, STANDARD


class Side(enum.Enum):
    """An end of a relationship."""

    SOURCE = "source"
    TARGET = "target"


class Moment(enum.Enum):
    """When an operation of a relationship runs: around an operation of one side, or when both sides are through."""

    BEFORE = "before"
    AFTER = "after"
    FINALLY = "finally"


@dataclass(frozen=True)
class Phase:
    """An operation of a node with the states before and after it."""

    before: str
    operation: str
    after: str


@dataclass(frozen=True)
class Hook:
    """An operation of the Configure interface: on whose side it runs, and when.

    With ``FINALLY``, ``side`` is where it runs, and it belongs to the steps of the source.
    """

    operation: str
    side: Side
    moment: Moment
    around: str = ""


@dataclass(frozen=True)
class Lifecycle:
    """A generated workflow.

    ``opening`` is a state that every node gets first. ``waits`` is the side that starts when the other is through; None
    where nodes do not wait for one another. With ``idle``, nodes without operations of it get the last state, too.
    """

    interface: str
    phases: tuple[Phase, ...]
    hooks: tuple[Hook, ...]
    waits: Side | None
    opening: str | None = None
    idle: bool = True

    @property
    def last(self) -> str:
        """The state in which a node is through."""
        return self.phases[-1].after


_START = Phase("starting", "start", "started")
_STOP = Phase("stopping", "stop", "stopped")
_CONFIGURING = (
    Hook("pre_configure_source", Side.SOURCE, Moment.BEFORE, "configure"),
    Hook("pre_configure_target", Side.TARGET, Moment.BEFORE, "configure"),
    Hook("post_configure_source", Side.SOURCE, Moment.AFTER, "configure"),
    Hook("post_configure_target", Side.TARGET, Moment.AFTER, "configure"),
)
_ADDING = (
    Hook("add_source", Side.TARGET, Moment.FINALLY),
    Hook("add_target", Side.SOURCE, Moment.FINALLY),
)
_REMOVING = (
    Hook("remove_source", Side.TARGET, Moment.BEFORE, "stop"),
    Hook("remove_target", Side.SOURCE, Moment.BEFORE, "stop"),
)

LIFECYCLES: Mapping[str, Lifecycle] = {
    "install": Lifecycle(
        STANDARD,
        (
            Phase("creating", "create", "created"),
            Phase("configuring", "configure", "configured"),
            _START,
        ),
        _CONFIGURING + _ADDING,
        Side.SOURCE,
        opening="initial",
    ),
    "uninstall": Lifecycle(STANDARD, (_STOP, Phase("deleting", "delete", "deleted")), _REMOVING, Side.TARGET),
    "start": Lifecycle(STANDARD, (_START,), _ADDING, Side.SOURCE),
    "stop": Lifecycle(STANDARD, (_STOP,), _REMOVING, Side.TARGET),
    "run": Lifecycle(
        RUNNABLE,
        (Phase("submitting", "submit", "submitted"), Phase("executing", "run", "executed")),
        (),
        Side.SOURCE,
        idle=False,
    ),
    "cancel": Lifecycle(RUNNABLE, (Phase("cancelling", "cancel", "cancelled"),), (), None, idle=False),
}
"""Every generated workflow by its name."""
