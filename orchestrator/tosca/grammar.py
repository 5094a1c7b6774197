"""The table of the grammar (Simple Profile 1.3 section 3, and what the dialects are translated to): every keyname.

For each keyname of an entity: nothing when orch carries it out or it is for people only, else what orch does not do
with it, which is told as a warning. A keyname that is not in the table means nothing and is told, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


class Keynames(frozenset[str]):
    """The keynames of an entity; ``passed_over``: those that orch does not carry out, each with what that means."""

    passed_over: Mapping[str, str]


def _keynames(names: str, **passed_over: str) -> Keynames:
    found = Keynames([*names.split(), *passed_over])
    found.passed_over = passed_over
    return found


def _with(entity: Keynames, names: str = "", **passed_over: str) -> Keynames:
    return _keynames(" ".join([*(entity - set(entity.passed_over)), names]), **{**entity.passed_over, **passed_over})


_NO_COUNT = "orch makes one relationship of each assignment"
_NO_DIRECTIVE = "orch puts no other node in its place"
_NO_EVENTS = "orch watches no events: nothing sets the triggers off"
_MEMBERS_ONLY = "groups have members and properties only"

SERVICE_TEMPLATE = _keynames(
    "tosca_definitions_version namespace metadata template_name template_author template_version description "
    "dsl_definitions repositories imports artifact_types data_types capability_types interface_types "
    "relationship_types node_types group_types policy_types topology_template tosca_default_namespace tags profile"
)
TOPOLOGY = _keynames(
    "description inputs outputs node_templates relationship_templates groups policies workflows metadata",
    substitution_mappings="the topology is deployed as it is, and put in the place of no node of another one",
)
SUBSTITUTION = _keynames("node_type substitution_filter properties attributes capabilities requirements interfaces")
NODE_TEMPLATE = _keynames(
    "type description metadata directives properties attributes requirements capabilities interfaces artifacts copy "
    "tags",
    node_filter="orch selects no node by it",
    occurrences="a node has as many instances as its capability scalable says",
)
CAPABILITY_ASSIGNMENT = _keynames(
    "properties attributes type",
    occurrences="how many relationships a capability takes is not limited by it",
    directives=_NO_DIRECTIVE,
)
REQUIREMENT_ASSIGNMENT = _keynames(
    "node capability relationship node_filter assignment description",
    occurrences=_NO_COUNT,
    count=_NO_COUNT,
    directives=_NO_DIRECTIVE,
)
RELATIONSHIP = _keynames(
    "type properties interfaces description metadata",
    attributes="attributes of a relationship are those that its operations set",
    copy="no other relationship template is copied",
)

_TYPE = _keynames("derived_from version metadata description tags abstract")
NODE_TYPE = _with(_TYPE, "properties attributes requirements capabilities interfaces artifacts")
RELATIONSHIP_TYPE = _with(
    _TYPE,
    "properties attributes interfaces valid_target_types",
    valid_source_types="the sources of relationships are not checked by it",
    artifacts="operations of relationships are given no artifacts",
)
CAPABILITY_TYPE = _with(_TYPE, "properties attributes valid_source_types")
DATA_TYPE = _with(
    _TYPE,
    "properties constraints",
    key_schema="the keys of values of this type are not checked",
    entry_schema="the entries of values of this type are not checked",
)
ARTIFACT_TYPE = _with(_TYPE, "mime_type file_ext", properties="artifacts have no properties")
POLICY_TYPE = _with(_TYPE, "properties targets", triggers=_NO_EVENTS)
GROUP_TYPE = _with(
    _TYPE,
    "properties members",
    **dict.fromkeys(("attributes", "interfaces", "requirements", "capabilities"), _MEMBERS_ONLY),
)
CAPABILITY_DEFINITION = _keynames("type description properties attributes valid_source_types occurrences metadata")
REQUIREMENT_DEFINITION = _keynames("capability node relationship occurrences description node_filter metadata type")
INTERFACE = _keynames(
    "type inputs operations description derived_from metadata version",
    notifications="orch receives no notifications",
)
OPERATION = _keynames(
    "description implementation inputs outputs metadata",
    operation_host="orch reads it of the implementation: { primary: FILE, operation_host: … }",
)
NOTIFICATION = _keynames("description implementation outputs")
IMPLEMENTATION = _keynames(
    "primary dependencies operation_host timeout file type description",
    repository="the file is looked for beside the document",
    inputs="inputs are given to the operation",
)
ARTIFACT = _keynames(
    "file type repository description version metadata checksum checksum_algorithm",
    deploy_path="the file is brought to where an operation runs, not to this path",
    properties="artifacts have no properties",
)
DEFINITION = _keynames(
    "type description required default value status constraints key_schema entry_schema metadata tags mapping outputs",
    **dict.fromkeys(("external-schema", "external_schema"), "values are not checked by another schema"),
)
SCHEMA = _keynames("type description constraints key_schema entry_schema required metadata")
GROUP = _keynames(
    "type description members properties metadata targets",
    **dict.fromkeys(("attributes", "interfaces", "policies"), _MEMBERS_ONLY),
)
POLICY = _keynames("type description targets properties metadata", triggers=_NO_EVENTS)
TRIGGER = _keynames(
    "description event event_type schedule target_filter condition constraint period evaluations method action "
    "implementation"
)
SCHEDULE = _keynames("start_time end_time")
WORKFLOW = _keynames(
    "description metadata inputs outputs preconditions steps",
    implementation="orch carries out the steps of a workflow, and none in another language",
)
PRECONDITION = _keynames("target condition", target_relationship="the condition is on the target's own attributes")
STEP = _keynames(
    "target target_relationship operation_host filter activities on_success on_failure on_cancel description metadata"
)
CALL = _keynames("operation inputs")
PUT_IN = _keynames("workflow inputs")
NODE_FILTER = _keynames("properties capabilities")
REPOSITORY = _keynames("url description metadata type", credential="orch fetches nothing that one must log in for")

ENTITIES: Mapping[str, Keynames] = {
    name.lower(): entity for name, entity in list(globals().items()) if isinstance(entity, Keynames) and name[0] != "_"
}
"""Every entity of the table."""

OPERATION_HOSTS = ("SELF", "HOST", "SOURCE", "TARGET", "ORCHESTRATOR")
"""Where an operation may be told to run (1.3 section 4.1); Yorc has them in any case."""

DIRECTIVES = frozenset(("select", "selectable", "substitute", "substitutable"))
"""What may be said of a node that stands for another one (1.3 section 3.4.4)."""

STATUSES = ("supported", "unsupported", "experimental", "deprecated")
"""What a definition may say of itself (1.3 section 3.6.10.3)."""


def passed_over(known: Iterable[str], written: Iterable[str]) -> dict[str, str]:
    """The keynames among the written ones that orch does not carry out, and what that means."""
    notes = known.passed_over if isinstance(known, Keynames) else {}
    return {name: notes[name] for name in written if name in notes} if notes else {}
