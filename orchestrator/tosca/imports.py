"""Phase 2: a root document -> all documents that it imports, each once, nearest first."""

from __future__ import annotations

import functools
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from orchestrator import paths
from orchestrator.model.problems import Problem, Problems, Severity
from orchestrator.model.source import Span
from orchestrator.tosca import codes
from orchestrator.tosca.catalog import Catalog, Profile
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.tree import List, Map, Scalar, Tree, kind_of
from orchestrator.tosca.yaml_reader import parse, read_file

NORMATIVE = "tosca-normative-types"
_REFERENCE = re.compile(r"[A-Za-z_][\w.-]*:[\w.+-]+\Z")
_BUILT_IN = re.compile(r"<([\w.-]+)>\Z")  # Yorc's notation for what it ships: <normative-types.yml>
_BUILT_IN_PROFILES = {
    "normative-types.yml": NORMATIVE,
    "tosca-normative-types.yml": NORMATIVE,
    "yorc-types.yml": "yorc-types",
    "alien-base-types.yml": "alien-base-types",
}
_MAX_DOCUMENTS = 2000


class Document:
    """A document that was read: its tree and where it comes from.

    ``label`` names it in positions. ``profile`` is set when it belongs to a profile of the catalog. ``prefixes``
    are the namespace prefixes under which it is imported. ``incomplete`` says that an import of it could not be read:
    then a name that is defined nowhere may be defined there.
    """

    def __init__(self, path: Path, label: str, root: Map, profile: Profile | None = None, prefix: str = "") -> None:
        self.path = path
        self.label = label
        self.root = root
        self.profile = profile
        self.prefixes = [prefix] if prefix else []
        self.archive: Path | None = None
        self.incomplete = False
        self.playbooks_of = profile.name if profile is not None else None
        """The profile whose playbooks implement its operations, also when the profile itself is the root document."""

    @property
    def folder(self) -> Path:
        """Where the relative files of the document start."""
        return self.path.parent

    @property
    def confined_to(self) -> Path | None:
        """The folder that no file named in the document may leave: its profile's, or that of the archive it is in."""
        return self.profile.folder if self.profile is not None else self.archive


def resolve_imports(root: Document, catalog: Catalog, problems: Problems) -> list[Document]:
    """The root document and all that it imports, directly or over others; breadth first, so nearer ones come first.

    The normative types are always there: they come last where no document imports them.
    """
    importer = _Importer(catalog, problems)
    importer.take(root)
    while importer.waiting:
        importer.imports_of(importer.waiting.popleft())
    normative = catalog.resolve(NORMATIVE)
    if normative is not None and not any(d.profile and d.profile.name == NORMATIVE for d in importer.documents):
        importer.profile(normative.profile, root.root.span)
        while importer.waiting:
            importer.imports_of(importer.waiting.popleft())
    return importer.documents


