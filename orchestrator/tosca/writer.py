"""Writing: a document of any dialect, with all that it imports, as one document of Simple Profile 1.3.

What is written is the normal form: the tree after the translation of its dialect, with every entity in the notation of
1.3, short names and prefixes of types resolved, and the types of other documents inside it. Only the profiles that ship
with orch are imported, and documents whose topologies stand for a node type. Read again it gives the same model, other
places and names of files aside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from orchestrator.model.problems import Problem, Problems
from orchestrator.model.topology import (
    ArtifactType,
    CapabilityType,
    DataType,
    GroupType,
    NodeType,
    PolicyType,
    RelationshipType,
)
from orchestrator.tosca.catalog import Catalog
from orchestrator.tosca.dialects import NEWEST, translate
from orchestrator.tosca.imports import NORMATIVE, Document, resolve_imports
from orchestrator.tosca.reader import Reading, read_topology
from orchestrator.tosca.remarks import Fate, Remark, Remarks
from orchestrator.tosca.topology import build_topology
from orchestrator.tosca.tree import List, Map, Scalar, Tree, scalar_at
from orchestrator.tosca.types import (
    ARTIFACT,
    CAPABILITY,
    DATA,
    GROUP,
    INTERFACE,
    NODE,
    POLICY,
    RELATIONSHIP,
    TypeTable,
)
from orchestrator.tosca.writing_parts import Parts, new_list, new_map
from orchestrator.tosca.writing_templates import TemplateWriter
from orchestrator.tosca.writing_types import TypeWriter
from orchestrator.tosca.yaml_reader import parse, read_file
from orchestrator.tosca.yaml_writer import write_yaml

_KINDS = (ARTIFACT, DATA, CAPABILITY, INTERFACE, RELATIONSHIP, NODE, GROUP, POLICY)
_IN_MODEL = (
    (NODE, NodeType),
    (DATA, DataType),
    (CAPABILITY, CapabilityType),
    (RELATIONSHIP, RelationshipType),
    (ARTIFACT, ArtifactType),
    (POLICY, PolicyType),
    (GROUP, GroupType),
)
_HEADER = ("template_name", "template_author", "template_version")
_WRITTEN_ELSEWHERE = frozenset(
    (*_HEADER, *_KINDS, "tosca_definitions_version", "metadata", "imports", "repositories", "topology_template")
)


class Conversion(msgspec.Struct, frozen=True):
    """What came of a conversion.

    ``text`` is the new document, None when the old one has errors. ``remarks`` say what was lost, what orch alone will
    read, and what has changed.
    """

    text: str | None
    remarks: tuple[Remark, ...] = ()
    problems: tuple[Problem, ...] = ()


def to_simple_profile(file: Path, catalog: Catalog | None = None, folder: Path | None = None) -> Conversion:
    """Write a topology or a document of types as a document of Simple Profile 1.3 that lies in ``folder``.

    ``folder`` (that of ``file`` where none is given) decides how scripts, playbooks and artifacts are named. Every
    fault of the document becomes a problem, nothing is raised for them.
    """
    catalog = catalog or Catalog()
    reading = read_topology(file, catalog)
    if reading.has_errors or reading.topology is None:
        return Conversion(None, (), reading.problems)
    return _Conversion(file, catalog, folder or file.absolute().parent, reading).run()


class _Conversion:
    """One conversion: the phases of reading up to the model, then the writing."""

    def __init__(self, file: Path, catalog: Catalog, folder: Path, reading: Reading) -> None:
        self._reading = reading
        self._folder = folder.resolve()
        self._catalog = catalog
        self._remarks = Remarks()
        self._documents = _translated(file, catalog)
        self._types = TypeTable(self._documents, Problems())
        build_topology(self._documents[0], self._types, Problems())
        self._parts = Parts(self._types, folder, self._remarks)
        self._writer = TypeWriter(self._parts)
        self._kept, behind = self._substituting()
        self._inlined = [d for d in self._documents if not (d.profile and d.profile.shipped) and d.path not in behind]
        self._own = [d for d in self._inlined if d.profile is None]

    def _substituting(self) -> tuple[list[Document], set[Path]]:
        """Imports whose topologies stand for node types: they stay imports, and so does what is behind them."""
        kept: list[Document] = []
        behind: set[Path] = set()
        for document in self._documents[1:]:
            topology = document.root.get("topology_template")
            if isinstance(topology, Map) and "substitution_mappings" in topology:
                kept.append(document)
                again = Document(document.path, document.label, document.root, document.profile)
                behind |= {found.path for found in resolve_imports(again, self._catalog, Problems())}
            elif isinstance(topology, Map) and document.profile is None:
                message = f"the topology template of {document.path.name}, which counts for nothing in an import"
                self._remarks.add(Fate.LOST, message, topology)
        return kept, behind - {self._documents[0].path}

    def run(self) -> Conversion:
        """Write the document and say what became of it."""
        root = self._own[0].root
        topology = root.get("topology_template")
        fields: dict[str, Tree] = {"tosca_definitions_version": scalar_at(root, NEWEST)}
        fields["metadata"] = self._metadata(root)
        for name, (key, tree) in root.entries.items():
            if name in ("dsl_definitions", "tags"):
                what = "dsl_definitions; what refers to them is written out" if name == "dsl_definitions" else "tags"
                self._remarks.add(Fate.LOST, what, key)
            elif name not in _WRITTEN_ELSEWHERE:
                fields[name] = tree
        body = TemplateWriter(self._parts, self._own[0]).topology(topology) if isinstance(topology, Map) else None
        types = self._all_types()
        fields["repositories"] = self._repositories()
        fields["imports"] = self._imports()
        fields.update(types)
        if body is not None:
            fields["topology_template"] = body
        self._remark_comments()
        written = {name: tree for name, tree in fields.items() if not _is_empty(tree)}
        text = write_yaml(new_map(root, written), spaced=(*_KINDS, "node_templates", "workflows"))
        return Conversion(text, self._remarks.sorted(), self._reading.problems)

    @staticmethod
    def _metadata(root: Map) -> Map:
        """The metadata, with the name, author and version that Simple Profile 1.0 has at the top."""
        entries = {name: root.entries[name] for name in _HEADER if name in root}
        metadata = root.get("metadata")
        if isinstance(metadata, Map):
            entries.update(metadata.entries)
        return root.with_entries(entries)

    # types

    def _all_types(self) -> dict[str, Tree]:
        """The sections of types: those of all documents that are not imported any more, by kind."""
        sources = dict(self._sources())
        written: dict[tuple[str, str], tuple[Scalar, Tree]] = {}
        wanted = {which for which, (_, _, document) in sources.items() if document.profile is None}
        wanted |= {(kind, name) for kind, of in _IN_MODEL for name in self._types.built(kind, of)}
        while missing := sorted((wanted | self._parts.referenced) & sources.keys() - written.keys()):
            for which in missing:
                key, body, document = sources[which]
                named = key if key.text == which[1] else scalar_at(key, which[1])
                written[which] = (named, self._writer.definition(*which, body, document))
                self._remark_inlined(key, document)
        sections: dict[str, Tree] = {}
        for kind in _KINDS:
            entries = {name: written[k, name] for k, name in sources if k == kind and (k, name) in written}
            sections[kind] = self._own[0].root.with_entries(entries)
        return sections

    def _sources(self) -> Iterator[tuple[tuple[str, str], tuple[Scalar, Map, Document]]]:
        """The definitions that count of all types that can be written into the document, by kind and name."""
        seen: set[tuple[str, str]] = set()
        for document in self._documents:
            for kind in _KINDS:
                section = document.root.get(kind)
                for key, body in section.items() if isinstance(section, Map) else ():
                    name = self._types.named(kind, key)
                    if (kind, name) in seen:
                        continue
                    seen.add((kind, name))
                    if document in self._inlined:
                        yield (kind, name), (key, body if isinstance(body, Map) else new_map(key, {}), document)

    def _remark_inlined(self, key: Scalar, document: Document) -> None:
        if document is not self._own[0]:
            profile = document.profile
            origin = f"the profile {profile.name}" if profile is not None else document.path.name
            self._remarks.add(Fate.CHANGED, f"the types of {origin} are written into the document", key)

    # what is imported

    def _repositories(self) -> Map:
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for document in self._own:
            repositories = document.root.get("repositories")
            if isinstance(repositories, Map):
                entries = {**repositories.entries, **entries}
        return self._own[0].root.with_entries(entries)

    def _imports(self) -> List:
        """Imports of the shipped profiles that the documents import; of others they came by, where they are needed."""
        root = self._own[0].root
        shipped = {d.profile.name: d.profile for d in self._documents if d.profile is not None and d.profile.shipped}
        names: dict[str, None] = {}
        for document in self._inlined:
            for written in _imported(document.root):
                resolved = self._catalog.resolve(written.text.strip())
                if resolved is None or resolved.profile.name not in shipped:
                    continue
                names[resolved.profile.name] = None
                if not resolved.exact:
                    profile = resolved.profile
                    message = f"{written.text} is imported as {profile.name}:{profile.version}, which is there"
                    self._remarks.add(Fate.CHANGED, message, written)

        def listed() -> List:
            found = [shipped[name] for name in names]
            references = [f"{profile.name}:{profile.version}" for profile in found]
            return new_list(root, [scalar_at(root, text) for text in (*references, *map(self._kept_name, self._kept))])

        document = Document(self._own[0].path, "", new_map(root, {"imports": listed()}))
        reached = {d.profile.name for d in resolve_imports(document, self._catalog, Problems()) if d.profile}
        names.update(dict.fromkeys(name for name in shipped if name not in reached and name != NORMATIVE))
        return listed()

    def _kept_name(self, document: Document) -> str:
        profile = document.profile
        if profile is not None:
            return f"{profile.name}:{profile.version}"
        return Path(os.path.relpath(document.path, self._folder)).as_posix()

    def _remark_comments(self) -> None:
        for document in self._own:
            text = read_file(document.path, document.label, Problems()) or ""
            if any(line.lstrip().startswith("#") for line in text.splitlines()):
                self._remarks.add(Fate.LOST, f"the comments of {document.path.name}", None)


def _translated(file: Path, catalog: Catalog) -> list[Document]:
    """The documents after the translation of their dialects; they were read before without an error."""
    unheard = Problems()
    label = str(file)
    root = parse(read_file(file, label, unheard) or "", label, unheard)
    assert root is not None
    path = file.resolve()
    first = Document(path, label, root)
    first.playbooks_of = next((p.name for p in catalog.profiles() if p.file == path), None)
    documents = resolve_imports(first, catalog, unheard)
    for document in documents:
        translate(document, unheard)
    return documents


def _imported(root: Map) -> Iterator[Scalar]:
    """What each import of a document names."""
    imports = root.get("imports")
    for item in imports.items if isinstance(imports, List) else ():
        if isinstance(item, Map) and "file" not in item and "url" not in item and len(item.entries) == 1:
            item = next(item.items())[1]
        written = (item.get("file") or item.get("url")) if isinstance(item, Map) else item
        if isinstance(written, Scalar):
            yield written


def _is_empty(tree: Tree) -> bool:
    if isinstance(tree, Scalar):
        return not tree.text
    return not (tree.entries if isinstance(tree, Map) else tree.items)
