"""The catalog: TOSCA profiles that documents import by ``name:version``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import yaml

from orchestrator import resources
from orchestrator.tosca.yaml_reader import event_loader

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?[.-]?(.*)\Z")
_METADATA_BYTES = 1024 * 1024


class Profile(msgspec.Struct, frozen=True):
    """A TOSCA profile: a document with types, found under a catalog folder."""

    name: str
    version: str
    file: Path
    shipped: bool = False


class Resolved(msgspec.Struct, frozen=True):
    """What a ``name:version`` stands for; ``exact`` is False when the version that is there differs."""

    profile: Profile
    exact: bool


class Catalog:
    """Profiles by name and version.

    A profile is a folder directly under one of ``folders`` (or under the folder of the profiles that ship with the
    package) that holds a ``types.yaml``, or exactly one other YAML file with ``metadata.template_name``. Its name
    and version are those of its metadata. Earlier folders win over later ones and over the shipped profiles. Folders
    are looked at when a profile is first asked for; those that cannot be read count as empty.
    """

    def __init__(self, folders: Sequence[Path] = (), shipped: bool = True) -> None:
        self._folders = [(Path(folder), False) for folder in folders]
        if shipped:
            self._folders.append((resources.types_folder(), True))
        self._profiles: list[Profile] | None = None

    def profiles(self) -> tuple[Profile, ...]:
        """Every profile of the catalog, in the order of the folders and their names."""
        if self._profiles is None:
            self._profiles = [p for folder, shipped in self._folders for p in _profiles_in(folder, shipped)]
        return tuple(self._profiles)

    def names(self) -> tuple[str, ...]:
        """The names of all profiles, each once, sorted."""
        return tuple(sorted({profile.name for profile in self.profiles()}))

    def resolve(self, reference: str) -> Resolved | None:
        """The profile that ``name:version`` (or ``name`` alone, for any version) stands for.

        When there is no such version the nearest one is given: of the same major version if there is one, then
        the nearest minor version, a newer one rather than an older one. None when there is no profile of the name.
        """
        name, _, version = reference.partition(":")
        candidates = [profile for profile in self.profiles() if profile.name == name]
        if not candidates:
            return None
        for profile in candidates:
            if profile.version == version:
                return Resolved(profile, True)
        if not version:
            return Resolved(max(candidates, key=lambda profile: _version(profile.version)), True)
        return Resolved(min(candidates, key=lambda profile: _distance(version, profile.version)), False)


def _profiles_in(folder: Path, shipped: bool) -> Iterator[Profile]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return
    for entry in entries:
        file = _profile_file(entry)
        if file is None:
            continue
        metadata = _metadata(file)
        name = metadata.get("template_name") or (entry.name if file.name == "types.yaml" else None)
        if name:
            yield Profile(name, metadata.get("template_version", ""), file.resolve(), shipped)


def _profile_file(folder: Path) -> Path | None:
    standard = folder / "types.yaml"
    if standard.is_file():
        return standard
    try:
        files = [file for file in sorted(folder.iterdir()) if file.suffix in (".yml", ".yaml") and file.is_file()]
    except OSError:
        return None
    return files[0] if len(files) == 1 else None


def _metadata(file: Path) -> dict[str, str]:
    """The texts under ``metadata`` (or at the top, as Simple Profile 1.0 has them), reading no further than needed."""
    try:
        with file.open("rb") as stream:
            text = stream.read(_METADATA_BYTES).decode("utf-8-sig", "ignore")
        return _scan_metadata(text)
    except (OSError, yaml.YAMLError, UnicodeError):
        return {}


def _scan_metadata(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    path: list[str | None] = []  # the key of every open container that is waiting for a value
    loader = event_loader(text)
    try:
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                path.append(None)
            elif isinstance(event, yaml.CollectionEndEvent):
                path.pop()
                if path == ["metadata"]:
                    break
                if path:
                    path[-1] = None
            elif isinstance(event, yaml.ScalarEvent) and path:
                if path[-1] is None:
                    path[-1] = event.value
                    continue
                if len(path) == 1 or (len(path) == 2 and path[0] == "metadata"):
                    found[path[-1]] = event.value
                path[-1] = None
    finally:
        loader.dispose()
    return found


def _version(text: str) -> tuple[int, int, int, bool]:
    match = _VERSION.match(text)
    if match is None:
        return (0, 0, 0, False)
    major, minor, fix, qualifier = match.groups()
    return (int(major[:9]), int((minor or "0")[:9]), int((fix or "0")[:9]), not qualifier)


def _distance(wanted: str, there: str) -> tuple[int, int, int, bool, bool, bool]:
    a, b = _version(wanted), _version(there)
    return (abs(a[0] - b[0]), abs(a[1] - b[1]), abs(a[2] - b[2]), b[:3] < a[:3], a[3] != b[3], not b[3])