class _Importer:
    def __init__(self, catalog: Catalog, problems: Problems) -> None:
        self.catalog = catalog
        self.problems = problems
        self.documents: list[Document] = []
        self.waiting: deque[Document] = deque()
        self._seen: dict[Path, Document | None] = {}
        self._profiles: set[str] = set()

    def take(self, document: Document) -> None:
        """Add a document whose own imports are still to be resolved."""
        self._seen[document.path] = document
        if document.profile is not None:
            self._profiles.add(document.profile.name)
        self.documents.append(document)
        self.waiting.append(document)

    def imports_of(self, document: Document) -> None:
        """Add what a document imports."""
        imports = document.root.get("imports")
        if imports is None:
            return
        if not isinstance(imports, List):
            message = f"imports is a list, not {kind_of(imports)}"
            self.problems.error(codes.WRONG_KIND, message, imports.span, "begin each import with a dash")
            document.incomplete = True
            return
        repositories = document.root.get("repositories")
        known = repositories if isinstance(repositories, Map) else None
        for item in imports.items:
            faults = self._faults()
            self._import(item, document, known)
            if self._faults() > faults:
                document.incomplete = True

    def _faults(self) -> int:
        return sum(problem.severity is Severity.ERROR for problem in self.problems)

    def _import(self, item: Tree, document: Document, repositories: Map | None) -> None:
        if isinstance(item, Map) and "file" not in item and "url" not in item and len(item.entries) == 1:
            item = next(item.items())[1]  # 1.0: the import has a name
        if isinstance(item, Scalar) and not item.is_null:
            self._reference(item, document, "")
            return
        if not isinstance(item, Map) or not isinstance(file := item.get("file") or item.get("url"), Scalar):
            message = f"an import is a file, a name:version or a map with `file`, not {kind_of(item)}"
            self.problems.error(codes.IMPORT_NOTATION, message, item.span)
            return
        prefix = item.get("namespace_prefix")
        repository = item.get("repository")
        if isinstance(repository, Scalar):
            self._from_repository(file, repository, document, repositories, prefix)
            return
        self._reference(file, document, prefix.text if isinstance(prefix, Scalar) else "")

    def _from_repository(
        self, file: Scalar, repository: Scalar, document: Document, repositories: Map | None, prefix: Tree | None
    ) -> None:
        entry = repositories.get(repository.text) if repositories else None
        if entry is None:
            known = list(repositories.entries) if repositories else []
            message = f"there is no repository {repository.text!r}"
            hint = did_you_mean(repository.text, known) or "define it under repositories"
            self.problems.error(codes.UNKNOWN_REPOSITORY, message, repository.span, hint)
            return
        url = entry.get("url") if isinstance(entry, Map) else entry
        base = url.text if isinstance(url, Scalar) else ""
        name = prefix.text if isinstance(prefix, Scalar) else ""
        if _is_url(base) and not base.startswith("file:"):
            self._refuse_url(f"{base.rstrip('/')}/{file.text}", file.span)
            return
        folder = Path(base.removeprefix("file://").removeprefix("file:") or ".")
        self._file(document.folder / folder / file.text, file, document, name)

    def _reference(self, written: Scalar, document: Document, prefix: str) -> None:
        text = written.text.strip()
        built_in = _BUILT_IN.match(text)
        if built_in:
            text = _BUILT_IN_PROFILES.get(built_in.group(1), built_in.group(1).rsplit(".", 1)[0])
            self._from_catalog(text, written.span, document, prefix)
        elif _is_url(text) and not text.startswith("file:"):
            self._refuse_url(text, written.span)
        elif _REFERENCE.match(text) and not paths.is_file(document.folder / text):
            self._from_catalog(text, written.span, document, prefix)
        else:
            name = text.removeprefix("file://").removeprefix("file:")
            self._file(_beside(document.folder, name), written, document, prefix)

    def _from_catalog(self, reference: str, used_at: Span, document: Document, prefix: str) -> None:
        resolved = self.catalog.resolve(reference)
        if resolved is None:
            name = reference.partition(":")[0]
            message = f"no profile {name!r} in the catalog"
            hint = did_you_mean(name, self.catalog.names()) or "put its folder into a catalog folder"
            self.problems.error(codes.IMPORT_MISSING, message, used_at, hint)
            return
        profile = resolved.profile
        if not resolved.exact and document.profile is None:
            message = f"{reference} is not in the catalog; {profile.name}:{profile.version} is taken"
            hint = f"import {profile.name}:{profile.version}"
            self.problems.warning(codes.IMPORT_VERSION, message, used_at, hint)
        self.profile(profile, used_at, prefix)

    def profile(self, profile: Profile, used_at: Span, prefix: str = "") -> None:
        """Add a profile of the catalog, once for each name."""
        if profile.name in self._profiles:
            return
        self._read(profile.file, str(profile.file), profile, None, used_at, prefix)

    def _file(self, path: Path, written: Scalar, document: Document, prefix: str) -> None:
        try:
            absolute = path.resolve()
            there = absolute.exists()
        except (OSError, ValueError, RuntimeError):
            absolute, there = path, False
        if absolute in self._seen:
            self._again(absolute, prefix)
            return
        if document.confined_to is not None and not _inside(absolute, document.confined_to):
            who = f"the profile {document.profile.name}" if document.profile is not None else "the archive"
            message = f"{who} imports {written.text!r}, which is outside its folder"
            self.problems.error(codes.IMPORT_OUTSIDE, message, written.span)
            return
        if not there:
            message = f"the import {written.text!r} is not found"
            names = [*_siblings(absolute), *self.catalog.names()]
            hint = did_you_mean(absolute.name, names) if names else None
            if hint is None or hint.startswith("known"):
                hint = f"it was looked for in {document.folder}"
            self.problems.error(codes.IMPORT_MISSING, message, written.span, hint)
            return
        self._read(absolute, str(absolute), document.profile, document.archive, written.span, prefix)

    def _read(
        self, path: Path, label: str, profile: Profile | None, archive: Path | None, used_at: Span, prefix: str
    ) -> None:
        if path in self._seen:
            self._again(path, prefix)
            return
        if len(self.documents) >= _MAX_DOCUMENTS:
            self.problems.error(codes.YAML_LIMIT, f"more than {_MAX_DOCUMENTS} documents are imported", used_at)
            return
        self._seen[path] = None
        text = read_file(path, label, self.problems, used_at)
        read = parse if profile is None else parse_profile
        root = read(text, label, self.problems) if text is not None else None
        cut_off = (codes.YAML_SYNTAX, codes.YAML_LIMIT)  # what is missed in a part of a document would only mislead
        if any(p.code in cut_off and p.span is not None and p.span.file == label for p in self.problems):
            return
        if root is not None:
            document = Document(path, label, root, profile, prefix)
            document.archive = archive
            self.take(document)

    def _again(self, path: Path, prefix: str) -> None:
        document = self._seen[path]
        if document is not None and prefix:
            document.prefixes.append(prefix)

    def _refuse_url(self, url: str, place: Span) -> None:
        message = f"{url} is not fetched: documents are read from files only"
        self.problems.error(codes.IMPORT_URL, message, place, "download the file and import it by its path")


def parse_profile(text: str, label: str, problems: Problems) -> Map | None:
    """The same as :func:`parse`, for documents that many topologies import: each is parsed once."""
    root, found = _parsed(text, label)
    for problem in found:
        problems.add(problem)
    return root


@functools.lru_cache(maxsize=32)  # nothing changes a tree once it is made
def _parsed(text: str, label: str) -> tuple[Map | None, tuple[Problem, ...]]:
    problems = Problems()
    root = parse(text, label, problems)
    return root, tuple(problems)


def _beside(folder: Path, name: str) -> Path:
    """The path of an import: beside the importing document, or where the folder that it begins with is above it.

    ``types/a.yaml`` in a document of the folder ``types`` is such a case: written from the root document's view.
    """
    path = folder / name
    first, slash, _ = name.partition("/")
    if not slash or paths.exists(path) or first not in folder.parts:
        return path
    above = folder
    while above.name != first:
        above = above.parent
    candidate = above.parent / name
    return candidate if paths.is_file(candidate) else path


def _is_url(text: str) -> bool:
    return "://" in text or text.startswith("file:")


def _inside(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder.resolve())


def _siblings(path: Path) -> Sequence[str]:
    try:
        return sorted(entry.name for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml"))[:200]
    except (OSError, ValueError):
        return []
