"""Phase 5: node templates -> model, every assignment checked against the template's type."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems, Related
from orchestrator.model.source import Span
from orchestrator.model.topology import (
    CONFIGURE,
    STANDARD,
    ArtifactDefinition,
    CapabilityAssignment,
    Interface,
    NodeTemplate,
    NodeType,
    PropertyDefinition,
    interface_name,
)
from orchestrator.model.values import Value
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.fields import as_map, as_scalar, check_keynames, scalars_of, text_of
from orchestrator.tosca.functions import Inputs, read_untyped
from orchestrator.tosca.implementations import read_artifacts
from orchestrator.tosca.imports import Document
from orchestrator.tosca.interfaces import InterfaceParts, InterfaceReader, interfaces_over
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.node_filter import read_filter
from orchestrator.tosca.tree import Map, Place, Scalar, Tree, plain_value
from orchestrator.tosca.types import ARTIFACT, CAPABILITY, NODE, TypeTable

_CLOSED_INTERFACES = (STANDARD, CONFIGURE)
EVERY_NODE_HAS = frozenset(("tosca_id", "tosca_name", "state"))
"""Attributes of tosca.nodes.Root, which an orchestrator sets on every node."""


class TemplateReader:
    """Reads the node templates of one document; requirements are read when all templates are known."""

    def __init__(self, document: Document, types: TypeTable, problems: Problems, inputs: Inputs) -> None:
        self._document = document
        self._types = types
        self._problems = problems
        self._inputs = inputs
        self._defaults: dict[str, tuple[dict[str, Expression], dict[str, CapabilityAssignment], dict[str, Expression]]]
        self._defaults = {}

    def read(self, key: Scalar, tree: Tree, all_templates: Map) -> NodeTemplate | None:
        """One node template without its requirements; None when it is not a map at all."""
        body = as_map(tree, f"the node template {key.text!r}", self._problems)
        if body is None:
            if isinstance(tree, Scalar) and tree.is_null:
                self._no_type(key)
            return None
        body = self.with_copied(body, all_templates)
        check_keynames(body, grammar.NODE_TEMPLATE, f"the node template {key.text!r}", self._problems)
        node_type = self._type_of(key, body)
        metadata = as_map(body.get("metadata"), "metadata", self._problems)
        directives = self._directives(body)
        common = {
            "name": key.text,
            "directives": directives,
            "metadata": plain_value(metadata) if metadata is not None else {},
            "description": text_of(body.get("description"), "description", self._problems),
            "span": key.span,
            "spans": _spans(body),
            "node_filter": self._filter(body),
        }
        if node_type is None:
            return self._untyped(body, common)
        if grammar.DIRECTIVES.intersection(directives) and not node_type.abstract:
            self._not_replaced(key, body)
        return NodeTemplate(
            **common,
            type=node_type.name,
            lineage=node_type.lineage,
            abstract=node_type.abstract,
            properties=self._properties(key, body, node_type),
            attributes=self._attributes(key, body, node_type),
            capabilities=self._capabilities(key, body, node_type),
            interfaces=self._interfaces(body, node_type),
            artifacts=self._artifacts(body, node_type),
        )

    def with_copied(self, body: Map, all_templates: Map) -> Map:
        """The keyname ``copy``: another template's fields, with those given here over them."""
        source = as_scalar(body.get("copy"), "copy", self._problems)
        if source is None:
            return body
        other = all_templates.get(source.text)
        if not isinstance(other, Map):
            hint = did_you_mean(source.text, all_templates.entries)
            message = f"there is no node template {source.text!r} to copy"
            self._problems.error(codes.UNKNOWN_TARGET, message, source.span, hint)
            return body
        if "copy" in other:
            message = f"{source.text!r} is a copy itself"
            self._problems.error(codes.UNKNOWN_TARGET, message, source.span, "copy the template that it copies")
            return body
        return body.with_entries({**other.entries, **body.entries})

    def _type_of(self, key: Scalar, body: Map) -> NodeType | None:
        written = as_scalar(body.get("type"), "type", self._problems)
        if written is None:
            if body.get("type") is None:
                self._no_type(key)
            return None
        name = self._types.lookup(NODE, written)
        return self._types.whole_node(name) if name is not None else None

    def _no_type(self, key: Scalar) -> None:
        message = f"the node template {key.text!r} has no type"
        self._problems.error(codes.MISSING_TYPE, message, key.span, "add type: tosca.nodes.Root")

    def _filter(self, body: Map) -> Value:
        tree = body.get("node_filter")
        return plain_value(tree) if tree is not None and read_filter(tree, self._problems) is not None else {}

    def _directives(self, body: Map) -> tuple[str, ...]:
        found = scalars_of(body.get("directives"), "directives", self._problems)
        for directive in found:
            if directive.text not in grammar.DIRECTIVES:
                message = f"there is no directive {directive.text!r}"
                hint = did_you_mean(directive.text, grammar.DIRECTIVES)
                self._problems.error(codes.UNKNOWN_DIRECTIVE, message, directive.span, hint)
        return tuple(directive.text for directive in found)

    def _not_replaced(self, key: Scalar, body: Map) -> None:
        message = f"directives of {key.text} are not carried out: orch puts no other node in its place"
        place = body.get("directives")
        hint = "its own operations are carried out; only abstract types, such as AbstractEnvironment, get a site"
        self._problems.warning(codes.NOT_CARRIED_OUT, message, place.span if place else key.span, hint)

    def _untyped(self, body: Map, common: dict[str, object]) -> NodeTemplate:
        """What can be known of a template of an unknown type."""
        written = body.get("type")
        name = written.text if isinstance(written, Scalar) else ""
        properties = as_map(body.get("properties"), "properties", self._problems)
        values = (
            {k.text: read_untyped(v, self._problems, self._inputs) for k, v in properties.items()} if properties else {}
        )
        found = self._types.find(NODE, name) or name
        lineage = self._types.lineage(NODE, found)
        return NodeTemplate(**common, type=found, lineage=lineage, properties=values)  # type: ignore[arg-type]

    def _default_values(
        self, node_type: NodeType
    ) -> tuple[dict[str, Expression], dict[str, CapabilityAssignment], dict[str, Expression]]:
        """What templates of a type have when they assign nothing: made once for each type."""
        known = self._defaults.get(node_type.name)
        if known is None:
            values = self._types.values
            nowhere = Place("", 1, 1, 1, 1)
            attributes = {n: d.default for n, d in node_type.attributes.items() if d.default is not None}
            capabilities = {
                name: CapabilityAssignment(
                    name,
                    capability.type,
                    values.fields(None, capability.properties, name, nowhere, None, check_missing=False),
                    {n: d.default for n, d in capability.attributes.items() if d.default is not None},
                )
                for name, capability in node_type.capabilities.items()
            }
            known = self._defaults[node_type.name] = ({}, capabilities, attributes)
        return known

    def _properties(self, key: Scalar, body: Map, node_type: NodeType) -> dict[str, Expression]:
        assigned = as_map(body.get("properties"), "properties", self._problems)
        return self._types.values.fields(
            assigned, node_type.properties, key.text, key, self._inputs, related=node_type.span
        )

    def _attributes(self, key: Scalar, body: Map, node_type: NodeType) -> Mapping[str, Expression]:
        defaults = self._default_values(node_type)[2]
        assigned = as_map(body.get("attributes"), "attributes", self._problems)
        if assigned is None:
            return defaults
        found = dict(defaults)
        for name, (name_key, tree) in assigned.entries.items():
            definition = node_type.attributes.get(name)
            if definition is None and name not in node_type.properties and name not in EVERY_NODE_HAS:
                hint = did_you_mean(name, node_type.attributes)
                message = f"{key.text} has no attribute {name!r}"
                self._problems.error(codes.UNKNOWN_ATTRIBUTE, message, name_key.span, hint)
                continue
            schema = definition.schema if definition else None
            value = (
                self._types.values.read(tree, schema, f"attribute {name!r}", self._inputs)
                if schema is not None
                else read_untyped(tree, self._problems, self._inputs)
            )
            if value is not None:
                found[name] = value
        return found

    def _capabilities(self, key: Scalar, body: Map, node_type: NodeType) -> Mapping[str, CapabilityAssignment]:
        defaults = self._default_values(node_type)[1]
        assigned = as_map(body.get("capabilities"), "capabilities", self._problems)
        if assigned is None:
            return defaults
        found = dict(defaults)
        for name, (name_key, tree) in assigned.entries.items():
            definition = node_type.capabilities.get(name)
            if definition is None:
                hint = did_you_mean(name, node_type.capabilities)
                message = f"{key.text} has no capability {name!r}"
                self._problems.error(codes.UNKNOWN_CAPABILITY, message, name_key.span, hint)
                continue
            fields = as_map(tree, f"the capability {name!r}", self._problems)
            if fields is None:
                continue
            check_keynames(fields, grammar.CAPABILITY_ASSIGNMENT, f"the capability {name!r}", self._problems)
            if not self._types.complete(CAPABILITY, definition.type):
                continue
            owner = f"capability {name!r} of {key.text}"
            attributes = dict(found[name].attributes)
            for k, v in (
                as_map(fields.get("attributes"), "attributes", self._problems) or fields.with_entries({})
            ).items():
                attributes[k.text] = read_untyped(v, self._problems, self._inputs)
            properties = self._types.values.fields(
                as_map(fields.get("properties"), "properties", self._problems),
                definition.properties,
                owner,
                name_key,
                self._inputs,
                related=definition.span,
            )
            found[name] = CapabilityAssignment(name, definition.type, properties, attributes)
        return found

    def _interfaces(self, body: Map, node_type: NodeType) -> Mapping[str, Interface]:
        tree = body.get("interfaces")
        if tree is None:
            return node_type.interfaces
        inherited = self._types.interfaces(NODE, node_type.name)
        artifacts = self._artifacts(body, node_type)
        reader = InterfaceReader(
            self._document,
            artifacts,
            self._types.is_artifact,
            self._types.definitions,
            self._types.values,
            self._problems,
            self._inputs,
        )
        own, _ = reader.read_all(tree, inherited)
        check_operations(tree, inherited, node_type, self._problems)
        merged = dict(node_type.interfaces)
        for name, parts in interfaces_over(own, inherited).items():
            if name in own:
                merged[name] = parts.finished()
        return merged

    def _artifacts(self, body: Map, node_type: NodeType) -> Mapping[str, ArtifactDefinition]:
        tree = body.get("artifacts")
        if tree is None:
            return node_type.artifacts
        return read_artifacts(
            tree,
            self._document,
            node_type.artifacts,
            lambda written: self._types.lookup(ARTIFACT, written),
            self._problems,
        )


