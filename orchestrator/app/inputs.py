"""Use case: the inputs of a topology and of its workflows: which there are, and which are given."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import UserError
from orchestrator.jobs import referenced_names
from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf, calls
from orchestrator.model.problems import DocumentError, Problems
from orchestrator.model.source import Span
from orchestrator.model.topology import CallOperation, NodeTemplate, PropertyDefinition, Topology
from orchestrator.model.values import Value
from orchestrator.yamlfiles import read_yaml

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "float": (float, int),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
}


@dataclass(frozen=True)
class InputUse:
    """An input that somebody may give. ``used_by`` says where; ``declared`` is False for one that is only used."""

    name: str
    type: str
    required: bool
    default: Value
    description: str
    used_by: tuple[str, ...]
    declared: bool = True


@dataclass(frozen=True)
class Given:
    """A given input and where it was given; ``text`` is set when it was typed as text and its type is to be found."""

    value: Value
    span: Span | None = None
    typed: bool = False


def read_inputs(pairs: Iterable[str], file: Path | None) -> dict[str, Given]:
    """The inputs of an inputs file and of ``name=value`` words, which win. Raises UserError."""
    given = _read_file(file) if file is not None else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(f"-i {pair!r} is not of the form NAME=VALUE")
        given[name] = Given(value, typed=True)
    return given


def _read_file(file: Path) -> dict[str, Given]:
    content, node = read_yaml(file, "inputs file", UserError)
    if content is None:
        return {}
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        raise UserError(f"{file}:1:1: an inputs file is a map of names and values")
    spans = {key.value: _span(file, value) for key, value in node.value}
    return {str(name): Given(value, spans.get(str(name))) for name, value in content.items()}


def _span(file: Path, node: Any) -> Span:
    start, end = node.start_mark, node.end_mark
    return Span(str(file), start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def topology_inputs(topology: Topology) -> list[InputUse]:
    """The inputs of a topology, which are given at deployment."""
    used = _uses(topology, topology.node_templates.values())
    return [_declared(definition, used) for definition in topology.inputs.values()]


def workflow_inputs(topology: Topology, workflow: str) -> list[InputUse]:
    """The inputs of a workflow, which are given at every run: those it declares, and those its nodes read besides."""
    declared = topology.workflows[workflow].inputs if workflow in topology.workflows else {}
    nodes = _nodes_of(topology, workflow)
    used = _uses(topology, nodes)
    found = [_declared(definition, used) for definition in declared.values()]
    in_text = {name for node in nodes for name in _in_arguments(node)}
    for name in sorted(set(used) - set(declared) - set(topology.inputs)):
        found.append(InputUse(name, "string", name in in_text, None, "", tuple(used[name]), declared=False))
    return found


def accept(uses: Iterable[InputUse], given: Mapping[str, Given], *, also: Mapping[str, Value]) -> dict[str, Value]:
    """The values of all inputs: given ones converted to their types, defaults for others.

    ``also`` are inputs that may be given over again (those of the topology, at a run).
    Raises DocumentError with every unknown, missing and wrongly typed input.
    """
    known = {use.name: use for use in uses}
    problems = Problems()
    values: dict[str, Value] = {}
    for name, item in given.items():
        if item.value is None:
            continue  # as in an inputs file whose value was left open
        if name in known:
            values[name] = _converted(name, known[name].type, item, problems)
        elif name in also:
            values[name] = item.value
        else:
            names = [*known, *also]
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known inputs: {', '.join(sorted(names)) or 'none'}"
            problems.error("I0001", f"there is no input {name!r}", item.span, hint)
    for use in known.values():
        if use.name in given and given[use.name].value is not None:
            continue
        if use.default is not None:
            values[use.name] = use.default
        elif use.required:
            users = f" (used by {', '.join(use.used_by)})" if use.used_by else ""
            problems.error(
                "I0002", f"the required input {use.name!r} is not given{users}", None, f"give it with -i {use.name}=…"
            )
    if problems.has_errors:
        raise DocumentError(problems)
    return values


def _converted(name: str, type_name: str, item: Given, problems: Problems) -> Value:
    value = item.value
    wanted = _TYPES.get(type_name)
    if item.typed and type_name != "string":
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            problems.error("I0003", f"input {name!r}: {value!r} is no {type_name}", item.span)
            return None
    if wanted is None or value is None:
        return value
    if type_name == "string" and not isinstance(value, str):
        if isinstance(value, dict | list):
            what = "a map" if isinstance(value, dict) else "a list"
            problems.error("I0003", f"input {name!r} must be a string, not {what}", item.span)
            return None
        return "true" if value is True else "false" if value is False else str(value)
    wrong = not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted)
    if wrong:
        problems.error("I0003", f"input {name!r} must be of type {type_name}, not {value!r}", item.span)
        return None
    return value


def _declared(definition: PropertyDefinition, used: Mapping[str, list[str]]) -> InputUse:
    default = definition.default.value if isinstance(definition.default, Literal) else None
    return InputUse(
        definition.name,
        definition.schema.type,
        definition.required and definition.default is None,
        default,
        definition.description,
        tuple(used.get(definition.name, ())),
    )


def _nodes_of(topology: Topology, workflow: str) -> list[NodeTemplate]:
    """The nodes whose operations a workflow calls (all, for a generated one)."""
    declared = topology.workflows.get(workflow)
    if declared is None:
        return list(topology.node_templates.values())
    targets = {
        step.target
        for step in declared.steps.values()
        if any(not isinstance(activity, CallOperation) or activity.operation for activity in step.activities)
    }
    return [node for node in topology.node_templates.values() if node.name in targets]


def _uses(topology: Topology, nodes: Iterable[NodeTemplate]) -> dict[str, list[str]]:
    """Who uses an input: names of inputs with the places that read them."""
    used: dict[str, list[str]] = {}

    def note(name: str, where: str) -> None:
        places = used.setdefault(name, [])
        if where not in places:
            places.append(where)

    for node in nodes:
        for prop, expression in node.properties.items():
            for name in _input_names(expression, node):
                note(name, f"{node.name}.{prop}")
        for interface in node.interfaces.values():
            for operation in interface.operations.values():
                if operation.implementation is None:
                    continue
                for expression in operation.inputs.values():
                    for name in _input_names(expression, node):
                        note(name, f"{node.name}.{operation.name}")
        for name in _in_arguments(node):
            note(name, f"${{{name}}} in {node.name}")
    return used


def _input_names(expression: Expression, node: NodeTemplate) -> list[str]:
    """The inputs that an expression reads; a name that a property holds (``input_name_for_x``) is looked up."""
    names = []
    for call in calls(expression):
        if call.function is not Function.GET_INPUT or not call.arguments:
            continue
        name = call.arguments[0]
        if isinstance(name, Literal):
            names.append(str(name.value))
        elif isinstance(name, Call) and name.function is Function.GET_PROPERTY and len(name.arguments) > 1:
            held = name.arguments[1]
            value = node.properties.get(str(held.value)) if isinstance(held, Literal) else None
            if isinstance(value, Literal) and value.value:
                names.append(str(value.value))
    return names


def _in_arguments(node: NodeTemplate) -> list[str]:
    """The names in ``${…}`` of a PyCOMPSs job's command, arguments and options."""
    found: list[str] = []
    for prop in ("application", "submission_params"):
        if prop in node.properties:
            found.extend(referenced_names(_literals(node.properties[prop])))
    return list(dict.fromkeys(found))


def _literals(expression: Expression) -> Value:
    match expression:
        case Literal(value=value):
            return value
        case ListOf(items=items):
            return [_literals(item) for item in items]
        case MapOf(entries=entries):
            return {key: _literals(item) for key, item in entries.items()}
        case _:
            return None
