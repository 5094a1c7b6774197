"""Zip archives from strangers: everything about them is checked before anything of them is written.

Nothing is unpacked from an archive that names a place outside itself, that would grow beyond its bounds, or whose
entries could stand for each other. Archives inside of it are files like others and are not looked into.
"""

from __future__ import annotations

import enum
import hashlib
import io
import os
import re
import shutil
import stat
import struct
import time
import unicodedata
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import msgspec

from orchestrator.errors import StorageError
from orchestrator.model.problems import DocumentError, Problem, Severity
from orchestrator.tosca import codes


class Limits(msgspec.Struct, frozen=True):
    """How large an archive may be. Sizes are bytes.

    ``ratio`` is how many times larger the content may be than the archive; it is asked for only of contents above
    ``ratio_from``, as small texts may well be repetitive.
    """

    archive_size: int = 2 * 1024**3
    content_size: int = 2 * 1024**3
    entries: int = 20_000
    depth: int = 32
    name_length: int = 1000
    ratio: int = 200
    ratio_from: int = 32 * 1024**2
    directory_size: int = 8 * 1024**2


LIMITS = Limits()
_LINK_LENGTH = 1000
_CHUNK = 1024 * 1024
_LEFTOVER_SECONDS = 24 * 3600
_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENCRYPTED = 0x1 | 0x40
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the methods of ISO/IEC 21320-1
_LOCAL_HEADER = 30
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,  # with NotImplementedError
    OSError,
)


class EntryKind(enum.Enum):
    """What an entry of an archive is."""

    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


class Entry(msgspec.Struct, frozen=True):
    """One entry of an archive. ``target`` is the text of a link."""

    name: str
    kind: EntryKind
    info: zipfile.ZipInfo
    target: str = ""

    @property
    def executable(self) -> bool:
        """Whether its owner may run it."""
        return bool(self.info.external_attr >> 16 & stat.S_IXUSR)


def refusal(code: str, message: str, hint: str | None = None) -> DocumentError:
    """An archive's fault as the error that carries its one problem."""
    return DocumentError([Problem(code, Severity.ERROR, message, None, hint)])


class Archive:
    """An archive whose entries have been checked. ``digest`` is the SHA-256 of the whole file, in hexadecimal."""

    def __init__(self, path: Path, zipped: zipfile.ZipFile, digest: str, entries: Mapping[str, Entry]) -> None:
        self.path = path
        self.digest = digest
        self.entries = entries
        self._zipped = zipped

    def is_file(self, name: str) -> bool:
        """Whether there is a regular file of that name."""
        entry = self.entries.get(name)
        return entry is not None and entry.kind is EntryKind.FILE

    def read(self, name: str, at_most: int) -> bytes:
        """The first bytes of a file. Raises DocumentError when they are damaged."""
        return _start_of(self._zipped, self.entries[name].info, at_most, self.path)

    def extract(self, folder: Path) -> None:
        """Write every entry into a folder that is new and empty.

        Raises DocumentError when the archive is damaged, StorageError when the folder cannot be written.
        """
        for entry in self.entries.values():
            if entry.kind is EntryKind.FOLDER:
                with _writing(folder):
                    (folder / entry.name).mkdir(parents=True, exist_ok=True)
            elif entry.kind is EntryKind.FILE:
                self._extract_file(entry, folder / entry.name)
        for entry in self.entries.values():  # after all files, so that nothing can be written through a link
            if entry.kind is EntryKind.LINK:
                path = folder / entry.name
                with _writing(folder):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.symlink_to(entry.target)

    def intact(self, folder: Path) -> bool:
        """Whether a folder holds every file of the archive in its size: a quick look at what was unpacked before."""
        for entry in self.entries.values():
            try:
                found = (folder / entry.name).lstat()
            except OSError:
                return False
            if entry.kind is EntryKind.FILE and (
                not stat.S_ISREG(found.st_mode) or found.st_size != entry.info.file_size
            ):
                return False
        return True

    def _extract_file(self, entry: Entry, path: Path) -> None:
        left = entry.info.file_size
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                for chunk in self._chunks(entry):
                    left -= len(chunk)
                    if left < 0:
                        break
                    out.write(chunk)
            path.chmod(0o755 if entry.executable else 0o644)
        if left:
            raise _damaged(self.path, entry.name, "it has not the size that it says")

    def _chunks(self, entry: Entry) -> Iterator[bytes]:
        try:
            with self._zipped.open(entry.info) as source:
                while chunk := source.read(_CHUNK):
                    yield chunk
        except _DAMAGE as error:
            raise _damaged(self.path, entry.name, error) from error


