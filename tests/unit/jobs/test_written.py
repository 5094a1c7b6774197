"""Arguments of PyCOMPSs jobs: the topology's own text is split into words, what is brought never is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UserError, WorkError
from orchestrator.jobs.written import Piece, as_written, split_arguments, written_arguments
from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf
from orchestrator.model.topology import NodeTemplate

NAMES = {"hours": "1", "name": "a 'b  c", "empty": "", "dollar": "$(id) ${hours}"}


def words(*texts: Any) -> list[str]:
    return split_arguments(as_written(texts, None), NAMES, "Job")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("--hours 1", ["--hours", "1"]),
        ("  --a   1\t--b\n2 ", ["--a", "1", "--b", "2"]),
        ("--title 'two words' x", ["--title", "two words", "x"]),
        ('--title "two words"', ["--title", "two words"]),
        ("--hours ${hours}", ["--hours", "1"]),
        ("--name ${name}", ["--name", "a 'b  c"]),
        ("--name=${name}.txt x", ["--name=a 'b  c.txt", "x"]),
        ("${empty}", [""]),
        ("--x ${empty} y", ["--x", "", "y"]),
        ("${dollar}", ["$(id) ${hours}"]),
        ("it\\'s", ["it's"]),
        ("''", [""]),
        ("", []),
        (3, ["3"]),
        (True, ["true"]),
        ("plain;|&>", ["plain;|&>"]),
    ],
)
def test_words_of_the_topologys_text(text: Any, wanted: list[str]) -> None:
    assert words(text) == wanted


def test_text_that_cannot_be_split_is_named() -> None:
    with pytest.raises(WorkError, match='Job: the argument "it\'s" cannot be split') as caught:
        words("it's")
    assert "quotes" in str(caught.value.hint)
    with pytest.raises(UserError, match="no input of the workflow"):
        words("--x ${nothing}")


@given(st.text())
def test_what_is_brought_is_one_word(value: str) -> None:
    assert split_arguments([(Piece(value, brought=True),)], NAMES, "Job") == [value]
    mixed = (Piece("--file "), Piece(value, brought=True), Piece(".txt -v"))
    assert split_arguments([mixed], NAMES, "Job") == ["--file", f"{value}.txt", "-v"]


class TestAsWritten:
    """How the arguments of a node become pieces."""

    INPUT = Call(Function.GET_INPUT, (Literal("x"),))

    def of(self, arguments: Expression, **values: Any) -> list[str]:
        node = NodeTemplate(name="Job", type="t", lineage=(), properties={"application": arguments})
        written = written_arguments(node, lambda expression: "from $x 'input")
        return split_arguments(as_written(values["values"], written), NAMES, "Job")

    def test_literals(self) -> None:
        application = Literal({"command": "x.py", "arguments": ["--a 1", "${hours}"]})
        assert self.of(application, values=["--a 1", "${hours}"]) == ["--a", "1", "1"]

    def test_an_input_and_text_around_it(self) -> None:
        concat = Call(Function.CONCAT, (Literal("--in "), self.INPUT, Literal("/b --v")))
        application = MapOf({"arguments": ListOf((self.INPUT, concat, Literal("--c 2")))})
        values = ["from $x 'input", "--in from $x 'input/b --v", "--c 2"]
        assert self.of(application, values=values) == [
            *("from $x 'input", "--in", "from $x 'input/b", "--v", "--c", "2")
        ]

    def test_values_that_took_the_place_of_what_is_written(self) -> None:
        application = Literal({"arguments": ["--a 1"]})
        assert self.of(application, values=["--b 2 'x", "y z"]) == ["--b 2 'x", "y z"]

    def test_arguments_that_are_brought_as_a_whole(self) -> None:
        application = MapOf({"arguments": self.INPUT})
        assert self.of(application, values=["a b", "'c"]) == ["a b", "'c"]
