"""``@multinode``: a task on several nodes. Here there is one, and the task is told so in its environment."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Callable
from typing import Any


class multinode:
    """Decorator over ``@task``. Sets COMPSS_NUM_NODES, COMPSS_NUM_THREADS, COMPSS_HOSTNAMES while the task runs."""

    def __init__(self, *_: Any, **kwargs: Any) -> None:
        self.kwargs = kwargs

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            told = {
                "COMPSS_NUM_NODES": "1",
                "COMPSS_NUM_THREADS": str(os.cpu_count() or 1),
                "COMPSS_HOSTNAMES": socket.gethostname(),
            }
            before = {name: os.environ.get(name) for name in told}
            os.environ.update(told)
            try:
                return function(*args, **kwargs)
            finally:
                for name, value in before.items():
                    if value is None:
                        os.environ.pop(name, None)
                    else:
                        os.environ[name] = value

        return call