@contextmanager
def opened(path: Path, limits: Limits = LIMITS) -> Iterator[Archive]:
    """An archive, checked whole. Raises DocumentError with one problem for one that is not fit to be unpacked."""
    with _stream(path, limits) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        stream.most = limits.directory_size
        try:
            zipped = zipfile.ZipFile(stream)
        except _TooMuchError:
            message = f"{path} has more than {limits.entries} entries, or very long names"
            raise refusal(codes.ARCHIVE_LIMIT, message) from None
        except _DAMAGE as error:
            message = f"{path} is not a zip archive, or it is damaged: {error}"
            hint = "a CSAR is a zip file; make one with `orch package`"
            raise refusal(codes.ARCHIVE_UNREADABLE, message, hint) from error
        stream.most = None
        with zipped:
            entries = _checked(path, zipped, limits)
            yield Archive(path, zipped, digest, entries)


def unpack_into(archive: Archive, folder: Path) -> None:
    """Unpack an archive so that ``folder`` appears whole or not at all; its parent is made.

    Another process that makes the same folder at the same time is no fault: the first one wins. Raises DocumentError,
    StorageError.
    """
    working = folder.parent / f".unpacking-{uuid.uuid4().hex}"
    with _writing(folder):
        working.mkdir(parents=True)
    _sweep(folder.parent)
    try:
        archive.extract(working)
        try:
            working.rename(folder)
        except OSError as error:
            if not (folder.is_dir() and archive.intact(folder)):
                raise _not_written(folder, error) from error
    finally:
        shutil.rmtree(working, ignore_errors=True)


class _TooMuchError(Exception):
    """More is read at once than an honest archive needs."""


class _Stream(io.BufferedReader):
    """A file of which only so much can be read at once: zipfile reads the whole directory of an archive in one go."""

    most: int | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None:
            if size is None or size < 0:
                size = os.fstat(self.fileno()).st_size - self.tell()
            if size > self.most:
                raise _TooMuchError
        return super().read(size)


@contextmanager
def _stream(path: Path, limits: Limits) -> Iterator[_Stream]:
    try:
        # not blocking: a pipe in the archive's place must not be waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refusal(codes.FILE_MISSING, f"cannot read {path}: {reason}", "check the path") from error
    with _Stream(io.FileIO(descriptor)) as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise refusal(codes.NOT_A_FILE, f"{path} is {what}", "name a CSAR, which is a zip file")
        if found.st_size > limits.archive_size:
            raise refusal(codes.ARCHIVE_LIMIT, f"{path} is larger than {_shown(limits.archive_size)}")
        yield stream


def _checked(path: Path, zipped: zipfile.ZipFile, limits: Limits) -> dict[str, Entry]:
    infos = zipped.infolist()
    if len(infos) > limits.entries:
        message = f"{path} has {len(infos)} entries; at most {limits.entries} are unpacked"
        raise refusal(codes.ARCHIVE_LIMIT, message)
    _check_sizes(path, infos, limits)
    entries: dict[str, Entry] = {}
    for info in infos:
        entry = _entry(path, zipped, info, limits)
        if entry is None:
            continue
        if entry.name in entries:
            message = f"{path} holds {entry.name!r} twice"
            _unsafe(message, "make the archive anew with every file once")
        entries[entry.name] = entry
    _check_names(path, entries)
    for entry in entries.values():
        if entry.kind is EntryKind.LINK:
            _check_link(path, entry, entries)
    return entries


def _check_sizes(path: Path, infos: list[zipfile.ZipInfo], limits: Limits) -> None:
    total = sum(info.file_size for info in infos)
    packed = sum(info.compress_size for info in infos)
    if total > limits.content_size:
        message = f"{path} would unpack to {_shown(total)}; at most {_shown(limits.content_size)} are unpacked"
        raise refusal(codes.ARCHIVE_LIMIT, message)
    if total > limits.ratio_from and total > limits.ratio * max(packed, 1):
        message = f"{path} would unpack to {total // max(packed, 1)} times its size; at most {limits.ratio} are allowed"
        raise refusal(codes.ARCHIVE_LIMIT, message, "it looks like a zip bomb; do not trust where it came from")
    end = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < end:
            message = f"{path}: the entry {info.filename!r} overlaps another one"
            _unsafe(message, "it looks like a zip bomb; do not trust where it came from")
        end = info.header_offset + _LOCAL_HEADER + info.compress_size


def _entry(path: Path, zipped: zipfile.ZipFile, info: zipfile.ZipInfo, limits: Limits) -> Entry | None:
    """One entry with a safe name; None for the archive's own folder."""
    name = _name(path, info, limits)
    if not info.filename:  # nothing can be asked of it
        _unsafe(f"{path} holds an entry without a name", "make the archive anew")
    if info.flag_bits & _ENCRYPTED:
        message = f"{path}: {name!r} is encrypted"
        raise refusal(codes.ARCHIVE_UNREADABLE, message, "make the archive anew without a password")
    if info.compress_type not in _METHODS:
        message = f"{path}: {name!r} is compressed by method {info.compress_type}, which is not read"
        raise refusal(codes.ARCHIVE_UNREADABLE, message, "make the archive anew with the usual compression (deflate)")
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        _unsafe(f"{path}: {name!r} is a special file (device, pipe or socket)", "take it out of the archive")
    if info.is_dir() or kind == stat.S_IFDIR:
        return Entry(name, EntryKind.FOLDER, info) if name else None
    if not name:
        _unsafe(f"{path} holds a file without a name", None)
    if kind == stat.S_IFLNK:
        target = _start_of(zipped, info, _LINK_LENGTH + 1, path)
        return Entry(name, EntryKind.LINK, info, target.decode("utf-8", "surrogateescape"))
    return Entry(name, EntryKind.FILE, info)


