"""Expansion of ``${name}`` and ``$name`` in the arguments of a job, as Yorc's PyCOMPSs plugin lets bash do it.

Only the text of the topology is looked through: what an input holds is put in as it is, and never looked through
again, split into words or given to a shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from orchestrator.errors import UserError
from orchestrator.model.values import Secret, Value

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")


_BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OF_SLURM = "SLURM_"


def expand(text: str, variables: Mapping[str, Value]) -> str:
    """The text with its variables filled in; a variable that is declared but has no value is empty.

    Raises UserError for a name that is not among the variables.
    """
    return _VARIABLE.sub(lambda match: _filled_in(text, match.group(1) or match.group(2), variables), text)


def expand_braced(text: str, variables: Mapping[str, Value]) -> str:
    """The same for ``${name}`` only, so that a script's ``$name`` stays; so do the variables that Slurm sets in a job.

    Raises UserError for a name that is not among the variables.
    """

    def value(match: re.Match[str]) -> str:
        return match[0] if match[1].startswith(_OF_SLURM) else _filled_in(text, match[1], variables)

    return _BRACED.sub(value, text)


def _filled_in(text: str, name: str, variables: Mapping[str, Value]) -> str:
    if name not in variables:
        raise UserError(
            f"{text!r} uses ${{{name}}}, which is no input of the workflow",
            hint=f"declare the workflow input {name}, or mend the name; there are: {', '.join(sorted(variables))}",
        )
    return as_text(variables[name])


def referenced_names(value: Value) -> Iterator[str]:
    """The names of the variables used anywhere in a value."""
    if isinstance(value, str):
        for match in _VARIABLE.finditer(value):
            yield match.group(1) or match.group(2)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from referenced_names(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from referenced_names(item)


class SecretGiven(UserError):
    """A secret was to become a part of a job's text."""

    def __init__(self, secret: Secret) -> None:
        super().__init__("a secret cannot be a part of a job")
        self.secret = secret


def as_text(value: Value) -> str:
    """A scalar as the word that a program gets; None is empty. Raises SecretGiven: words are seen by everybody."""
    if isinstance(value, Secret):
        raise SecretGiven(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
