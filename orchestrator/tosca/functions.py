"""Functions and untyped values: tree -> expression (Simple Profile 1.3 section 4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf
from orchestrator.model.problems import Problems
from orchestrator.model.source import Span
from orchestrator.model.topology import interface_name
from orchestrator.tosca import codes
from orchestrator.tosca.dialects import FUNCTIONS
from orchestrator.tosca.names import did_you_mean, nearest
from orchestrator.tosca.tree import List, Map, Scalar, Tree

_ARGUMENTS: dict[Function, tuple[int, int | None]] = {
    Function.GET_INPUT: (1, None),
    Function.GET_PROPERTY: (2, None),
    Function.GET_ATTRIBUTE: (2, None),
    Function.GET_OPERATION_OUTPUT: (4, None),
    Function.GET_SECRET: (1, 2),
    Function.GET_ARTIFACT: (2, 4),
    Function.GET_NODES_OF_TYPE: (1, 1),
    Function.CONCAT: (1, None),
    Function.JOIN: (1, 2),
    Function.TOKEN: (3, 3),
}
_TEXT_FUNCTIONS = (Function.CONCAT, Function.JOIN, Function.TOKEN)
Inputs = Collection[str] | None
"""The names that ``get_input`` may use; None where that is not checked (in types)."""


def function_of(tree: Tree) -> Function | None:
    """The function that a tree calls, None when it is ordinary data.

    A map with one entry is a call when the key is a function's name; ``concat``, ``join`` and ``token``, which are
    also ordinary words, only with a list behind them.
    """
    if not isinstance(tree, Map) or len(tree.entries) != 1:
        return None
    name, (_, value) = next(iter(tree.entries.items()))
    function = FUNCTIONS.get(name)
    if function in _TEXT_FUNCTIONS and not isinstance(value, List):
        return None
    return function


def read_call(tree: Map, function: Function, problems: Problems, inputs: Inputs) -> Call:
    """A function call; wrong arguments and, where ``inputs`` is given, unknown inputs are problems."""
    key, value = next(tree.items())
    trees: list[Tree] = value.items if isinstance(value, List) else [value]
    arguments = tuple(_argument(function, i, item, problems, inputs) for i, item in enumerate(trees))
    span = Span(tree.file, key.line, key.column, tree.end_line, tree.end_column)
    call = Call(function, arguments, span)
    _check(call, key, trees, problems, inputs)
    return call


def _argument(function: Function, index: int, tree: Tree, problems: Problems, inputs: Inputs) -> Expression:
    if not isinstance(tree, Scalar):
        return read_untyped(tree, problems, inputs)
    if function is Function.GET_OPERATION_OUTPUT and index == 1:
        return Literal(interface_name(tree.text), tree.span)
    if function is Function.TOKEN and index == 2 and tree.whole is not None:
        return Literal(tree.whole, tree.span)
    native = tree.native
    number = isinstance(native, int) and not isinstance(native, bool)
    keeps_number = index > 0 and function not in _TEXT_FUNCTIONS
    return Literal(native if number and keeps_number else tree.text, tree.span)


def _check(call: Call, key: Scalar, trees: list[Tree], problems: Problems, inputs: Inputs) -> None:
    low, high = _ARGUMENTS[call.function]
    count = len(call.arguments)
    empty = count == 1 and isinstance(trees[0], Scalar) and trees[0].is_null
    if count < low or empty or (high is not None and count > high):
        wanted = str(low) if high == low else f"at least {low}" if high is None else f"{low} to {high}"
        plural = "s" if wanted != "1" else ""
        message = f"{key.text} needs {wanted} argument{plural}, not {0 if empty else count}"
        problems.error(codes.BAD_FUNCTION, message, key.span)
        return
    if call.function is Function.JOIN and isinstance(trees[0], Scalar):
        problems.error(codes.BAD_FUNCTION, "the first argument of join is a list", trees[0].span)
    if call.function is Function.TOKEN and isinstance(trees[2], Scalar) and trees[2].whole is None:
        problems.error(codes.BAD_FUNCTION, "the third argument of token is a whole number", trees[2].span)
    if call.function in _TEXT_FUNCTIONS:
        _check_texts(call, key, problems)
    first = trees[0]
    if inputs is None or call.function is not Function.GET_INPUT or not isinstance(first, Scalar):
        return
    if first.text not in inputs:
        message = f"there is no input {first.text!r}"
        hint = did_you_mean(first.text, inputs) or "add it under inputs"
        problems.error(codes.UNKNOWN_INPUT, message, first.span, hint)


def _check_texts(call: Call, key: Scalar, problems: Problems) -> None:
    """What is put together is text: a map is none, and often a function that is misspelt."""
    parts = call.arguments
    if call.function is Function.JOIN and isinstance(parts[0], ListOf):
        parts = (*parts[0].items, *parts[1:])
    for part in parts:
        entries = part.entries if isinstance(part, MapOf) else part.value if isinstance(part, Literal) else None
        if isinstance(entries, Mapping):
            name, colon, _ = str(next(iter(entries), "")).partition(":")
            meant = name if name in FUNCTIONS else nearest(name, FUNCTIONS)
            blank = ", with a blank after the colon" if colon else ""
            hint = f"write {{ {meant}: … }}{blank}" if meant is not None else None
            problems.error(codes.BAD_FUNCTION, f"an argument of {key.text} is a text, not a map", part.span, hint)


def read_untyped(tree: Tree, problems: Problems, inputs: Inputs = None) -> Expression:
    """Any value, functions inside it included; without functions it becomes one literal."""
    if isinstance(tree, Scalar):
        return Literal(tree.native, tree.span)
    if isinstance(tree, List):
        return list_of([read_untyped(item, problems, inputs) for item in tree.items], tree.span)
    function = function_of(tree)
    if function is not None:
        return read_call(tree, function, problems, inputs)
    return map_of({key.text: read_untyped(value, problems, inputs) for key, value in tree.items()}, tree.span)


def list_of(items: list[Expression], span: Span | None) -> Expression:
    """A list of expressions; one literal when all of them are."""
    if all(isinstance(item, Literal) for item in items):
        return Literal([item.value for item in items if isinstance(item, Literal)], span)
    return ListOf(tuple(items), span)


def map_of(entries: dict[str, Expression], span: Span | None) -> Expression:
    """A map of expressions; one literal when all of them are."""
    if all(isinstance(item, Literal) for item in entries.values()):
        return Literal({key: item.value for key, item in entries.items() if isinstance(item, Literal)}, span)
    return MapOf(entries, span)
