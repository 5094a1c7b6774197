"""Use case: make a record of data that lies elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from orchestrator import paths
from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.services.catalogue import CatalogueFile, Record
from orchestrator.services.files import digest, files_under
from orchestrator.sites.tree import tree_at

_SCHEMES = ("http", "https")


def add_record(
    home: Home, places: Sequence[str], *, oid: str | None = None, title: str = "", checksums: bool = True
) -> Record:
    """Make a record of files, folders (all files in them) and http(s) URLs, which stay where they are.

    ``checksums``: size and checksum of files are written down, so that a change of them is noticed when they are used.
    Raises UserError for what is not there, and for an oid that is taken.
    """
    files = [file for place in places for file in _files(place, checksums)]
    folders = [folder for place in places for folder in _empty_folders(place)]
    return home.catalogue.add(files, oid=oid, title=title, folders=folders)


def _empty_folders(place: str) -> tuple[str, ...]:
    path = paths.expanded(place)
    return tree_at(path).empty if path.is_dir() else ()


def _files(place: str, checksums: bool) -> list[CatalogueFile]:
    scheme, separator, _ = place.partition("://")
    if separator:
        return [_from_url(place, scheme.lower())]
    path = paths.expanded(place)
    if paths.is_folder(path):
        found = [_from_file(file, name, checksums) for name, file in files_under(path)]
        if not found:
            raise UserError(f"the folder {place} holds no file")
        return found
    if not paths.is_file(path):
        raise UserError(f"there is no file {place}", hint="name a file, a folder, or a URL beginning with http(s)://")
    return [_from_file(path, path.name, checksums)]


def _from_url(url: str, scheme: str) -> CatalogueFile:
    if scheme not in _SCHEMES:
        raise UserError(f"{url}: data cannot be fetched by {scheme}", hint=f"one of {', '.join(_SCHEMES)}, or a file")
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name
    if not parts.hostname or not name:
        raise UserError(f"{url} names no file", hint="its path must end with the name of a file")
    return CatalogueFile(name, url=url)


def _from_file(path: Path, name: str, checksums: bool) -> CatalogueFile:
    if not checksums:
        return CatalogueFile(name, path=str(path.absolute()))
    found = digest(path).digest()
    return CatalogueFile(name, path=str(path.absolute()), size=found.size, checksum=found.checksum)
