"""What a topology is made of: its documents, where each comes from, and the files that carry its operations out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from orchestrator import resources
from orchestrator.errors import UserError
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.model.topology import ArtifactDefinition, Interface, Topology
from orchestrator.tosca import codes
from orchestrator.tosca.catalog import Catalog, Profile
from orchestrator.tosca.reader import Reading, read_topology

_PLAYBOOK_FOLDERS = frozenset(
    (
        "action_plugins",
        "collections",
        "defaults",
        "files",
        "filter_plugins",
        "group_vars",
        "handlers",
        "host_vars",
        "library",
        "lookup_plugins",
        "meta",
        "module_utils",
        "roles",
        "tasks",
        "templates",
        "test_plugins",
        "vars",
    )
)
"""Folders in which Ansible looks beside a playbook (ansible-core's documentation, "Organizing your content")."""

_LEFT_OUT = frozenset(("__pycache__", "__MACOSX", "node_modules"))
_REFERENCE = re.compile(r"(?:\.\./)+[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)*")
_REFERRING = (".yml", ".yaml", ".sh", ".bash", ".py", ".j2", ".cfg")
_REFERRING_BYTES = 1024 * 1024


Walk: TypeAlias = Callable[[Path], Iterator[Path]]


def files_in(folder: Path) -> Iterator[Path]:
    """The files under a folder, sorted; nothing hidden, no caches. Links are followed, those into a circle not."""
    return (path for path in _walk(folder, (), whole=False) if path.is_file())


def everything_in(folder: Path) -> Iterator[Path]:
    """The same, and the folders with nothing in them.

    Raises UserError for what cannot be put into an archive: links that lead nowhere or into a circle, pipes, sockets.
    """
    return _walk(folder, (), whole=True)


def _walk(folder: Path, above: tuple[Path, ...], *, whole: bool) -> Iterator[Path]:
    real = folder.resolve()
    if real in above:
        if whole:
            raise UserError(f"{folder} is a link to a folder that holds it", hint="remove the link")
        return
    entries = [e for e in sorted(folder.iterdir()) if not e.name.startswith(".") and e.name not in _LEFT_OUT]
    if not entries:
        yield folder
    for entry in entries:
        if entry.is_dir():
            yield from _walk(entry, (*above, real), whole=whole)
        elif entry.is_file():
            yield entry
        elif whole:
            leads = entry.is_symlink()
            what = "a link that leads nowhere" if leads else "neither a file nor a folder"
            hint = "remove it, or put there what it leads to" if leads else "remove it: no archive can hold it"
            raise UserError(f"{entry} is {what}", hint=hint)


class Named(msgspec.Struct, frozen=True):
    """A file that a document names: as it was written there, and where it was found."""

    written: str
    path: Path
    span: Span | None
    implementation: bool


class Contents(msgspec.Struct, frozen=True):
    """What a reading touched, by where it comes from.

    ``documents`` are those of nobody but the topology, the root document first, ``profiles`` those of the catalog with
    theirs. ``named`` are the files of the topology's own documents, ``foreign`` those of profiles. All paths are
    absolute.
    """

    documents: tuple[Path, ...]
    profiles: Mapping[str, tuple[Profile, tuple[Path, ...]]]
    named: tuple[Named, ...]
    foreign: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """The nearest folder that holds all of the topology's own documents and files."""
        paths = [*self.documents, *(named.path for named in self.named)]
        return Path(os.path.commonpath([path.parent for path in paths]))

    def files(self, walk: Walk = files_in) -> dict[Path, None]:
        """The topology's own documents, the files that they name and what lies about these.

        ``walk`` gives what is in a folder.
        """
        found = dict.fromkeys(self.documents)
        for named in self.named:
            if named.path.is_dir():
                found.update(dict.fromkeys(walk(named.path)))
                continue
            found[named.path] = None
            if named.implementation:
                found.update(dict.fromkeys(self._neighbours(named.path.parent, walk)))
        waiting = [path for path in found if path not in self.documents]
        while waiting:
            more = [path for file in waiting for path in self._referred(file, walk) if path not in found]
            found.update(dict.fromkeys(more))
            waiting = more
        return found

    def _neighbours(self, folder: Path, walk: Walk) -> Iterator[Path]:
        """The folder of a playbook or script, all of it; beside a document only what Ansible may look for there."""
        if not any(document.is_relative_to(folder) for document in self.documents):
            yield from walk(folder)
            return
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and entry.name in _PLAYBOOK_FOLDERS:
                yield from walk(entry)
            elif entry.is_file() and entry.suffix in _REFERRING and not entry.name.startswith("."):
                yield entry

    def _referred(self, file: Path, walk: Walk) -> Iterator[Path]:
        """Files that a playbook or script names by ``../``, with their neighbours, as far as they are in the root."""
        for path in _references(file):
            if not path.is_relative_to(self.root) or any(part.startswith(".") for part in _parts(path, self.root)):
                continue
            if path.is_dir():
                yield from walk(path)
            elif path.is_file():
                yield path
                yield from self._neighbours(path.parent, walk)


def contents_of(reading: Reading, catalog: Catalog, archive: Path | None = None) -> Contents:
    """What a reading was made of. The types of imported documents count even where no template uses them.

    ``archive`` is the folder of the unpacked archive that was read from, if it was.
    """
    profiles: dict[str, tuple[Profile, list[Path]]] = {}
    own: list[Path] = []
    for file in reading.files:
        profile = profile_of(file, catalog) if file != reading.files[0] else None
        if profile is None:
            own.append(file)
        else:
            profiles.setdefault(profile.name, (profile, []))[1].append(file)
    topologies = [reading.topology, *(read_topology(file, catalog, archive=archive).topology for file in own[1:])]
    found: dict[tuple[Path, str], Named] = {}
    for topology in topologies:
        for named in named_files(topology) if topology is not None else ():
            found.setdefault((named.path, named.written), named)
    foreign = [resources.playbooks_folder(), resources.types_folder(), *(p.folder for p, _ in profiles.values())]
    foreign = [folder.resolve() for folder in foreign if not own[0].is_relative_to(folder.resolve())]
    mine: list[Named] = []
    theirs: list[Named] = []
    for named in found.values():
        is_foreign = any(named.path.is_relative_to(folder) for folder in foreign)
        (theirs if is_foreign else mine).append(named)
    return Contents(
        tuple(own),
        {name: (profile, tuple(files)) for name, (profile, files) in profiles.items()},
        tuple(mine),
        tuple(sorted({named.path for named in theirs})),
    )


def profile_of(file: Path, catalog: Catalog) -> Profile | None:
    """The profile of the catalog that a document belongs to."""
    return next((p for p in catalog.profiles() if p.file == file or file.is_relative_to(p.folder)), None)


def absolute_names(contents: Contents) -> list[Problem]:
    """A problem for every file that a document names by an absolute path: no archive can carry it."""
    return [
        Problem(
            codes.IMPORT_OUTSIDE,
            Severity.ERROR,
            f"{named.written!r} is an absolute path, which a package cannot carry",
            named.span,
            "put the file beside the document and name it by a relative path",
        )
        for named in contents.named
        if Path(named.written).is_absolute()
    ]


def named_files(topology: Topology) -> Iterator[Named]:
    """Every implementation, dependency and artifact of a topology and its types that was found."""
    for node_type in topology.node_types.values():
        yield from _of_interfaces(node_type.interfaces)
        yield from _of_artifacts(node_type.artifacts)
    for relationship in topology.relationship_types.values():
        yield from _of_interfaces(relationship.interfaces)
    for node in topology.node_templates.values():
        yield from _of_interfaces(node.interfaces)
        yield from _of_artifacts(node.artifacts)
        for assigned in node.relationships:
            yield from _of_interfaces(assigned.interfaces)


def _of_interfaces(interfaces: Mapping[str, Interface]) -> Iterator[Named]:
    for interface in interfaces.values():
        for operation in interface.operations.values():
            implementation = operation.implementation
            if implementation is None:
                continue
            span = implementation.span
            if implementation.path is not None:
                yield Named(implementation.file, Path(implementation.path), span, True)
            for written in implementation.dependencies:
                path = dependency(written, implementation.path, span)
                if path is not None:
                    yield Named(written, path, span, False)


def dependency(written: str, primary: str | None, span: Span | None) -> Path | None:
    """The file that a dependency is: beside the document that names it (``span``), else beside the primary file."""
    folders = ([Path(span.file).parent] if span else []) + ([Path(primary).parent] if primary else [])
    for folder in folders:
        try:
            path = (folder / written).resolve()
            if path.exists():
                return path
        except (OSError, ValueError, RuntimeError):
            continue
    return None


def _of_artifacts(artifacts: Mapping[str, ArtifactDefinition]) -> Iterator[Named]:
    for artifact in artifacts.values():
        if artifact.path is not None:
            yield Named(artifact.file, Path(artifact.path), artifact.span, False)


def _references(file: Path) -> Iterable[Path]:
    if file.suffix not in _REFERRING:
        return []
    try:
        if file.stat().st_size > _REFERRING_BYTES:
            return []
        text = file.read_text("utf-8", "ignore")
        return [Path(os.path.normpath(file.parent / word)) for word in dict.fromkeys(_REFERENCE.findall(text))]
    except OSError:
        return []


def _parts(path: Path, root: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts
