"""Files that appear whole or not at all, and errors of the system told in one clear message."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import msgspec

from orchestrator.errors import StorageError, UserError, WorkError
from orchestrator.sites.tree import tree_at

CHUNK = 1024 * 1024
_STALE = 24 * 3600.0
"""Seconds after which an unfinished hidden file is rubbish that a killed process left."""


class Digest(msgspec.Struct, frozen=True):
    """The size in bytes and the checksum (``sha256:<hex>``) of what was read."""

    size: int
    checksum: str


class Expected(msgspec.Struct, frozen=True):
    """What a file must be like; ``None`` where nothing is known. ``checksum`` is ``<algorithm>:<hex>``."""

    size: int | None = None
    checksum: str | None = None


ANY = Expected()
"""Nothing is known."""


@contextmanager
def explained(what: str, place: Path) -> Iterator[None]:
    """Turn the system's errors into a :class:`StorageError` that says what could not be done, where, and the remedy."""
    try:
        yield
    except OSError as e:
        reason, hint = _reason(e, place)
        raise StorageError(f"cannot {what} {place}: {reason}", hint=hint) from e


def _reason(error: OSError, place: Path) -> tuple[str, str | None]:
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        blocker = _blocker(place)
        return f"{blocker} is a file where a folder belongs", f"move {blocker} away, or name another folder"
    reasons = {
        errno.ENOSPC: ("no space left on the disk", "free some space, or name another folder"),
        errno.EDQUOT: ("the disk quota is used up", "free some space, or name another folder"),
        errno.EACCES: ("no permission", "give yourself permission, or name another folder"),
        errno.EPERM: ("no permission", "give yourself permission, or name another folder"),
        errno.EROFS: ("the file system is read-only", "name another folder"),
        errno.EISDIR: ("it is a folder where a file belongs", "move it away, or name another file"),
    }
    return reasons.get(error.errno or 0, (error.strerror or str(error), None))


def _blocker(place: Path) -> Path:
    """The file on the way to ``place`` that should be a folder."""
    for path in (place, *place.parents):
        if os.path.lexists(path) and not path.is_dir():
            return path
    return place


