"""The normal form of a service template (TOSCA Simple Profile 1.3), with inheritance already resolved.

A type here has its own and its inherited definitions; a node template has its assigned and its defaulted values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from orchestrator.model.expressions import Expression
from orchestrator.model.source import Span
from orchestrator.model.values import Value

STANDARD = "Standard"
CONFIGURE = "Configure"
RUNNABLE = "Runnable"
INTERFACE_NAMES: Mapping[str, str] = {
    "tosca.interfaces.node.lifecycle.standard": STANDARD,
    "standard": STANDARD,
    "tosca.interfaces.relationship.configure": CONFIGURE,
    "configure": CONFIGURE,
    "tosca.interfaces.node.lifecycle.runnable": RUNNABLE,
    "runnable": RUNNABLE,
}


def interface_name(written: str) -> str:
    """The normal name of an interface: full type names and short names of the lifecycles are one, as in Yorc."""
    return INTERFACE_NAMES.get(written.lower(), written)


class Constraint(msgspec.Struct, frozen=True):
    """A constraint clause (1.3 section 3.6.3): operator such as ``in_range`` and its value."""

    operator: str
    value: Value
    span: Span | None = None


class Schema(msgspec.Struct, frozen=True):
    """The type of a value: a TOSCA type name, the schema of its entries for lists and maps, its constraints.

    ``key`` is the schema of the keys of a map (1.3 section 3.6.10, ``key_schema``).
    """

    type: str
    entry: Schema | None = None
    constraints: tuple[Constraint, ...] = ()
    key: Schema | None = None


class PropertyDefinition(msgspec.Struct, frozen=True):
    """Definition of a property, an attribute or a parameter (1.3 sections 3.6.10, 3.6.12, 3.6.14)."""

    name: str
    schema: Schema
    required: bool = True
    default: Expression | None = None
    description: str = ""
    span: Span | None = None


class Implementation(msgspec.Struct, frozen=True):
    """What carries an operation out.

    ``file`` is as written; ``path`` is where it was found, absolute; None when it is not there (a warning was given, an
    error when it is called). ``artifact_type`` is a type name where one was written, else guessed from the ending.
    """

    file: str
    path: str | None = None
    artifact_type: str | None = None
    dependencies: tuple[str, ...] = ()
    operation_host: str | None = None
    timeout: int | None = None
    span: Span | None = None


class Operation(msgspec.Struct, frozen=True):
    """An operation with all its inputs (those of the interface merged in) and its output mappings."""

    name: str
    inputs: Mapping[str, Expression] = {}
    input_definitions: Mapping[str, PropertyDefinition] = {}
    outputs: Mapping[str, tuple[str, ...]] = {}
    implementation: Implementation | None = None
    description: str = ""
    span: Span | None = None


class Notification(msgspec.Struct, frozen=True):
    """A notification of an interface (1.3 section 3.6.19): what tells of an event, and the attributes it sets."""

    name: str
    outputs: Mapping[str, tuple[str, ...]] = {}
    implementation: Implementation | None = None
    description: str = ""
    span: Span | None = None


class Interface(msgspec.Struct, frozen=True):
    """An interface by its normal name (see :func:`interface_name`) with its operations and notifications."""

    name: str
    type: str | None = None
    operations: Mapping[str, Operation] = {}
    notifications: Mapping[str, Notification] = {}


class ArtifactDefinition(msgspec.Struct, frozen=True):
    """An artifact: ``file`` as written, ``path`` where it was found."""

    name: str
    type: str
    file: str
    path: str | None = None
    repository: str | None = None
    deploy_path: str | None = None
    span: Span | None = None


class CapabilityDefinition(msgspec.Struct, frozen=True):
    """A capability that a node type offers."""

    name: str
    type: str
    properties: Mapping[str, PropertyDefinition] = {}
    attributes: Mapping[str, PropertyDefinition] = {}
    valid_source_types: tuple[str, ...] = ()
    occurrences: tuple[int, int | None] = (1, None)
    span: Span | None = None


class RequirementDefinition(msgspec.Struct, frozen=True):
    """A requirement of a node type; ``occurrences`` is (lower, upper), None for UNBOUNDED.

    ``node_filter`` is what its target must have (1.3 section 3.6.5), as data.
    """

    name: str
    capability: str
    node: str | None = None
    relationship: str | None = None
    occurrences: tuple[int, int | None] = (1, 1)
    span: Span | None = None
    node_filter: Mapping[str, Value] = {}


class TypeBase(msgspec.Struct, frozen=True):
    """What every type has. ``lineage`` is the type itself and its ancestors, nearest first."""

    name: str
    lineage: tuple[str, ...]
    description: str = ""
    metadata: Mapping[str, Value] = {}
    profile: str | None = None
    span: Span | None = None


class DataType(TypeBase, frozen=True):
    """A data type: a map with properties, or a constrained simple type (then ``properties`` is empty)."""

    properties: Mapping[str, PropertyDefinition] = {}
    constraints: tuple[Constraint, ...] = ()


class CapabilityType(TypeBase, frozen=True):
    """A capability type."""

    properties: Mapping[str, PropertyDefinition] = {}
    attributes: Mapping[str, PropertyDefinition] = {}
    valid_source_types: tuple[str, ...] = ()


class RelationshipType(TypeBase, frozen=True):
    """A relationship type."""

    properties: Mapping[str, PropertyDefinition] = {}
    attributes: Mapping[str, PropertyDefinition] = {}
    interfaces: Mapping[str, Interface] = {}
    valid_target_types: tuple[str, ...] = ()


class ArtifactType(TypeBase, frozen=True):
    """An artifact type."""

    mime_type: str | None = None
    file_ext: tuple[str, ...] = ()


class PolicyType(TypeBase, frozen=True):
    """A policy type."""

    properties: Mapping[str, PropertyDefinition] = {}
    targets: tuple[str, ...] = ()


class GroupType(TypeBase, frozen=True):
    """A group type."""

    properties: Mapping[str, PropertyDefinition] = {}
    members: tuple[str, ...] = ()


class InterfaceType(TypeBase, frozen=True):
    """An interface type, with the operations and notifications of its ancestors."""

    operations: Mapping[str, Operation] = {}
    notifications: Mapping[str, Notification] = {}


class NodeType(TypeBase, frozen=True):
    """A node type."""

    abstract: bool = False
    properties: Mapping[str, PropertyDefinition] = {}
    attributes: Mapping[str, PropertyDefinition] = {}
    capabilities: Mapping[str, CapabilityDefinition] = {}
    requirements: Mapping[str, RequirementDefinition] = {}
    interfaces: Mapping[str, Interface] = {}
    artifacts: Mapping[str, ArtifactDefinition] = {}


class CapabilityAssignment(msgspec.Struct, frozen=True):
    """A capability of a node template, with assigned and defaulted properties."""

    name: str
    type: str
    properties: Mapping[str, Expression] = {}
    attributes: Mapping[str, Expression] = {}


class Relationship(msgspec.Struct, frozen=True):
    """A fulfilled requirement: an edge from a node template to another.

    ``requirement`` is the name of the definition (``type_requirement`` in alien_dsl), ``name`` that of the assignment.
    ``capability`` is the name of the target's capability.
    """

    name: str
    requirement: str
    target: str
    type: str
    lineage: tuple[str, ...]
    capability: str | None = None
    properties: Mapping[str, Expression] = {}
    interfaces: Mapping[str, Interface] = {}
    span: Span | None = None


class NodeTemplate(msgspec.Struct, frozen=True):
    """A node template: everything of its type with its own assignments over it.

    ``lineage`` is its type and the type's ancestors. ``spans`` holds the places of ``properties.<name>`` and the like.
    ``node_filter`` is what a node that is selected for it must have (directive ``select``), as data.
    """

    name: str
    type: str
    lineage: tuple[str, ...]
    abstract: bool = False
    properties: Mapping[str, Expression] = {}
    attributes: Mapping[str, Expression] = {}
    capabilities: Mapping[str, CapabilityAssignment] = {}
    relationships: tuple[Relationship, ...] = ()
    interfaces: Mapping[str, Interface] = {}
    artifacts: Mapping[str, ArtifactDefinition] = {}
    directives: tuple[str, ...] = ()
    metadata: Mapping[str, Value] = {}
    description: str = ""
    span: Span | None = None
    spans: Mapping[str, Span] = {}
    node_filter: Mapping[str, Value] = {}

    def operation(self, interface: str, name: str) -> Operation | None:
        """An operation by interface and name, in any case as with Yorc; None when the node has none of that name."""
        wanted = self.interfaces.get(interface_name(interface))
        return wanted.operations.get(name) if wanted else None


class SetState(msgspec.Struct, frozen=True, tag="set_state"):
    """Activity: sets the state of the target node's instances."""

    state: str
    span: Span | None = None


