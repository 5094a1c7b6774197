"""Phase 3: a document of any dialect -> the notation of Simple Profile 1.3.

A dialect is a table of rules, each a function from the tree of one definition to another. What 1.0 to 1.3 themselves
allow in several notations (short forms, interfaces with and without ``operations``) is left to the readers of the
entities. Sources: the Simple Profile, appendix on changes; the Alien4Cloud documentation and public documents.

Kept through the translation because the normal form has a place for it: ``abstract`` on types, and the name of a
requirement assignment, as the keyname ``assignment`` of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from orchestrator.model.expressions import Function
from orchestrator.model.problems import Problems
from orchestrator.tosca import codes
from orchestrator.tosca.imports import Document
from orchestrator.tosca.names import nearest
from orchestrator.tosca.tree import List, Map, Scalar, Tree, scalar_at

Rule = Callable[[Map], Map]

FUNCTIONS: Mapping[str, Function] = {
    **{function.value: function for function in Function},
    "get_vault_secret": Function.GET_SECRET,  # written so that Alien4Cloud does not look into it
    "get_input_nf": Function.GET_INPUT,
}
"""The functions by every name that a dialect has for them."""


class Dialect(msgspec.Struct, frozen=True):
    """What is written differently than in Simple Profile 1.3: rules for node types, node templates and workflows.

    ``shorthands`` are short names of node types that other dialects have for other types (1.3 section 5.9).
    """

    name: str
    types: tuple[Rule, ...] = ()
    templates: tuple[Rule, ...] = ()
    workflows: tuple[Rule, ...] = ()
    shorthands: Mapping[str, str] = {}


def _artifacts_by_name(definition: Map) -> Map:
    """``artifacts`` as a list of maps -> a map. The first key is the name, others beside it belong to it."""
    artifacts = definition.get("artifacts")
    if not isinstance(artifacts, List):
        return definition
    entries: dict[str, tuple[Scalar, Tree]] = {}
    for item in artifacts.items:
        if not isinstance(item, Map) or not item.entries:
            continue
        (key, value), *rest = item.items()
        if rest and isinstance(value, Scalar):
            fields = {"file": (scalar_at(value, "file"), value), **{k.text: (k, v) for k, v in rest}}
            value = item.with_entries(dict(fields))
        entries[key.text] = (key, value)
    place = Map(artifacts.file, artifacts.line, artifacts.column, artifacts.end_line, artifacts.end_column, entries)
    return _replaced(definition, "artifacts", place)


def _attributes_by_function(definition: Map) -> Map:
    """An attribute definition that is only a function -> a definition of type string with that default."""
    attributes = definition.get("attributes")
    if not isinstance(attributes, Map):
        return definition
    entries = dict(attributes.entries)
    for name, (key, value) in attributes.entries.items():
        if isinstance(value, Map) and len(value.entries) == 1 and next(iter(value.entries)) in FUNCTIONS:
            typed = {"type": (key, scalar_at(value, "string")), "default": (key, value)}
            entries[name] = (key, value.with_entries(typed))  # type: ignore[arg-type]
    return _replaced(definition, "attributes", attributes.with_entries(entries))


def _requirements_by_name(template: Map) -> Map:
    """``- id: {type_requirement: r, ...}`` -> ``- r: {assignment: id, ...}``; its properties go to the relationship."""
    requirements = template.get("requirements")
    if not isinstance(requirements, List):
        return template
    items = [_requirement_by_name(item) if isinstance(item, Map) else item for item in requirements.items]
    place = List(
        requirements.file,
        requirements.line,
        requirements.column,
        requirements.end_line,
        requirements.end_column,
        items,
    )
    return _replaced(template, "requirements", place)


def _requirements_beside_their_name(definition: Map) -> Map:
    """``- r: Type`` with other keynames beside the name -> ``- r: {capability: Type, …}``: as Alien4Cloud had it.

    In it ``type`` is the relationship, and the bounds have keynames of their own. The type may be a node's: then the
    relationship tells which capability of the node is meant.
    """
    requirements = definition.get("requirements")
    if not isinstance(requirements, List):
        return definition
    items = [_with_siblings(item) if isinstance(item, Map) else item for item in requirements.items]
    r = requirements
    listed = List(r.file, r.line, r.column, r.end_line, r.end_column, items)
    return _replaced(definition, "requirements", listed)


_BOUNDS = ("lower_bound", "upper_bound")
_BESIDE_A_NAME = frozenset(
    ("type", "relationship", "node", "capability", "occurrences", "lower_bound", "upper_bound", "node_filter", "target")
)
_CAPABILITY_OF = {
    "HostedOn": "tosca.capabilities.Container",
    "ConnectsTo": "tosca.capabilities.Endpoint",
    "AttachTo": "tosca.capabilities.Attachment",
    "AttachesTo": "tosca.capabilities.Attachment",
    "Network": "tosca.capabilities.Connectivity",
}


def _with_siblings(item: Map) -> Map:
    key, value = next(item.items(), (None, None))
    if key is None or len(item.entries) == 1 or not isinstance(value, Scalar):
        return item
    beside = {name: entry for name, entry in item.entries.items() if name != key.text}
    if not beside.keys() & _BESIDE_A_NAME:
        return item
    if "type" in beside:
        beside["relationship"] = beside.pop("type")
    fields: dict[str, tuple[Scalar, Tree]] = {"capability": (scalar_at(value, "capability"), value)}
    if "nodes" in value.text.split("."):
        relationship = beside.get("relationship", (None, None))[1]
        name = relationship.text.rpartition(".")[2] if isinstance(relationship, Scalar) else None
        capability = _CAPABILITY_OF.get(name or "", "tosca.capabilities.Node")
        fields = {
            "node": (scalar_at(value, "node"), value),
            "capability": (scalar_at(value, "capability"), scalar_at(value, capability)),
        }
    bounds = [beside.pop(name, None) for name in _BOUNDS]
    if given := next((bound for bound in bounds if bound is not None), None):
        v = given[1]
        pair: list[Tree] = [b[1] if b else _one(v) for b in bounds]
        listed = List(v.file, v.line, v.column, v.end_line, v.end_column, pair)
        fields["occurrences"] = (scalar_at(given[0], "occurrences"), listed)
    return item.with_entries({key.text: (key, item.with_entries({**fields, **beside}))})


def _one(place: Tree) -> Scalar:
    return Scalar(place.file, place.line, place.column, place.end_line, place.end_column, "1", True)


def _requirement_by_name(item: Map) -> Map:
    if len(item.entries) != 1:
        return item
    key, body = next(item.items())
    if not isinstance(body, Map):
        return item
    name = body.get("type_requirement")
    fields = {k: v for k, v in body.entries.items() if k != "type_requirement"}
    properties = fields.pop("properties", None)
    if properties is not None:
        fields["relationship"] = _relationship_with(body, properties)
    if not isinstance(name, Scalar):
        return item.with_entries({key.text: (key, body.with_entries(fields))}) if properties else item
    fields["assignment"] = (key, scalar_at(key, key.text))
    return item.with_entries({name.text: (name, body.with_entries(fields))})


def _relationship_with(body: Map, properties: tuple[Scalar, Tree]) -> tuple[Scalar, Tree]:
    relationship = body.get("relationship")
    key = body.key("relationship") if "relationship" in body else properties[0]
    if isinstance(relationship, Map):
        return key, relationship.with_entries({**relationship.entries, "properties": properties})
    entries: dict[str, tuple[Scalar, Tree]] = {"properties": properties}
    if relationship is not None:
        entries["type"] = (key, relationship)
    return key, body.with_entries(entries)


_OLD_STEP_NAMES = {
    "on-success": "on_success",
    "on-failure": "on_failure",
    "node": "target",
    "activity": "activities",
    "hostId": "",
    "name": "",
}


def _steps_of_old(workflow: Map) -> Map:
    """Steps of alien_dsl_1_x: ``node``, one ``activity``, ``on-success``."""
    steps = workflow.get("steps")
    if not isinstance(steps, Map):
        return workflow
    entries: dict[str, tuple[Scalar, Tree]] = {}
    for name, (key, step) in steps.entries.items():
        if isinstance(step, Map):
            fields = {_OLD_STEP_NAMES.get(k, k): v for k, v in step.entries.items()}
            fields.pop("", None)
            activity = fields.get("activities")
            if activity is not None and isinstance(activity[1], Map):
                a = activity[1]
                listed = List(a.file, a.line, a.column, a.end_line, a.end_column, [a])
                fields["activities"] = (activity[0], listed)
            step = step.with_entries(fields)
        entries[name] = (key, step)
    return _replaced(workflow, "steps", steps.with_entries(entries))


def _replaced(definition: Map, name: str, value: Tree) -> Map:
    entries = dict(definition.entries)
    entries[name] = (definition.key(name), value)
    return definition.with_entries(entries)


_ALIEN_TYPES = (_artifacts_by_name, _attributes_by_function, _requirements_beside_their_name)
_ALIEN_TEMPLATES = (_artifacts_by_name, _requirements_by_name)

_SHORT_NAMES = {
    "BlockStorage": "tosca.nodes.Storage.BlockStorage",
    "ObjectStorage": "tosca.nodes.Storage.ObjectStorage",
    "Network": "tosca.nodes.network.Network",
}
_SHORT_NAMES_BEFORE_1_2 = {
    **_SHORT_NAMES,
    "BlockStorage": "tosca.nodes.BlockStorage",
    "ObjectStorage": "tosca.nodes.ObjectStorage",
}
_SHORT_NAMES_OF_ALIEN = {**_SHORT_NAMES_BEFORE_1_2, "Network": "tosca.nodes.Network"}

_SIMPLE_BEFORE_1_2 = [
    "tosca_simple_yaml_1_0",
    "tosca_simple_yaml_1_1",
    "tosca_simple_profile_for_nfv_1_0",
    "tosca_simple_profile_for_nfv_1_0_0",
    "http://docs.oasis-open.org/tosca/ns/simple/yaml/1.0",
    "http://docs.oasis-open.org/tosca/ns/simple/yaml/1.1",
]
_SIMPLE = [
    "tosca_simple_yaml_1_2",
    "tosca_simple_yaml_1_3",
    "tosca_simple_profile_for_mec_1_0_0",
    "http://docs.oasis-open.org/tosca/ns/simple/yaml/1.2",
    "http://docs.oasis-open.org/tosca/ns/simple/yaml/1.3",
]
_ALIEN_OLD = ["alien_dsl_1_0_0", "alien_dsl_1_1_0", "alien_dsl_1_2_0", "alien_dsl_1_3_0", "alien_dsl_1_4_0"]
_ALIEN = ["alien_dsl_2_0_0", "alien_dsl_2_1_0", "alien_dsl_3_0_0", "yorc_tosca_simple_yaml_1_0"]

DIALECTS: Mapping[str, Dialect] = {
    **{name: Dialect(name, shorthands=_SHORT_NAMES_BEFORE_1_2) for name in _SIMPLE_BEFORE_1_2},
    **{name: Dialect(name, shorthands=_SHORT_NAMES) for name in _SIMPLE},
    **{
        name: Dialect(name, _ALIEN_TYPES, _ALIEN_TEMPLATES, (_steps_of_old,), _SHORT_NAMES_OF_ALIEN)
        for name in _ALIEN_OLD
    },
    **{name: Dialect(name, _ALIEN_TYPES, _ALIEN_TEMPLATES, (), _SHORT_NAMES_OF_ALIEN) for name in _ALIEN},
}
"""Every dialect by the ``tosca_definitions_version`` that names it."""

NEWEST = "tosca_simple_yaml_1_3"


def translate(document: Document, problems: Problems, imported: bool = False) -> None:
    """Bring a document into the notation of Simple Profile 1.3, in place."""
    dialect = dialect_of(document, problems, imported)
    root = document.root
    for section in ("node_types", "relationship_types", "capability_types"):
        root = _apply(root, section, dialect.types)
    topology = root.get("topology_template")
    if isinstance(topology, Map):
        topology = _apply(topology, "node_templates", dialect.templates)
        topology = _apply(topology, "workflows", dialect.workflows)
        root = _replaced(root, "topology_template", topology)
    document.root = root


def dialect_of(document: Document, problems: Problems, imported: bool = False) -> Dialect:
    """The dialect a document is written in; a problem, and the newest Simple Profile, when that is not known.

    An imported document that does not name its dialect is a warning only: such documents are common.
    """
    written = document.root.get("tosca_definitions_version")
    if not isinstance(written, Scalar):
        first = next(document.root.items(), None)
        place = written.span if written is not None else first[0].span if first else document.root.span
        message = "tosca_definitions_version is missing"
        report = problems.warning if imported else problems.error
        report(codes.UNKNOWN_VERSION, message, place, f"add tosca_definitions_version: {NEWEST}")
        return DIALECTS[NEWEST]
    dialect = DIALECTS.get(written.text)
    if dialect is not None:
        return dialect
    best = nearest(written.text, DIALECTS)
    hint = f"did you mean {best!r}?" if best else f"use {NEWEST}"
    problems.error(codes.UNKNOWN_VERSION, f"the dialect {written.text!r} is not known", written.span, hint)
    return DIALECTS[best or NEWEST]


def shorthands_of(document: Document) -> Mapping[str, str]:
    """The short names of node types in a document's own dialect."""
    written = document.root.get("tosca_definitions_version")
    return DIALECTS.get(written.text if isinstance(written, Scalar) else NEWEST, DIALECTS[NEWEST]).shorthands


def _apply(parent: Map, section: str, rules: tuple[Rule, ...]) -> Map:
    definitions = parent.get(section)
    if not rules or not isinstance(definitions, Map):
        return parent
    entries: dict[str, tuple[Scalar, Tree]] = {}
    for name, (key, definition) in definitions.entries.items():
        if isinstance(definition, Map):
            for rule in rules:
                definition = rule(definition)
        entries[name] = (key, definition)
    return _replaced(parent, section, definitions.with_entries(entries))
