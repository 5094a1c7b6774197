"""Use case: what node types there are, and what each has: its own and what it inherits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.app.settings import Settings
from orchestrator.app.sources import catalog_of
from orchestrator.errors import UserError
from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf, calls
from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.topology import DataType, Implementation, NodeType, Operation, PropertyDefinition, Schema
from orchestrator.model.values import Value
from orchestrator.tosca import Catalog
from orchestrator.tosca.library import Library, read_library
from orchestrator.tosca.names import did_you_mean


@dataclass(frozen=True)
class FieldView:
    """A property or an attribute. ``origin`` is the type that defines it; ``default`` is None where there is none."""

    name: str
    type: str
    required: bool
    default: Value
    constraints: tuple[dict[str, Value], ...]
    description: str
    origin: str


@dataclass(frozen=True)
class RequirementView:
    """A requirement; ``occurrences`` as TOSCA has them, an upper bound of None being UNBOUNDED."""

    name: str
    capability: str
    node: str | None
    relationship: str | None
    occurrences: tuple[int, int | None]
    origin: str


@dataclass(frozen=True)
class CapabilityView:
    """A capability with its properties."""

    name: str
    type: str
    properties: tuple[FieldView, ...]
    origin: str


@dataclass(frozen=True)
class WorkflowInput:
    """A workflow input that an operation reads. ``named_by`` is the property that holds its name, where one does."""

    name: str
    named_by: str | None = None


@dataclass(frozen=True)
class OperationView:
    """An operation; ``implementation`` is None for one that does nothing."""

    interface: str
    name: str
    implementation: str | None
    inputs: dict[str, Value]
    reads: tuple[WorkflowInput, ...]
    outputs: dict[str, tuple[str, ...]]
    description: str
    origin: str


@dataclass(frozen=True)
class DataTypeView:
    """A data type that properties have, with its fields."""

    name: str
    base: str
    description: str
    fields: tuple[FieldView, ...]
    constraints: tuple[dict[str, Value], ...]


@dataclass(frozen=True)
class NodeTypeView:
    """A node type with all that it has; ``lineage`` begins with its parent."""

    name: str
    profile: str | None
    version: str
    description: str
    abstract: bool
    lineage: tuple[str, ...]
    properties: tuple[FieldView, ...]
    attributes: tuple[FieldView, ...]
    requirements: tuple[RequirementView, ...]
    capabilities: tuple[CapabilityView, ...]
    operations: tuple[OperationView, ...]
    data_types: tuple[DataTypeView, ...]


def list_types(settings: Settings) -> list[NodeTypeView]:
    """Every node type of the user's profiles and of those that ship with orch, by profile and name."""
    return views_of(catalog_of(settings))


def find_types(settings: Settings, name: str) -> list[NodeTypeView]:
    """The node types that a name stands for: the one called so, else all whose names end with it after a dot.

    Capital letters do not count in a short name, unless there is a type whose name has just these. Raises UserError
    when there is none.
    """
    views = list_types(settings)
    ends = f".{name}"
    for fits in (
        lambda known: known == name,
        lambda known: known.endswith(ends),
        lambda known: f".{known}".lower().endswith(ends.lower()),
    ):
        if found := [view for view in views if fits(view.name)]:
            return found
    raise UserError(f"there is no node type {name!r}", hint=_near(name, views) or "`orch types` lists all")


def _near(name: str, views: Sequence[NodeTypeView]) -> str | None:
    """The hint for a name that no type has: it may be like a whole name, or like the end of one."""
    if (hint := did_you_mean(name, [view.name for view in views])) is not None:
        return hint
    dots = name.count(".")
    return did_you_mean(name, {".".join(view.name.split(".")[-dots - 1 :]) for view in views})


def views_of(catalog: Catalog) -> list[NodeTypeView]:
    """The node types of a catalog, by profile and name."""
    library = read_library(catalog)
    versions = {p.name: r.profile.version for p in catalog.profiles() if (r := catalog.resolve(p.name)) is not None}
    views = [_view(node_type, library, versions) for node_type in library.node_types.values()]
    return sorted(views, key=lambda view: (view.profile or "", view.name))


def _view(node_type: NodeType, library: Library, versions: Mapping[str, str]) -> NodeTypeView:
    line = [library.node_types[name] for name in node_type.lineage if name in library.node_types]
    properties = _fields(node_type.properties, line, lambda t: t.properties)
    attributes = _fields(node_type.attributes, line, lambda t: t.attributes)
    schemas = [d.schema for d in (*node_type.properties.values(), *node_type.attributes.values())]
    return NodeTypeView(
        node_type.name,
        node_type.profile,
        versions.get(node_type.profile or "", ""),
        " ".join(node_type.description.split()),
        node_type.abstract,
        node_type.lineage[1:],
        properties,
        attributes,
        tuple(
            RequirementView(
                r.name, r.capability, r.node, r.relationship, r.occurrences, _origin(r, line, lambda t: t.requirements)
            )
            for r in node_type.requirements.values()
        ),
        tuple(
            CapabilityView(
                c.name,
                c.type,
                tuple(_field(d, c.type) for d in c.properties.values()),
                _origin(c, line, lambda t: t.capabilities),
            )
            for c in node_type.capabilities.values()
        ),
        tuple(_operations(node_type, line)),
        tuple(_data_types(schemas, library.data_types)),
    )


