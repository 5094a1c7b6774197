"""Lock files: what a topology was made of, written down so that it can be had again."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from orchestrator import resources
from orchestrator.errors import StorageError
from orchestrator.model.decoding import from_json
from orchestrator.model.problems import DocumentError, Problem, Severity
from orchestrator.model.source import Span
from orchestrator.tosca import codes
from orchestrator.tosca.catalog import Catalog, Profile
from orchestrator.tosca.contents import Contents, contents_of, files_in
from orchestrator.tosca.reader import Reading

LOCK_NAME = "orch.lock"
"""The name of the lock file beside a topology."""

_VERSION = 1
_BYTES = 16 * 1024 * 1024
_SHOWN = 20


class LockedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A file and the SHA-256 of its content, in hexadecimal.

    ``path`` counts from the topology's folder; when ``profile`` (``name:version``) is there, from that profile's.
    """

    path: str
    sha256: str
    profile: str | None = None


class LockedTopology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one topology was made of: documents, the root first, and the files that implement operations.

    ``shipped`` is one SHA-256 over all playbooks that ship with orch, when the topology uses any of them.
    """

    documents: tuple[LockedFile, ...]
    files: tuple[LockedFile, ...] = ()
    shipped: str | None = None


class LockFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lock file: the version of its format, and topologies by their file's name."""

    version: int
    topologies: Mapping[str, LockedTopology]


def lock_of(reading: Reading, catalog: Catalog, base: Path, archive: Path | None = None) -> LockedTopology:
    """What a topology is made of now; ``base`` is the folder from which its own paths count.

    ``archive`` is the folder of the unpacked archive that was read from, if it was.

    Raises StorageError when a file cannot be read any more.
    """
    contents = contents_of(reading, catalog, archive)
    documents = [LockedFile(_relative(file, base), digest_of(file)) for file in contents.documents]
    profiles = [profile for profile, _ in contents.profiles.values()]
    for profile, read in contents.profiles.values():
        documents += [_of_profile(file, profile) for file in read]
    own = [file for file in contents.files() if file not in contents.documents]
    files = [LockedFile(_relative(file, base), digest_of(file)) for file in sorted(own)]
    files += _foreign(contents, profiles)
    return LockedTopology(tuple(documents), tuple(files), _shipped(contents))


def write_lock(file: Path, name: str, locked: LockedTopology) -> None:
    """Write a topology into a lock file beside those that it has. Raises DocumentError, StorageError."""
    before = read_lock(file)
    topologies = {**(before.topologies if before else {}), name: locked}
    lock = LockFile(_VERSION, dict(sorted(topologies.items())))
    working = file.parent / f".{LOCK_NAME}-{uuid.uuid4().hex}"
    try:
        working.write_bytes(msgspec.json.format(msgspec.json.encode(lock), indent=2) + b"\n")
        working.replace(file)
    except OSError as error:
        working.unlink(missing_ok=True)
        raise StorageError(f"{file} cannot be written: {error.strerror or error}") from error


def read_lock(file: Path) -> LockFile | None:
    """A lock file; None when there is none. Raises DocumentError with one problem when it is not understood."""
    try:
        if not file.is_file():
            return None
        with file.open("rb") as stream:
            data = stream.read(_BYTES + 1)
        if len(data) > _BYTES:
            raise ValueError(f"it is larger than {_BYTES // 1024 // 1024} MiB")
        lock = from_json(data, LockFile)
        if lock.version != _VERSION:
            raise ValueError(f"its version is {lock.version}; this orch knows version {_VERSION}")
    except (OSError, ValueError, RecursionError) as error:  # with msgspec.DecodeError
        hint = "write it anew with `orch lock`, or remove it"
        message = f"{file} cannot be used: {error}"
        problem = Problem(codes.LOCK_UNREADABLE, Severity.ERROR, message, Span(str(file), 1, 1, 1, 1), hint)
        raise DocumentError([problem]) from error
    return lock


def lock_problems(
    file: Path, name: str, reading: Reading, catalog: Catalog, base: Path, archive: Path | None = None
) -> list[Problem]:
    """How a topology differs from what a lock file says of it; nothing when the lock file does not speak of it."""
    try:
        lock = read_lock(file)
    except DocumentError as error:
        return error.problems
    if lock is None or name not in lock.topologies:
        return []
    locked, now = lock.topologies[name], lock_of(reading, catalog, base, archive)
    places = _Places(file, name)
    found = [*_profiles_differ(locked, now, places, name), *_files_differ(locked, now, places, name)]
    if len(found) > _SHOWN:
        rest = f"{len(found) - _SHOWN} more files differ from {file}"
        found = [*found[:_SHOWN], Problem(codes.LOCK_DIFFERS, Severity.ERROR, rest, places.of(name), _accept(name))]
    return found


