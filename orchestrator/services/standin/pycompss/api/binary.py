"""``@binary``: a task that is a program. It is really run, and waited for."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ._process import Invocation, expanded


class Binary:
    """Decorator over ``@task``: ``binary``, ``working_dir``, ``args``, ``fail_by_exit_value`` as in PyCOMPSs.

    The task's result is the exit value. The body of the function is never run. See :mod:`pycompss.api._process`.
    """

    def __init__(self, *_: Any, **options: Any) -> None:
        if "binary" not in options:
            raise TypeError("@binary needs the argument binary=, the program to run")
        self.options = options

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> int:
            return Invocation(function, self.options, args, kwargs).run([expanded(self.options["binary"])])

        return call


binary = Binary
