"""How much work a function does, in lines of Python that it goes through: the same on every machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def lines_of(call: Callable[[], object]) -> int:
    """How many lines of Python are gone through by a call, in this thread."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def growth(make: Callable[[int], Callable[[], object]], size: int) -> float:
    """How many times the work for twice the size is that for the size. 2 is linear, 4 quadratic."""
    small, large = make(size), make(2 * size)
    small()  # what is remembered is remembered before anything is counted
    return lines_of(large) / lines_of(small)