def check_operations(
    tree: Tree, inherited: Mapping[str, InterfaceParts], node_type: NodeType, problems: Problems
) -> None:
    """Interfaces and operations that a template assigns must be there in its type."""
    if not isinstance(tree, Map):
        return
    for key, body in tree.items():
        parts = inherited.get(interface_name(key.text))
        if parts is None:
            if inherited:
                hint = did_you_mean(key.text, inherited)
                message = f"{node_type.name} has no interface {key.text!r}"
                problems.error(codes.UNKNOWN_INTERFACE, message, key.span, hint)
            continue
        if parts.name not in _CLOSED_INTERFACES or not parts.operations or not isinstance(body, Map):
            continue
        grouped = body.get("operations")
        entries = grouped.items() if isinstance(grouped, Map) else body.items()
        for operation, _ in entries:
            known = parts.operations
            if operation.text in known or operation.text in (
                "type",
                "inputs",
                "operations",
                "notifications",
                "description",
            ):
                continue
            hint = did_you_mean(operation.text, known)
            message = f"the interface {key.text} has no operation {operation.text!r}"
            notes = [Related("the type is defined here", node_type.span)] if node_type.span else []
            problems.error(codes.UNKNOWN_OPERATION_IN_INTERFACE, message, operation.span, hint, *notes)


def _spans(body: Map) -> dict[str, Span]:
    """The places of the assigned values, ``properties.<name>`` and the like: from the name to the end of the value."""
    found: dict[str, Span] = {}
    for section in ("properties", "attributes", "capabilities", "interfaces", "artifacts"):
        assigned = body.get(section)
        if isinstance(assigned, Map):
            for name, (key, value) in assigned.entries.items():
                found[f"{section}.{name}"] = Span(key.file, key.line, key.column, value.end_line, value.end_column)
    for name in ("type", "requirements"):
        written = body.get(name)
        if written is not None:
            found[name] = written.span
    return found


def definitions_of(
    tree: Tree | None, types: TypeTable, word: str, *, keyname: str = "default", needs_type: bool = True
) -> dict[str, PropertyDefinition]:
    """Parameter definitions of a topology or a workflow with their defaults."""
    found = types.definitions.read_all(tree, f"{word}s", needs_type=needs_type)
    types.definitions.defaults(tree, found, word, keyname)
    return found
