"""The embedded data catalogue: a folder of YAML records, each naming the files of a data set.

``<folder>/<oid>.yaml`` is a record, ``<folder>/data/<oid>/`` holds the files of a result that was stored here. A record
may be written by hand::

    oid: my-texts
    title: Texts to count
    files:
    - {name: a.txt, path: /data/a.txt}
    - {name: b.txt, url: "https://example.org/b.txt", size: 1234, checksum: "sha256:..."}
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import yaml

from orchestrator import paths
from orchestrator.errors import StorageError, UserError, WorkError
from orchestrator.model.names import is_name, name_rule
from orchestrator.model.problems import DocumentError, Problems
from orchestrator.services import files as fs
from orchestrator.sites.tree import tree_at
from orchestrator.tosca.structs import read_map, read_struct

_LONGEST_OID = 128
_STORED = uuid.UUID("6f9d1a5e-6a0c-5b39-9a6e-0d0b7a4f2c11")
"""The namespace in which the oid of a stored result is derived from its key (RFC 4122, version 5)."""
_STALE = 24 * 3600.0


class CatalogueFile(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One file of a data set. Either ``path`` (relative to the catalogue's folder) or ``url`` says where it is."""

    name: str
    path: str | None = None
    url: str | None = None
    size: int | None = None
    checksum: str | None = None


