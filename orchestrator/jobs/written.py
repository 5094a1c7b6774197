"""The arguments of a job as the topology writes them: its own text, and what is brought into it from elsewhere.

Yorc gives a job's arguments to a shell, which splits them into words: ``--hours 1`` is two. Only the topology's own
text is split here, and only it is looked through for ``${name}``; what an input brings stays in one word as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import WorkError
from orchestrator.jobs.expansion import as_text, expand
from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf
from orchestrator.model.topology import NodeTemplate
from orchestrator.model.values import Value

_FIRST, _LAST = 0xF0000, 0xFFFFD
"""Characters of private use, which stand for what is brought while the text is split."""


@dataclass(frozen=True)
class Piece:
    """A part of an argument; ``brought`` when it is not the topology's own text."""

    value: Value
    brought: bool = False


Argument = tuple[Piece, ...]


def written_arguments(node: NodeTemplate, evaluated: Callable[[Expression], Value]) -> tuple[Argument, ...]:
    """The arguments of a PyCOMPSs job; ``evaluated`` gives the value of what is not literal."""
    expression = node.properties.get("arguments")
    application = node.properties.get("application")
    if isinstance(application, MapOf):
        expression = application.entries.get("arguments")
    elif isinstance(application, Literal) and isinstance(application.value, Mapping):
        expression = Literal(application.value.get("arguments"))
    match expression:
        case Literal(value=list() | tuple() as words):
            return tuple((Piece(word),) for word in words)
        case ListOf(items=items):
            return tuple(tuple(_pieces(item, evaluated)) for item in items)
    return ()


def _pieces(expression: Expression, evaluated: Callable[[Expression], Value]) -> list[Piece]:
    match expression:
        case Literal(value=value):
            return [Piece(value)]
        case Call(function=Function.CONCAT, arguments=arguments):
            return [piece for argument in arguments for piece in _pieces(argument, evaluated)]
    return [Piece(evaluated(expression), brought=True)]


def as_written(words: Sequence[Value], written: Sequence[Argument] | None) -> list[Argument]:
    """The pieces of arguments: ``words`` are their values, ``written`` how the topology has them (None: as they are).

    Where another value has taken the place of what is written, all of it is brought.
    """
    if written is None:
        return [(Piece(word),) for word in words]
    found = []
    for place, word in enumerate(words):
        pieces = written[place] if place < len(written) else ()
        same = pieces and "".join(as_text(piece.value) for piece in pieces) == as_text(word)
        found.append(pieces if same else (Piece(word, brought=True),))
    return found


def split_arguments(arguments: Sequence[Argument], names: Mapping[str, Value], node: str) -> list[str]:
    """The words of arguments. Raises WorkError for text that cannot be split, UserError for an unknown ``${name}``."""
    return [word for argument in arguments for word in _split(argument, names, node)]


def _split(argument: Argument, names: Mapping[str, Value], node: str) -> list[str]:
    brought = [as_text(piece.value) for piece in argument if piece.brought]
    marks = [chr(_FIRST + number) for number in range(len(brought))]
    places = iter(marks)
    text = "".join(next(places) if piece.brought else as_text(piece.value) for piece in argument)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise WorkError(
            f"{node}: the argument {text!r} cannot be split into words: {error}",
            hint="its text is split at blanks, as a shell does: close the quotes, or write \\' for a quote",
        ) from error
    filled = dict(zip(marks, brought, strict=True))
    return ["".join(filled.get(part, expand(part, names)) for part in _parts(word)) for word in words]


def _parts(word: str) -> list[str]:
    """A word in parts, each one character that stands for something, or text."""
    parts = [""]
    for character in word:
        if _FIRST <= ord(character) <= _LAST:
            parts += [character, ""]
        else:
            parts[-1] += character
    return [part for part in parts if part] or [""]
