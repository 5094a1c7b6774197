"""Expressions: literals, lists, maps and TOSCA functions, parsed once and evaluated late.

Functions: Simple Profile 1.3 section 4, plus ``get_secret`` (Alien4Cloud, Yorc) and the keyword ``REQ_TARGET`` (Yorc).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Protocol, TypeAlias

import msgspec

from orchestrator.model.source import Span
from orchestrator.model.values import Secret, Value, revealed, secrets_in


class Function(enum.Enum):
    """The functions of the normal form. ``get_vault_secret`` reads as GET_SECRET, ``get_input_nf`` as GET_INPUT."""

    GET_INPUT = "get_input"
    GET_PROPERTY = "get_property"
    GET_ATTRIBUTE = "get_attribute"
    GET_OPERATION_OUTPUT = "get_operation_output"
    GET_SECRET = "get_secret"  # noqa: S105 the name of a function
    GET_ARTIFACT = "get_artifact"
    GET_NODES_OF_TYPE = "get_nodes_of_type"
    CONCAT = "concat"
    JOIN = "join"
    TOKEN = "token"  # noqa: S105 the name of a function


class Literal(msgspec.Struct, frozen=True, tag="literal"):
    """A value without functions in it."""

    value: Value
    span: Span | None = None


class ListOf(msgspec.Struct, frozen=True, tag="list"):
    """A list with at least one function somewhere inside."""

    items: tuple[Expression, ...]
    span: Span | None = None


class MapOf(msgspec.Struct, frozen=True, tag="map"):
    """A map with at least one function somewhere inside."""

    entries: Mapping[str, Expression]
    span: Span | None = None


class Call(msgspec.Struct, frozen=True, tag="call"):
    """A function with its arguments, as many as were written: ``get_input: x`` and ``get_input: [x]`` are the same."""

    function: Function
    arguments: tuple[Expression, ...]
    span: Span | None = None


Expression: TypeAlias = Literal | ListOf | MapOf | Call


class Lookup(Protocol):
    """What an evaluation may ask of a deployment and an execution. Each answers None where nothing is set.

    ``entity`` is ``SELF``, ``SOURCE``, ``TARGET``, ``HOST``, ``REQ_TARGET`` or the name of a node template; for
    ``REQ_TARGET`` the first word of ``path`` is the name of the requirement. ``path`` goes into nested values.
    """

    def input(self, path: list[Value]) -> Value:
        """An input of the workflow or the topology; the first word of ``path`` is its name."""

    def property(self, entity: str, path: list[Value]) -> Value:
        """A property of a node, relationship or capability."""

    def attribute(self, entity: str, path: list[Value]) -> Value:
        """An attribute of an instance."""

    def operation_output(self, entity: str, interface: str, operation: str, name: str) -> Value:
        """An output that an operation left."""

    def secret(self, path: str, key: str | None) -> Value:
        """A secret of the store, as a :class:`Secret`."""

    def artifact(self, entity: str, name: str) -> Value:
        """The path of an artifact."""

    def nodes_of_type(self, type_name: str) -> Value:
        """The names of the node templates of a type or one derived from it."""


def evaluate(expression: Expression, lookup: Lookup) -> Value:
    """The value of an expression, given a lookup.

    ``concat``, ``join`` and ``token`` of a secret are secrets. None counts as the empty string in them, as with Yorc.
    Raises whatever the lookup raises, and ValueError for arguments that make no sense.
    """
    match expression:
        case Literal(value=value):
            return value
        case ListOf(items=items):
            return [evaluate(item, lookup) for item in items]
        case MapOf(entries=entries):
            return {key: evaluate(item, lookup) for key, item in entries.items()}
        case Call():
            return _call(expression, lookup)


def _call(call: Call, lookup: Lookup) -> Value:
    args = [evaluate(argument, lookup) for argument in call.arguments]
    match call.function:
        case Function.GET_INPUT:
            return lookup.input(args)
        case Function.GET_PROPERTY:
            return lookup.property(str(args[0]), args[1:])
        case Function.GET_ATTRIBUTE:
            return lookup.attribute(str(args[0]), args[1:])
        case Function.GET_OPERATION_OUTPUT:
            return lookup.operation_output(str(args[0]), str(args[1]), str(args[2]), str(args[3]))
        case Function.GET_SECRET:
            return lookup.secret(str(args[0]), secret_key(args[1]) if len(args) > 1 else None)
        case Function.GET_ARTIFACT:
            return lookup.artifact(str(args[0]), str(args[1]))
        case Function.GET_NODES_OF_TYPE:
            return lookup.nodes_of_type(str(args[0]))
        case Function.CONCAT:
            return _joined(args, "")
        case Function.JOIN:
            return _joined(list(args[0]), args[1] if len(args) > 1 else "")
        case Function.TOKEN:
            return _token(args)


def _joined(parts: list[Value], delimiter: Value) -> Value:
    if parts and all(isinstance(part, list) for part in parts) and not delimiter:
        return [item for part in parts for item in part]
    text = _text(delimiter).join(_text(part) for part in parts)
    return Secret(text) if secrets_in([delimiter, *parts]) else text


def _token(args: list[Value]) -> Value:
    text, delimiters, index = _text(args[0]), _text(args[1]), int(args[2])
    parts = text.split(delimiters)
    part = parts[index] if 0 <= index < len(parts) else ""
    return Secret(part) if secrets_in(args) else part


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(revealed(value))


def secret_key(word: Value) -> str:
    """The key named by the second argument of ``get_secret``: ``data=username`` and ``username`` name the same."""
    return str(word).removeprefix("data=")


def text_of(expression: Expression) -> str:
    """An expression in one line, as it would be written; a literal list or map only by its kind."""
    match expression:
        case Literal(value=value):
            if isinstance(value, list | dict):
                return "a map" if isinstance(value, dict) else "a list"
            return "" if value is None else str(value)
        case ListOf(items=items):
            return f"[{', '.join(text_of(item) for item in items)}]"
        case MapOf(entries=entries):
            return f"{{{', '.join(f'{key}: {text_of(item)}' for key, item in entries.items())}}}"
        case Call(function=function, arguments=arguments):
            return f"{function.value}: [{', '.join(text_of(argument) for argument in arguments)}]"


def calls(expression: Expression) -> Iterator[Call]:
    """Every function call inside an expression, outer ones first."""
    match expression:
        case ListOf(items=items):
            for item in items:
                yield from calls(item)
        case MapOf(entries=entries):
            for item in entries.values():
                yield from calls(item)
        case Call(arguments=arguments):
            yield expression
            for argument in arguments:
                yield from calls(argument)
        case _:
            return
