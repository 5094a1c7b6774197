"""Condition clauses on the attributes of a node (Simple Profile 1.3, section 3.6.25), given their values.

The constraints in them are evaluated as those of properties are: as values of the attribute's declared type. Of an
attribute without a declaration, it is a number or a boolean where one is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from orchestrator.model.topology import Constraint, NodeTemplate, Topology
from orchestrator.model.values import Value
from orchestrator.tosca.constraints import OPERATORS, fault_of, holds
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import SIMPLE_TYPES, NotOfType
from orchestrator.tosca.tree import Place, Scalar, tree_of

_NOWHERE = Place("", 1, 1, 1, 1)
_LENGTHS = ("length", "min_length", "max_length")


def hold(
    clauses: Iterable[Value], attribute: Callable[[str], Value], type_of: Callable[[str], str] = lambda _: ""
) -> bool:
    """Whether all clauses hold. A clause is ``{attribute: constraints}``, or ``and``, ``or``, ``not``, ``assert``.

    ``type_of`` gives the simple type of an attribute, empty where it has none. An attribute without a value fulfils
    nothing. Raises ValueError for a clause that is none.
    """
    return all(_holds(clause, attribute, type_of) for clause in clauses)


def attribute_type(topology: Topology, node: NodeTemplate, name: str) -> str:
    """The built-in type that an attribute or a property of a node is declared with; empty when it is not declared."""
    node_type = topology.node_types.get(node.type)
    definition = node_type and (node_type.attributes.get(name) or node_type.properties.get(name))
    if not definition:
        return ""
    data_type = topology.data_types.get(definition.schema.type)
    return data_type.lineage[-1] if data_type is not None else definition.schema.type


def _holds(clause: Value, attribute: Callable[[str], Value], type_of: Callable[[str], str]) -> bool:
    if not isinstance(clause, Mapping):
        raise ValueError(f"{clause!r} is no condition: a map of an attribute and its constraints is expected")
    return all(_part(name, body, attribute, type_of) for name, body in clause.items())


def _part(name: str, body: Value, attribute: Callable[[str], Value], type_of: Callable[[str], str]) -> bool:
    inner = body if isinstance(body, list) else [body]
    match name:
        case "and" | "assert":
            return hold(inner, attribute, type_of)
        case "or":
            return any(_holds(clause, attribute, type_of) for clause in inner)
        case "not":
            return not hold(inner, attribute, type_of)
        case _:
            value = attribute(name)
            wanted = [clause if isinstance(clause, Mapping) else {"equal": clause} for clause in inner]
            met = [_met(value, operator, bound, type_of(name)) for one in wanted for operator, bound in one.items()]
            return value is not None and all(met)


def _met(value: Value, operator: str, bound: Value, type_name: str) -> bool:
    if operator not in OPERATORS:
        hint = did_you_mean(operator, OPERATORS)
        raise ValueError(f"there is no constraint operator {operator!r}" + (f": {hint}" if hint else ""))
    fault = fault_of(operator, tree_of(bound, _NOWHERE))
    if fault is not None:
        raise ValueError(str(fault))
    if operator == "pattern":
        return holds(Constraint(operator, str(bound)), value, "string")
    if operator in _LENGTHS:
        return holds(Constraint(operator, bound), value, type_name)
    known = type_name if type_name in SIMPLE_TYPES and type_name != "any" else _guessed(value, bound)
    return holds(Constraint(operator, _typed(bound, known)), _typed(value, known), known)


def _guessed(*values: Value) -> str:
    """The type that values are compared as: that of the one that YAML took for more than a text."""
    parts = [part for value in values for part in (value if isinstance(value, list) else [value])]
    if any(isinstance(part, bool) for part in parts):
        return "boolean"
    return "float" if any(isinstance(part, int | float) for part in parts) else "string"


def _typed(value: Value, type_name: str) -> Value:
    """A value, or the values in a list, as a type has them; one that is none of it as it is."""
    if isinstance(value, list):
        return [_typed(item, type_name) for item in value]
    if value is None or isinstance(value, dict):
        return value
    scalar = tree_of(value, _NOWHERE)
    assert isinstance(scalar, Scalar)
    try:
        return SIMPLE_TYPES[type_name](scalar)
    except NotOfType:
        return value
