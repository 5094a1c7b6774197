"""Use case: write a document of any dialect as one of the newest Simple Profile."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator import paths
from orchestrator.app.settings import Settings
from orchestrator.app.sources import source_of
from orchestrator.errors import StorageError, UserError
from orchestrator.model.problems import DocumentError, Problem
from orchestrator.tosca.dialects import DIALECTS, NEWEST
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.remarks import Fate, Remark
from orchestrator.tosca.writer import to_simple_profile

__all__ = ["NEWEST", "Converted", "Fate", "convert"]


@dataclass(frozen=True)
class Converted:
    """The new document, what became of what it cannot hold, and warnings about the old one."""

    text: str
    remarks: tuple[Remark, ...]
    problems: tuple[Problem, ...]


def convert(settings: Settings, file: Path, *, to: str = NEWEST, output: Path | None = None) -> Converted:
    """Write a topology, a document of types or a CSAR's entry in the dialect ``to``, which is always the newest one.

    ``output`` is the file to write, which must not be there yet; without one, files are named as they are seen from
    the document itself (for a CSAR: from the working folder). Raises UserError, DocumentError with the document's
    problems when it has errors, and StorageError.
    """
    _check_dialect(to)
    if output is not None and paths.exists(output):
        raise UserError(f"{output} is there already", hint="name another file, or remove it")
    source = source_of(settings, file)
    folder = output.absolute().parent if output is not None else settings.working_folder if source.csar else None
    conversion = to_simple_profile(source.file, source.catalog, folder)
    if conversion.text is None:
        raise DocumentError(list(conversion.problems))
    if output is not None:
        try:
            with output.open("x", encoding="utf-8") as stream:
                stream.write(conversion.text)
        except OSError as error:
            raise StorageError(f"{output} cannot be written: {error.strerror}") from error
    return Converted(conversion.text, conversion.remarks, conversion.problems)


def _check_dialect(name: str) -> None:
    if name == NEWEST:
        return
    if name in DIALECTS:
        raise UserError(f"documents are not written in the dialect {name}", hint=f"use --to {NEWEST}")
    raise UserError(f"the dialect {name!r} is not known", hint=did_you_mean(name, [NEWEST]) or f"use --to {NEWEST}")
