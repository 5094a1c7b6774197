"""CSARs: archives of a service template with all that it needs (Simple Profile 1.3, section 6).

Read are those with ``TOSCA-Metadata/TOSCA.meta`` (block 0 of the format's versions 1.0 and 1.1) and those with exactly
one service template at their root.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn, Protocol

import msgspec

from orchestrator import paths
from orchestrator.errors import UserError
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.tosca import codes
from orchestrator.tosca.archives import LIMITS, Archive, Limits, opened, refusal, unpack_into
from orchestrator.tosca.metadata import MAX_BYTES, VERSION_KEYNAME, metadata_of

META = "TOSCA-Metadata/TOSCA.meta"
EMBEDDED_PROFILES = "TOSCA-Metadata/profiles"
"""Where a package carries the profiles of the user's catalog that its documents import by ``name:version``."""

SUFFIXES = (".csar", ".zip")
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")
_YAML = (".yaml", ".yml")
_META_BYTES = 64 * 1024
_FILE_VERSIONS = ("1.0", "1.1")
_CSAR_VERSIONS = ("1.0", "1.1")
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]*)\s*:\s?(.*)")
_QUOTED = re.compile(r'"([^"]*)"|([^\s",]+)')


class Csar(msgspec.Struct, frozen=True):
    """An unpacked CSAR.

    ``entry`` is its service template, ``others`` the further ones that it names (Other-Definitions). ``digest`` is the
    archive's SHA-256. ``name`` and ``version`` are of the entry's metadata, empty where it has none.
    """

    archive: Path
    folder: Path
    entry: Path
    name: str
    version: str
    digest: str
    others: tuple[Path, ...] = ()

    @property
    def profiles(self) -> Path:
        """The folder of the profiles that came with it; it need not exist."""
        return self.folder / EMBEDDED_PROFILES


class Layout(msgspec.Struct, frozen=True):
    """Where a CSAR's documents are, relative to its root, and the metadata of its service template."""

    entry: str
    others: tuple[str, ...]
    name: str
    version: str


class Tree(Protocol):
    """What a CSAR lies in: an archive or a folder."""

    @property
    def label(self) -> str:
        """How messages name it."""

    def names(self) -> Sequence[str]:
        """The files at the root."""

    def is_file(self, name: str) -> bool:
        """Whether there is a regular file of that relative name."""

    def read(self, name: str, at_most: int) -> bytes:
        """The first bytes of a file."""


def is_csar(path: Path) -> bool:
    """Whether a path is meant as a CSAR: by its ending, or because the file begins as zip archives do."""
    if path.suffix.lower() in SUFFIXES:
        return not paths.is_folder(path)
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            return stream.read(4) in _SIGNATURES
    except (OSError, ValueError):
        return False


def open_csar(path: Path, cache: Path, limits: Limits = LIMITS) -> Csar:
    """A CSAR, unpacked into a folder of ``cache`` that bears the archive's SHA-256; it is unpacked only once.

    Raises DocumentError with one problem when it is not fit to be read, StorageError when the cache cannot be written.
    """
    with opened(path, limits) as archive:
        layout = layout_of(_Zipped(archive))
        folder = cache.absolute() / archive.digest
        if folder.exists() and not archive.intact(folder):
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            unpack_into(archive, folder)
        return _csar(path, folder, layout, archive.digest)


def unpack(path: Path, folder: Path, limits: Limits = LIMITS) -> Csar:
    """Unpack a CSAR into a folder that is made, or is empty.

    Raises UserError when something is in the folder, else as :func:`open_csar`.
    """
    with opened(path, limits) as archive:
        layout = layout_of(_Zipped(archive))
        if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
            raise UserError(f"{folder} is there already, and not an empty folder", hint="name another one with -d")
        unpack_into(archive, folder.absolute())
        return _csar(path, folder.absolute(), layout, archive.digest)


def _csar(path: Path, folder: Path, layout: Layout, digest: str) -> Csar:
    others = tuple(folder / other for other in layout.others)
    return Csar(path, folder, folder / layout.entry, layout.name, layout.version, digest, others)


def layout_of(tree: Tree) -> Layout:
    """Which documents a CSAR consists of. Raises DocumentError with one problem when that is not clear."""
    if not tree.is_file(META):
        return _root_template(tree)
    fields = _fields(tree)
    entry = fields.get("Entry-Definitions", "")
    if not entry:  # optional in TOSCA 1.0
        return _root_template(tree)
    others = tuple(a or b for a, b in _QUOTED.findall(fields.get("Other-Definitions", "")))
    names = [_inside(tree, name, keyname) for keyname, name in _named(entry.strip('"'), others)]
    metadata = metadata_of(tree.read(names[0], MAX_BYTES))
    name = metadata.get("template_name", "")
    return Layout(names[0], tuple(names[1:]), name, metadata.get("template_version", ""))


def _named(entry: str, others: Sequence[str]) -> list[tuple[str, str]]:
    return [("Entry-Definitions", entry), *(("Other-Definitions", other) for other in others)]


