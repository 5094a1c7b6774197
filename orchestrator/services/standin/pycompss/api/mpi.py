"""``@mpi``: a task that is an MPI program. It is really run by its runner (``mpirun``, ``srun``), on this machine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ._process import Invocation, expanded


class Mpi:
    """Decorator over ``@task`` with the options of PyCOMPSs: those of ``@binary`` and ``runner``, ``processes``…

    An MPI task without ``binary=`` is Python code that the runtime starts on many processes: it needs ``runcompss``.
    """

    def __init__(self, *_: Any, **options: Any) -> None:
        if "runner" not in options:
            raise TypeError("@mpi needs the argument runner=, the command that starts MPI programs")
        self.options = options

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> int:
            if "binary" not in self.options:
                raise RuntimeError(
                    f"{function.__name__}(): an @mpi task written in Python needs the COMPSs runtime; "
                    "run this program where runcompss is installed"
                )
            return Invocation(function, self.options, args, kwargs).run(self._program())

        return call

    def _program(self) -> list[str]:
        options = self.options
        processes = options.get("processes") or options.get("computing_nodes") or options.get("computingNodes") or 1
        flags = expanded(options.get("runner_flags", "")).split()
        return [expanded(options["runner"]), "-n", expanded(processes), *flags, expanded(options["binary"])]


mpi = Mpi
