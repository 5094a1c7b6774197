"""Use cases: package a topology, unpack a package, lock what a topology is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.app.settings import Settings
from orchestrator.app.sources import Source, catalog_of, further_problems, source_of
from orchestrator.model.problems import DocumentError, Problem, Severity
from orchestrator.tosca import Reading, codes
from orchestrator.tosca import csar as csars
from orchestrator.tosca import packaging as packages
from orchestrator.tosca.csar import Csar
from orchestrator.tosca.locks import LockedTopology, lock_of, read_lock, write_lock
from orchestrator.tosca.packaging import Package


@dataclass(frozen=True)
class Locked:
    """A lock file that was written, and what it says of the topology; ``changed``: it said something else before."""

    file: Path
    topology: LockedTopology
    changed: bool


def package(settings: Settings, source: Path, out: Path | None = None) -> Package:
    """Make a CSAR of a topology or a folder; ``out`` is by default ``<name>-<version>.csar`` in the working folder.

    Raises DocumentError with all problems, UserError, StorageError.
    """
    return packages.package(source, out, catalog_of(settings))


def unpack(archive: Path, folder: Path | None = None) -> Csar:
    """Unpack a CSAR; ``folder`` is by default one of the archive's name in the working folder.

    Raises DocumentError for an archive that is not safe or no CSAR, UserError when the folder is not empty.
    """
    return csars.unpack(archive, folder if folder is not None else Path(archive.stem))


def lock(settings: Settings, file: Path) -> Locked:
    """Write down what a topology is made of, in ``orch.lock`` beside it. Raises DocumentError, StorageError."""
    source = source_of(settings, file)
    reading = source.read()
    _refuse_faulty(source, reading)
    locked = lock_of(reading, source.catalog, source.base, source.archive)
    before = _before(source.lock_file)
    earlier = before.get(file.name)
    if earlier != locked:
        write_lock(source.lock_file, file.name, locked)
    return Locked(source.lock_file, locked, earlier is not None and earlier != locked)


def _before(file: Path) -> dict[str, LockedTopology]:
    lock_file = read_lock(file)
    return dict(lock_file.topologies) if lock_file is not None else {}


def _refuse_faulty(source: Source, reading: Reading) -> None:
    problems: list[Problem] = list(reading.problems)
    # what the lock file says now does not matter: it is written anew
    problems += [p for p in further_problems(source, reading) if p.code != codes.LOCK_DIFFERS]
    if reading.topology is None or any(p.severity is Severity.ERROR for p in problems):
        raise DocumentError(problems)
