"""Runs the program that a ``@binary`` or ``@mpi`` task stands for.

The rules are those of COMPSs: the parameters of the function, in the order of its definition, are the arguments; a
``Prefix`` goes before its argument; files tied to a standard stream are redirections; ``args`` replaces the arguments
by a text with ``{{parameter}}`` in it; the exit value is the result of the task.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any

from ._declarations import is_path, is_updated, prefix_of, stream_of
from .parameter import IOSTREAM
from .task import declarations_of

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_LEAVE_OUT = "#"


class Invocation:
    """One call of a task that stands for a program: its words, its working folder and its redirections."""

    def __init__(self, function: Callable[..., Any], options: dict[str, Any], args: Any, kwargs: Any) -> None:
        self.function = function
        self.options = options
        self.declarations = declarations_of(function)
        self.values = _values(function, args, kwargs)
        folder = options.get("working_dir") or options.get("workingDir")
        self.folder = self._filled(expanded(folder), _text) if folder else None

    def run(self, program: list[str]) -> int:
        """Runs ``program`` with the arguments of the task and gives its exit value.

        Raises FileNotFoundError when there is no such program, and subprocess.CalledProcessError for an exit value
        other than 0 unless ``fail_by_exit_value`` says that the caller looks at it.
        """
        words = program + self._arguments()
        sys.stdout.flush()
        sys.stderr.flush()
        with contextlib.ExitStack() as files:
            streams = self._streams(files)
            code = subprocess.call(
                words,
                cwd=self.folder,
                stdin=streams.get("stdin"),
                stdout=streams.get("stdout"),
                stderr=streams.get("stderr"),
            )
        if code != 0 and self._fails_by_exit_value():
            raise subprocess.CalledProcessError(code, words)
        return code

    def _arguments(self) -> list[str]:
        template = self.options.get("args")
        if template is not None:
            return [self._filled(word, self._path) for word in str(template).split()]
        return [word for name, value in self.values.items() for word in self._argument(name, value)]

    def _argument(self, name: str, value: Any) -> list[str]:
        declaration = self.declarations.get(name)
        prefix = prefix_of(declaration)
        if prefix == _LEAVE_OUT or stream_of(declaration) != IOSTREAM.UNSPECIFIED:
            return []
        members = value if isinstance(value, (list, tuple)) else [value]
        texts = [self._path(m) if is_path(declaration) else _text(m) for m in members if m is not None and m != ""]
        return [prefix + text for text in texts]

    def _filled(self, template: str, path_text: Callable[[Any], str]) -> str:
        """``template`` with every ``{{parameter}}`` in it replaced by that parameter of the call."""

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in self.values:
                raise TypeError(f"{self.function.__name__}(): {template!r} names {name!r}, which is no parameter of it")
            return (path_text if is_path(self.declarations.get(name)) else _text)(self.values[name])

        return _PLACEHOLDER.sub(value, template)

    def _path(self, value: Any) -> str:
        # The program may be run in another folder than the one that the caller's paths start from.
        return os.path.abspath(_text(value)) if self.folder else _text(value)  # noqa: PTH100

    def _streams(self, files: contextlib.ExitStack) -> dict[str, IO[bytes]]:
        names = {IOSTREAM.STDIN: "stdin", IOSTREAM.STDOUT: "stdout", IOSTREAM.STDERR: "stderr"}
        streams: dict[str, IO[bytes]] = {}
        for parameter, value in self.values.items():
            declaration = self.declarations.get(parameter)
            stream = names.get(stream_of(declaration))
            if stream and value is not None:
                mode = "rb" if stream == "stdin" else "ab" if is_updated(declaration) else "wb"
                streams[stream] = files.enter_context(open(value, mode))  # noqa: PTH123, SIM115
        return streams

    def _fails_by_exit_value(self) -> bool:
        value = self.options.get("fail_by_exit_value", True)
        if isinstance(value, str):
            value = expanded(value).strip().lower() not in ("", "false", "0", "no")
        return bool(value)


def expanded(text: Any) -> str:
    """The text with ``$NAME`` and ``${NAME}`` replaced from the environment, as decorators' options allow."""
    return os.path.expandvars(str(text))


def _values(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """The parameters of a call by name, in the order of the definition, without the object of a method."""
    signature = inspect.signature(function)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    values: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            values.update(value)
        elif not (name in ("self", "cls") and not values):
            values[name] = value
    return values


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
