"""Reads what ``@task`` declared of a parameter: in short (``FILE_OUT_STDOUT``) or in long (``{Type: FILE_OUT, …}``)."""

from __future__ import annotations

from typing import Any

from .parameter import DIRECTION, IOSTREAM, STDERR, STDIN, STDOUT, Direction, Prefix, StdIOStream, Type, _Param

_STREAMS = {"STDIN": STDIN, "STDOUT": STDOUT, "STDERR": STDERR}


def key_of(declaration: Any) -> str:
    """The name by which a declaration gives type and direction, such as ``FILE_OUT_STDOUT``; "" when it gives none."""
    if isinstance(declaration, dict):
        declaration = declaration.get(Type)
    return declaration.key if isinstance(declaration, _Param) else ""


def is_path(declaration: Any) -> bool:
    """Whether a declaration makes a parameter a file, a directory or a collection of files."""
    return key_of(declaration).startswith(("FILE", "DIRECTORY", "COLLECTION_FILE"))


def stream_of(declaration: Any) -> int:
    """The standard stream that a declaration ties a parameter to (``STDIN``, ``STDOUT``, ``STDERR``) or UNSPECIFIED."""
    if isinstance(declaration, dict) and StdIOStream in declaration:
        return int(declaration[StdIOStream])
    return _STREAMS.get(key_of(declaration).rpartition("_")[2], IOSTREAM.UNSPECIFIED)


def is_updated(declaration: Any) -> bool:
    """Whether a declaration lets the task add to what is there (INOUT and its kin), so that output is appended."""
    if isinstance(declaration, dict) and Direction in declaration:
        direction = declaration[Direction]
        if isinstance(direction, int):
            return direction in (DIRECTION.INOUT, DIRECTION.CONCURRENT, DIRECTION.COMMUTATIVE)
        return key_of({Type: direction}) in ("INOUT", "CONCURRENT", "COMMUTATIVE")
    return any(word in ("INOUT", "CONCURRENT", "COMMUTATIVE") for word in key_of(declaration).split("_"))


def prefix_of(declaration: Any) -> str:
    """The text put before a parameter on the command line of a binary; ``#`` leaves the parameter out."""
    return str(declaration.get(Prefix, "")) if isinstance(declaration, dict) else ""