def _name(path: Path, info: zipfile.ZipInfo, limits: Limits) -> str:
    written = info.orig_filename
    hint = "names in a CSAR are relative, with / between folders, and stay inside of it"
    if len(written) > limits.name_length:
        raise refusal(codes.ARCHIVE_LIMIT, f"{path} holds a name of more than {limits.name_length} characters")
    if _CONTROL.search(written) or "\\" in written:
        _unsafe(f"{path} holds the name {written!r}: control characters and backslashes are refused", hint)
    if written.startswith("/") or _DRIVE.match(written):
        _unsafe(f"{path} holds the absolute name {written!r}", hint)
    parts = [part for part in written.split("/") if part not in ("", ".")]
    if ".." in parts:
        _unsafe(f"{path} holds the name {written!r}, which leaves the archive", hint)
    if len(parts) > limits.depth:
        raise refusal(codes.ARCHIVE_LIMIT, f"{path} nests folders more than {limits.depth} deep")
    try:
        long = any(len(os.fsencode(part)) > 255 for part in parts)
    except UnicodeError:
        _unsafe(f"{path} holds the name {written!r}, which no file can have", hint)
    if long:
        raise refusal(codes.ARCHIVE_LIMIT, f"{path} holds a name with a part of more than 255 bytes")
    return "/".join(parts)


def _check_names(path: Path, entries: Mapping[str, Entry]) -> None:
    """No two names may be one on any file system, and only folders may hold entries."""
    known: dict[str, str] = {}
    for name, entry in entries.items():
        parts = name.split("/")
        for count in range(1, len(parts) + 1):
            part = "/".join(parts[:count])
            folded = unicodedata.normalize("NFC", part).casefold()
            other = known.setdefault(folded, part)
            if other != part:
                message = f"{path} holds both {other!r} and {part!r}, which are one on many file systems"
                _unsafe(message, "rename one of them")
            holder = entries.get(part)
            if part != name and holder is not None and holder.kind is not EntryKind.FOLDER:
                _unsafe(f"{path} holds {name!r}, but {part!r} is a {holder.kind.value}", None)
        assert entry.name == name


def _check_link(path: Path, link: Entry, entries: Mapping[str, Entry]) -> None:
    """A link may lead, without a detour over other links, to another entry, not to a folder that it lies in."""
    target = link.target
    hint = "put the file itself into the archive instead of the link"
    if not target or len(target) > _LINK_LENGTH or target.startswith("/") or _CONTROL.search(target) or "\\" in target:
        _unsafe(f"{path}: the link {link.name!r} leads to {target[:80]!r}, outside the archive", hint)
    parts = link.name.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                _unsafe(f"{path}: the link {link.name!r} leads to {target!r}, outside the archive", hint)
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
        through = entries.get("/".join(parts))
        if through is not None and through.kind is EntryKind.LINK:
            _unsafe(f"{path}: the link {link.name!r} leads over the link {through.name!r}", hint)
    found = "/".join(parts)
    holder = f"{found}/" if found else ""
    if f"{link.name}/".startswith(holder):
        _unsafe(f"{path}: the link {link.name!r} leads to a folder that it lies in", hint)
    if found not in entries and not any(name.startswith(holder) for name in entries):
        _unsafe(f"{path}: the link {link.name!r} leads to {target!r}, which is not in the archive", hint)


def _start_of(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, at_most: int, path: Path) -> bytes:
    try:
        with zipped.open(info) as source:
            return source.read(at_most)
    except _DAMAGE as error:
        raise _damaged(path, info.filename, error) from error


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> StorageError:
    return StorageError(f"{path} cannot be written: {error.strerror or error}", hint="free space, or give permission")


def _damaged(path: Path, name: str, error: Exception | str) -> DocumentError:
    return refusal(codes.ARCHIVE_UNREADABLE, f"{path}: {name!r} is damaged: {error}", "get the archive anew")


def _unsafe(message: str, hint: str | None) -> NoReturn:
    raise refusal(codes.ARCHIVE_UNSAFE, message, hint)


def _sweep(folder: Path) -> None:
    """Remove what a process that was killed left of its unpacking."""
    for left in folder.glob(".unpacking-*"):
        try:
            old = time.time() - left.lstat().st_mtime > _LEFTOVER_SECONDS
        except OSError:
            continue
        if old:
            shutil.rmtree(left, ignore_errors=True)


def _shown(size: int) -> str:
    return f"{size / 1024**2:,.0f} MiB" if size >= 1024**2 else f"{size} bytes"
