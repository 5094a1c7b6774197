"""The catalog: TOSCA profiles that documents import by ``name:version``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from orchestrator import resources
from orchestrator.model.problems import DocumentError, Problem
from orchestrator.tosca.metadata import metadata_of_file

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?[.-]?(.*)\Z")
_ARCHIVES = (".csar", ".zip")


class Profile(msgspec.Struct, frozen=True):
    """A TOSCA profile: a document with types, found under a catalog folder.

    ``root`` is the folder that holds all of it, where that is not the document's own; ``source`` is the folder or the
    archive in the catalog folder that it came from.
    """

    name: str
    version: str
    file: Path
    shipped: bool = False
    root: Path | None = None
    source: Path | None = None

    @property
    def folder(self) -> Path:
        """The folder that holds all of the profile."""
        return self.root if self.root is not None else self.file.parent


class Resolved(msgspec.Struct, frozen=True):
    """What a ``name:version`` stands for; ``exact`` is False when the version that is there differs."""

    profile: Profile
    exact: bool


class Catalog:
    """Profiles by name and version.

    A profile is a folder directly under one of ``folders`` (or under the folder of the profiles that ship with the
    package) that holds a ``types.yaml``, exactly one other YAML file with ``metadata.template_name``, or a CSAR that
    was unpacked; or it is a CSAR itself (``*.csar``, ``*.zip``), which is unpacked into ``archives``. Its name and
    version are those of its metadata. Earlier folders win over later ones and over the shipped profiles. Folders
    are looked at when a profile is first asked for; those that cannot be read count as empty. Without ``archives``
    archives are passed over.
    """

    def __init__(self, folders: Sequence[Path] = (), shipped: bool = True, archives: Path | None = None) -> None:
        self._folders = [(Path(folder), False) for folder in folders]
        if shipped:
            self._folders.append((resources.types_folder(), True))
        self._archives = archives
        self._profiles: list[Profile] | None = None
        self._broken: list[Problem] = []

    def with_first(self, folder: Path) -> Catalog:
        """The same catalog with one more folder, which wins over all others."""
        catalog = Catalog(shipped=False, archives=self._archives)
        catalog._folders = [(folder, False), *self._folders]
        return catalog

    def profiles(self) -> tuple[Profile, ...]:
        """Every profile of the catalog, in the order of the folders and their names."""
        if self._profiles is None:
            found = [p for folder, shipped in self._folders for p in _profiles_in(folder, shipped)]
            self._profiles = found if self._archives is None else self._with_archives(found, self._archives)
        return tuple(self._profiles)

    def broken(self) -> tuple[Problem, ...]:
        """What is wrong with the archives of the catalog that are no profiles for that reason."""
        self.profiles()
        return tuple(self._broken)

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

    def _with_archives(self, found: list[Profile], cache: Path) -> list[Profile]:
        """The profiles with those in archives, behind the folders' own of the same catalog folder."""
        archived = {folder: _archives_in(folder) for folder, shipped in self._folders if not shipped}
        if not any(archived.values()):
            return found
        from orchestrator.tosca.csar import open_csar  # costs a little, and most catalogs have no archives

        ordered: list[Profile] = []
        for folder, shipped in self._folders:
            ordered += [p for p in found if p.shipped is shipped and (shipped or _is_from(p, folder))]
            for archive in archived.get(folder, ()):
                try:
                    csar = open_csar(archive, cache)
                except DocumentError as error:
                    self._broken += error.problems
                    continue
                name = csar.name or archive.stem
                ordered.append(Profile(name, csar.version, csar.entry.resolve(), False, csar.folder.resolve(), archive))
        return ordered


def _is_from(profile: Profile, folder: Path) -> bool:
    return profile.source is not None and profile.source.parent == folder


def _archives_in(folder: Path) -> list[Path]:
    try:
        return sorted(e for e in folder.iterdir() if e.suffix.lower() in _ARCHIVES and not e.is_dir())
    except OSError:
        return []


def _profiles_in(folder: Path, shipped: bool) -> Iterator[Profile]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return
    for entry in entries:
        file = _profile_file(entry)
        if file is None:
            continue
        metadata = metadata_of_file(file)
        name = metadata.get("template_name") or (entry.name if file.name == "types.yaml" else None)
        if name:
            version = metadata.get("template_version", "")
            root = None if file.parent == entry else entry.resolve()
            yield Profile(name, version, file.resolve(), shipped, root, entry)


def _profile_file(folder: Path) -> Path | None:
    if (folder / "TOSCA-Metadata").is_dir():
        return _csar_entry(folder)
    standard = folder / "types.yaml"
    if standard.is_file():
        return standard
    try:
        files = [file for file in sorted(folder.iterdir()) if file.suffix in (".yml", ".yaml") and file.is_file()]
    except OSError:
        return None
    return files[0] if len(files) == 1 else None


def _csar_entry(folder: Path) -> Path | None:
    from orchestrator.tosca.csar import Folder, layout_of  # see above

    try:
        return folder / layout_of(Folder(folder)).entry
    except DocumentError:
        return None


def _version(text: str) -> tuple[int, int, int, bool]:
    match = _VERSION.match(text)
    if match is None:
        return (0, 0, 0, False)
    major, minor, fix, qualifier = match.groups()
    return (int(major[:9]), int((minor or "0")[:9]), int((fix or "0")[:9]), not qualifier)


def _distance(wanted: str, there: str) -> tuple[int, int, int, bool, bool, bool]:
    a, b = _version(wanted), _version(there)
    return (abs(a[0] - b[0]), abs(a[1] - b[1]), abs(a[2] - b[2]), b[:3] < a[:3], a[3] != b[3], not b[3])
