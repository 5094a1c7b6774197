"""Use case: the inputs of a topology and of its workflows: which there are, and which are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UserError
from orchestrator.jobs import referenced_names
from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf, calls
from orchestrator.model.problems import DocumentError, Problem, Problems
from orchestrator.model.topology import CallOperation, NodeTemplate, PropertyDefinition, Schema, Topology
from orchestrator.model.values import Value
from orchestrator.tosca import codes
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.structs import read_map
from orchestrator.tosca.tree import Place, Scalar, Tree, tree_of
from orchestrator.tosca.values import ValueReader
from orchestrator.tosca.yaml_reader import parse_any

UNKNOWN, MISSING, WRONG, UNFIT = "I0001", "I0002", "I0003", "I0004"
_NOWHERE = Place("", 1, 1, 1, 1)
_STRING = Schema("string")
_SEVERAL_VALUES = frozenset(("list", "map", "range", "any"))


@dataclass(frozen=True)
class InputUse:
    """An input that somebody may give. ``used_by`` says where; ``declared`` is False for one that is only used.

    ``kept``: the default is what was given before, perhaps for another declaration.
    """

    name: str
    schema: Schema
    required: bool
    default: Value
    description: str
    used_by: tuple[str, ...]
    declared: bool = True
    kept: bool = False

    @property
    def type(self) -> str:
        """The name of its type."""
        return self.schema.type


@dataclass(frozen=True)
class Given:
    """A given input whose type is yet to be known: the ``tree`` of an inputs file, or else the ``text`` as typed."""

    tree: Tree | None = None
    text: str = ""

    @property
    def open(self) -> bool:
        """Whether nothing was written behind its name."""
        return isinstance(self.tree, Scalar) and self.tree.is_null


def read_inputs(pairs: Iterable[str], file: Path | None) -> dict[str, Given]:
    """The inputs of an inputs file and of ``name=value`` words, which win. Raises UserError, DocumentError."""
    given: dict[str, Given] = {}
    if file is not None:
        problems = Problems()
        content = read_map(file, "an inputs file is a map of names and values", problems)
        if problems.has_errors:
            raise DocumentError(problems)
        given = {key.text: Given(tree) for key, tree in content.items()} if content is not None else {}
    written: dict[str, Given] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UserError(f"-i {pair!r} is not of the form NAME=VALUE")
        if name in written:
            raise UserError(f"-i {name} is given twice", hint="leave one of them out")
        written[name] = Given(text=value)
    return given | written


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
        found.append(InputUse(name, _STRING, name in in_text, None, "", tuple(used[name]), declared=False))
    return found


def accept(
    topology: Topology, uses: Iterable[InputUse], given: Mapping[str, Given], *, also: Iterable[InputUse] = ()
) -> dict[str, Value]:
    """The values of all inputs: given ones read as their types, defaults for others.

    A value means the same wherever it is written: as a default in the topology, in an inputs file, behind ``-i``.
    ``also`` are inputs that may be given over again (those of the topology, at a run). Raises DocumentError with every
    unknown, missing and wrong input.
    """
    known = {use.name: use for use in uses}
    others = {use.name: use for use in also}
    problems = Problems()
    values: dict[str, Value] = {}
    for name, item in given.items():
        use = known.get(name) or others.get(name)
        if use is None:
            _unknown(name, item, [*known, *others], problems)
        elif not item.open:
            values[name] = _read(topology, use, item, problems)
    for use in known.values():
        if use.name in given and not given[use.name].open:
            continue
        if use.kept:
            values[use.name] = _read(topology, use, Given(tree_of(use.default, _NOWHERE)), problems)
        elif use.default is not None:
            values[use.name] = use.default
        elif use.required:
            users = f" (used by {', '.join(use.used_by)})" if use.used_by else ""
            message = f"the required input {use.name!r} is not given{users}"
            problems.error(MISSING, message, None, f"give it with -i {use.name}=…")
    if problems.has_errors:
        raise DocumentError(problems)
    return values


def accept_so_far(topology: Topology, workflow: str, given: Mapping[str, Given]) -> dict[str, Value]:
    """The values of the inputs of a workflow and of its topology as far as they are given; none need be.

    Raises DocumentError with every unknown and wrong input.
    """
    return accept(topology, optional([*workflow_inputs(topology, workflow), *topology_inputs(topology)]), given)


def optional(uses: Iterable[InputUse]) -> list[InputUse]:
    """The same inputs, of which none need be given."""
    return [replace(use, required=False) for use in uses]


def _unknown(name: str, item: Given, names: list[str], problems: Problems) -> None:
    hint = did_you_mean(name, names) or f"known inputs: {', '.join(sorted(names)) or 'none'}"
    problems.error(UNKNOWN, f"there is no input {name!r}", item.tree.span if item.tree else None, hint)


def _read(topology: Topology, use: InputUse, item: Given, problems: Problems) -> Value:
    """A given value as its type has it; None when it is none of it."""
    what = f"the value that input {use.name!r} has" if use.kept else f"input {use.name!r}"
    found = Problems()
    tree = item.tree if item.tree is not None else _typed(topology, use.schema.type, item.text, what, found)
    value = None
    if tree is not None:
        reader = ValueReader(topology.data_types.get, found, functions=False)
        expression = reader.read(tree, use.schema, what)
        value = _literals(expression) if expression is not None else None
    for problem in found:
        code = UNFIT if problem.code == codes.CONSTRAINT_VIOLATED else WRONG
        place = problem.span if problem.span is not None and problem.span.file else None
        hint = problem.hint or (f"give it anew with -i {use.name}=…" if use.kept else None)
        problems.add(Problem(code, problem.severity, problem.message, place, hint, problem.related))
    return value


def _typed(topology: Topology, type_name: str, text: str, what: str, problems: Problems) -> Tree | None:
    """What was typed as a tree: of a text or a number, the text itself; else it is YAML."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        problems.error(WRONG, f"{what} is not UTF-8 text", None)
        return None
    data_type = topology.data_types.get(type_name)
    base = data_type.lineage[-1] if data_type is not None else type_name
    if base not in _SEVERAL_VALUES and (data_type is None or not data_type.properties):
        return Scalar("", 1, 1, 1, 1, text, False)
    faults = Problems()
    root, _ = parse_any(text, "", faults)
    for fault in faults:
        problems.error(WRONG, f"{what}: {fault.message}", None, fault.hint)
    return None if faults.has_errors else root or Scalar("", 1, 1, 1, 1, "", True)


def _declared(definition: PropertyDefinition, used: Mapping[str, list[str]]) -> InputUse:
    default = definition.default.value if isinstance(definition.default, Literal) else None
    return InputUse(
        definition.name,
        definition.schema,
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
