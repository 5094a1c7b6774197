"""Making CSARs: the same sources give the same archive, byte for byte, at any time and on any machine."""

from __future__ import annotations

import os
import re
import tempfile
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from orchestrator import paths
from orchestrator.errors import StorageError, UserError
from orchestrator.model.problems import DocumentError, Problem, Severity
from orchestrator.tosca import codes
from orchestrator.tosca.archives import refusal
from orchestrator.tosca.catalog import Catalog, Profile
from orchestrator.tosca.contents import absolute_names, contents_of, everything_in
from orchestrator.tosca.csar import EMBEDDED_PROFILES, META, SUFFIXES, Csar, Folder, is_csar, layout_of, outside, unpack
from orchestrator.tosca.locks import LOCK_NAME
from orchestrator.tosca.reader import Reading, read_topology

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive knows
_UNIX = 3
_FOLDER = 0x10  # of MS-DOS, which zip has, too
_BESIDE = ("registry",)
"""What orch itself looks for beside a topology: the workflow registry."""


class Package(msgspec.Struct, frozen=True):
    """A package that was made: its files by their names in the archive, and the warnings of its topology."""

    file: Path
    name: str
    version: str
    files: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def package(source: Path, out: Path | None = None, catalog: Catalog | None = None) -> Package:
    """Make a CSAR of a folder, or of a topology with all that it needs.

    Of a folder everything goes in but hidden files and CSARs. Of a topology: every document that reading touched,
    except the profiles that ship with orch; the files that implement its operations with what lies about them; its
    artifacts; ``registry`` and ``orch.lock`` beside it. Links are followed, empty folders kept. ``out`` is by default
    ``<name>-<version>.csar`` in the working folder; a package of that name is replaced. What was made is unpacked and
    read before it is given.

    Raises DocumentError with all problems when the topology has errors or names files that no archive can carry,
    UserError, StorageError.
    """
    catalog = catalog or Catalog()
    if paths.is_folder(source):
        entry, files = _of_folder(source)
    else:
        if is_csar(source):
            raise UserError(f"{source} is a package already", hint="`orch unpack` shows what is in it")
        entry, files = "", {}
    reading = _readable(source / entry if entry else source, catalog)
    assert reading.topology is not None
    if not entry:
        entry, files = _of_topology(reading, catalog)
    name, version = reading.topology.name, reading.topology.version
    author = str(reading.topology.metadata.get("template_author") or "orch")
    contents: dict[str, Path | bytes] = {META: _meta(entry, author), **files}
    out = out or Path(file_name(name, version))
    _check_place(out)
    with _new(out) as working:
        _write(working, contents)
        _check(working, catalog)
    return Package(out, name, version, tuple(sorted(contents)), reading.problems)


def _readable(file: Path, catalog: Catalog) -> Reading:
    reading = read_topology(file, catalog)
    if reading.topology is None or reading.has_errors:
        raise DocumentError(list(reading.problems))
    return reading


def _of_folder(folder: Path) -> tuple[str, dict[str, Path | bytes]]:
    entry = layout_of(Folder(folder)).entry
    root = folder.resolve()
    files: dict[str, Path | bytes] = {}
    for file in everything_in(folder):
        name = file.relative_to(folder).as_posix()
        if file.suffix.lower() in SUFFIXES and "/" not in name:
            continue
        if not file.resolve().is_relative_to(root):
            message = f"{file} is a link that leads outside of {folder}"
            raise refusal(codes.IMPORT_OUTSIDE, message, "put the file itself in its place")
        files.update(_member(file, folder))
    return entry, files


def _of_topology(reading: Reading, catalog: Catalog) -> tuple[str, dict[str, Path | bytes]]:
    contents = contents_of(reading, catalog)
    problems = absolute_names(contents)
    if problems:
        raise DocumentError(problems)
    root, entry = contents.root, contents.documents[0]
    files: dict[str, Path | bytes] = {}
    for file in contents.files(everything_in):
        files.update(_member(file, root))
    for beside in _BESIDE:
        for file in everything_in(entry.parent / beside) if (entry.parent / beside).is_dir() else ():
            files.update(_member(file, root))
    lock = entry.parent / LOCK_NAME
    if lock.is_file():
        files[lock.relative_to(root).as_posix()] = lock
    for profile, _ in contents.profiles.values():
        if not profile.shipped:
            files.update(_of_profile(profile))
    return entry.relative_to(root).as_posix(), files


