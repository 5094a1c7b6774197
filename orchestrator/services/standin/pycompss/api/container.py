"""``@container``: a task inside a container image. Without the runtime it runs outside, and says so once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


class Container:
    """Decorator over ``@task`` or ``@binary``, with ``engine`` and ``image``."""

    def __init__(self, *_: Any, **options: Any) -> None:
        self.options = options

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        sys.stderr.write(
            f"pycompss stand-in: task {function.__name__} runs on this machine, "
            f"not in the container image {self.options.get('image')}\n"
        )
        return function


container = Container
