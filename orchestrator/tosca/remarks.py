"""What a conversion did besides writing the same in another notation."""

from __future__ import annotations

import enum

import msgspec

from orchestrator.model.source import Span
from orchestrator.tosca.tree import Place


class Fate(enum.Enum):
    """What became of a construct.

    LOST: it is not in the new document. EXTENSION: it is, though Simple Profile 1.3 does not have it; orch reads it,
    other orchestrators may not. CHANGED: it is there in a form of 1.3 that means the same.
    """

    LOST = "lost"
    EXTENSION = "extension"
    CHANGED = "changed"


class Remark(msgspec.Struct, frozen=True):
    """What became of one kind of construct, how often, and where it is first."""

    fate: Fate
    message: str
    count: int = 1
    span: Span | None = None

    def __str__(self) -> str:
        place = f" ({self.count} times, first at {self.span})" if self.count > 1 else f" ({self.span})"
        return f"{self.fate.value}: {self.message}{place if self.span else ''}"


class Remarks:
    """A sink of remarks; the same one again is counted."""

    def __init__(self) -> None:
        self._items: dict[tuple[Fate, str], Remark] = {}

    def add(self, fate: Fate, message: str, place: Place | None) -> None:
        """Take a remark in."""
        known = self._items.get((fate, message))
        if known is None:
            self._items[fate, message] = Remark(fate, message, 1, place.span if place is not None else None)
        else:
            self._items[fate, message] = msgspec.structs.replace(known, count=known.count + 1)

    def sorted(self) -> tuple[Remark, ...]:
        """The remarks: what is lost first, then extensions, then changes."""
        order = list(Fate)
        return tuple(sorted(self._items.values(), key=lambda remark: order.index(remark.fate)))
