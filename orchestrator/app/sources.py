"""Where a topology is read from: a file or a CSAR, with the catalog that goes with it; and its lock file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.app.settings import Settings
from orchestrator.model.problems import Problem, Severity
from orchestrator.tosca import Catalog, Reading, codes, read_topology
from orchestrator.tosca.csar import Csar, is_csar, open_csar
from orchestrator.tosca.locks import LOCK_NAME, lock_problems
from orchestrator.tosca.packaging import escapes


@dataclass(frozen=True)
class Source:
    """What is read for a file that the user names: the file itself, or the entry of a CSAR, unpacked.

    ``named`` is the file as the user named it.
    """

    named: Path
    file: Path
    catalog: Catalog
    csar: Csar | None = None

    @property
    def archive(self) -> Path | None:
        """The folder of the unpacked CSAR, which its documents may not leave."""
        return self.csar.folder if self.csar is not None else None

    def read(self) -> Reading:
        """Read it; what is in a CSAR is read without looking at files outside of it."""
        return read_topology(self.file, self.catalog, archive=self.archive)

    @property
    def base(self) -> Path:
        """The folder from which paths in the lock file beside ``named`` count."""
        return self.csar.folder if self.csar is not None else self.file.resolve().parent

    @property
    def lock_file(self) -> Path:
        """The lock file beside what the user named; it need not exist."""
        return self.named.resolve().parent / LOCK_NAME


def csar_cache(settings: Settings) -> Path:
    """Where CSARs are unpacked, each into a folder that bears its SHA-256."""
    return settings.home / "csars"


def catalog_of(settings: Settings) -> Catalog:
    """The profiles that topologies may import by ``name:version``: the user's, then those that ship with orch."""
    return Catalog([settings.profiles], archives=csar_cache(settings))


def source_of(settings: Settings, file: Path) -> Source:
    """What to read for a file. Raises DocumentError for a CSAR that is not fit to be read, StorageError."""
    catalog = catalog_of(settings)
    if not is_csar(file):
        return Source(file, file, catalog)
    csar = open_csar(file, csar_cache(settings))
    return Source(file, csar.entry, catalog.with_first(csar.profiles), csar)


def further_problems(source: Source, reading: Reading) -> Iterator[Problem]:
    """What is wrong beyond the topology itself: with its archive, its lock file, the archives of the catalog."""
    if any(problem.code == codes.IMPORT_MISSING for problem in reading.problems):
        for problem in source.catalog.broken():
            yield msgspec.structs.replace(problem, severity=Severity.WARNING)
    if source.csar is not None:
        yield from escapes(reading, source.csar, source.catalog)
        for other in source.csar.others:
            if other.resolve() not in reading.files:
                yield from read_topology(other, source.catalog, archive=source.csar.folder).problems
    if reading.topology is None or reading.has_errors:
        return
    yield from lock_problems(source.lock_file, source.named.name, reading, source.catalog, source.base, source.archive)
    if source.csar is not None:  # the lock file that was packed with the topology
        inside = source.file.parent
        yield from lock_problems(inside / LOCK_NAME, source.file.name, reading, source.catalog, inside, source.archive)