def make_folder(folder: Path) -> None:
    """Make the folder and those above it. Raises :class:`StorageError`."""
    with explained("make the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make sure that names just made in the folder survive a crash of the machine."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Writer:
    """Writes to an unfinished file; errors are told as those of the file that it will become."""

    def __init__(self, fd: int, path: Path) -> None:
        self._fd = fd
        self._path = path

    def write(self, data: bytes) -> int:
        """All of the bytes. Raises :class:`StorageError`."""
        left = memoryview(data)
        with explained("write", self._path):
            while left:
                left = left[os.write(self._fd, left) :]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Iterator[Writer]:
    """A file to write that takes the name ``path`` when the block ends well, and leaves nothing when it does not.

    ``mode`` is subject to the umask. Raises :class:`StorageError`.
    """
    make_folder(path.parent)
    with explained("write", path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        _sweep(path)
        fd, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".part", dir=path.parent)
    new = Path(name)
    try:
        try:
            yield Writer(fd, path)
            with explained("write", path):
                os.fchmod(fd, mode & ~_umask())
                os.fsync(fd)
        finally:
            os.close(fd)
        with explained("write", path):
            new.replace(path)
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise


def _sweep(path: Path) -> None:
    for old in path.parent.glob(f".{_literal(path.name[:100])}.*.part"):
        with suppress(OSError):
            if time.time() - old.lstat().st_mtime > _STALE:
                old.unlink()


def _literal(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)


def _umask() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022


def write_text(path: Path, text: str) -> None:
    """Write a small file whole. Raises :class:`StorageError`."""
    with replacing(path) as f:
        f.write(text.encode())


def copy(
    read: Callable[[int], bytes],
    target: Path,
    expected: Expected = ANY,
    *,
    what: str,
    mode: int = 0o666,
    progress: Callable[[int], None] = lambda size: None,
) -> Digest:
    """Copy what ``read(size)`` gives to the file ``target``, which appears only when size and checksum are right.

    ``what`` names the source in messages; ``progress`` is told the bytes so far. Raises :class:`WorkError` for a wrong
    size or checksum, :class:`StorageError` when the target cannot be written; errors of ``read`` are passed on.
    """
    meter = Meter(expected)
    with replacing(target, mode) as f:
        while chunk := read(CHUNK):
            meter.add(chunk)
            f.write(chunk)
            progress(meter.size)
        meter.check(what)
    return meter.digest()


class Meter:
    """Counts and hashes what passes by."""

    def __init__(self, expected: Expected = ANY) -> None:
        self.size = 0
        self._expected = expected
        self._sha256 = hashlib.sha256()
        self._wanted: str | None = None
        algorithm = "sha256"
        if expected.checksum:
            algorithm, self._wanted = _checksum(expected.checksum)
        self._other = self._sha256 if algorithm == "sha256" else hashlib.new(algorithm)

    def add(self, chunk: bytes) -> None:
        """Some more bytes."""
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._other is not self._sha256:
            self._other.update(chunk)

    def digest(self) -> Digest:
        """What came by up to now."""
        return Digest(self.size, f"sha256:{self._sha256.hexdigest()}")

    def fits(self) -> bool:
        """Whether what came by is what was expected."""
        right_size = self._expected.size in (None, self.size)
        return right_size and self._wanted in (None, self._other.hexdigest())

    def check(self, what: str) -> None:
        """Raises :class:`WorkError` when what came by is not what was expected."""
        if self._expected.size not in (None, self.size):
            raise WorkError(f"{what} has {self.size} bytes, but {self._expected.size} are recorded", hint=_WRONG)
        if not self.fits():
            found = f"{self._other.name}:{self._other.hexdigest()}"
            raise WorkError(f"{what} has the checksum {found}, but {self._expected.checksum} is recorded", hint=_WRONG)


_WRONG = "the data was changed or damaged: restore it, or correct the record"


def _checksum(text: str) -> tuple[str, str]:
    algorithm, colon, value = text.partition(":")
    if not colon:
        algorithm, value = "sha256", text
    algorithm = algorithm.lower().replace("sha-", "sha")
    if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
        raise UserError(
            f"the checksum {text!r} has an unknown algorithm", hint="write it as sha256:<hexadecimal digits>"
        )
    return algorithm, value.strip().lower()


def digest(path: Path, expected: Expected = ANY) -> Meter:
    """Size and checksum of a file that is there. Raises :class:`StorageError`."""
    meter = Meter(expected)
    with explained("read", path), path.open("rb") as f:
        while chunk := f.read(CHUNK):
            meter.add(chunk)
    return meter


def reading(stream: BinaryIO, path: Path) -> Callable[[int], bytes]:
    """``stream.read`` whose errors are told as those of ``path``."""

    def read(size: int) -> bytes:
        with explained("read", path):
            return stream.read(size)

    return read


def files_under(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file under a folder, by its sorted relative name ("/" between parts); links are followed.

    Raises as :func:`orchestrator.sites.tree.tree_at` does.
    """
    return ((name, folder / name) for name in tree_at(folder).files)


def check_name(name: str) -> None:
    """Raises :class:`UserError` unless ``name`` is a relative path that stays below the folder it is put into.

    It must be UTF-8: the record of a data catalogue, which is a text, has nothing else.
    """
    if any("\ud800" <= c <= "\udfff" for c in name):
        shown = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        raise UserError(f"the name of the file {shown!r} is not in UTF-8", hint="rename it")
    path = PurePosixPath(name)
    bad = not name or path.is_absolute() or ".." in path.parts or str(path) != name or name == "."
    if bad or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise UserError(f"{name!r} is no file name", hint="use a relative path without '..' and control characters")


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours, whatever is in it, without complaint."""
    shutil.rmtree(folder, ignore_errors=True)
