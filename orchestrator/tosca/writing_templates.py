"""Writing: topology templates in the notation of Simple Profile 1.3."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.model.problems import Problems
from orchestrator.model.topology import interface_name
from orchestrator.tosca.fields import named_items
from orchestrator.tosca.grammar import DEFINITION
from orchestrator.tosca.imports import Document
from orchestrator.tosca.remarks import Fate
from orchestrator.tosca.tree import List, Map, Scalar, Tree, scalar_at
from orchestrator.tosca.types import CAPABILITY, GROUP, NODE, POLICY, RELATIONSHIP
from orchestrator.tosca.writing_parts import Parts, as_items, listed, new_list, new_map, with_parts


class TemplateWriter:
    """Writes the topology template of a document."""

    def __init__(self, parts: Parts, document: Document) -> None:
        self._parts = parts
        self._document = document
        self._relationships: frozenset[str] = frozenset()
        self._nodes: frozenset[str] = frozenset()

    def topology(self, body: Map) -> Map:
        """A topology template."""
        relationships, nodes = body.get("relationship_templates"), body.get("node_templates")
        self._relationships = frozenset(relationships.entries) if isinstance(relationships, Map) else frozenset()
        self._nodes = frozenset(nodes.entries) if isinstance(nodes, Map) else frozenset()
        writers = {
            "inputs": self._parts.definitions,
            "node_templates": lambda tree: self._each(tree, self._node),
            "relationship_templates": lambda tree: self._each(tree, self._relationship),
            "groups": lambda tree: self._each(tree, self._group),
            "policies": self._policies,
            "outputs": lambda tree: self._each(tree, self._output),
            "workflows": lambda tree: self._each(tree, self._workflow),
            "substitution_mappings": self._substitution,
        }
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, tree) in body.entries.items():
            entries[name] = (key, writers[name](tree) if name in writers else tree)
        return body.with_entries(entries)

    @staticmethod
    def _listed(tree: Tree, write: Callable[[Map], Tree]) -> Tree:
        found = listed(tree)
        if not isinstance(found, List):
            return found
        return new_list(found, [write(item) if isinstance(item, Map) else item for item in found.items])

    @staticmethod
    def _each(tree: Tree, write: Callable[[Map], Tree]) -> Tree:
        if not isinstance(tree, Map):
            return tree
        return tree.with_entries({n: (k, write(v) if isinstance(v, Map) else v) for n, (k, v) in tree.entries.items()})

    def _output(self, body: Map) -> Tree:
        if body.entries.keys() <= DEFINITION:
            return self._parts.definition(body)
        return new_map(body, {"value": self._parts.value(body)})

    # node templates

    def _node(self, body: Map) -> Map:
        artifacts = self._artifact_names(body)
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, tree) in body.entries.items():
            if name == "tags":
                self._parts.dropped(key)
            else:
                entries[name] = (key, self._of_node(name, tree, artifacts))
        return body.with_entries(entries)

    def _of_node(self, name: str, tree: Tree, artifacts: set[str]) -> Tree:
        parts = self._parts
        match name:
            case "type":
                return parts.full(NODE, tree)
            case "directives":
                return new_list(tree, list(as_items(tree)))
            case "properties" | "attributes":
                return parts.values(tree)
            case "capabilities":
                return self._each(tree, self._capability)
            case "requirements":
                return self._requirements(tree)
            case "interfaces":
                return parts.interfaces(tree, self._document, artifacts, assigned=True)
            case "artifacts":
                return parts.artifacts(tree, self._document)
        return tree

    def _artifact_names(self, body: Map) -> set[str]:
        written = body.get("type")
        name = self._parts.types.find(NODE, written.text) if isinstance(written, Scalar) else None
        node_type = self._parts.types.node(name) if name is not None else None
        own = body.get("artifacts")
        return {*(node_type.artifacts if node_type is not None else ()), *(own.entries if isinstance(own, Map) else ())}

    def _capability(self, body: Map) -> Map:
        values = {n: self._parts.values(v) for n, (_, v) in body.entries.items() if n in ("properties", "attributes")}
        return with_parts(body, values)

    def _requirements(self, tree: Tree) -> Tree:
        def write(item: Map) -> Map:
            key, body = next(item.items())
            return item.with_entries({key.text: (key, self._requirement(key, body))})

        return self._listed(tree, write)

    def _requirement(self, name: Scalar, tree: Tree) -> Tree:
        if not isinstance(tree, Map):
            return tree if isinstance(tree, List) else self._node_name(tree)
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for keyname, (key, item) in tree.entries.items():
            if keyname == "assignment":
                if isinstance(item, Scalar) and item.text == name.text:
                    continue
                message = "assignment, the name of a requirement assignment beside that of the requirement"
                self._parts.remarks.add(Fate.EXTENSION, message, key)
            elif keyname == "node":
                item = self._node_name(item)
            elif keyname == "capability":
                item = self._parts.unprefixed(CAPABILITY, item)
            elif keyname == "relationship":
                item = self._assigned_relationship(item)
            entries[keyname] = (key, item)
        return tree.with_entries(entries)

    def _node_name(self, tree: Tree) -> Tree:
        is_template = isinstance(tree, Scalar) and tree.text in self._nodes
        return tree if is_template else self._parts.unprefixed(NODE, tree)

    def _assigned_relationship(self, tree: Tree) -> Tree:
        if isinstance(tree, Map):
            return self._relationship(tree)
        is_template = isinstance(tree, Scalar) and tree.text in self._relationships
        return tree if is_template else self._parts.unprefixed(RELATIONSHIP, tree)

    def _relationship(self, body: Map) -> Map:
        """A relationship template, or a relationship that is written in a requirement."""
        found: dict[str, Tree] = {}
        for name, (_, tree) in body.entries.items():
            if name == "type":
                is_template = isinstance(tree, Scalar) and tree.text in self._relationships
                found[name] = tree if is_template else self._parts.unprefixed(RELATIONSHIP, tree)
            elif name in ("properties", "attributes"):
                found[name] = self._parts.values(tree)
            elif name == "interfaces":
                found[name] = self._parts.interfaces(tree, self._document, (), assigned=True)
        return with_parts(body, found)

    # groups, policies, substitution mappings

    def _group(self, body: Map) -> Map:
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, tree) in body.entries.items():
            if name == "targets" and "members" not in body:
                entries["members"] = (scalar_at(key, "members"), new_list(tree, list(as_items(tree))))
            elif name == "type":
                entries[name] = (key, self._parts.full(GROUP, tree))
            else:
                entries[name] = (key, self._parts.values(tree) if name == "properties" else tree)
        return body.with_entries(entries)

    def _policies(self, tree: Tree) -> Tree:
        return self._listed(tree, lambda item: self._each(item, self._policy))

    def _policy(self, body: Map) -> Map:
        found: dict[str, Tree] = {}
        for name, (_, tree) in body.entries.items():
            if name == "type":
                found[name] = self._parts.full(POLICY, tree)
            elif name == "targets":
                found[name] = new_list(tree, list(as_items(tree)))
            elif name == "properties":
                found[name] = self._parts.values(tree)
        return with_parts(body, found)

    def _substitution(self, tree: Tree) -> Tree:
        if not isinstance(tree, Map) or "node_type" not in tree:
            return tree
        return with_parts(tree, {"node_type": self._parts.full(NODE, tree.entries["node_type"][1])})

    # workflows

    def _workflow(self, body: Map) -> Map:
        found: dict[str, Tree] = {}
        for name, (_, tree) in body.entries.items():
            if name == "inputs":
                found[name] = self._parts.definitions(tree)
            elif name == "outputs":
                found[name] = self._parts.values(tree)
            elif name == "steps":
                found[name] = self._each(tree, self._step)
        return with_parts(body, found)

    def _step(self, body: Map) -> Map:
        found: dict[str, Tree] = {}
        for name, (key, tree) in body.entries.items():
            if isinstance(tree, Scalar) and tree.is_null:
                continue
            if name == "activities":
                found[name] = new_list(tree, [self._activity(item) for item in as_items(tree)])
            elif name in ("on_success", "on_failure", "on_cancel"):
                found[name] = new_list(tree, list(as_items(tree)))
            if name == "on_cancel":
                self._parts.remarks.add(Fate.EXTENSION, "on_cancel is no keyname of the Simple Profile", key)
        return with_parts(body, found)

    def _activity(self, tree: Tree) -> Tree:
        if not isinstance(tree, Map) or not tree.entries:
            return tree
        key, value = next(tree.items())
        if isinstance(value, Map):
            fields = {n: self._activity_inputs(v) for n, (_, v) in value.entries.items() if n == "inputs"}
            operation = value.get("operation")
            if operation is not None:
                fields["operation"] = _operation_name(operation)
            value = with_parts(value, fields)
        elif key.text == "call_operation":
            value = _operation_name(value)
        return tree.with_entries({key.text: (key, value)})

    def _activity_inputs(self, tree: Tree) -> Tree:
        """Inputs as one map."""
        if not isinstance(tree, List):
            return self._parts.values(tree)
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for key, value in named_items(tree, "inputs", Problems()):
            entries[key.text] = (key, self._parts.value(value))
        return new_map(tree, {}).with_entries(entries)


def _operation_name(tree: Tree) -> Tree:
    """``Interface.operation`` with the interface's normal name."""
    if not isinstance(tree, Scalar):
        return tree
    interface, _, operation = tree.text.rpartition(".")
    name = f"{interface_name(interface)}.{operation}"
    return tree if not interface or name == tree.text else scalar_at(tree, name)
