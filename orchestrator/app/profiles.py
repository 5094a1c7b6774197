"""Use cases: the profiles of the catalog: list them, add one, remove one."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator import paths
from orchestrator.app.settings import Settings
from orchestrator.app.sources import catalog_of, csar_cache
from orchestrator.errors import StorageError, UserError
from orchestrator.model.problems import Problem
from orchestrator.tosca import Profile
from orchestrator.tosca.csar import Csar, is_csar, open_csar
from orchestrator.tosca.packaging import file_name
from orchestrator.tosca.packaging import package as make_package


@dataclass(frozen=True)
class ProfileList:
    """The profiles of the catalog, and what is wrong with archives in it that cannot be used."""

    profiles: tuple[Profile, ...]
    broken: tuple[Problem, ...]


def list_profiles(settings: Settings) -> ProfileList:
    """The profiles that topologies may import by ``name:version``."""
    catalog = catalog_of(settings)
    return ProfileList(catalog.profiles(), catalog.broken())


def add_profile(settings: Settings, source: Path) -> Profile:
    """Put a profile into the user's catalog: a CSAR as it is, of a folder a package.

    A profile of the same name and version that is there already is kept when it has the same content. Raises UserError
    when it has another one, or when the profile has no name and version; DocumentError for a CSAR that is not fit to
    be read or a folder with faults.
    """
    with tempfile.TemporaryDirectory(prefix="orch-profile-") as folder:
        archive = source
        if not is_csar(source):
            if not paths.is_folder(source):
                raise UserError(f"{source} is neither a CSAR nor a folder", hint="orch profiles add FILE.csar|FOLDER")
            archive = make_package(source, Path(folder) / "profile.csar", catalog_of(settings)).file
        csar = open_csar(archive, csar_cache(settings))
        if not csar.name or not csar.version or ":" in csar.name:
            raise UserError(
                f"{source}: {csar.entry.name} has no template_name and template_version in its metadata",
                hint="profiles are imported by them: name:version",
            )
        _refuse_other(settings, csar)
        target = settings.profiles / file_name(csar.name, csar.version)
        _copy(archive, target)
    return Profile(csar.name, csar.version, csar.entry, False, csar.folder, target)


def remove_profile(settings: Settings, reference: str) -> tuple[Path, ...]:
    """Take a profile, named ``name:version``, out of the user's catalog; gives what was removed. Raises UserError."""
    name, _, version = reference.partition(":")
    same = [p for p in catalog_of(settings).profiles() if p.name == name]
    found = [p.source for p in same if p.version == version and not p.shipped and p.source is not None]
    if not found:
        if any(p.version == version for p in same):
            raise UserError(f"{reference} ships with orch and stays", hint="a profile of your own of that name wins")
        versions = ", ".join(f"{p.name}:{p.version}" for p in same if not p.shipped)
        raise UserError(
            f"there is no profile {reference!r} in {settings.profiles}",
            hint=f"there is: {versions}" if versions else "`orch profiles` lists them, as NAME:VERSION",
        )
    try:
        for path in found:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise StorageError(f"{error.filename} cannot be removed: {error.strerror}") from error
    return tuple(found)


def _refuse_other(settings: Settings, csar: Csar) -> None:
    for profile in catalog_of(settings).profiles():
        if profile.shipped or (profile.name, profile.version) != (csar.name, csar.version):
            continue
        if profile.root is None or profile.root.resolve() != csar.folder.resolve():
            raise UserError(
                f"there is another {csar.name}:{csar.version} already: {profile.source}",
                hint=f"give the new one another version, or `orch profiles remove {csar.name}:{csar.version}` first",
            )


def _copy(archive: Path, target: Path) -> None:
    working = target.with_name(f".{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(archive, working)
        working.replace(target)
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        working.unlink(missing_ok=True)
