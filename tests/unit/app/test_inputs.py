"""Given inputs: one value means the same as a default, in an inputs file and behind -i; mistakes are all told."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app.inputs import accept, read_inputs, topology_inputs
from orchestrator.errors import UserError
from orchestrator.model.problems import DocumentError, Problem
from orchestrator.model.topology import Topology
from orchestrator.tosca import Catalog, read_text

TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
data_types:
  my.Port: { derived_from: integer, constraints: [ in_range: [ 1, 65535 ] ] }
  my.Word: { derived_from: string, constraints: [ max_length: 3 ] }
  my.Point:
    properties:
      x: { type: integer }
      name: { type: string, default: here }
topology_template:
  inputs:
"""


def topology(inputs: str, folder: Path) -> Topology:
    text = TYPES + textwrap.indent(textwrap.dedent(inputs).strip("\n"), "    ") + "\n"
    reading = read_text(text, "doc.yaml", folder, Catalog())
    assert [str(p) for p in reading.problems] == []
    assert reading.topology is not None
    return reading.topology


def given(top: Topology, *pairs: str, file: Path | None = None) -> dict[str, Any]:
    return accept(top, topology_inputs(top), read_inputs(pairs, file))


def problems(top: Topology, *pairs: str, file: Path | None = None) -> list[Problem]:
    with pytest.raises(DocumentError) as caught:
        given(top, *pairs, file=file)
    return caught.value.problems