class CallOperation(msgspec.Struct, frozen=True, tag="call_operation"):
    """Activity: calls an operation; ``interface`` by its normal name."""

    interface: str
    operation: str
    inputs: Mapping[str, Expression] = {}
    span: Span | None = None


class Delegate(msgspec.Struct, frozen=True, tag="delegate"):
    """Activity: runs a workflow such as ``install`` for the target node."""

    workflow: str
    inputs: Mapping[str, Expression] = {}
    span: Span | None = None


class Inline(msgspec.Struct, frozen=True, tag="inline"):
    """Activity: puts another workflow of the topology in this place."""

    workflow: str
    inputs: Mapping[str, Expression] = {}
    span: Span | None = None


Activity: TypeAlias = SetState | CallOperation | Delegate | Inline


class WorkflowStep(msgspec.Struct, frozen=True):
    """A step of a declared workflow (1.3 section 3.8.7)."""

    name: str
    target: str | None
    activities: tuple[Activity, ...]
    target_relationship: str | None = None
    operation_host: str | None = None
    filter: tuple[Value, ...] = ()
    on_success: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    on_cancel: tuple[str, ...] = ()
    span: Span | None = None


class Workflow(msgspec.Struct, frozen=True):
    """A declared workflow."""

    name: str
    inputs: Mapping[str, PropertyDefinition] = {}
    outputs: Mapping[str, Expression] = {}
    steps: Mapping[str, WorkflowStep] = {}
    preconditions: tuple[Value, ...] = ()
    description: str = ""
    span: Span | None = None


