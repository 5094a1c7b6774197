"""Patterns that users write: matched as other tools would, and within bounds where those take for ever."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.tosca import Reading
from orchestrator.tosca.patterns import NoPattern, Pattern

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
    "(?i)(a+)+b",
    r"(\ba+)+b",
    "(a|a)" * 30 + "b",
]
DOCUMENT = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  a.A: {{ properties: {{ p: {{ type: {type}, constraints: [ {{ pattern: '{pattern}' }} ] }} }} }}
topology_template:
  node_templates: {{ a: {{ type: a.A, properties: {{ p: {value} }} }} }}
"""
LIMITED = """\
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from orchestrator.tosca.patterns import Pattern
expressions, values = json.load(sys.stdin)
print(json.dumps([[Pattern(e).matches(v) for v in values] for e in expressions]))
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
    python = expression.replace("$", r"\Z")  # the end is the end, not before a last line break
    assert Pattern(expression).matches(value) == (re.fullmatch(python, value) is not None)


def test_what_would_take_for_ever_ends() -> None:
    values = ["a" * 40, "x" * 2000, "a" * 100_000]
    told = subprocess.run(
        [sys.executable, "-c", LIMITED],
        input=json.dumps([CATASTROPHIC, values]),
        capture_output=True,
        text=True,
        check=True,  # the kernel ends what takes more than a minute; Python's own matcher takes years
    )
    assert json.loads(told.stdout) == [[False] * len(values)] * len(CATASTROPHIC)


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        ("(?=a)b", "several patterns"),
        ("(?!root$)[a-z]+", "several patterns"),
        ("(?<=a)b", "several patterns"),
        ("(?<!a)b", "several patterns"),
        ("(?>a+)b", "(?:...)"),
        (r"(a)\1", "back references"),
        (r"(?P<n>a)(?P=n)", "back references"),
        (r"(?P<n>a)\k<n>", "back references"),
        ("a++b", "`a+` for `a++`"),
        ("a?+", "`a+` for `a++`"),
        ("a**", "group"),
        ("a{2}{3}", "group"),
        (r"a\Z", "whole value"),
        (r"\u00e9", r"\x{1F600}"),
        ("a{1001}", "max_length"),
        ("(a{1,900}){1,900}", "max_length"),
        (r"\pL{1,900}", "max_length"),
        ("a{,3}", "{0,3}"),
        (r"\\{,12}", "{0,12}"),
        ("\ud800", "whole character"),
    ],
)
def test_what_cannot_be_matched_is_refused_with_a_remedy(expression: str, remedy: str) -> None:
    with pytest.raises(NoPattern) as caught:
        Pattern(expression)
    assert remedy in str(caught.value.remedy)


@pytest.mark.parametrize("expression", ["(", "a)", "[a", "*a", "\\", "[z-a]", r"\i\c*", "(?x) a"])
def test_what_is_no_expression_is_refused(expression: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoPattern) as caught:
        Pattern(expression)
    assert "b'" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # the library has a log of its own


@pytest.mark.parametrize(
    ("expression", "matching", "other"),
    [
        ("b", "b", "abc"),  # the whole value
        (r"\w+", "Zurich_1", "Zürich"),
        (r"[\pL\pN_]+", "Zürich_٣", "a-b"),
        (r"\d+", "12", "٣"),
        ("ü.ß", "üéß", "üß"),  # a character, however many bytes it has
        (".{2}", "😀é", "é"),
        ("(?i)É", "é", "e"),
        (r"a\{,3}", "a{,3}", "aa"),
        ("a{1000}", "a" * 1000, "a" * 999),
        (r"\pL{1,64}", "é" * 64, "é" * 65),
        ("(?s).*", "a\x00\n" * 500_000, "\ud800"),  # NUL is a character as others are, half of one is none
        (".*", "", "a\n"),
    ],
)
def test_what_matches(expression: str, matching: str, other: str) -> None:
    pattern = Pattern(expression)
    assert pattern.matches(matching)
    assert not pattern.matches(other)


def test_the_work_is_bounded() -> None:
    pattern = Pattern(r"\pL{0,64}[^b]*")
    assert pattern.matches("a" * 10_000)
    assert not pattern.matches("a" * 100_000)


def test_memory_is_bounded() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not Pattern("(?:(?:a|b)*a(?:a|b){500}){1,2}c").matches("abba" * 20_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


def test_a_document_with_such_a_pattern_is_read(read: Callable[..., Reading]) -> None:
    reading = read(DOCUMENT.format(type="string", pattern="(a+)+b", value="a" * 60))
    assert [(p.code, p.span.line) for p in reading.problems if p.span] == [("T0404", 5)]
    names = "([a-z]+[.])*[a-z]+"
    assert read(DOCUMENT.format(type="string", pattern=names, value="node-1.cluster.example")).has_errors
    assert read(DOCUMENT.format(type="string", pattern=names, value="node.cluster.example")).problems == ()


def test_other_values_are_matched_as_they_are_written(read: Callable[..., Reading]) -> None:
    assert read(DOCUMENT.format(type="boolean", pattern="true", value="true")).problems == ()
    assert read(DOCUMENT.format(type="boolean", pattern="True", value="true")).has_errors
    assert read(DOCUMENT.format(type="integer", pattern="[0-9]{2}", value="42")).problems == ()
    assert read(DOCUMENT.format(type="integer", pattern="[0-9]{2}", value="421")).has_errors


def test_one_that_cannot_be_matched_is_a_problem_at_its_place(read: Callable[..., Reading]) -> None:
    reading = read(DOCUMENT.format(type="string", pattern="(?=(a+)+b)a", value="a"))
    assert [(p.code, p.span.line) for p in reading.problems if p.span] == [("T0305", 3)]
    assert "of RE2, not '(?=(a+)+b)a'" in reading.problems[0].message
    assert "several patterns" in str(reading.problems[0].hint)
