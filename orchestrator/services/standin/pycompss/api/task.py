"""``@task``: marks a function or method as a task. Here a call of a task is a call of its function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

DECLARATIONS = "__pycompss_declarations__"
"""The attribute of a task's function that holds what ``@task`` declared; other decorators read it."""


class task:
    """Decorator for functions, instance methods, and (under ``@classmethod`` or ``@staticmethod``) class methods.

    The keyword arguments are those of PyCOMPSs: one per parameter of the function, ``returns``, ``target_direction``,
    ``priority``, ``is_distributed``, ``on_failure``, ``time_out``… Nothing of them changes what a sequential run does.
    ``@task`` may also be written without parentheses.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """The decorator, or for ``@task`` without parentheses the decorated function itself."""
        decorator = super().__new__(cls)
        if len(args) == 1 and not kwargs and callable(args[0]):
            decorator.declarations = {}
            return decorator(args[0])
        return decorator

    def __init__(self, *_: Any, **declarations: Any) -> None:
        self.declarations = declarations

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        setattr(call, DECLARATIONS, self.declarations)
        return call


def declarations_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What ``@task`` declared for a function, ``{}`` where it is none."""
    return dict(getattr(function, DECLARATIONS, {}))