class Policy(msgspec.Struct, frozen=True):
    """A policy of the topology, as data. ``lineage`` is its type and the type's ancestors."""

    name: str
    type: str
    targets: tuple[str, ...] = ()
    properties: Mapping[str, Expression] = {}
    triggers: Mapping[str, Value] = {}
    span: Span | None = None
    lineage: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """A group of the topology."""

    name: str
    type: str
    members: tuple[str, ...] = ()
    properties: Mapping[str, Expression] = {}
    span: Span | None = None


class SubstitutionMapping(msgspec.Struct, frozen=True):
    """What node type this topology can stand for (1.3 section 3.8.13), as data."""

    node_type: str
    mappings: Mapping[str, Value] = {}
    span: Span | None = None


class Topology(msgspec.Struct, frozen=True):
    """A service template in the normal form.

    ``file`` is the root document. ``*_types`` hold the types that can be reached from the templates.
    """

    name: str
    file: str
    version: str = ""
    description: str = ""
    metadata: Mapping[str, Value] = {}
    inputs: Mapping[str, PropertyDefinition] = {}
    outputs: Mapping[str, PropertyDefinition] = {}
    node_templates: Mapping[str, NodeTemplate] = {}
    workflows: Mapping[str, Workflow] = {}
    policies: tuple[Policy, ...] = ()
    groups: Mapping[str, Group] = {}
    substitution: SubstitutionMapping | None = None
    node_types: Mapping[str, NodeType] = {}
    data_types: Mapping[str, DataType] = {}
    capability_types: Mapping[str, CapabilityType] = {}
    relationship_types: Mapping[str, RelationshipType] = {}
    interface_types: Mapping[str, InterfaceType] = {}
    artifact_types: Mapping[str, ArtifactType] = {}
    policy_types: Mapping[str, PolicyType] = {}
    group_types: Mapping[str, GroupType] = {}
