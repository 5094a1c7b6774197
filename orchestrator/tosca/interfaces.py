"""Interfaces and operations: every notation -> parts that can be inherited and assigned over -> model.

An operation's inputs are, later ones winning: those of the inherited interface, of the interface, of the inherited
operation, of the operation itself (Simple Profile 1.3 section 3.6.20).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems
from orchestrator.model.source import Span
from orchestrator.model.topology import (
    ArtifactDefinition,
    Implementation,
    Interface,
    Notification,
    Operation,
    PropertyDefinition,
    interface_name,
)
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.definitions import DefinitionReader
from orchestrator.tosca.fields import as_map, check_carried_out, check_keynames, scalars_of, text_of
from orchestrator.tosca.functions import Inputs, read_untyped
from orchestrator.tosca.implementations import IsA, read_implementation
from orchestrator.tosca.imports import Document
from orchestrator.tosca.tree import List, Map, Scalar, Tree, kind_of
from orchestrator.tosca.values import ValueReader

_IMPLEMENTATION_MARKS = ("primary", "file")


class InputParts(msgspec.Struct, frozen=True):
    """Inputs as written: the values and, where a type is given, the definitions."""

    values: Mapping[str, Expression] = {}
    definitions: Mapping[str, PropertyDefinition] = {}

    def over(self, other: InputParts) -> InputParts:
        """These inputs over others."""
        if not self.values and not self.definitions:
            return other
        return InputParts({**other.values, **self.values}, {**other.definitions, **self.definitions})


NO_INPUTS = InputParts()


class OperationParts(msgspec.Struct, frozen=True):
    """An operation as written."""

    name: str
    inputs: InputParts = NO_INPUTS
    outputs: Mapping[str, tuple[str, ...]] = {}
    implementation: Implementation | None = None
    description: str = ""
    span: Span | None = None

    def over(self, other: OperationParts) -> OperationParts:
        """This operation over an inherited one."""
        return OperationParts(
            self.name,
            self.inputs.over(other.inputs),
            {**other.outputs, **self.outputs},
            _implementation_over(self.implementation, other.implementation),
            self.description or other.description,
            self.span or other.span,
        )


class InterfaceParts(msgspec.Struct, frozen=True):
    """An interface as written, by its normal name."""

    name: str
    type: str | None = None
    inputs: InputParts = NO_INPUTS
    operations: Mapping[str, OperationParts] = {}
    notifications: Mapping[str, Notification] = {}

    def over(self, other: InterfaceParts) -> InterfaceParts:
        """This interface over an inherited one."""
        operations = dict(other.operations)
        for name, operation in self.operations.items():
            inherited = operations.get(name)
            operations[name] = operation.over(inherited) if inherited is not None else operation
        notifications = dict(other.notifications)
        for name, own in self.notifications.items():
            notifications[name] = _notification_over(own, notifications.get(name))
        return InterfaceParts(
            self.name, self.type or other.type, self.inputs.over(other.inputs), operations, notifications
        )

    def finished(self) -> Interface:
        """The interface of the model, with the inputs of the interface in every operation."""
        operations = {}
        for name, parts in self.operations.items():
            inputs = parts.inputs.over(self.inputs)
            operations[name] = Operation(
                name,
                inputs.values,
                inputs.definitions,
                parts.outputs,
                parts.implementation,
                parts.description,
                parts.span,
            )
        return Interface(self.name, self.type, operations, self.notifications)


def _notification_over(own: Notification, inherited: Notification | None) -> Notification:
    if inherited is None:
        return own
    return Notification(
        own.name,
        {**inherited.outputs, **own.outputs},
        _implementation_over(own.implementation, inherited.implementation),
        own.description or inherited.description,
        own.span or inherited.span,
    )


def _implementation_over(own: Implementation | None, inherited: Implementation | None) -> Implementation | None:
    if own is None or own.file or inherited is None:
        return own or inherited
    return msgspec.structs.replace(
        inherited,
        operation_host=own.operation_host or inherited.operation_host,
        timeout=own.timeout if own.timeout is not None else inherited.timeout,
        dependencies=own.dependencies or inherited.dependencies,
    )


def interfaces_over(
    own: Mapping[str, InterfaceParts], inherited: Mapping[str, InterfaceParts]
) -> dict[str, InterfaceParts]:
    """Interfaces over inherited ones, by name."""
    merged = dict(inherited)
    for name, parts in own.items():
        merged[name] = parts.over(merged[name]) if name in merged else parts
    return merged


class InterfaceReader:
    """Reads the ``interfaces`` of one definition or template of a document."""

    def __init__(
        self,
        document: Document,
        artifacts: Mapping[str, ArtifactDefinition],
        is_artifact: IsA,
        definitions: DefinitionReader,
        values: ValueReader,
        problems: Problems,
        inputs: Inputs = None,
    ) -> None:
        self._document = document
        self._artifacts = artifacts
        self._is_artifact = is_artifact
        self._definitions = definitions
        self._values = values
        self._problems = problems
        self._scope = inputs

    def read_all(
        self, tree: Tree | None, inherited: Mapping[str, InterfaceParts]
    ) -> tuple[dict[str, InterfaceParts], dict[str, Scalar]]:
        """The interfaces as written by their normal names, and the keys they are written with."""
        found: dict[str, InterfaceParts] = {}
        keys: dict[str, Scalar] = {}
        interfaces = as_map(tree, "interfaces", self._problems)
        if interfaces is None:
            return found, keys
        for key, body in interfaces.items():
            name = interface_name(key.text)
            parts = self.read(name, key, body, inherited.get(name))
            found[name] = parts.over(found[name]) if name in found else parts
            keys[name] = key
        return found, keys

    def read(self, name: str, key: Scalar, tree: Tree, inherited: InterfaceParts | None = None) -> InterfaceParts:
        """One interface: operations under ``operations`` (1.3) or beside the other keynames (1.0 to 1.2)."""
        if isinstance(tree, Scalar) and not tree.is_null:
            return InterfaceParts(name, tree.text)
        body = as_map(tree, f"the interface {key.text!r}", self._problems)
        if body is None:
            return InterfaceParts(name)
        typed = inherited.inputs.definitions if inherited else {}
        check_carried_out(body, grammar.INTERFACE, f"the interface {name}", self._problems)
        inputs = self._inputs(body.get("inputs"), typed)
        written = dict(body.entries)
        operations: dict[str, OperationParts] = {}
        grouped = as_map(body.get("operations"), "operations", self._problems)
        entries = list(grouped.items()) if grouped is not None else []
        entries += [(k, v) for keyname, (k, v) in written.items() if keyname not in grammar.INTERFACE]
        for operation_key, operation in entries:
            before = inherited.operations.get(operation_key.text) if inherited else None
            operations[operation_key.text] = self._operation(operation_key, operation, before, typed)
        type_name = text_of(body.get("type"), "type", self._problems) or None
        return InterfaceParts(name, type_name, inputs, operations, self._notifications(body))

    def _notifications(self, body: Map) -> dict[str, Notification]:
        tree = as_map(body.get("notifications"), "notifications", self._problems)
        return {key.text: self._notification(key, value) for key, value in tree.items()} if tree is not None else {}

    def _notification(self, key: Scalar, tree: Tree) -> Notification:
        """A notification as written; a text alone is its implementation."""
        if isinstance(tree, Scalar):
            implementation = None if tree.is_null else self._implementation(tree)
            return Notification(key.text, implementation=implementation, span=key.span)
        fields = as_map(tree, f"the notification {key.text!r}", self._problems)
        if fields is None:
            return Notification(key.text, span=key.span)
        check_keynames(fields, grammar.NOTIFICATION, f"the notification {key.text!r}", self._problems)
        written = fields.get("implementation")
        return Notification(
            key.text,
            self._outputs(fields.get("outputs")),
            self._implementation(written) if written is not None else None,
            text_of(fields.get("description"), "description", self._problems),
            key.span,
        )

    def _operation(
        self,
        key: Scalar,
        tree: Tree,
        inherited: OperationParts | None,
        interface_inputs: Mapping[str, PropertyDefinition],
    ) -> OperationParts:
        if isinstance(tree, Scalar):
            return OperationParts(key.text, implementation=self._implementation(tree), span=key.span)
        if not isinstance(tree, Map):
            message = f"the operation {key.text!r} is a file or a map, not {kind_of(tree)}"
            self._problems.error(codes.WRONG_KIND, message, tree.span)
            return OperationParts(key.text, span=key.span)
        if "implementation" not in tree and any(mark in tree for mark in _IMPLEMENTATION_MARKS):
            return OperationParts(key.text, implementation=self._implementation(tree), span=key.span)
        check_keynames(tree, grammar.OPERATION, f"the operation {key.text!r}", self._problems)
        typed = {**interface_inputs, **(inherited.inputs.definitions if inherited else {})}
        written = tree.get("implementation")
        return OperationParts(
            key.text,
            self._inputs(tree.get("inputs"), typed),
            self._outputs(tree.get("outputs")),
            self._implementation(written) if written is not None else None,
            text_of(tree.get("description"), "description", self._problems),
            key.span,
        )

    def _implementation(self, tree: Tree) -> Implementation | None:
        return read_implementation(tree, self._document, self._artifacts, self._is_artifact, self._problems)

    def _outputs(self, tree: Tree | None) -> dict[str, tuple[str, ...]]:
        """Output mappings: name -> the attribute that takes it, as ``[SELF, attribute]``."""
        outputs = as_map(tree, "outputs", self._problems)
        if outputs is None:
            return {}
        found = {}
        for key, value in outputs.items():
            if isinstance(value, Map):
                value = value.get("mapping") or value
            if isinstance(value, Map):
                continue  # a definition without a mapping: an output that is only named
            found[key.text] = tuple(s.text for s in scalars_of(value, f"the output {key.text!r}", self._problems))
        return found

    def _inputs(self, tree: Tree | None, inherited: Mapping[str, PropertyDefinition]) -> InputParts:
        inputs = as_map(tree, "inputs", self._problems)
        if inputs is None:
            return NO_INPUTS
        values: dict[str, Expression] = {}
        definitions: dict[str, PropertyDefinition] = {}
        for key, body in inputs.items():
            definition = inherited.get(key.text)
            if isinstance(body, Map) and is_definition(body):
                definition = self._definitions.read(key, body, definition, needs_type=False)
                definitions[key.text] = definition
                value = body.get("value")
                body_value = value if value is not None else body.get("default")
                if body_value is None:
                    continue
                body = body_value
            if definition is not None and definition.schema.type != "any":
                read = self._values.read(body, definition.schema, f"the input {key.text!r}", self._scope)
            else:
                read = read_untyped(body, self._problems, self._scope)
            if read is not None:
                values[key.text] = read
        return InputParts(values, definitions)


def is_definition(body: Map) -> bool:
    """Whether the map behind the name of an input defines it; else it is its value."""
    if not body.entries or not body.entries.keys() <= grammar.DEFINITION:
        return False
    written = body.get("type")
    if written is not None:
        return isinstance(written, Scalar) and not isinstance(body.get("type"), List)
    return bool(body.entries.keys() & {"default", "value", "required", "constraints"}) or body.entries.keys() == {
        "description"
    }
