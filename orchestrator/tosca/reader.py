"""Reading a document: the phases in their order."""

from __future__ import annotations

from pathlib import Path

import msgspec

from orchestrator.model.problems import Problem, Problems, Severity
from orchestrator.model.source import Span
from orchestrator.model.topology import Topology
from orchestrator.tosca import codes
from orchestrator.tosca.catalog import Catalog
from orchestrator.tosca.dialects import translate
from orchestrator.tosca.imports import Document, resolve_imports
from orchestrator.tosca.second_opinion import check_again
from orchestrator.tosca.topology import build_topology
from orchestrator.tosca.tree import Map
from orchestrator.tosca.types import TypeTable
from orchestrator.tosca.yaml_reader import parse, read_file


class Reading(msgspec.Struct, frozen=True):
    """What came of reading a document.

    ``topology`` is the model, a partial one when there are errors, None when nothing can be made of the document.
    ``problems`` are in the order of their places. ``files`` are all documents read, the root first.
    """

    topology: Topology | None
    problems: tuple[Problem, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def has_errors(self) -> bool:
        """Whether any problem is an error: then the topology must not be deployed."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)


def read_topology(
    path: Path, catalog: Catalog | None = None, second_opinion: bool = False, archive: Path | None = None
) -> Reading:
    """Read a service template and all that it imports.

    Every fault of the documents becomes a problem, nothing is raised for them. ``catalog`` is where imports by
    ``name:version`` are found; without one, the profiles that ship with the package. With ``second_opinion``,
    tosca-parser checks what our own checks find no error in. ``archive`` is the folder of the unpacked archive that the
    document is in: nothing outside of it is read for its sake but the catalog.
    """
    problems = Problems()
    label = str(path)
    text = read_file(path, label, problems)
    if text is None:
        return Reading(None, tuple(problems), ())
    return _read(text, path, label, catalog or Catalog(), problems, second_opinion, archive)


def read_text(
    text: str, name: str, folder: Path, catalog: Catalog | None = None, second_opinion: bool = False
) -> Reading:
    """Read a service template that is not saved: ``name`` is its file's name in positions, as if in ``folder``."""
    return _read(text, folder / name, name, catalog or Catalog(), Problems(), second_opinion)


def _read(
    text: str,
    path: Path,
    label: str,
    catalog: Catalog,
    problems: Problems,
    second_opinion: bool,
    archive: Path | None = None,
) -> Reading:
    root = parse(text, label, problems)
    if root is None:
        return Reading(None, tuple(problems), (path,))
    # After a syntax error the rest of the document is missing: what is missed in it would only mislead.
    cut_off = any(problem.code in (codes.YAML_SYNTAX, codes.YAML_LIMIT) for problem in problems)
    later = Problems() if cut_off else problems
    documents = [_root_document(path.resolve(), label, root, catalog)]
    documents[0].archive = archive
    topology = None
    try:
        documents = resolve_imports(documents[0], catalog, later)
        for document in documents:
            translate(document, later, imported=document is not documents[0])
        topology = build_topology(documents[0], TypeTable(documents, later), later)
    except RecursionError:
        message = "definitions refer to each other over too many others"
        problems.error(codes.YAML_LIMIT, message, Span(label, 1, 1, 1, 1))
    if second_opinion and topology is not None and not problems.has_errors:
        check_again(topology, problems)
    return Reading(topology, tuple(problems), tuple(document.path for document in documents))


def _root_document(path: Path, label: str, root: Map, catalog: Catalog) -> Document:
    document = Document(path, label, root)
    document.playbooks_of = next((p.name for p in catalog.profiles() if p.file == path), None)
    return document