def _fields(
    definitions: Mapping[str, PropertyDefinition],
    line: list[NodeType],
    of: Callable[[NodeType], Mapping[str, PropertyDefinition]],
) -> tuple[FieldView, ...]:
    return tuple(_field(definition, _origin(definition, line, of)) for definition in definitions.values())


def _field(definition: PropertyDefinition, origin: str) -> FieldView:
    return FieldView(
        definition.name,
        schema_text(definition.schema),
        definition.required,
        written(definition.default) if definition.default is not None else None,
        _constraints(definition.schema),
        " ".join(definition.description.split()),
        origin,
    )


def _constraints(schema: Schema) -> tuple[dict[str, Value], ...]:
    return tuple({constraint.operator: constraint.value} for constraint in schema.constraints)


def _origin(found: object, line: list[NodeType], of: Callable[[NodeType], Mapping[str, object]]) -> str:
    """The farthest ancestor that has the very same definition: there it was written."""
    name = getattr(found, "name", "")
    return next(t.name for t in reversed(line) if of(t).get(name) == found)


def schema_text(schema: Schema) -> str:
    """A type in words: ``list of string``."""
    return f"{schema.type} of {schema_text(schema.entry)}" if schema.entry is not None else schema.type


def written(expression: Expression) -> Value:
    """An expression as it is written in TOSCA."""
    match expression:
        case Literal(value=value):
            return value
        case ListOf(items=items):
            return [written(item) for item in items]
        case MapOf(entries=entries):
            return {name: written(item) for name, item in entries.items()}
        case Call(function=function, arguments=arguments):
            values = [written(argument) for argument in arguments]
            single = len(values) == 1 and isinstance(values[0], str)
            return {function.value: values[0] if single else values}


# operations


def _operations(node_type: NodeType, line: list[NodeType]) -> Iterator[OperationView]:
    for interface in node_type.interfaces.values():
        for operation in interface.operations.values():

            def of(ancestor: NodeType, name: str = interface.name) -> Mapping[str, Operation]:
                return ancestor.interfaces[name].operations if name in ancestor.interfaces else {}

            yield OperationView(
                interface.name,
                operation.name,
                _implementation_text(operation.implementation),
                {name: written(value) for name, value in operation.inputs.items()},
                tuple(_reads(operation, node_type)),
                {name: tuple(mapping) for name, mapping in operation.outputs.items()},
                " ".join(operation.description.split()),
                _origin(operation, line, of),
            )


def _implementation_text(implementation: Implementation | None) -> str | None:
    if implementation is None:
        return None
    return "(orch watches the job)" if implementation.artifact_type == JOB_WATCH else implementation.file


def _reads(operation: Operation, node_type: NodeType) -> list[WorkflowInput]:
    """The workflow inputs that the operation's inputs read, also by a name that a property holds."""
    found: dict[WorkflowInput, None] = {}
    for expression in operation.inputs.values():
        for call in calls(expression):
            if call.function is Function.GET_INPUT and call.arguments:
                read = _input_read(call.arguments[0], node_type)
                if read is not None:
                    found[read] = None
    return list(found)


def _input_read(name: Expression, node_type: NodeType) -> WorkflowInput | None:
    if isinstance(name, Literal):
        return WorkflowInput(str(name.value))
    if not isinstance(name, Call) or name.function is not Function.GET_PROPERTY or len(name.arguments) < 2:
        return None
    held = name.arguments[1]
    if not isinstance(held, Literal):
        return None
    definition = node_type.properties.get(str(held.value))
    default = definition.default if definition is not None else None
    usual = str(default.value) if isinstance(default, Literal) else ""
    return WorkflowInput(usual, str(held.value))


# data types


def _data_types(schemas: Iterable[Schema], known: Mapping[str, DataType]) -> list[DataTypeView]:
    """The data types of properties and of their fields, each once, in the order in which they are met."""
    found: dict[str, DataTypeView] = {}
    waiting = list(schemas)
    while waiting:
        schema = waiting.pop(0)
        if schema.entry is not None:
            waiting.append(schema.entry)
        data_type = known.get(schema.type)
        if data_type is None or data_type.name in found:
            continue
        found[data_type.name] = DataTypeView(
            data_type.name,
            data_type.lineage[-1],
            " ".join(data_type.description.split()),
            tuple(_field(definition, data_type.name) for definition in data_type.properties.values()),
            tuple({constraint.operator: constraint.value} for constraint in data_type.constraints),
        )
        waiting += [definition.schema for definition in data_type.properties.values()]
    return list(found.values())
