"""All types of a catalog's profiles, read at once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.model.problems import Problems
from orchestrator.model.topology import DataType, NodeType
from orchestrator.tosca.catalog import Catalog, Profile
from orchestrator.tosca.dialects import translate
from orchestrator.tosca.imports import Document, parse_profile, resolve_imports
from orchestrator.tosca.types import DATA, NODE, TypeTable
from orchestrator.tosca.yaml_reader import read_file


class Library(msgspec.Struct, frozen=True):
    """The node types of a catalog by name, ``profile`` saying whose each is, and the data types of their properties."""

    node_types: Mapping[str, NodeType]
    data_types: Mapping[str, DataType]


def read_library(catalog: Catalog) -> Library:
    """Every node type of the catalog's profiles.

    Of a profile in several versions the one that an import without a version means. Faults of profiles are passed
    over: what can be read is given.
    """
    unheard = Problems()
    documents: dict[str, Document] = {}
    for name in catalog.names():
        resolved = catalog.resolve(name)
        root = _document(resolved.profile, unheard) if resolved is not None else None
        if root is not None and str(root.path) not in documents:
            for document in resolve_imports(root, catalog, unheard):
                documents.setdefault(str(document.path), document)
    for document in documents.values():
        translate(document, unheard)
    types = TypeTable(list(documents.values()), unheard)
    found = {name: types.node(name) for name in types.names(NODE)}
    node_types = {name: node_type for name, node_type in found.items() if node_type is not None}
    for name in types.names(DATA):
        types.data(name)
    return Library(node_types, types.built(DATA, DataType))


def _document(profile: Profile, problems: Problems) -> Document | None:
    label = str(profile.file)
    text = read_file(profile.file, label, problems)
    root = parse_profile(text, label, problems) if text is not None else None
    return Document(profile.file, label, root, profile) if root is not None else None
