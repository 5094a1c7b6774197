"""Phases 5 to 8: the topology template of the root document -> the model."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems
from orchestrator.model.topology import (
    ArtifactType,
    CapabilityType,
    DataType,
    Group,
    GroupType,
    NodeTemplate,
    NodeType,
    Policy,
    PolicyType,
    PropertyDefinition,
    RelationshipType,
    Schema,
    SubstitutionMapping,
    Topology,
)
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.checks import check_topology
from orchestrator.tosca.definitions import with_default
from orchestrator.tosca.fields import as_list, as_map, as_scalar, check_keynames, named_items, scalars_of, text_of
from orchestrator.tosca.functions import Inputs, read_untyped
from orchestrator.tosca.imports import Document
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.node_filter import read_filter
from orchestrator.tosca.requirements import RequirementReader, with_relationships
from orchestrator.tosca.templates import TemplateReader, definitions_of
from orchestrator.tosca.tree import List, Map, Scalar, Tree, empty_map, plain_value
from orchestrator.tosca.triggers import check_triggers
from orchestrator.tosca.types import ARTIFACT, CAPABILITY, DATA, GROUP, NODE, POLICY, RELATIONSHIP, TypeTable
from orchestrator.tosca.workflows import WorkflowReader, inputs_of


def build_topology(document: Document, types: TypeTable, problems: Problems) -> Topology:
    """The model of the root document, whose types (and imports) are in ``types``."""
    root = document.root
    repositories = as_map(root.get("repositories"), "repositories", problems)
    for key, repository in repositories.items() if repositories is not None else ():
        if isinstance(repository, Map):
            check_keynames(repository, grammar.REPOSITORY, f"the repository {key.text!r}", problems)
    check_keynames(root, grammar.SERVICE_TEMPLATE, "a service template", problems)
    body = as_map(root.get("topology_template"), "topology_template", problems) or empty_map(root)
    check_keynames(body, grammar.TOPOLOGY, "a topology template", problems)
    reader = _TopologyReader(document, types, body, problems)
    topology = reader.read()
    check_topology(topology, types, problems)
    return topology


class _TopologyReader:
    def __init__(self, document: Document, types: TypeTable, body: Map, problems: Problems) -> None:
        self._document = document
        self._types = types
        self._body = body
        self._problems = problems

    def read(self) -> Topology:
        body, types = self._body, self._types
        inputs = self._inputs()
        seen_by_nodes = {*inputs, *inputs_of(body.get("workflows"))}
        templates = self._templates(seen_by_nodes)
        groups = self._groups(templates, seen_by_nodes)
        members = {name: group.members for name, group in groups.items()}
        workflows = WorkflowReader(types, templates, members, inputs, self._problems).read_all(body.get("workflows"))
        policies = self._policies(templates, groups, seen_by_nodes)
        substitution = self._substitution(templates)
        outputs = self._outputs(inputs)
        types.build_own()
        metadata = self._metadata()
        return Topology(
            name=str(metadata.get("template_name") or self._document.path.stem),
            file=self._document.label,
            version=str(metadata.get("template_version") or ""),
            description=self._description(),
            metadata=metadata,
            inputs=inputs,
            outputs=outputs,
            node_templates=templates,
            workflows=workflows,
            policies=policies,
            groups=groups,
            substitution=substitution,
            node_types=types.built(NODE, NodeType),
            data_types=types.built(DATA, DataType),
            capability_types=types.built(CAPABILITY, CapabilityType),
            relationship_types=types.built(RELATIONSHIP, RelationshipType),
            interface_types=types.built_interfaces(),
            artifact_types=types.built(ARTIFACT, ArtifactType),
            policy_types=types.built(POLICY, PolicyType),
            group_types=types.built(GROUP, GroupType),
        )

    def _metadata(self) -> dict[str, object]:
        """The metadata; Simple Profile 1.0 has name, author and version at the top."""
        root = self._document.root
        found: dict[str, object] = {}
        for name in ("template_name", "template_author", "template_version"):
            text = text_of(root.get(name), name, self._problems)
            if text:
                found[name] = text
        metadata = as_map(root.get("metadata"), "metadata", self._problems)
        for key, value in metadata.items() if metadata is not None else ():
            found[key.text] = value.text if isinstance(value, Scalar) else plain_value(value)
        return found

    def _description(self) -> str:
        own = text_of(self._body.get("description"), "description", self._problems)
        return own or text_of(self._document.root.get("description"), "description", self._problems)

    def _inputs(self) -> dict[str, PropertyDefinition]:
        tree = self._body.get("inputs")
        inputs = definitions_of(tree, self._types, "input")
        self._types.definitions.defaults(tree, inputs, "input", "value")
        return inputs

    def _outputs(self, inputs: Inputs) -> dict[str, PropertyDefinition]:
        outputs = as_map(self._body.get("outputs"), "outputs", self._problems)
        found = {}
        for key, tree in outputs.items() if outputs is not None else ():
            if isinstance(tree, Map) and tree.entries.keys() <= grammar.DEFINITION:
                definition = self._types.definitions.read(key, tree, needs_type=False)
                value = tree.get("value") or tree.get("default")
            else:
                definition, value = PropertyDefinition(key.text, Schema("any"), span=key.span), tree
            if value is not None:
                read = self._types.values.read(value, definition.schema, f"the output {key.text!r}", inputs)
                definition = with_default(definition, read)
            found[key.text] = definition
        return found

    def _templates(self, inputs: Inputs) -> dict[str, NodeTemplate]:
        tree = as_map(self._body.get("node_templates"), "node_templates", self._problems)
        self._check_relationship_templates()
        if tree is None:
            return {}
        reader = TemplateReader(self._document, self._types, self._problems, inputs)
        templates: dict[str, NodeTemplate] = {}
        for key, body in tree.items():
            template = reader.read(key, body, tree)
            if template is not None:
                templates[key.text] = template
        requirements = RequirementReader(
            self._document,
            self._types,
            templates,
            as_map(self._body.get("relationship_templates"), "relationship_templates", self._problems),
            self._substituted_requirements(),
            self._problems,
            inputs,
        )
        for key, body in tree.items():
            template = templates.get(key.text)
            if template is not None and isinstance(body, Map):
                copied = reader.with_copied(body, tree)
                templates[key.text] = with_relationships(template, requirements.read(template, copied))
        requirements.check_unused()
        return templates

    def _check_relationship_templates(self) -> None:
        """Relationship templates are read where a requirement names them; here are those that none does, too."""
        tree = as_map(self._body.get("relationship_templates"), "relationship_templates", self._problems)
        for key, body in tree.items() if tree is not None else ():
            fields = as_map(body, f"the relationship template {key.text!r}", self._problems)
            if fields is not None:
                check_keynames(fields, grammar.RELATIONSHIP, f"the relationship template {key.text!r}", self._problems)
                self._type_name(RELATIONSHIP, fields.get("type"), "tosca.relationships.Root")

    def _groups(self, templates: Mapping[str, NodeTemplate], inputs: Inputs) -> dict[str, Group]:
        tree = as_map(self._body.get("groups"), "groups", self._problems)
        found: dict[str, Group] = {}
        for key, body in tree.items() if tree is not None else ():
            fields = as_map(body, f"the group {key.text!r}", self._problems)
            if fields is None:
                continue
            check_keynames(fields, grammar.GROUP, f"the group {key.text!r}", self._problems)
            type_name = self._type_name(GROUP, fields.get("type"), "tosca.groups.Root")
            group_type = self._types.group(type_name)
            written = fields.get("members") or fields.get("targets")
            members = scalars_of(written, "members", self._problems)
            self._check_members(members, templates, {}, f"the group {key.text!r}")
            self._check_kinds(members, templates, {}, group_type.members if group_type else (), key.text)
            whole = group_type is not None and self._types.complete(GROUP, type_name)
            properties = self._values(fields, group_type.properties if group_type and whole else None, key, inputs)
            found[key.text] = Group(key.text, type_name, tuple(m.text for m in members), properties, key.span)
        return found

    def _policies(
        self, templates: Mapping[str, NodeTemplate], groups: Mapping[str, Group], inputs: Inputs
    ) -> tuple[Policy, ...]:
        found = []
        for key, body in named_items(self._body.get("policies"), "policies", self._problems):
            fields = as_map(body, f"the policy {key.text!r}", self._problems)
            if fields is None:
                continue
            check_keynames(fields, grammar.POLICY, f"the policy {key.text!r}", self._problems)
            type_name = self._type_name(POLICY, fields.get("type"), "tosca.policies.Root")
            policy_type = self._types.policy(type_name)
            targets = scalars_of(fields.get("targets"), "targets", self._problems)
            self._check_members(targets, templates, groups, f"the policy {key.text!r}")
            self._check_kinds(targets, templates, groups, policy_type.targets if policy_type else (), key.text)
            triggers = as_map(fields.get("triggers"), "triggers", self._problems)
            check_triggers(triggers, self._problems)
            whole = policy_type is not None and self._types.complete(POLICY, type_name)
            properties = self._values(fields, policy_type.properties if policy_type and whole else None, key, inputs)
            found.append(
                Policy(
                    key.text,
                    type_name,
                    tuple(t.text for t in targets),
                    properties,
                    plain_value(triggers) if triggers is not None else {},
                    key.span,
                    self._types.lineage(POLICY, type_name),
                )
            )
        return tuple(found)

    def _type_name(self, kind: str, tree: Tree | None, otherwise: str) -> str:
        written = as_scalar(tree, "type", self._problems)
        if written is None:
            return otherwise
        return self._types.lookup(kind, written) or written.text

    def _values(
        self, fields: Map, definitions: Mapping[str, PropertyDefinition] | None, key: Scalar, inputs: Inputs
    ) -> dict[str, Expression]:
        properties = as_map(fields.get("properties"), "properties", self._problems)
        if definitions is not None:
            return self._types.values.fields(properties, definitions, key.text, key, inputs)
        if properties is None:
            return {}
        return {k.text: read_untyped(v, self._problems, inputs) for k, v in properties.items()}

    def _check_members(
        self, members: list[Scalar], templates: Mapping[str, NodeTemplate], groups: Mapping[str, Group], owner: str
    ) -> None:
        for member in members:
            if member.text not in templates and member.text not in groups:
                message = f"{owner} names {member.text!r}, which is no node template"
                hint = did_you_mean(member.text, [*templates, *groups])
                self._problems.error(codes.UNKNOWN_MEMBER, message, member.span, hint)

    def _check_kinds(
        self,
        members: list[Scalar],
        templates: Mapping[str, NodeTemplate],
        groups: Mapping[str, Group],
        allowed: tuple[str, ...],
        owner: str,
    ) -> None:
        """Members and targets are of the types that the type of a group or policy names, where it names any."""
        names = {self._types.find(kind, name) or name for name in allowed for kind in (NODE, GROUP)}
        for member in members if names else ():
            template, group = templates.get(member.text), groups.get(member.text)
            type_name = template.type if template is not None else group.type if group is not None else ""
            kind = NODE if template is not None else GROUP
            if not type_name or not self._types.complete(kind, type_name):
                continue
            if not names & set(self._types.lineage(kind, type_name)):
                message = f"{member.text} is a {type_name}, which {owner} is not for"
                self._problems.error(codes.UNKNOWN_MEMBER, message, member.span, f"it is for {', '.join(allowed)}")

    # substitution mappings

    def _substituted_requirements(self) -> frozenset[tuple[str, str]]:
        """Requirements that are fulfilled from outside, as (node template, requirement)."""
        mappings = self._body.get("substitution_mappings")
        requirements = mappings.get("requirements") if isinstance(mappings, Map) else None
        found = set()
        entries = requirements.items() if isinstance(requirements, Map) else ()
        for _, tree in entries:
            pair = tree.get("mapping") if isinstance(tree, Map) else tree
            if isinstance(pair, List) and len(pair.items) == 2:
                node, name = pair.items
                if isinstance(node, Scalar) and isinstance(name, Scalar):
                    found.add((node.text, name.text))
        return frozenset(found)

    def _substitution(self, templates: Mapping[str, NodeTemplate]) -> SubstitutionMapping | None:
        tree = as_map(self._body.get("substitution_mappings"), "substitution_mappings", self._problems)
        if tree is None:
            return None
        check_keynames(tree, grammar.SUBSTITUTION, "substitution_mappings", self._problems)
        written = as_scalar(tree.get("node_type"), "node_type", self._problems)
        if written is None:
            place = tree.key("node_type") if "node_type" in tree else self._body.key("substitution_mappings")
            message = "substitution_mappings names no node_type"
            self._problems.error(codes.MISSING_KEYNAME, message, place.span, "add node_type: TYPE")
            return None
        name = self._types.lookup(NODE, written)
        node_type = self._types.whole_node(name) if name else None
        for section in ("capabilities", "requirements"):
            mappings = as_map(tree.get(section), section, self._problems)
            for key, target in mappings.items() if mappings is not None else ():
                there = getattr(node_type, section) if node_type is not None else None
                if there is not None and key.text not in there:
                    message = (
                        f"{name} has no {'capability' if section == 'capabilities' else 'requirement'} {key.text!r}"
                    )
                    self._problems.error(codes.BAD_SUBSTITUTION, message, key.span, did_you_mean(key.text, there))
                self._check_mapping(target, section, templates)
        conditions = as_map(tree.get("substitution_filter"), "substitution_filter", self._problems)
        if conditions is not None:
            check_keynames(conditions, grammar.NODE_FILTER | {"node_filter"}, "substitution_filter", self._problems)
            nested = conditions.get("node_filter")
            read_filter(nested if nested is not None else conditions, self._problems)
        data = {key.text: plain_value(value) for key, value in tree.items() if key.text != "node_type"}
        return SubstitutionMapping(name or written.text, data, tree.span)

    def _check_mapping(self, target: Tree, section: str, templates: Mapping[str, NodeTemplate]) -> None:
        pair = target.get("mapping") if isinstance(target, Map) else target
        items = as_list(pair, "a mapping", self._problems)
        node, name = items if len(items) == 2 else (None, None)
        if not isinstance(node, Scalar) or not isinstance(name, Scalar):
            return
        template = templates.get(node.text)
        if template is None:
            message = f"there is no node template {node.text!r}"
            self._problems.error(codes.BAD_SUBSTITUTION, message, node.span, did_you_mean(node.text, templates))
            return
        node_type = self._types.whole_node(template.type)
        known = getattr(node_type, section) if node_type is not None else None
        if known is not None and name.text not in known:
            word = "capability" if section == "capabilities" else "requirement"
            message = f"{node.text} has no {word} {name.text!r}"
            self._problems.error(codes.BAD_SUBSTITUTION, message, name.span, did_you_mean(name.text, known))
