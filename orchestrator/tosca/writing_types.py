"""Writing: type definitions in the notation of Simple Profile 1.3."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model.problems import Problems
from orchestrator.model.topology import CapabilityType, DataType, GroupType, NodeType, PolicyType, RelationshipType
from orchestrator.tosca.fields import named_items
from orchestrator.tosca.imports import Document
from orchestrator.tosca.remarks import Fate
from orchestrator.tosca.scalars import TRUE
from orchestrator.tosca.tree import Map, Scalar, Tree, empty_map
from orchestrator.tosca.types import CAPABILITY, DATA, GROUP, INTERFACE, NODE, POLICY, RELATIONSHIP
from orchestrator.tosca.writing_parts import Parts, clauses, new_list, new_map

AnyType = NodeType | RelationshipType | CapabilityType | DataType | PolicyType | GroupType | None


class TypeWriter:
    """Writes the definitions of types of all kinds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def definition(self, kind: str, name: str, body: Map, document: Document) -> Map:
        """One type of a kind (a section of the root, such as ``node_types``)."""
        entries: dict[str, tuple[Scalar, Tree]] = {}
        ancestors = self._parts.types.lineage(kind, name)[1:]
        parent = self._built(kind, ancestors[0]) if ancestors else None
        for keyname, (key, tree) in body.entries.items():
            if keyname == "tags":
                self._parts.dropped(key)
            elif keyname == "abstract":
                if isinstance(tree, Scalar) and tree.text.strip().lower() in TRUE:
                    message = "abstract is no keyname of the Simple Profile; templates of such types are matched"
                    self._parts.remarks.add(Fate.EXTENSION, message, key)
                    entries[keyname] = (key, tree)
            else:
                entries[keyname] = (key, self._keyname(kind, name, keyname, tree, document, parent))
        written = body.with_entries(entries)
        return self._parts.interface_body(written, document) if kind == INTERFACE else written

    def _built(self, kind: str, name: str) -> AnyType:
        types = self._parts.types
        readers = {
            NODE: types.node,
            RELATIONSHIP: types.relationship,
            CAPABILITY: types.capability,
            DATA: types.data,
            POLICY: types.policy,
            GROUP: types.group,
        }
        return readers[kind](name) if kind in readers else None

    def _keyname(self, kind: str, name: str, keyname: str, tree: Tree, document: Document, parent: AnyType) -> Tree:
        parts = self._parts
        match keyname:
            case "derived_from":
                return parts.full(kind, tree)
            case "properties" | "attributes":
                known: Mapping[str, object] = getattr(parent, keyname, {})
                return parts.definitions(tree, known)
            case "constraints":
                return clauses(tree)
            case "entry_schema" | "key_schema":
                return parts.definition(tree)
            case "capabilities" if kind in (NODE, GROUP):
                return self._capabilities(tree)
            case "requirements" if kind in (NODE, GROUP):
                return self._requirements(tree)
            case "interfaces":
                built = self._built(kind, name)
                artifacts = built.artifacts if isinstance(built, NodeType) else ()
                return parts.interfaces(tree, document, artifacts, assigned=False)
            case "artifacts":
                return parts.artifacts(tree, document)
            case "valid_source_types" if kind == CAPABILITY:
                return parts.names(NODE, tree)
            case "valid_target_types":
                return self._target_types(tree)
            case "targets" | "members":
                items = tree.items if not isinstance(tree, Scalar | Map) else [tree]
                return new_list(tree, [parts.unprefixed(NODE, item) for item in items])
        return tree

    def _target_types(self, tree: Tree) -> Tree:
        """Capability types; some write node types here."""
        items = tree.items if not isinstance(tree, Scalar | Map) else [tree]
        return new_list(tree, [self._parts.unprefixed(NODE, self._parts.full(CAPABILITY, item)) for item in items])

    def _capabilities(self, tree: Tree) -> Tree:
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for key, body in named_items(tree, "capabilities", Problems()):
            entries[key.text] = (key, self._capability(body))
        return empty_map(tree).with_entries(entries)

    def _capability(self, tree: Tree) -> Tree:
        parts = self._parts
        if isinstance(tree, Scalar):
            return tree if tree.is_null else new_map(tree, {"type": parts.full(CAPABILITY, tree)})
        if not isinstance(tree, Map):
            return tree
        kind = tree.get("type")
        found = parts.types.find(CAPABILITY, kind.text) if isinstance(kind, Scalar) else None
        capability = parts.types.capability(found) if found is not None else None
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, item) in tree.entries.items():
            if name == "type":
                item = parts.full(CAPABILITY, item)
            elif name == "valid_source_types":
                item = parts.names(NODE, item)
            elif name in ("properties", "attributes"):
                known = getattr(capability, name) if capability is not None else _all_scalars(item)
                item = parts.definitions(item, known)
            entries[name] = (key, item)
        return tree.with_entries(entries)

    def _requirements(self, tree: Tree) -> Tree:
        if isinstance(tree, Scalar):
            return tree
        items: list[Tree] = []
        for key, body in named_items(tree, "requirements", Problems()):
            items.append(empty_map(key).with_entries({key.text: (key, self._requirement(body))}))
        return new_list(tree, items)

    def _requirement(self, tree: Tree) -> Tree:
        parts = self._parts
        if isinstance(tree, Scalar):
            return parts.full(CAPABILITY, tree)
        if not isinstance(tree, Map):
            return tree
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, item) in tree.entries.items():
            if name == "capability":
                item = parts.full(CAPABILITY, item)
            elif name == "node":
                item = parts.full(NODE, item)
            elif name == "relationship" and isinstance(item, Map) and "type" in item:
                kind = parts.full(RELATIONSHIP, item.entries["type"][1])
                item = item.with_entries({**item.entries, "type": (item.key("type"), kind)})
            elif name == "relationship":
                item = parts.full(RELATIONSHIP, item)
            entries[name] = (key, item)
        return tree.with_entries(entries)


def _all_scalars(tree: Tree) -> set[str]:
    """Where a capability is refined without its type, a text alone can only be a default."""
    return {name for name, (_, v) in tree.entries.items() if isinstance(v, Scalar)} if isinstance(tree, Map) else set()
