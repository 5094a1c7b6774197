"""Phase 6: requirement assignments -> relationships between node templates (1.3 section 3.8.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems, Related
from orchestrator.model.topology import (
    Interface,
    NodeTemplate,
    NodeType,
    Relationship,
    RelationshipType,
    RequirementDefinition,
)
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.fields import as_map, as_scalar, check_keynames, named_items
from orchestrator.tosca.functions import Inputs
from orchestrator.tosca.imports import Document
from orchestrator.tosca.interfaces import InterfaceReader, interfaces_over
from orchestrator.tosca.names import did_you_mean, nearest
from orchestrator.tosca.node_filter import NodeFilter, read_filter, unmet
from orchestrator.tosca.tree import Map, Place, Scalar, Tree
from orchestrator.tosca.types import CAPABILITY, NODE, RELATIONSHIP, TypeTable

_BY_CAPABILITY = {
    "tosca.capabilities.Container": "tosca.relationships.HostedOn",
    "tosca.capabilities.Compute": "tosca.relationships.HostedOn",
    "tosca.capabilities.Endpoint": "tosca.relationships.ConnectsTo",
    "tosca.capabilities.Attachment": "tosca.relationships.AttachesTo",
    "tosca.capabilities.network.Linkable": "tosca.relationships.network.LinksTo",
    "tosca.capabilities.network.Bindable": "tosca.relationships.network.BindsTo",
}
_DEFAULT_RELATIONSHIP = "tosca.relationships.DependsOn"


class RequirementReader:
    """Reads the requirements of node templates; needs all of them, and the relationship templates, to be known."""

    def __init__(
        self,
        document: Document,
        types: TypeTable,
        templates: Mapping[str, NodeTemplate],
        relationship_templates: Map | None,
        substituted: frozenset[tuple[str, str]],
        problems: Problems,
        inputs: Inputs,
    ) -> None:
        self._document = document
        self._types = types
        self._templates = templates
        self._relationship_templates = relationship_templates
        self._used: set[str] = set()
        self._substituted = substituted
        self._problems = problems
        self._inputs = inputs
        self._by_lineage: dict[str, list[NodeTemplate]] = {}

    def read(self, template: NodeTemplate, body: Map) -> tuple[Relationship, ...]:
        """The relationships that start at a node template."""
        node_type = self._types.whole_node(template.type)
        found: list[Relationship] = []
        assigned: Counter[str] = Counter()
        names: Counter[str] = Counter()
        for key, tree in named_items(body.get("requirements"), "requirements", self._problems):
            definition = self._definition(key, node_type, template)
            name = definition.name if definition is not None else key.text
            assigned[name] += 1
            relationship = self._assignment(key, tree, template, definition, names)
            if relationship is not None:
                found.append(relationship)
        if node_type is not None:
            self._check_occurrences(template, node_type, assigned)
        return tuple(found)

    def _definition(
        self, key: Scalar, node_type: NodeType | None, template: NodeTemplate
    ) -> RequirementDefinition | None:
        if node_type is None:
            return None
        definition = node_type.requirements.get(key.text)
        if definition is None:
            hint = did_you_mean(key.text, node_type.requirements)
            notes = [Related("the type is defined here", node_type.span)] if node_type.span else []
            message = f"{template.name} has no requirement {key.text!r}"
            self._problems.error(codes.UNKNOWN_REQUIREMENT, message, key.span, hint, *notes)
        return definition

    def _assignment(
        self,
        key: Scalar,
        tree: Tree,
        template: NodeTemplate,
        definition: RequirementDefinition | None,
        names: Counter[str],
    ) -> Relationship | None:
        body = tree if isinstance(tree, Map) else None
        node = as_scalar(body.get("node") if body is not None else tree, "node", self._problems)
        if body is not None:
            check_keynames(body, grammar.REQUIREMENT_ASSIGNMENT, f"the requirement {key.text!r}", self._problems)
        wanted = read_filter(body.get("node_filter") if body is not None else None, self._problems)
        target = self._target(key, node, definition, template, wanted)
        if target is None:
            return None
        written = as_scalar(body.get("capability") if body is not None else None, "capability", self._problems)
        capability = self._capability(written, node or key, target, definition, template)
        assignment = body.get("assignment") if body is not None else None
        base = assignment.text if isinstance(assignment, Scalar) else key.text
        names[base] += 1
        name = base if names[base] == 1 else f"{base}_{names[base]}"
        place = assignment.span if isinstance(assignment, Scalar) else key.span
        type_name, properties, interfaces = self._relationship(
            body.get("relationship") if body is not None else None, definition, capability, target
        )
        lineage = self._types.lineage(RELATIONSHIP, type_name)
        requirement = definition.name if definition is not None else key.text
        return Relationship(
            name, requirement, target.name, type_name, lineage, capability, properties, interfaces, place
        )

    def _target(
        self,
        key: Scalar,
        node: Scalar | None,
        definition: RequirementDefinition | None,
        template: NodeTemplate,
        wanted: NodeFilter | None,
    ) -> NodeTemplate | None:
        if node is None:
            type_name = definition.node if definition is not None and wanted is not None else None
            return self._only_of(type_name, key, template, wanted)
        target = self._templates.get(node.text)
        if target is not None:
            self._check_target_type(node, target, definition)
            broken = unmet(wanted, target, self._types, self._problems) if wanted is not None else None
            if broken is not None:
                self._problems.error(codes.BAD_NODE_FILTER, broken[1], broken[0].span, "choose another target")
            return target
        type_name = self._types.find(NODE, node.text)
        if type_name is not None:
            return self._only_of(type_name, node, template, wanted)
        if "." in node.text and self._types.may_be_imported(node.text):
            return None
        hint = did_you_mean(node.text, self._templates)
        message = f"there is no node template {node.text!r}"
        self._problems.error(codes.UNKNOWN_TARGET, message, node.span, hint)
        return None

    def _only_of(
        self, type_name: str | None, place: Scalar, template: NodeTemplate, wanted: NodeFilter | None
    ) -> NodeTemplate | None:
        """The one node template of a type that meets a filter, for a requirement that names no node template."""
        fitting = [other for other in self._of_type(type_name) if other.name != template.name] if type_name else []
        if wanted is not None:
            fitting = [other for other in fitting if unmet(wanted, other, self._types, self._problems) is None]
        if len(fitting) == 1:
            return fitting[0]
        if self._may_stay_open(template, place.text):
            return None
        what = f"{len(fitting)} node templates fit {type_name}" if type_name else "no node is named"
        message = f"the requirement of {template.name} is left open: {what}"
        self._problems.warning(codes.UNRESOLVED_REQUIREMENT, message, place.span, "name the node template")
        return None

    def _of_type(self, type_name: str) -> list[NodeTemplate]:
        if not self._by_lineage:
            for template in self._templates.values():
                for ancestor in template.lineage:
                    self._by_lineage.setdefault(ancestor, []).append(template)
        return self._by_lineage.get(type_name, [])

    def _check_target_type(self, node: Scalar, target: NodeTemplate, definition: RequirementDefinition | None) -> None:
        wanted = definition.node if definition is not None else None
        if wanted is None or wanted in target.lineage or self._types.whole_node(target.type) is None:
            return
        message = f"{target.name} is a {target.type}, not a {wanted}"
        assert definition is not None
        notes = [Related("the requirement is defined here", definition.span)] if definition.span else []
        self._problems.warning(codes.TARGET_TYPE, message, node.span, f"name a node template of type {wanted}", *notes)

    def _capability(
        self,
        written: Scalar | None,
        node: Scalar,
        target: NodeTemplate,
        definition: RequirementDefinition | None,
        source: NodeTemplate,
    ) -> str | None:
        """The name of the target's capability that the requirement is fulfilled by."""
        wanted = written.text if written is not None else definition.capability if definition is not None else None
        target_type = self._types.whole_node(target.type)
        if wanted is None or target_type is None:
            return None
        place = written or node
        if wanted in target.capabilities:
            name: str | None = wanted
        else:
            type_name = self._types.find(CAPABILITY, wanted)
            name = self._by_type(target, type_name, definition)
            if written is None and type_name is None:
                return None  # reported where the type defines the requirement
            if type_name is None and self._types.may_be_imported(wanted):
                return None
            if written is not None and type_name is None:
                hint = did_you_mean(wanted, [*target.capabilities, *self._types.names(CAPABILITY)])
                message = f"{target.name} has no capability {wanted!r}, and there is no capability type of that name"
                self._problems.error(codes.CAPABILITY_MISMATCH, message, place.span, hint)
                return None
        if name is None and any(not self._types.complete(CAPABILITY, c.type) for c in target.capabilities.values()):
            return None
        if name is None:
            known = ", ".join(f"{c.name} ({c.type})" for c in target.capabilities.values()) or "none"
            message = f"{target.name} has no capability of type {wanted}"
            notes = (
                [Related("the requirement is defined here", definition.span)] if definition and definition.span else []
            )
            self._problems.error(codes.CAPABILITY_MISMATCH, message, place.span, f"it has {known}", *notes)
            return None
        self._check_source(target_type, name, source, place)
        return name

    def _by_type(
        self, target: NodeTemplate, type_name: str | None, definition: RequirementDefinition | None
    ) -> str | None:
        if type_name is None:
            return None
        fitting = [c.name for c in target.capabilities.values() if self._types.derives(CAPABILITY, c.type, type_name)]
        if definition is not None and definition.name in fitting:
            return definition.name
        exact = [name for name in fitting if target.capabilities[name].type == type_name]
        return next(iter(exact or fitting), None)

    def _check_source(self, target_type: NodeType, capability: str, source: NodeTemplate, place: Scalar) -> None:
        allowed = target_type.capabilities[capability].valid_source_types
        if not allowed or set(allowed) & set(source.lineage) or self._types.whole_node(source.type) is None:
            return
        message = f"the capability {capability} of {target_type.name} does not accept {source.type}"
        hint = f"it accepts {', '.join(allowed)}"
        self._problems.error(codes.INVALID_SOURCE, message, place.span, hint)

    # relationships

    def _relationship(
        self, tree: Tree | None, definition: RequirementDefinition | None, capability: str | None, target: NodeTemplate
    ) -> tuple[str, Mapping[str, Expression], Mapping[str, Interface]]:
        body = tree if isinstance(tree, Map) else None
        written = as_scalar(body.get("type") if body is not None else tree, "relationship", self._problems)
        if body is not None:
            check_keynames(body, grammar.RELATIONSHIP, "a relationship", self._problems)
        if written is None:
            name = (definition.relationship if definition else None) or self._relationship_for(capability, target)
            return self._filled(name, body, None)
        template = self._relationship_templates.get(written.text) if self._relationship_templates else None
        if isinstance(template, Map):
            self._used.add(written.text)
            type_written = as_scalar(template.get("type"), "type", self._problems)
            found = self._types.lookup(RELATIONSHIP, type_written) if type_written else None
            if type_written is not None and found is None:  # that was said: which properties it has is not known
                return type_written.text, {}, {}
            merged = template if body is None else template.with_entries({**template.entries, **body.entries})
            return self._filled(found or _DEFAULT_RELATIONSHIP, merged, written)
        found = self._types.find(RELATIONSHIP, written.text)
        if found is None and self._types.may_be_imported(written.text):
            return written.text, {}, {}
        if found is None:
            templates = self._relationship_templates.entries if self._relationship_templates else ()
            hint = did_you_mean(written.text, [*templates, *self._types.names(RELATIONSHIP)])
            message = f"there is no relationship type or template {written.text!r}"
            self._problems.error(codes.UNKNOWN_TYPE, message, written.span, hint)
            return written.text, {}, {}
        self._check_target_capability(found, capability, target, written)
        return self._filled(found, body, written)

    def check_unused(self) -> None:
        """Report the faults of relationship templates that no requirement names."""
        for key, body in self._relationship_templates.items() if self._relationship_templates else ():
            written = as_scalar(body.get("type"), "type", self._problems) if isinstance(body, Map) else None
            if isinstance(body, Map) and written is not None and key.text not in self._used:
                name = self._types.lookup(RELATIONSHIP, written)
                if name is not None:
                    self._filled(name, body, key)

    def _check_target_capability(
        self, name: str, capability: str | None, target: NodeTemplate, written: Scalar
    ) -> None:
        relationship = self._types.relationship(name)
        assigned = target.capabilities.get(capability) if capability else None
        if relationship is None or assigned is None or not relationship.valid_target_types:
            return
        allowed = relationship.valid_target_types
        if any(self._types.derives(CAPABILITY, assigned.type, a) or a in target.lineage for a in allowed):
            return
        message = f"the relationship {name} does not accept the capability {assigned.type}"
        hint = f"it accepts {', '.join(allowed)}"
        self._problems.warning(codes.RELATIONSHIP_MISMATCH, message, written.span, hint)

    def _relationship_for(self, capability: str | None, target: NodeTemplate) -> str:
        assigned = target.capabilities.get(capability) if capability else None
        if assigned is not None:
            for ancestor in self._types.lineage(CAPABILITY, assigned.type):
                if ancestor in _BY_CAPABILITY:
                    return _BY_CAPABILITY[ancestor]
        return _DEFAULT_RELATIONSHIP

    def _filled(
        self, name: str, body: Map | None, place: Scalar | None
    ) -> tuple[str, Mapping[str, Expression], Mapping[str, Interface]]:
        """Properties and interfaces of a relationship: those of its type with the assigned ones over them."""
        relationship = self._types.relationship(name)
        if relationship is None or not self._types.complete(RELATIONSHIP, name):
            return name, {}, {}
        if body is None and not relationship.properties:
            return name, {}, relationship.interfaces
        at = place or body or Place(self._document.label, 1, 1, 1, 1)
        assigned = as_map(body.get("properties"), "properties", self._problems) if body is not None else None
        properties = self._types.values.fields(
            assigned,
            relationship.properties,
            f"the relationship {name}",
            at,
            self._inputs,
            related=relationship.span,
            check_missing=body is not None,
        )
        return name, properties, self._interfaces(relationship, body)

    def _interfaces(self, relationship: RelationshipType, body: Map | None) -> Mapping[str, Interface]:
        tree = body.get("interfaces") if body is not None else None
        if tree is None:
            return relationship.interfaces
        inherited = self._types.interfaces(RELATIONSHIP, relationship.name)
        reader = InterfaceReader(
            self._document,
            {},
            self._types.is_artifact,
            self._types.definitions,
            self._types.values,
            self._problems,
            self._inputs,
        )
        own, _ = reader.read_all(tree, inherited)
        merged = dict(relationship.interfaces)
        for name, parts in interfaces_over(own, inherited).items():
            if name in own:
                merged[name] = parts.finished()
        return merged

    def _check_occurrences(self, template: NodeTemplate, node_type: NodeType, assigned: Counter[str]) -> None:
        for name, definition in node_type.requirements.items():
            low, high = definition.occurrences
            count = assigned[name]
            notes = [Related("defined here", definition.span)] if definition.span else []
            if high is not None and count > high:
                message = f"{template.name} fulfils the requirement {name!r} {count} times, {high} at most are allowed"
                self._problems.error(codes.TOO_MANY_REQUIREMENTS, message, template.span, "remove assignments", *notes)
            elif count < low and not self._may_stay_open(template, name):
                if any(
                    n not in node_type.requirements and nearest(n, node_type.requirements) == name for n in assigned
                ):
                    continue  # it is there under a misspelt name, which was reported
                message = f"{template.name} needs the requirement {name!r} ({definition.capability})"
                hint = f"add - {name}: NODE under requirements"
                self._problems.error(codes.MISSING_REQUIREMENT, message, template.span, hint, *notes)

    def _may_stay_open(self, template: NodeTemplate, name: str) -> bool:
        return (
            bool(grammar.DIRECTIVES & set(template.directives))
            or (template.name, name) in self._substituted
            or template.type in self._types.substituted
        )


def with_relationships(template: NodeTemplate, relationships: tuple[Relationship, ...]) -> NodeTemplate:
    """The template with its relationships."""
    return msgspec.structs.replace(template, relationships=relationships) if relationships else template