def digest_of(file: Path) -> str:
    """The SHA-256 of a file. Raises StorageError."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StorageError(f"{file} cannot be read: {error.strerror or error}") from error


class _Places:
    """Where a lock file names what."""

    def __init__(self, file: Path, topology: str) -> None:
        self._file = str(file)
        lines = file.read_text("utf-8", "replace").splitlines()
        key = f'"{topology}": {{'
        self._first = next((number for number, line in enumerate(lines, 1) if line.strip() == key), 1)
        self._lines = lines

    def of(self, text: str) -> Span:
        for number, line in enumerate(self._lines[self._first - 1 :], self._first):
            column = line.find(f'"{text}"')
            if column >= 0:
                return Span(self._file, number, column + 1, number, column + len(text) + 3)
        return Span(self._file, self._first, 1, self._first, 1)


def _profiles_differ(locked: LockedTopology, now: LockedTopology, places: _Places, name: str) -> Iterator[Problem]:
    before, after = _versions(locked), _versions(now)
    for profile in sorted({*before, *after}):
        was, is_ = before.get(profile), after.get(profile)
        if was == is_:
            continue
        if is_ is None:
            message = f"the profile {profile}:{was} is locked, but not imported any more"
            yield _differs(message, places.of(f"{profile}:{was}"), _accept(name))
        elif was is None:
            yield _differs(f"the profile {profile}:{is_} is imported, but not locked", places.of(name), _accept(name))
        else:
            message = f"the profile {profile} is taken in version {is_}; locked is {was}"
            hint = f"put {profile}:{was} into the catalog (`orch profiles add`), or {_accept(name)}"
            yield _differs(message, places.of(f"{profile}:{was}"), hint)


def _files_differ(locked: LockedTopology, now: LockedTopology, places: _Places, name: str) -> Iterator[Problem]:
    other = {p for p in {*_versions(locked), *_versions(now)} if _versions(locked).get(p) != _versions(now).get(p)}
    before = {_title(f): f for f in (*locked.documents, *locked.files) if _profile_name(f) not in other}
    after = {_title(f): f for f in (*now.documents, *now.files) if _profile_name(f) not in other}
    for title in dict.fromkeys((*before, *after)):
        was, is_ = before.get(title), after.get(title)
        if was is None:
            yield _differs(f"{title} belongs to the topology, but is not locked", places.of(name), _accept(name))
        elif is_ is None:
            message = f"{title} is locked, but does not belong to the topology any more"
            yield _differs(message, places.of(was.path), _accept(name))
        elif was.sha256 != is_.sha256:
            message = f"{title} has another content than the locked one"
            yield _differs(message, places.of(was.path), f"bring its locked content back, or {_accept(name)}")
    if locked.shipped != now.shipped and locked.shipped is not None and now.shipped is not None and not other:
        message = "the playbooks that ship with orch are other ones than the locked ones"
        yield _differs(message, places.of("shipped"), f"use the orch that it was locked with, or {_accept(name)}")


def _differs(message: str, place: Span, hint: str) -> Problem:
    return Problem(codes.LOCK_DIFFERS, Severity.ERROR, message, place, hint)


def _accept(name: str) -> str:
    return f"accept what there is now with `orch lock {name}`"


def _versions(locked: LockedTopology) -> dict[str, str]:
    named = [file.profile.partition(":") for file in locked.documents if file.profile is not None]
    return {name: version for name, _, version in named}


def _profile_name(file: LockedFile) -> str | None:
    return file.profile.partition(":")[0] if file.profile is not None else None


def _title(file: LockedFile) -> str:
    return f"{file.path} of the profile {file.profile}" if file.profile is not None else file.path


def _of_profile(file: Path, profile: Profile) -> LockedFile:
    path = _relative(file, profile.folder)
    return LockedFile(path, digest_of(file), f"{profile.name}:{profile.version}")


def _foreign(contents: Contents, profiles: list[Profile]) -> list[LockedFile]:
    """The files of profiles that do not ship with orch, with what lies about them in the profile."""
    found = []
    for profile in profiles:
        if profile.shipped or not any(path.is_relative_to(profile.folder.resolve()) for path in contents.foreign):
            continue
        documents = contents.profiles[profile.name][1]
        meta = profile.folder / "TOSCA-Metadata"  # an archive has it, the same profile as a folder has not
        files = [file for file in files_in(profile.folder) if not file.is_relative_to(meta)]
        found += [_of_profile(file, profile) for file in files if file not in documents]
    return found


def _shipped(contents: Contents) -> str | None:
    """One digest of all shipped playbooks: they include each other."""
    folder = resources.playbooks_folder().resolve()
    if not any(path.is_relative_to(folder) for path in contents.foreign):
        return None
    total = hashlib.sha256()
    for file in files_in(folder):
        total.update(f"{file.relative_to(folder).as_posix()}\0{digest_of(file)}\n".encode())
    return total.hexdigest()


def _relative(file: Path, base: Path) -> str:
    return Path(os.path.relpath(file, base)).as_posix()
