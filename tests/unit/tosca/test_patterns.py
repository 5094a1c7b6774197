"""Patterns that users write: matched as Python would, and within bounds where Python would take for ever."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.tosca import Reading
from orchestrator.tosca.patterns import LONGEST, NotBounded, Pattern

CATASTROPHIC = [
    "(a+)+b",
    "(a|a)*b",
    "(a|aa)+b",
    "(a|b|ab){30}c",
    "a*a*a*a*a*a*b",
    "(?:a?){30}a{30}b",
    "(x+x+)+y",
    "((((a*)*)*)*)*b",
    "(a{0,20}){0,20}b",
    "(?:(?:a?)*?)*b",
    "(a|a)" * 30 + "b",
]
DOCUMENT = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  a.A: {{ properties: {{ p: {{ type: string, constraints: [ {{ pattern: "{pattern}" }} ] }} }} }}
topology_template:
  node_templates: {{ a: {{ type: a.A, properties: {{ p: {value} }} }} }}
"""
atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "^", "$", "(a|b)", "(a|ab)", "(ab)?", "a{2}"])
expressions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda both: f"(?:{both[0]}|{both[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{1,2}", "{2,}", "*?"])).map(lambda x: f"({x[0]}){x[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(expressions, st.text("ab1\n", max_size=7))
def test_it_matches_as_python_does(expression: str, value: str) -> None:
    assert Pattern(expression).matches(value) == (re.fullmatch(expression, value) is not None)


@pytest.mark.parametrize("expression", CATASTROPHIC)
def test_what_would_take_for_ever_ends(expression: str) -> None:
    before = time.process_time()
    assert not Pattern(expression).matches("a" * 40)
    assert not Pattern(expression).matches("x" * 2000)
    assert time.process_time() - before < 10  # Python's matcher takes years


@pytest.mark.parametrize("expression", [r"(a+)+\1b", "(?=(a+)+b)a", r"(\ba+)+", "(?i)(a+)+b", "(a{1,900}){1,900}"])
def test_what_cannot_be_bounded_is_refused(expression: str) -> None:
    with pytest.raises(NotBounded):
        Pattern(expression)


@pytest.mark.parametrize("expression", ["(", "[a", "a**", "(?P<n>a)(?P<n>b)", "\\"])
def test_what_is_no_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 its text is Python's
        Pattern(expression)
    assert not isinstance(caught.value, NotBounded)


def test_a_value_may_be_too_long() -> None:
    assert Pattern("a*").matches("a" * LONGEST)
    assert not Pattern("a*").matches("a" * (LONGEST + 1))


def test_a_document_with_such_a_pattern_is_read(read: Callable[..., Reading]) -> None:
    reading = read(DOCUMENT.format(pattern="(a+)+b", value="a" * 60))
    assert [(p.code, p.span.line) for p in reading.problems if p.span] == [("T0404", 5)]
    assert read(DOCUMENT.format(pattern="([a-z]+[.])*[a-z]+", value="node-1.cluster.example")).has_errors
    assert read(DOCUMENT.format(pattern="([a-z]+[.])*[a-z]+", value="node.cluster.example")).problems == ()


def test_one_that_cannot_be_bounded_is_a_problem_at_its_place(read: Callable[..., Reading]) -> None:
    reading = read(DOCUMENT.format(pattern="(?=(a+)+b)a", value="a"))
    assert [(p.code, p.span.line) for p in reading.problems if p.span] == [("T0305", 3)]
    assert "take for ever" in reading.problems[0].message
