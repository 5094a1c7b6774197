"""Decorators that only tell the runtime where or how to run a task: without one they change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class PlainDecorator:
    """Takes any arguments and gives back what it decorates."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function
