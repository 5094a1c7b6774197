"""Constraint clauses (1.3 section 3.6.3): reading them and checking values against them."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.model.problems import Problems
from orchestrator.model.topology import Constraint
from orchestrator.model.values import Value
from orchestrator.tosca import codes
from orchestrator.tosca.fields import named_items
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.patterns import NoPattern, read_pattern
from orchestrator.tosca.scalars import SIMPLE_TYPES, NotOfType, sort_key
from orchestrator.tosca.tree import List, Scalar, Tree, kind_of, plain_value

UNBOUNDED = "UNBOUNDED"
_COMPARISONS = frozenset(("equal", "greater_than", "greater_or_equal", "less_than", "less_or_equal"))
_LENGTHS = frozenset(("length", "min_length", "max_length"))
OPERATORS = _COMPARISONS | _LENGTHS | {"in_range", "valid_values", "pattern", "schema"}


def read_constraints(tree: Tree | None, type_name: str, problems: Problems) -> tuple[Constraint, ...]:
    """The constraint clauses of a definition whose values are of ``type_name``."""
    found = []
    for key, value in named_items(tree, "constraints", problems):
        if key.text not in OPERATORS:
            message = f"there is no constraint operator {key.text!r}"
            problems.error(codes.BAD_CONSTRAINT, message, key.span, did_you_mean(key.text, OPERATORS))
            continue
        fault = fault_of(key.text, value)
        if fault is not None:
            problems.error(codes.BAD_CONSTRAINT, fault.text, value.span, fault.remedy)
            continue
        found.append(Constraint(key.text, _typed(value, type_name, key.text), key.span))
    return tuple(found)


@dataclass(frozen=True)
class Fault:
    """What is wrong with the value of a clause, and what to do."""

    text: str
    remedy: str | None = None

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}" if self.remedy else self.text


def fault_of(operator: str, value: Tree) -> Fault | None:
    """What is wrong with the value of a clause; None when it is right."""
    needed = _needed(operator, value)
    if needed is not None:
        return Fault(f"{operator} needs {needed}, not {kind_of(value)}")
    if operator == "pattern" and isinstance(value, Scalar):
        try:
            read_pattern(value.text)
        except NoPattern as error:
            return Fault(f"pattern needs a regular expression of RE2, not {kind_of(value)}: {error}", error.remedy)
    return None


def _needed(operator: str, value: Tree) -> str | None:
    """The shape that the value of a clause lacks."""
    if operator == "in_range":
        return None if isinstance(value, List) and len(value.items) == 2 else "a list of two bounds"
    if operator == "valid_values":
        return None if isinstance(value, List) else "a list of values"
    if operator in _LENGTHS:
        native = value.native if isinstance(value, Scalar) else None
        return None if isinstance(native, int) and native >= 0 else "a whole number that is not negative"
    if operator == "pattern":
        return None if isinstance(value, Scalar) else "a regular expression"
    if operator in ("greater_than", "greater_or_equal", "less_than", "less_or_equal", "schema"):
        return None if isinstance(value, Scalar) else "a single value"
    return None


def _typed(tree: Tree, type_name: str, operator: str) -> Value:
    """The value of a clause, in the type of the values that it constrains."""
    if isinstance(tree, List) and operator in ("in_range", "valid_values"):
        return [_typed(item, type_name, operator) for item in tree.items]
    if not isinstance(tree, Scalar) or tree.text == UNBOUNDED:
        return plain_value(tree)
    if operator in _LENGTHS:
        return tree.native
    if operator in ("pattern", "schema"):
        return tree.text
    reader = SIMPLE_TYPES.get(type_name)
    if reader is None:
        return tree.native
    try:
        return reader(tree)
    except NotOfType:
        return tree.native


def violated(constraints: tuple[Constraint, ...], value: Value, type_name: str) -> Constraint | None:
    """The first constraint that a value does not meet; None when it meets all."""
    for constraint in constraints:
        if not _met(constraint, value, type_name, unlike=True):
            return constraint
    return None


def holds(constraint: Constraint, value: Value, type_name: str) -> bool:
    """Whether a value meets a constraint; what cannot be compared with it does not."""
    return _met(constraint, value, type_name, unlike=False)


def shown(constraint: Constraint) -> str:
    """A constraint in words, for messages."""
    value = constraint.value
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    words = {
        "equal": f"must be {text}",
        "greater_than": f"must be greater than {text}",
        "greater_or_equal": f"must be at least {text}",
        "less_than": f"must be less than {text}",
        "less_or_equal": f"must be at most {text}",
        "in_range": f"must be in the range {text}",
        "valid_values": f"must be one of {text}",
        "length": f"must have the length {text}",
        "min_length": f"must be at least {text} long",
        "max_length": f"must be at most {text} long",
        "pattern": f"must match {text}",
    }
    return words.get(constraint.operator, constraint.operator)


def _met(constraint: Constraint, value: Value, type_name: str, *, unlike: bool) -> bool:
    """``unlike`` is the answer where value and bound cannot be compared."""
    operator, bound = constraint.operator, constraint.value
    if operator == "schema":
        return True
    if operator == "valid_values":
        return any(_equal(value, allowed, type_name) for allowed in bound)
    if operator == "equal":
        return _equal(value, bound, type_name)
    if operator in _LENGTHS:
        return _length_met(operator, bound, value) if isinstance(value, str | list | dict) else unlike
    if operator == "pattern":
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return read_pattern(bound).matches(text)
    if operator == "in_range":
        values = value if isinstance(value, list) else [value]
        return all(
            (one == UNBOUNDED or _compares("greater_or_equal", one, bound[0], type_name, unlike))
            and (one == UNBOUNDED or _compares("less_or_equal", one, bound[1], type_name, unlike))
            for one in values
        )
    return _compares(operator, value, bound, type_name, unlike)


def _equal(value: Value, other: Value, type_name: str) -> bool:
    if value == other:
        return True
    a, b = sort_key(value, type_name), sort_key(other, type_name)
    return a is not None and a == b


def _length_met(operator: str, bound: int, value: str | list[Value] | dict[str, Value]) -> bool:
    size = len(value)
    return size == bound if operator == "length" else size >= bound if operator == "min_length" else size <= bound


def _compares(operator: str, value: Value, bound: Value, type_name: str, unlike: bool) -> bool:
    if bound == UNBOUNDED:
        return True
    a, b = sort_key(value, type_name), sort_key(bound, type_name)
    if a is None or b is None:
        return unlike
    try:
        if operator == "greater_than":
            return bool(a > b)
        if operator == "greater_or_equal":
            return bool(a >= b)
        if operator == "less_than":
            return bool(a < b)
        return bool(a <= b)
    except TypeError:
        return unlike
