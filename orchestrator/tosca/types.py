"""Phase 4: the types of all documents, by kind and name, with inheritance resolved when a type is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from orchestrator.model.problems import Problems, Related
from orchestrator.model.topology import (
    ArtifactDefinition,
    ArtifactType,
    CapabilityDefinition,
    CapabilityType,
    DataType,
    GroupType,
    InterfaceType,
    NodeType,
    PolicyType,
    PropertyDefinition,
    RelationshipType,
    RequirementDefinition,
    TypeBase,
)
from orchestrator.model.values import Value
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.constraints import UNBOUNDED, read_constraints
from orchestrator.tosca.definitions import DefinitionReader
from orchestrator.tosca.dialects import shorthands_of
from orchestrator.tosca.fields import as_list, as_map, as_scalar, check_keynames, named_items, scalars_of, text_of
from orchestrator.tosca.implementations import read_artifacts
from orchestrator.tosca.imports import NORMATIVE, Document
from orchestrator.tosca.interfaces import InterfaceParts, InterfaceReader, interfaces_over
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import BUILT_IN_TYPES
from orchestrator.tosca.tree import List, Map, Scalar, Tree, kind_of, plain_value
from orchestrator.tosca.triggers import check_triggers
from orchestrator.tosca.values import ValueReader

NODE, RELATIONSHIP, CAPABILITY = "node_types", "relationship_types", "capability_types"
DATA, ARTIFACT, INTERFACE = "data_types", "artifact_types", "interface_types"
POLICY, GROUP = "policy_types", "group_types"

_NAMESPACES: Mapping[str, tuple[str, ...]] = {
    NODE: ("tosca.nodes.", "tosca.nodes.Storage.", "tosca.nodes.network."),
    RELATIONSHIP: ("tosca.relationships.", "tosca.relationships.network."),
    CAPABILITY: ("tosca.capabilities.", "tosca.capabilities.network."),
    DATA: ("tosca.datatypes.", "tosca.datatypes.network."),
    ARTIFACT: ("tosca.artifacts.", "tosca.artifacts.Implementation.", "tosca.artifacts.Deployment.Image."),
    INTERFACE: ("tosca.interfaces.", "tosca.interfaces.node.lifecycle.", "tosca.interfaces.relationship."),
    POLICY: ("tosca.policies.",),
    GROUP: ("tosca.groups.",),
}
"""The kinds of types, and the namespaces in which a short name (``Compute``) or ``tosca:Compute`` is looked up."""

_WORDS = {
    NODE: "node type",
    RELATIONSHIP: "relationship type",
    CAPABILITY: "capability type",
    DATA: "data type",
    ARTIFACT: "artifact type",
    INTERFACE: "interface type",
    POLICY: "policy type",
    GROUP: "group type",
}
_KEYNAMES: Mapping[str, grammar.Keynames] = {
    NODE: grammar.NODE_TYPE,
    RELATIONSHIP: grammar.RELATIONSHIP_TYPE,
    CAPABILITY: grammar.CAPABILITY_TYPE,
    DATA: grammar.DATA_TYPE,
    ARTIFACT: grammar.ARTIFACT_TYPE,
    POLICY: grammar.POLICY_TYPE,
    GROUP: grammar.GROUP_TYPE,
}
_MAX_LINEAGE = 100
_OTHER_LANGUAGES = {
    "int": "integer",
    "str": "string",
    "text": "string",
    "bool": "boolean",
    "double": "float",
    "number": "float",
    "dict": "map",
    "object": "map",
    "array": "list",
    "datetime": "timestamp",
}
"""What other languages call the built-in types."""


class _Raw(msgspec.Struct, frozen=True):
    key: Scalar
    body: Map
    document: Document


T = TypeVar("T")


class TypeTable:
    """The types of a set of documents. A type is built, and its faults are reported, when it is first asked for."""

    def __init__(self, documents: list[Document], problems: Problems) -> None:
        self._problems = problems
        self._incomplete_imports = any(document.incomplete for document in documents)
        self._raw: dict[str, dict[str, _Raw]] = {kind: {} for kind in _NAMESPACES}
        self._shorthands = {document.label: shorthands_of(document) for document in documents}
        self._kept_apart: dict[tuple[str, str, str], str] = {}
        self._aliases: dict[str, dict[str, str]] = {kind: {} for kind in _NAMESPACES}
        self._lineages: dict[tuple[str, str], tuple[str, ...]] = {}
        self._incomplete: set[tuple[str, str]] = set()
        self._built: dict[tuple[str, str], TypeBase | None] = {}
        self._interfaces: dict[tuple[str, str], dict[str, InterfaceParts]] = {}
        self.values = ValueReader(self._whole_data, problems)
        self.definitions = DefinitionReader(
            lambda written: self.lookup(DATA, written), self.base_of, self._data_derives, self.values, problems
        )
        for document in sorted(documents, key=lambda d: bool(d.prefixes) and d.profile is None):
            for kind in _NAMESPACES:
                self._collect(kind, document)
        self.substituted = frozenset(name for d in documents[1:] if (name := _substitutes(d)) is not None)
        """The node types that an imported topology stands for; what it needs, it may bring itself."""

    # names

    def names(self, kind: str) -> list[str]:
        """The full names of all types of a kind."""
        return list(self._raw[kind])

    def named(self, kind: str, key: Scalar) -> str:
        """The full name of a type by the key that defines it: with its prefix where two documents have that name."""
        return self._kept_apart.get((kind, key.file, key.text), key.text)

    def find(self, kind: str, written: str, file: str = "") -> str | None:
        """The full name of a type as it was written: in full, short (``Compute``), or with a namespace prefix.

        ``file`` is the document that it is written in: there a name means first what that document defines.
        """
        raw = self._raw[kind]
        if (kind, file, written) in self._kept_apart:
            return self._kept_apart[kind, file, written]
        if written in raw:
            return written
        alias = self._aliases[kind].get(written)
        if alias is not None:
            return alias
        if kind == DATA and written in BUILT_IN_TYPES:
            return written
        short = written.removeprefix("tosca:")
        meant = self._shorthands.get(file, {}).get(short) if kind == NODE else None
        if meant in raw:
            return meant
        return next((space + short for space in _NAMESPACES[kind] if space + short in raw), None)

    def lookup(self, kind: str, written: Scalar) -> str | None:
        """Like :meth:`find`; a name that no type has is a problem."""
        found = self.find(kind, written.text, written.file)
        if found is None:
            self.unknown(kind, written)
        return found

    def may_be_imported(self, name: str) -> bool:
        """Whether an import that could not be read may define a name: what is missed then would only mislead."""
        return self._incomplete_imports and not name.startswith(("tosca.", "tosca:"))

    def unknown(self, kind: str, written: Scalar) -> None:
        """Report that there is no type of this name, unless it may be in an import that could not be read."""
        if self.may_be_imported(written.text):
            return
        known = [*self._raw[kind], *(BUILT_IN_TYPES if kind == DATA else ())]
        hint = did_you_mean(written.text, known)
        if kind == DATA and written.text.lower() in _OTHER_LANGUAGES:
            hint = f"did you mean {_OTHER_LANGUAGES[written.text.lower()]!r}?"
        elif hint is None or hint.startswith("known"):
            hint = "check the spelling, or import the profile that defines it"
        message = f"there is no {_WORDS[kind]} {written.text!r}"
        self._problems.error(codes.UNKNOWN_TYPE, message, written.span, hint)

    def lineage(self, kind: str, name: str) -> tuple[str, ...]:
        """The type itself and its ancestors, nearest first; a data type may end in a built-in type."""
        known = self._lineages.get((kind, name))
        if known is None:
            known = self._lineages[kind, name] = self._find_lineage(kind, name)
        return known

    def derives(self, kind: str, name: str, ancestor: str) -> bool:
        """Whether a type is another one or derived from it."""
        return name == ancestor or ancestor in self.lineage(kind, name)

    def complete(self, kind: str, name: str) -> bool:
        """Whether all that a type has is known: it and all its ancestors exist."""
        self.lineage(kind, name)
        return name in self._raw[kind] and (kind, name) not in self._incomplete

    def base_of(self, data_type: str) -> str:
        """The built-in type that a data type is derived from; itself where there is none."""
        return data_type if data_type in BUILT_IN_TYPES else self.lineage(DATA, data_type)[-1]

    def _data_derives(self, name: str, ancestor: str) -> bool:
        return (name in BUILT_IN_TYPES and name == ancestor) or self.derives(DATA, name, ancestor)

    def _find_lineage(self, kind: str, name: str) -> tuple[str, ...]:
        chain: list[str] = []
        current: str | None = name
        while current is not None:
            chain.append(current)
            raw = self._raw[kind].get(current)
            if raw is None:
                break
            written = as_scalar(raw.body.get("derived_from"), "derived_from", self._problems)
            if written is None:
                break
            parent = self.lookup(kind, written)
            if parent is None:
                self._incomplete.add((kind, name))
            if parent in chain:
                self._circle(kind, chain[chain.index(parent) :])
                break
            if len(chain) >= _MAX_LINEAGE:
                message = f"a type is derived over more than {_MAX_LINEAGE} others"
                self._problems.error(codes.YAML_LIMIT, message, written.span)
                break
            current = parent
        return tuple(chain)

    def _circle(self, kind: str, members: list[str]) -> None:
        """Report a circle of types once, whichever of its members it was found from."""
        first = members.index(min(members))
        names = [*members[first:], *members[:first], members[first]]
        place = self._raw[kind][names[0]].body.get("derived_from")
        message = f"the types are derived in a circle: {' -> '.join(names)}"
        assert place is not None
        self._problems.error(codes.CYCLIC_TYPES, message, place.span, "break the circle of derived_from")

    def _collect(self, kind: str, document: Document) -> None:
        definitions = as_map(document.root.get(kind), kind, self._problems)
        if definitions is None:
            return
        for name, (key, body) in definitions.entries.items():
            if not isinstance(body, Map):
                if not (isinstance(body, Scalar) and body.is_null):
                    message = f"the {_WORDS[kind]} {name!r} is a map, not {kind_of(body)}"
                    self._problems.error(codes.WRONG_KIND, message, body.span)
                    continue
                body = Map(key.file, key.line, key.column, key.end_line, key.end_column, {})
            known = self._raw[kind].get(name)
            apart = known is not None and self._is_apart(name, known, body, document)
            full = f"{document.prefixes[0]}:{name}" if apart else name
            for prefix in document.prefixes:
                self._aliases[kind].setdefault(f"{prefix}:{name}", full)
                self._aliases[kind].setdefault(f"{prefix}.{name}", full)
            if known is None or apart:
                self._raw[kind].setdefault(full, _Raw(key, body, document))
                if apart:
                    self._kept_apart[kind, key.file, name] = full
            elif document.profile is None or (known.document.profile is None and document.profile.name != NORMATIVE):
                self._duplicate(kind, known, key, body)

    @staticmethod
    def _is_apart(name: str, known: _Raw, body: Map, document: Document) -> bool:
        """Whether a type of a known name is another one: its namespace prefix tells the two apart."""
        other = bool(document.prefixes) and not name.startswith("tosca.") and known.document is not document
        return other and plain_value(known.body) != plain_value(body)

    def _duplicate(self, kind: str, known: _Raw, key: Scalar, body: Map) -> None:
        if plain_value(known.body) == plain_value(body):
            return
        message = f"the {_WORDS[kind]} {key.text!r} is defined differently in {known.key.file}, which counts"
        note = Related("this definition counts", known.key.span)
        self._problems.warning(codes.DUPLICATE_TYPE, message, key.span, "rename one of them", note)

    # types by kind

    def build_own(self) -> None:
        """Build every type that a document outside the catalog defines, so that its faults are reported."""
        readers: dict[str, Callable[[str], object]] = {
            NODE: self.node,
            RELATIONSHIP: self.relationship,
            CAPABILITY: self.capability,
            DATA: self.data,
            ARTIFACT: self.artifact,
            INTERFACE: self.interface,
            POLICY: self.policy,
            GROUP: self.group,
        }
        for kind, read in readers.items():
            for name, raw in self._raw[kind].items():
                if raw.document.profile is None:
                    read(name)

    def built(self, kind: str, of: type[T]) -> dict[str, T]:
        """Every type of a kind that was asked for so far."""
        return {name: t for (k, name), t in self._built.items() if k == kind and isinstance(t, of)}

    def built_interfaces(self) -> dict[str, InterfaceType]:
        """Every interface type that was asked for so far."""
        found: dict[str, InterfaceType] = {}
        for (kind, name), parts in self._interfaces.items():
            if kind == INTERFACE:
                raw, whole = self._raw[INTERFACE][name], parts[name].finished()
                base = self._base(INTERFACE, name, raw)
                found[name] = InterfaceType(**base, operations=whole.operations, notifications=whole.notifications)
        return found

    def node(self, name: str) -> NodeType | None:
        """A node type by its full name."""
        return self._get(NODE, name, self._read_node, NodeType)

    def whole_node(self, name: str) -> NodeType | None:
        """A node type of which all is known: only then is an unknown name in a template of it a fault."""
        return self.node(name) if self.complete(NODE, name) else None

    def _whole_data(self, name: str) -> DataType | None:
        return self.data(name) if self.complete(DATA, name) else None

    def relationship(self, name: str) -> RelationshipType | None:
        """A relationship type by its full name."""
        return self._get(RELATIONSHIP, name, self._read_relationship, RelationshipType)

    def capability(self, name: str) -> CapabilityType | None:
        """A capability type by its full name."""
        return self._get(CAPABILITY, name, self._read_capability, CapabilityType)

    def data(self, name: str) -> DataType | None:
        """A data type by its full name; None for built-in types."""
        return self._get(DATA, name, self._read_data, DataType)

    def artifact(self, name: str) -> ArtifactType | None:
        """An artifact type by its full name."""
        return self._get(ARTIFACT, name, self._read_artifact, ArtifactType)

    def policy(self, name: str) -> PolicyType | None:
        """A policy type by its full name."""
        return self._get(POLICY, name, self._read_policy, PolicyType)

    def group(self, name: str) -> GroupType | None:
        """A group type by its full name."""
        return self._get(GROUP, name, self._read_group, GroupType)

    def interface(self, name: str) -> InterfaceParts | None:
        """The operations and inputs that an interface type defines, inherited ones included."""
        if name not in self._raw[INTERFACE]:
            return None
        known = self._interfaces.get((INTERFACE, name))
        if known is not None:
            return known[name]
        parts = InterfaceParts(name)
        for ancestor in reversed(self.lineage(INTERFACE, name)):
            raw = self._raw[INTERFACE].get(ancestor)
            if raw is not None:
                reader = self._interface_reader(raw.document, {})
                parts = reader.read(name, raw.key, raw.body, parts).over(parts)
        self._interfaces[INTERFACE, name] = {name: parts}
        return parts

    def interfaces(self, kind: str, name: str) -> dict[str, InterfaceParts]:
        """The interfaces of a node or relationship type as parts that a template can assign over."""
        self.node(name) if kind == NODE else self.relationship(name)
        return self._interfaces.get((kind, name), {})

    def _get(self, kind: str, name: str, read: Callable[[str, _Raw], T], of: type[T]) -> T | None:
        if (kind, name) in self._built:
            known = self._built[kind, name]
            return known if isinstance(known, of) else None
        if name not in self._raw[kind]:
            return None
        for ancestor in reversed(self.lineage(kind, name)):  # from the root on, so that no recursion is deep
            raw = self._raw[kind].get(ancestor)
            if raw is None or (kind, ancestor) in self._built:
                continue
            self._built[kind, ancestor] = None
            if raw.document.profile is None:  # who imports a profile of the catalog does not mend it
                check_keynames(raw.body, _KEYNAMES[kind], f"a {_WORDS[kind]}", self._problems)
            built = read(ancestor, raw)
            assert isinstance(built, TypeBase)
            self._built[kind, ancestor] = built
        known = self._built[kind, name]
        return known if isinstance(known, of) else None

    def _parent(self, kind: str, name: str) -> TypeBase | None:
        lineage = self.lineage(kind, name)
        return self._built.get((kind, lineage[1])) if len(lineage) > 1 else None

    def _base(self, kind: str, name: str, raw: _Raw) -> dict[str, Value]:
        metadata = as_map(raw.body.get("metadata"), "metadata", self._problems)
        return {
            "name": name,
            "lineage": self.lineage(kind, name),
            "description": text_of(raw.body.get("description"), "description", self._problems),
            "metadata": plain_value(metadata) if metadata is not None else {},
            "profile": raw.document.profile.name if raw.document.profile else None,
            "span": raw.key.span,
        }

    def _properties(
        self, raw: _Raw, inherited: Mapping[str, PropertyDefinition], section: str = "properties"
    ) -> dict[str, PropertyDefinition]:
        tree = raw.body.get(section)
        found = self.definitions.read_all(tree, section, inherited)
        self.definitions.defaults(tree, found, "property" if section == "properties" else "attribute")
        return found

    def _read_data(self, name: str, raw: _Raw) -> DataType:
        parent = self._parent(DATA, name)
        inherited = parent if isinstance(parent, DataType) else None
        tree = raw.body.get("properties")
        found = self.definitions.read_all(tree, "properties", inherited.properties if inherited else {})
        constraints = read_constraints(raw.body.get("constraints"), self.base_of(name), self._problems)
        constraints = (*(inherited.constraints if inherited else ()), *constraints)
        base = self._base(DATA, name, raw)
        # A type may hold values of its own type: it is known, without defaults, while its defaults are read.
        self._built[DATA, name] = DataType(**base, properties=dict(found), constraints=constraints)
        self.definitions.defaults(tree, found, "property")
        return DataType(**base, properties=found, constraints=constraints)

    def _read_capability(self, name: str, raw: _Raw) -> CapabilityType:
        parent = self._parent(CAPABILITY, name)
        p = parent if isinstance(parent, CapabilityType) else None
        sources = self._type_names(raw.body.get("valid_source_types"), NODE, "valid_source_types")
        return CapabilityType(
            **self._base(CAPABILITY, name, raw),
            properties=self._properties(raw, p.properties if p else {}),
            attributes=self._properties(raw, p.attributes if p else {}, "attributes"),
            valid_source_types=sources or (p.valid_source_types if p else ()),
        )

    def _read_relationship(self, name: str, raw: _Raw) -> RelationshipType:
        parent = self._parent(RELATIONSHIP, name)
        p = parent if isinstance(parent, RelationshipType) else None
        written = raw.body.get("valid_target_types")
        targets = scalars_of(written, "valid_target_types", self._problems)
        for scalar in targets:
            if all(self.find(kind, scalar.text, scalar.file) is None for kind in (CAPABILITY, NODE)):
                self.unknown(CAPABILITY, scalar)
        parts = self._read_interfaces(RELATIONSHIP, name, raw, {})
        return RelationshipType(
            **self._base(RELATIONSHIP, name, raw),
            properties=self._properties(raw, p.properties if p else {}),
            attributes=self._properties(raw, p.attributes if p else {}, "attributes"),
            interfaces={n: i.finished() for n, i in parts.items()},
            valid_target_types=tuple(self.find(CAPABILITY, t.text, t.file) or t.text for t in targets)
            or (p.valid_target_types if p else ()),
        )

    def _read_artifact(self, name: str, raw: _Raw) -> ArtifactType:
        parent = self._parent(ARTIFACT, name)
        p = parent if isinstance(parent, ArtifactType) else None
        endings = tuple(s.text for s in scalars_of(raw.body.get("file_ext"), "file_ext", self._problems))
        mime = text_of(raw.body.get("mime_type"), "mime_type", self._problems)
        return ArtifactType(
            **self._base(ARTIFACT, name, raw),
            mime_type=mime or (p.mime_type if p else None),
            file_ext=endings or (p.file_ext if p else ()),
        )

    def _read_policy(self, name: str, raw: _Raw) -> PolicyType:
        parent = self._parent(POLICY, name)
        p = parent if isinstance(parent, PolicyType) else None
        targets = tuple(s.text for s in scalars_of(raw.body.get("targets"), "targets", self._problems))
        check_triggers(as_map(raw.body.get("triggers"), "triggers", self._problems), self._problems)
        return PolicyType(
            **self._base(POLICY, name, raw),
            properties=self._properties(raw, p.properties if p else {}),
            targets=targets or (p.targets if p else ()),
        )

    def _read_group(self, name: str, raw: _Raw) -> GroupType:
        parent = self._parent(GROUP, name)
        p = parent if isinstance(parent, GroupType) else None
        members = tuple(s.text for s in scalars_of(raw.body.get("members"), "members", self._problems))
        return GroupType(
            **self._base(GROUP, name, raw),
            properties=self._properties(raw, p.properties if p else {}),
            members=members or (p.members if p else ()),
        )

    def _read_node(self, name: str, raw: _Raw) -> NodeType:
        parent = self._parent(NODE, name)
        p = parent if isinstance(parent, NodeType) else None
        artifacts = read_artifacts(
            raw.body.get("artifacts"),
            raw.document,
            p.artifacts if p else {},
            lambda written: self.lookup(ARTIFACT, written),
            self._problems,
        )
        parts = self._read_interfaces(NODE, name, raw, artifacts)
        return NodeType(
            **self._base(NODE, name, raw),
            abstract=self.definitions.flag(raw.body, "abstract", False),
            properties=self._properties(raw, p.properties if p else {}),
            attributes=self._properties(raw, p.attributes if p else {}, "attributes"),
            capabilities=self._capabilities(raw, p.capabilities if p else {}),
            requirements=self._requirements(raw, p.requirements if p else {}),
            interfaces={n: i.finished() for n, i in parts.items()},
            artifacts=artifacts,
        )

    # parts of types

    def _interface_reader(self, document: Document, artifacts: Mapping[str, ArtifactDefinition]) -> InterfaceReader:
        return InterfaceReader(document, artifacts, self.is_artifact, self.definitions, self.values, self._problems)

    def is_artifact(self, name: str, ancestor: str) -> bool:
        """Whether an artifact type, by any of its names, is another one or derived from it."""
        found = self.find(ARTIFACT, name)
        return name == ancestor or (found is not None and self.derives(ARTIFACT, found, ancestor))

    def _read_interfaces(
        self, kind: str, name: str, raw: _Raw, artifacts: Mapping[str, ArtifactDefinition]
    ) -> dict[str, InterfaceParts]:
        lineage = self.lineage(kind, name)
        inherited = self._interfaces.get((kind, lineage[1]), {}) if len(lineage) > 1 else {}
        own, keys = self._interface_reader(raw.document, artifacts).read_all(raw.body.get("interfaces"), inherited)
        merged = interfaces_over(own, inherited)
        for interface, parts in own.items():
            merged[interface] = self._with_interface_type(merged[interface], keys[interface], raw, parts.type)
        self._interfaces[kind, name] = merged
        return merged

    def _with_interface_type(
        self, parts: InterfaceParts, key: Scalar, raw: _Raw, type_name: str | None
    ) -> InterfaceParts:
        """The parts over those of the interface type, named by ``type`` or by the interface's name itself."""
        found = self.find(INTERFACE, type_name or key.text, key.file)
        if found is None:
            if type_name is not None:
                self._unknown_interface_type(raw, key, type_name)
            return parts
        base = self.interface(found)
        if base is None:
            return parts
        return msgspec.structs.replace(parts, type=found).over(msgspec.structs.replace(base, name=parts.name))

    def _unknown_interface_type(self, raw: _Raw, key: Scalar, type_name: str) -> None:
        if not self._raw[INTERFACE] or type_name.startswith("tosca.interfaces."):
            return  # a profile without interface types, such as Alien4Cloud's, names the normative ones all the same
        interfaces = raw.body.get("interfaces")
        body = interfaces.get(key.text) if isinstance(interfaces, Map) else None
        written = body.get("type") if isinstance(body, Map) else body
        if isinstance(written, Scalar):
            self.unknown(INTERFACE, written)

    def _capabilities(
        self, raw: _Raw, inherited: Mapping[str, CapabilityDefinition]
    ) -> dict[str, CapabilityDefinition]:
        found = dict(inherited)
        for key, body in named_items(raw.body.get("capabilities"), "capabilities", self._problems):
            found[key.text] = self._capability(key, body, found.get(key.text))
        return found

    def _capability(self, key: Scalar, tree: Tree, before: CapabilityDefinition | None) -> CapabilityDefinition:
        body = tree if isinstance(tree, Map) else None
        written = as_scalar(body.get("type") if body is not None else tree, "type", self._problems)
        if body is not None:
            check_keynames(body, grammar.CAPABILITY_DEFINITION, f"the capability {key.text!r}", self._problems)
        name = self.lookup(CAPABILITY, written) if written is not None else None
        if written is None and before is None:
            message = f"the capability {key.text!r} has no type"
            self._problems.error(codes.MISSING_TYPE, message, key.span, "add type: tosca.capabilities.Node")
        type_name = name or (
            written.text if written is not None else before.type if before else "tosca.capabilities.Root"
        )
        capability = self.capability(type_name)
        properties = dict(capability.properties) if capability else {}
        attributes = dict(capability.attributes) if capability else {}
        if before is not None and before.type == type_name:
            properties, attributes = {**properties, **before.properties}, {**attributes, **before.attributes}
        if body is not None:
            properties = self._refined(body, "properties", properties, "property")
            attributes = self._refined(body, "attributes", attributes, "attribute")
        sources = self._type_names(body.get("valid_source_types") if body else None, NODE, "valid_source_types")
        low, high = self._occurrences(body, before.occurrences if before else (1, None))
        return CapabilityDefinition(
            key.text,
            type_name,
            properties,
            attributes,
            sources
            or (before.valid_source_types if before else ())
            or (capability.valid_source_types if capability else ()),
            (low, high),
            key.span,
        )

    def _refined(
        self, body: Map, section: str, definitions: dict[str, PropertyDefinition], word: str
    ) -> dict[str, PropertyDefinition]:
        tree = body.get(section)
        found = self.definitions.read_all(tree, section, definitions)
        self.definitions.defaults(tree, found, word)
        return found

    def _requirements(
        self, raw: _Raw, inherited: Mapping[str, RequirementDefinition]
    ) -> dict[str, RequirementDefinition]:
        found = dict(inherited)
        for key, body in named_items(raw.body.get("requirements"), "requirements", self._problems):
            found[key.text] = self._requirement(key, body, found.get(key.text))
        return found

    def _requirement(self, key: Scalar, tree: Tree, before: RequirementDefinition | None) -> RequirementDefinition:
        if isinstance(tree, Scalar):
            name = self._capability_name(tree)
            return RequirementDefinition(key.text, name, span=key.span)
        body = as_map(tree, f"the requirement {key.text!r}", self._problems)
        if body is None:
            return before or RequirementDefinition(key.text, "tosca.capabilities.Node", span=key.span)
        check_keynames(body, grammar.REQUIREMENT_DEFINITION, f"the requirement {key.text!r}", self._problems)
        written = as_scalar(body.get("capability"), "capability", self._problems)
        if written is None and before is None:
            message = f"the requirement {key.text!r} names no capability"
            self._problems.error(codes.MISSING_KEYNAME, message, key.span, "add capability: tosca.capabilities.Node")
        node = as_scalar(body.get("node"), "node", self._problems)
        return RequirementDefinition(
            key.text,
            self._capability_name(written) if written else before.capability if before else "tosca.capabilities.Node",
            (self.lookup(NODE, node) if node else None) or (before.node if before else None),
            self._relationship_name(body.get("relationship")) or (before.relationship if before else None),
            self._occurrences(body, before.occurrences if before else (1, 1)),
            key.span,
            self._filter(body) or (before.node_filter if before else {}),
        )

    def _filter(self, body: Map) -> dict[str, Value]:
        node_filter = as_map(body.get("node_filter"), "node_filter", self._problems)
        return plain_value(node_filter) if node_filter is not None else {}

    def _capability_name(self, written: Scalar) -> str:
        return self.lookup(CAPABILITY, written) or written.text

    def _relationship_name(self, tree: Tree | None) -> str | None:
        written = as_scalar(tree.get("type") if isinstance(tree, Map) else tree, "relationship", self._problems)
        return self.lookup(RELATIONSHIP, written) or written.text if written is not None else None

    def _occurrences(self, body: Map | None, otherwise: tuple[int, int | None]) -> tuple[int, int | None]:
        tree = body.get("occurrences") if body is not None else None
        if tree is None:
            return otherwise
        if isinstance(tree, List) and len(tree.items) == 2:
            low, high = (item.whole if isinstance(item, Scalar) else None for item in tree.items)
            last = tree.items[1]
            unbounded = isinstance(last, Scalar) and last.text.upper() == UNBOUNDED
            if low is not None and low >= 0 and (unbounded or (high is not None and high >= low)):
                return low, None if unbounded else high
        message = f"occurrences are a lower and an upper bound, not {kind_of(tree)}"
        self._problems.error(codes.BAD_OCCURRENCES, message, tree.span, "write for example [0, UNBOUNDED]")
        return otherwise

    def _type_names(self, tree: Tree | None, kind: str, what: str) -> tuple[str, ...]:
        items = as_list(tree, what, self._problems) if not isinstance(tree, Scalar) else [tree]
        found = (as_scalar(item, what, self._problems) for item in items)
        return tuple(name for written in found if written is not None and (name := self.lookup(kind, written)))


def _substitutes(document: Document) -> str | None:
    topology = document.root.get("topology_template")
    mappings = topology.get("substitution_mappings") if isinstance(topology, Map) else None
    written = mappings.get("node_type") if isinstance(mappings, Map) else None
    return written.text if isinstance(written, Scalar) else None
