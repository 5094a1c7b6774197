"""What is in a folder that is to be brought elsewhere: all of it, or an error that names what cannot be."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import StorageError, WorkError

FILE, FOLDER = "f", "d"


@dataclass(frozen=True)
class Tree:
    """Names relative to the folder, "/" between their parts, in order; ``empty`` are folders with nothing in them.

    Links are followed: what they lead to is here under the links' names.
    """

    files: tuple[str, ...]
    empty: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders to be made although no file is in them; "" for the whole, when there is nothing in it."""
        return self.empty if self.files or self.empty else ("",)


def tree_at(folder: Path) -> Tree:
    """What is in a folder of this machine.

    Raises WorkError for what cannot be copied: a link that leads nowhere or to a folder above, a pipe, a socket;
    StorageError for what cannot be read.
    """
    try:
        return tree_of(_entries(folder, "", {folder.resolve()}))
    except OSError as error:
        raise StorageError(f"cannot read {error.filename or folder}: {error.strerror}") from error


def check_bringable(place: Path) -> None:
    """See that a file, or all of a folder, can be brought elsewhere. Raises as :func:`tree_at` does."""
    if place.is_dir():
        tree_at(place)
    elif not place.is_file():
        raise leads_nowhere(str(place)) if place.is_symlink() else not_a_file(str(place))


def tree_of(entries: Iterable[tuple[str, str]]) -> Tree:
    """The tree of entries, each its type and its name; parents come in any order."""
    files: list[str] = []
    folders: list[str] = []
    for kind, name in entries:
        (files if kind == FILE else folders).append(name)
    filled = {posixpath.dirname(name) for name in (*files, *folders)}
    return Tree(tuple(sorted(files)), tuple(sorted(set(folders) - filled)))


def _entries(folder: Path, prefix: str, above: set[Path]) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix + path.name
        if path.is_dir():
            real = path.resolve()
            if real in above:
                raise leads_back(str(path))
            yield FOLDER, name
            yield from _entries(path, f"{name}/", above | {real})
        elif path.is_file():
            yield FILE, name
        elif path.is_symlink():
            raise leads_nowhere(str(path))
        else:
            raise not_a_file(str(path))


def leads_nowhere(place: str) -> WorkError:
    """The error for a link to nothing."""
    return WorkError(f"{place} is a link that leads nowhere", hint="remove it, or put there what it leads to")


def leads_back(place: str) -> WorkError:
    """The error for a link to a folder that it is in."""
    return WorkError(f"{place} is a link to a folder that holds it", hint="remove the link")


def not_a_file(place: str) -> WorkError:
    """The error for a pipe, a socket, a device."""
    return WorkError(f"{place} is neither a file nor a folder", hint="remove it: it cannot be brought elsewhere")
