"""Condition clauses on the attributes of a node (Simple Profile 1.3, section 3.6.25), given their values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from orchestrator.model.values import Value

OPERATORS: Mapping[str, Callable[[Value, Value], bool]] = {
    "equal": lambda value, wanted: _same(value, wanted),
    "greater_than": lambda value, bound: value > bound,
    "greater_or_equal": lambda value, bound: value >= bound,
    "less_than": lambda value, bound: value < bound,
    "less_or_equal": lambda value, bound: value <= bound,
    "in_range": lambda value, bounds: bounds[0] <= value <= bounds[1],
    "valid_values": lambda value, allowed: any(_same(value, one) for one in allowed),
    "length": lambda value, size: len(value) == size,
    "min_length": lambda value, size: len(value) >= size,
    "max_length": lambda value, size: len(value) <= size,
    "pattern": lambda value, expression: re.fullmatch(str(expression), str(value)) is not None,
}


def hold(clauses: Iterable[Value], attribute: Callable[[str], Value]) -> bool:
    """Whether all clauses hold. A clause is ``{attribute: constraints}``, or ``and``, ``or``, ``not``, ``assert``.

    An attribute without a value fulfils nothing. Raises ValueError for a clause that is none.
    """
    return all(_holds(clause, attribute) for clause in clauses)


def _holds(clause: Value, attribute: Callable[[str], Value]) -> bool:
    if not isinstance(clause, Mapping):
        raise ValueError(f"{clause!r} is no condition: a map of an attribute and its constraints is expected")
    return all(_part(name, body, attribute) for name, body in clause.items())


def _part(name: str, body: Value, attribute: Callable[[str], Value]) -> bool:
    inner = body if isinstance(body, list) else [body]
    match name:
        case "and" | "assert":
            return hold(inner, attribute)
        case "or":
            return any(_holds(clause, attribute) for clause in inner)
        case "not":
            return not hold(inner, attribute)
        case _:
            value = attribute(name)
            return value is not None and all(_constraint(value, constraint) for constraint in inner)


def _constraint(value: Value, constraint: Value) -> bool:
    if not isinstance(constraint, Mapping):
        return _same(value, constraint)
    try:
        return all(OPERATORS[operator](value, bound) for operator, bound in constraint.items())
    except KeyError as error:
        raise ValueError(f"there is no constraint operator {error.args[0]!r}") from error
    except TypeError:
        return False  # a text is not less than a number


def _same(value: Value, other: Value) -> bool:
    return bool(value == other) or (not isinstance(value, str | bool) and str(value) == str(other))
