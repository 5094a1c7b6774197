"""What is made of secrets by TOSCA's functions is a secret, wherever in the arguments they are."""

from __future__ import annotations

import pytest

from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf, evaluate
from orchestrator.model.values import Secret, Value, masked, revealed


class Store:
    """Knows one secret, and answers nothing else."""

    def secret(self, path: str, key: str | None) -> Value:
        return Secret("s3cr3t,x")


SECRET = Call(Function.GET_SECRET, (Literal("p"), Literal("k")))


def call(function: Function, *arguments: Expression) -> Call:
    return Call(function, arguments)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (call(Function.CONCAT, Literal("a"), SECRET, Literal(1), Literal(True)), "as3cr3t,x1true"),
        (call(Function.CONCAT, Literal("a"), ListOf((Literal("b"), SECRET))), "a['b', 's3cr3t,x']"),
        (call(Function.CONCAT, Literal("a"), MapOf({"k": SECRET})), "a{'k': 's3cr3t,x'}"),
        (call(Function.CONCAT, Literal("a"), call(Function.CONCAT, SECRET)), "as3cr3t,x"),
        (call(Function.JOIN, ListOf((Literal("a"), SECRET)), Literal("-")), "a-s3cr3t,x"),
        (call(Function.JOIN, ListOf((Literal("a"), Literal("b"))), SECRET), "as3cr3t,xb"),
        (call(Function.TOKEN, SECRET, Literal(","), Literal(0)), "s3cr3t"),
        (call(Function.TOKEN, Literal("as3cr3t,xb"), SECRET, Literal(1)), "b"),
        (call(Function.TOKEN, call(Function.CONCAT, SECRET, Literal("::b")), Literal("::"), Literal(1)), "b"),
    ],
)
def test_what_is_made_of_a_secret_is_one(expression: Expression, text: str) -> None:
    value = evaluate(expression, Store())  # type: ignore[arg-type] only secrets are asked for
    assert value == Secret(text)
    assert masked(value) == "***"


def test_lists_and_maps_keep_their_shape() -> None:
    lists = call(Function.CONCAT, ListOf((Literal("a"), SECRET)), ListOf((Literal("b"),)))
    value = evaluate(MapOf({"m": lists}), Store())  # type: ignore[arg-type] only secrets are asked for
    assert masked(value) == {"m": ["a", "***", "b"]}
    assert revealed(value) == {"m": ["a", "s3cr3t,x", "b"]}


def test_what_has_no_secret_in_it_is_none() -> None:
    joined = call(Function.JOIN, ListOf((Literal("a"), Literal(None), Literal(2))), Literal("/"))
    assert evaluate(joined, Store()) == "a//2"  # type: ignore[arg-type] no secret is asked for