class Source(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The execution that a result comes from."""

    execution: str | None = None
    deployment: str | None = None
    workflow: str | None = None
    node: str | None = None


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One data set. ``created`` is ISO 8601 in UTC; ``published`` says whether it is meant for others.

    ``folders`` are names of those that no file is in.
    """

    oid: str
    files: tuple[CatalogueFile, ...]
    title: str = ""
    created: str = ""
    published: bool = False
    source: Source | None = None
    folders: tuple[str, ...] = ()


class Catalogue:
    """The records in one folder. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)

    @property
    def folder(self) -> Path:
        """Where the records are."""
        return self._folder

    def get(self, oid: str) -> Record:
        """The record of that object id.

        Raises :class:`UserError` when there is none or it is malformed, :class:`StorageError` when it cannot be read.
        """
        path = self._file_of(oid)
        with fs.explained("read the record", path):
            if not path.is_file():
                raise self._missing(oid)
        return _record(path, oid)

    def list(self) -> tuple[Record, ...]:
        """All records, by their object ids. Raises as :meth:`get` does."""
        return tuple(self.get(oid) for oid in self._oids())

    def add(
        self,
        files: Sequence[CatalogueFile],
        *,
        oid: str | None = None,
        title: str = "",
        source: Source | None = None,
        published: bool = False,
        folders: Sequence[str] = (),
    ) -> Record:
        """Make a record of files that are elsewhere; paths become absolute. ``folders``: those with nothing in them.

        Raises :class:`UserError` when a record of that object id is there already, or the files are not right.
        """
        absolute = tuple(
            f if f.path is None else msgspec.structs.replace(f, path=str(_absolute(f.path))) for f in files
        )
        made = str(uuid.uuid4()) if oid is None else oid
        record = Record(made, absolute, title, _now(), published, source, tuple(folders))
        _check(record, self._file_of(record.oid))
        with self._locked():
            if self._file_of(record.oid).exists():
                raise UserError(
                    f"the catalogue {self._folder} has a record {record.oid} already", hint="name another oid"
                )
            self._write(record)
        return record

    def store(
        self, path: Path, key: str, *, title: str = "", source: Source | None = None, publish: bool = False
    ) -> Record:
        """Copy a file, or all files of a folder, into the catalogue as one record.

        The object id is derived from ``key``: storing again under the same key gives the record that is there.

        Raises :class:`WorkError` when there is nothing to store, :class:`StorageError` when it cannot be copied.
        """
        oid = str(uuid.uuid5(_STORED, key))
        if not self._file_of(oid).exists():
            self._copy_in(path, oid, title, source, publish)
        return self.publish(oid) if publish else self.get(oid)

    def publish(self, oid: str) -> Record:
        """Mark the record as meant for others. Raises as :meth:`get` does."""
        with self._locked():
            record = self.get(oid)
            if not record.published:
                record = msgspec.structs.replace(record, published=True)
                self._write(record)
            return record

    def location(self, file: CatalogueFile) -> str:
        """Where the file is: a URL, or an absolute path."""
        return file.url if file.url is not None else str(self._folder.absolute() / (file.path or file.name))

    def _copy_in(self, path: Path, oid: str, title: str, source: Source | None, publish: bool) -> None:
        found, empty = _to_store(path)
        data = self._folder / "data"
        fs.make_folder(data)
        _sweep(data)
        with fs.explained("make a folder in", data):
            new = Path(tempfile.mkdtemp(prefix=f".new-{oid}-", dir=data))
        try:
            for name in (*(name for name, _ in found), *empty):
                fs.check_name(name)
            entries = tuple(_copied(name, file, new, Path("data") / oid) for name, file in found)
            for name in empty:
                fs.make_folder(new / name)
            record = Record(oid, entries, title, _now(), publish, source, empty)
            _check(record, self._file_of(oid))
            with self._locked():
                if self._file_of(oid).exists():
                    return
                with fs.explained("store the files in", data / oid):
                    shutil.rmtree(data / oid, ignore_errors=True)  # of a store that died before its record was written
                    new.chmod(0o755)
                    new.rename(data / oid)
                    fs.sync_folder(data)
                self._write(record)
        finally:
            fs.remove_tree(new)

    def _write(self, record: Record) -> None:
        builtins = msgspec.to_builtins(record)
        # PyYAML writes some separators (U+0085, say) bare, and reads them back as blanks: those are escaped.
        readable = json.dumps(builtins, ensure_ascii=False).isprintable()
        text = yaml.safe_dump(builtins, sort_keys=False, allow_unicode=readable, default_flow_style=None, width=1000)
        fs.write_text(self._file_of(record.oid), text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        fs.make_folder(self._folder)
        with fs.explained("lock the catalogue", self._folder):
            fd = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with fs.explained("lock the catalogue", self._folder):
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _file_of(self, oid: str) -> Path:
        if not is_name(oid, _LONGEST_OID):
            raise UserError(f"{oid!r} is no object id of a data catalogue", hint=name_rule(_LONGEST_OID))
        return self._folder / f"{oid}.yaml"

    def _oids(self) -> tuple[str, ...]:
        with fs.explained("read the catalogue", self._folder):
            if not self._folder.exists():
                return ()
            return tuple(sorted(p.stem for p in self._folder.glob("*.yaml") if is_name(p.stem, _LONGEST_OID)))

    def _missing(self, oid: str) -> UserError:
        oids = self._oids()
        has = ", ".join(oids[:10]) + (", ..." if len(oids) > 10 else "") if oids else "no records"
        return UserError(
            f"the data catalogue {self._folder} has no record {oid}",
            hint=f"it has {has}; add {oid}.yaml there, or name another oid",
        )


def _record(path: Path, oid: str) -> Record:
    problems = Problems()
    root = read_map(path, "a record is a map of oid, title, files, created, published and source", problems)
    found = read_struct(root, Record, "the record", problems) if root is not None else None
    if root is None and not problems.has_errors:
        raise UserError(f"{path}: the record is empty", hint="a record has oid and files")
    if problems.has_errors or found is None:
        raise DocumentError(problems)
    if found.oid != oid:
        raise UserError(f"{path}: oid is {found.oid}, but the file is named {oid}", hint="give both the same name")
    _check(found, path)
    return found


def _check(record: Record, path: Path) -> None:
    if "\0" in record.title:
        raise UserError(f"{path}: the title has a NUL character", hint="leave it out")
    names: set[str] = set()
    for name in (*(file.name for file in record.files), *record.folders):
        try:
            fs.check_name(name)
        except UserError as e:
            raise UserError(f"{path}: {e.message}", hint=e.hint) from e
    for file in record.files:
        if file.name in names:
            raise UserError(f"{path}: two files have the name {file.name}")
        names.add(file.name)
        if (file.path is None) == (file.url is None):
            raise UserError(f"{path}: the file {file.name} needs either a path or a url")


def _to_store(path: Path) -> tuple[list[tuple[str, Path]], tuple[str, ...]]:
    """The files that make up a result, and its empty folders; raises :class:`WorkError` when there are no files."""
    try:
        if path.is_file():
            return [(path.name, path)], ()
        if path.is_dir():
            tree = tree_at(path)
            if tree.files:
                return [(name, path / name) for name in tree.files], tree.empty
            raise WorkError(
                f"the folder {path} to store holds no file", hint="see whether the job wrote its results there"
            )
    except PermissionError as e:
        raise StorageError(f"cannot read {path}: no permission") from e
    raise WorkError(f"there is no file or folder {path} to store", hint="see whether the job wrote its results there")


def _copied(name: str, file: Path, folder: Path, place: Path) -> CatalogueFile:
    with fs.explained("read", file):
        before = file.stat().st_size
        stream = file.open("rb")
    with stream:
        digest = fs.copy(fs.reading(stream, file), folder / name, fs.Expected(before), what=str(file))
    return CatalogueFile(name, path=str(place / name), size=digest.size, checksum=digest.checksum)


def _sweep(data: Path) -> None:
    for old in data.glob(".new-*"):
        with suppress(FileNotFoundError):
            if time.time() - old.lstat().st_mtime > _STALE:
                fs.remove_tree(old)


def _absolute(path: str) -> Path:
    return paths.expanded(path).absolute()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