def _of_profile(profile: Profile) -> dict[str, Path | bytes]:
    folder = f"{EMBEDDED_PROFILES}/{_title(profile.name, profile.version)}"
    root = profile.folder
    meta = _meta(profile.file.relative_to(root).as_posix(), "orch")
    files = {f"{folder}/{name}": file for path in everything_in(root) for name, file in _member(path, root).items()}
    return {f"{folder}/{META}": meta, **files}


def _member(path: Path, root: Path) -> dict[str, Path | bytes]:
    """A file, or a folder with nothing in it, by its name in the archive."""
    name = path.relative_to(root).as_posix()
    return {name: path} if path.is_file() else {f"{name}/": b""}


def _meta(entry: str, author: str) -> bytes:
    lines = ["TOSCA-Meta-File-Version: 1.1", "CSAR-Version: 1.1", f"Created-By: {' '.join(author.split())}"]
    return "\n".join([*lines, f"Entry-Definitions: {entry}", ""]).encode()


def _word(text: str) -> str:
    """A name or a version as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9._+-]|^\.", "_", text)[:100] or "_"


def file_name(name: str, version: str) -> str:
    """The usual name of a package's file."""
    return f"{_title(name, version)}.csar"


def _title(name: str, version: str) -> str:
    return f"{_word(name)}-{_word(version)}" if version else _word(name)


def _check_place(out: Path) -> None:
    if paths.is_folder(out):
        raise UserError(f"{out} is a folder", hint="name a file after -o")
    if paths.exists(out) and not zipfile.is_zipfile(out):
        raise UserError(f"{out} is there already, and is no CSAR", hint="name another file after -o")


@contextmanager
def _new(out: Path) -> Iterator[Path]:
    """A file to be written, which takes the place of ``out`` when all went well."""
    working = out.parent / f".{uuid.uuid4().hex}.csar"
    try:
        yield working
        working.replace(out)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror or error}", hint="see -o") from error
    finally:
        working.unlink(missing_ok=True)


def _write(out: Path, contents: Mapping[str, Path | bytes]) -> None:
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(contents, key=lambda n: (n != META, n)):  # TOSCA.meta first, as its readers like it
            content = contents[name]
            info = zipfile.ZipInfo(name, _TIME)
            info.create_system = _UNIX
            info.compress_type = zipfile.ZIP_DEFLATED
            executable = isinstance(content, Path) and os.access(content, os.X_OK)
            info.external_attr = (0o100755 if executable else 0o100644) << 16
            if info.is_dir():
                info.external_attr = 0o040755 << 16 | _FOLDER
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(info, "w") as target:
                while chunk := source.read(1024 * 1024):
                    target.write(chunk)


def _check(archive: Path, catalog: Catalog) -> None:
    """Read the package where nothing of its sources is near: it must be whole."""
    with tempfile.TemporaryDirectory(prefix="orch-package-") as folder:
        csar = unpack(archive, Path(folder) / "csar")
        inner = catalog.with_first(csar.profiles)
        reading = read_topology(csar.entry, inner, archive=csar.folder)
        problems = [p for p in reading.problems if p.severity is Severity.ERROR]
        problems += escapes(reading, csar, inner)
        # what an import that is not there leaves undefined is no fault of its own
        problems = [p for p in problems if p.code == codes.IMPORT_OUTSIDE] or problems
        if problems:
            raise DocumentError([_unpacked(problem, csar.folder) for problem in problems])


def escapes(reading: Reading, csar: Csar, catalog: Catalog) -> list[Problem]:
    """A problem for every document and file outside an unpacked CSAR that is not of the catalog either."""
    contents = contents_of(reading, catalog, csar.folder)
    spans = {problem.span.file: problem.span for problem in reading.problems if problem.span}
    files = [(document, spans.get(str(document))) for document in contents.documents]
    files += [(named.path, named.span) for named in contents.named]
    return outside(files, [csar.folder])


def _unpacked(problem: Problem, folder: Path) -> Problem:
    """A problem with names as in the archive."""
    prefix = f"{folder}/"
    span = problem.span
    if span is not None:
        span = msgspec.structs.replace(span, file=span.file.removeprefix(prefix))
    return msgspec.structs.replace(problem, message=problem.message.replace(prefix, ""), span=span)