TEXTS = [
    "1.10", "0755", "no", "1_000", "0x1F", "2024-05-01", "01:30:00", "null-ish", ".inf", "1e999", "true", "On", "+7",
    "9" * 5000, "=", "1.0e+3", "0o17", ".NaN", "12e03", "2024-05-01T01:02:03Z",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_stays_for_a_string(text: str, tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text(f"s: {text}\n")
    top = topology(f"s: {{ type: string, default: {text} }}", tmp_path)
    assert given(top) == given(top, f"s={text}") == given(top, file=file) == {"s": text}


@pytest.mark.parametrize(
    ("type_name", "text", "value"),
    [
        ("integer", "01", 1),
        ("integer", "0x1F", 31),
        ("float", "3", 3.0),
        ("float", ".5", 0.5),
        ("float", "-.inf", "-inf"),
        ("boolean", "yes", True),
        ("boolean", "FALSE", False),
        ("version", "1.10", "1.10"),
        ("timestamp", "2024-05-01", "2024-05-01"),
        ("scalar-unit.size", ".5 GB", ".5 GB"),
        ("list", "[ 1, no, 1.10, 0755 ]", [1, "no", 1.1, "0755"]),
        ("map", "{ no: yes, 1: 1.10 }", {"no": "yes", "1": 1.1}),
        ("range", "[ 1, UNBOUNDED ]", [1, "UNBOUNDED"]),
        ("any", "0o17", 15),
        ("my.Port", "0080", 80),
        ("my.Word", "no", "no"),
        ("my.Point", "{ x: 01 }", {"x": 1, "name": "here"}),
        ("json", "'{\"a\": 1}'", '{"a": 1}'),
    ],
)
def test_the_same_value_gives_the_same(type_name: str, text: str, value: object, tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text(f"i: {text}\n")
    top = topology(f"i: {{ type: {type_name}, default: {text} }}", tmp_path)
    assert given(top) == given(top, file=file) == {"i": value}
    assert given(top, f"i={text.strip(chr(39))}") == {"i": value}


def test_lists_and_maps_know_what_is_in_them(tmp_path: Path) -> None:
    top = topology("i: { type: list, entry_schema: string }\nm: { type: map, entry_schema: my.Port }", tmp_path)
    assert given(top, "i=[1.10, no]", "m={a: 080}") == {"i": ["1.10", "no"], "m": {"a": 80}}
    assert [p.code for p in problems(top, "i=[[x]]", "m={a: 0}")] == ["I0003", "I0004"]


def test_a_value_calls_nothing(tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text("m: { get_input: m }\na: { get_secret: x }\nl: [ { concat: [ a, b ] } ]\n")
    top = topology("m: { type: map }\na: { type: any }\nl: { type: list }", tmp_path)
    found = {"m": {"get_input": "m"}, "a": {"get_secret": "x"}, "l": [{"concat": ["a", "b"]}]}
    assert given(top, file=file) == found


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("!!set {a}", (2, 4)),
        ("!!binary aGk=", (2, 4)),
        ("!unsafe x", (2, 4)),
        ("!!omap [ a: 1 ]", (2, 4)),
        ('"\\ud800"', (2, 7)),
        ('"a\\0b"', (2, 4)),
        ('"\\x00"', (2, 4)),
        ("[" * 5000 + "]" * 5000, (2, 1003)),
        ("[" * 200 + "]" * 200, (2, 103)),
        ("{ a: 1 }", (2, 4)),
        ("[ a ]", (2, 4)),
        ("*nowhere", (2, 4)),
        ("1\ns: 2", (3, 1)),
        ("1\n---\ns: 2", (3, 1)),
        ("@x", (2, 4)),
    ],
)
def test_what_nobody_means_is_refused_at_its_place(written: str, place: tuple[int, int], tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text(f"other: 1\ns: {written}\n")
    found = problems(topology("s: { type: string, required: false }\nother: { type: string }", tmp_path), file=file)
    assert len(found) == 1, found
    assert found[0].span is not None
    assert (found[0].span.file, found[0].span.line, found[0].span.column) == (str(file), *place)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text("count: many\nwrod: x\n")
    top = topology("count: { type: integer }\nword: { type: string }\nport: { type: my.Port }", tmp_path)
    found = {p.code: p for p in problems(top, "port=70000", file=file)}
    assert set(found) == {"I0001", "I0002", "I0003", "I0004"}
    assert found["I0001"].hint == "did you mean 'word'?"
    assert str(found["I0001"].span) == f"{file}:2:1" or str(found["I0001"].span) == f"{file}:2:7"
    assert str(found["I0003"].span) == f"{file}:1:8"


@pytest.mark.parametrize(
    ("definition", "right", "wrong"),
    [
        ("{ type: string, constraints: [ valid_values: [ fast, slow ] ] }", "slow", "medium"),
        ("{ type: integer, constraints: [ in_range: [ 1, 5 ] ] }", "5", "77"),
        ("{ type: string, constraints: [ pattern: '[a-z]+' ] }", "abc", "abc1"),
        ("{ type: scalar-unit.size, constraints: [ greater_or_equal: 1 GB ] }", "1000 MB", "999 MB"),
        ("{ type: list, entry_schema: string, constraints: [ max_length: 1 ] }", "[ a ]", "[ a, b ]"),
        ("{ type: version, constraints: [ less_than: 1.10 ] }", "1.9", "1.11"),
        ("{ type: my.Word, constraints: [ min_length: 2 ] }", "abc", "abcd"),
        ("{ type: my.Word, constraints: [ min_length: 2 ] }", "ab", "a"),
    ],
)
def test_constraints_hold_for_given_values(definition: str, right: str, wrong: str, tmp_path: Path) -> None:
    top = topology(f"i: {definition}", tmp_path)
    file = tmp_path / "inputs.yaml"
    file.write_text(f"i: {right}\n")
    assert given(top, f"i={right}") == given(top, file=file)
    file.write_text(f"i: {wrong}\n")
    for found in (problems(top, f"i={wrong}"), problems(top, file=file)):
        assert [p.code for p in found] == ["I0004"]
        assert found[0].related[0].span.file == "doc.yaml"


def test_what_is_left_open_is_not_given(tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text("a:\nb: ~\n")
    top = topology("a: { type: string, default: x }\nb: { type: integer, default: 2 }", tmp_path)
    assert given(top, file=file) == {"a": "x", "b": 2}
    file.write_text("")
    assert given(top, "a=", file=file) == {"a": "", "b": 2}


@pytest.mark.parametrize("content", ["- a\n", "just text\n", "3\n"])
def test_an_inputs_file_is_a_map(content: str, tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    file.write_text(content)
    with pytest.raises(DocumentError, match=r"inputs\.yaml:1:1: .*a map of names and values"):
        read_inputs([], file)


def test_an_inputs_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="No such file"):
        read_inputs([], tmp_path / "missing.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9\n")
    with pytest.raises(DocumentError, match=r"latin\.yaml:1:4: .*not UTF-8"):
        read_inputs([], tmp_path / "latin.yaml")


def test_words_that_are_no_input(tmp_path: Path) -> None:
    for word in ("a", "=x"):
        with pytest.raises(UserError, match="NAME=VALUE"):
            read_inputs([word], None)
    top = topology("a: { type: string }\nl: { type: list, required: false }", tmp_path)
    assert "not UTF-8" in problems(top, "a=\udce9")[0].message
    assert "l" in problems(top, "a=x", "l=[1, ")[0].message


def test_what_was_given_before_must_fit_the_new_declaration(tmp_path: Path) -> None:
    top = topology("port: { type: my.Port, required: false }\nl: { type: list, entry_schema: string }", tmp_path)
    before: dict[str, Any] = {"port": 80, "l": ["1.10", "no"]}
    kept = [replace(use, default=before[use.name], kept=True) for use in topology_inputs(top)]
    assert accept(top, kept, {}) == before
    wrong = [replace(use, default="many" if use.name == "port" else use.default) for use in kept]
    with pytest.raises(DocumentError) as caught:
        accept(top, wrong, {})
    (problem,) = caught.value.problems
    assert (problem.code, problem.span) == ("I0003", None)
    assert "the value that input 'port' has" in problem.message
    assert accept(top, wrong, read_inputs(["port=1"], None))["port"] == 1


def test_inputs_of_the_topology_may_be_given_over_again(tmp_path: Path) -> None:
    top = topology("port: { type: my.Port, default: 80 }", tmp_path)
    uses = topology_inputs(top)
    assert accept(top, [], read_inputs(["port=081"], None), also=uses) == {"port": 81}
    with pytest.raises(DocumentError):
        accept(top, [], read_inputs(["port=0"], None), also=uses)
    assert accept(top, [], {}, also=uses) == {}


@pytest.mark.parametrize("words", [["s=a", "s=b"], ["s=a", "t=1", "s=a"], ["a b=", "a b=x=y"]])
def test_an_input_is_given_once(words: list[str]) -> None:
    name = words[0].partition("=")[0]
    with pytest.raises(UserError, match=f"-i {name} is given twice") as refused:
        read_inputs(words, None)
    assert refused.value.hint == "leave one of them out"


def test_a_word_of_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text("s: a\nt: b\n")
    given = read_inputs(["s=c"], tmp_path / "in.yaml")
    assert (given["s"].text, list(given)) == ("c", ["s", "t"])