def _root_template(tree: Tree) -> Layout:
    files = [name for name in tree.names() if PurePosixPath(name).suffix.lower() in _YAML]
    found = {name: metadata_of(tree.read(name, MAX_BYTES)) for name in files}
    for keyname in (VERSION_KEYNAME, "template_name"):  # inputs and the like are YAML, too; so are imported types
        if len(found) > 1:
            found = {name: metadata for name, metadata in found.items() if keyname in metadata} or found
    if not found:
        message = f"{tree.label} has neither {META} nor a service template at its root"
        _refuse(message, "make it with `orch package`; the root is where the archive begins, not a folder in it")
    if len(found) > 1:
        message = f"{tree.label} has several service templates at its root: {', '.join(sorted(found))}"
        _refuse(message, f"name one of them in {META} (Entry-Definitions)")
    ((entry, metadata),) = found.items()
    missing = [key for key in ("template_name", "template_version") if not metadata.get(key)]
    if missing:
        message = f"{tree.label} has no {META}, and {entry} has no {' and no '.join(missing)} in its metadata"
        _refuse(message, f"add metadata: {{ {', '.join(f'{key}: …' for key in missing)} }}")
    return Layout(entry, (), metadata["template_name"], metadata["template_version"])


def _fields(tree: Tree) -> Mapping[str, str]:
    """Block 0 of TOSCA.meta: ``Name: value`` lines, a line that begins with a space goes on with the one before."""
    data = tree.read(META, _META_BYTES + 1)
    if len(data) > _META_BYTES:
        _refuse(f"{META} of {tree.label} is larger than {_META_BYTES // 1024} KiB", None)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        _refuse(f"{META} of {tree.label} is not UTF-8 text", None)
    fields: dict[str, str] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            if fields:
                break
            continue
        if line[0] == " " and last:
            fields[last] += line[1:].rstrip()
            continue
        match = _FIELD.fullmatch(line.rstrip())
        if match is None:
            _refuse(f"{META} of {tree.label}, line {number}: {line[:60]!r} is not `Name: value`", None)
        last = match.group(1)
        if last in fields:
            _refuse(f"{META} of {tree.label}, line {number}: {last} is given twice", None)
        fields[last] = match.group(2)
    _check_version(tree, fields, "TOSCA-Meta-File-Version", _FILE_VERSIONS)
    _check_version(tree, fields, "CSAR-Version", _CSAR_VERSIONS)
    return fields


def _check_version(tree: Tree, fields: Mapping[str, str], name: str, known: Sequence[str]) -> None:
    version = fields.get(name, known[-1]).strip().strip('"')
    if version not in known:
        _refuse(f"{META} of {tree.label} says {name} {version!r}; known are {' and '.join(known)}", None)


def _inside(tree: Tree, written: str, keyname: str) -> str:
    parts = [part for part in written.split("/") if part not in ("", ".")]
    if written.startswith("/") or ".." in parts or "\\" in written or "\0" in written:
        message = f"{META} of {tree.label}: {keyname} names {written!r}, outside the archive"
        raise refusal(codes.ARCHIVE_UNSAFE, message, "name it relative to the archive's root")
    name = "/".join(parts)
    if not name or not tree.is_file(name):
        message = f"{META} of {tree.label}: {keyname} names {written!r}, which is not in it"
        _refuse(message, "names are relative to the archive's root")
    return name


def _refuse(message: str, hint: str | None) -> NoReturn:
    raise refusal(codes.ARCHIVE_LAYOUT, message, hint)


class _Zipped:
    """An archive as :class:`Tree`."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.label = str(archive.path)

    def names(self) -> Sequence[str]:
        return [name for name in self._archive.entries if "/" not in name and self.is_file(name)]

    def is_file(self, name: str) -> bool:
        return self._archive.is_file(name)

    def read(self, name: str, at_most: int) -> bytes:
        return self._archive.read(name, at_most)


class Folder:
    """A folder as :class:`Tree`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.label = str(path)

    def names(self) -> Sequence[str]:
        try:
            return sorted(entry.name for entry in self._path.iterdir() if entry.is_file())
        except OSError:
            return []

    def is_file(self, name: str) -> bool:
        return paths.is_file(self._path / name)

    def read(self, name: str, at_most: int) -> bytes:
        try:
            with (self._path / name).open("rb") as stream:
                return stream.read(at_most)
        except OSError as error:
            raise refusal(codes.FILE_MISSING, f"cannot read {self._path / name}: {error.strerror}") from error


def outside(files: Sequence[tuple[Path, Span | None]], roots: Sequence[Path]) -> list[Problem]:
    """A problem for every file that lies in none of the folders to which an archive is confined."""
    allowed = [root.resolve() for root in roots]
    problems = []
    for file, span in files:
        if not any(file.resolve().is_relative_to(root) for root in allowed):
            message = f"{file} is outside the archive"
            hint = "put it into the archive and name it by a relative path"
            problems.append(Problem(codes.IMPORT_OUTSIDE, Severity.ERROR, message, span, hint))
    return problems
