"""What a stream can show, and text made fit for it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.terminal import ASCII, UNICODE, Terminal, clean, one_line, shortened, terminal_of, text_width
from orchestrator.cli.text import as_json, counted, date, duration, fitted, moment_data, paragraph, table, wrap


class Screen(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


XTERM = {"TERM": "xterm", "COLUMNS": "100"}


def test_a_terminal_has_colours_and_a_live_view() -> None:
    assert terminal_of(Screen(), XTERM) == Terminal(100, colour=True, live=True, symbols=UNICODE)


@pytest.mark.parametrize(
    ("environment", "colour", "live"),
    [
        ({**XTERM, "NO_COLOR": "1"}, False, True),
        ({**XTERM, "NO_COLOR": ""}, True, True),
        ({**XTERM, "TERM": "dumb"}, False, False),
        ({"COLUMNS": "100"}, False, False),
    ],
)
def test_what_the_environment_says_of_a_terminal(environment: dict[str, str], colour: bool, live: bool) -> None:
    terminal = terminal_of(Screen(), environment)
    assert (terminal.colour, terminal.live) == (colour, live)


def test_a_terminal_that_cannot_show_symbols_gets_ascii() -> None:
    assert terminal_of(Screen("latin-1"), XTERM).symbols == ASCII
    assert all(sign.isascii() for field in vars(ASCII).values() for sign in field)


def test_what_is_no_terminal_has_lines_of_any_length_and_no_colours() -> None:
    terminal = terminal_of(io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), XTERM)
    assert terminal == Terminal(None, colour=False, live=False, symbols=UNICODE)
    assert terminal.styled("x", "red", bold=True) == "x"
    assert terminal_of(io.TextIOWrapper(io.BytesIO()), {"FORCE_COLOR": "1"}).colour


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\x1b[2Jb\x1b7c", "abc"),
        ("back\x08space", "back\\x08space"),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("progress\rover", "progress\\rover"),
        ("\u202etxt.exe", "\\u202etxt.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("ünï 漢字", "ünï 漢字"),
    ],
)
def test_text_of_others_does_not_steer_the_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_clean_text_has_no_control_characters_and_stays_so(text: str) -> None:
    cleaned = clean(text)
    assert not any((ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 for c in cleaned)
    assert clean(cleaned) == cleaned


def test_one_line() -> None:
    assert one_line("  a\n\tb  c\x1b[1m ") == "a b c"


@given(st.text(alphabet="ab漢é́ ", max_size=30), st.integers(0, 20))
def test_shortened_text_is_never_too_wide(text: str, width: int) -> None:
    assert text_width(shortened(text, width)) <= width
    if text_width(text) <= width:
        assert shortened(text, width) == text


def test_width_of_wide_and_combining_characters() -> None:
    assert text_width("漢字") == 4
    assert text_width("e\u0301") == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3600, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("zone", "text", "data"),
    [
        ("UTC", "2025-01-31T17:12:06+00:00", "2025-01-31T17:12:06.250+00:00"),
        ("Europe/Madrid", "2025-01-31T18:12:06+01:00", "2025-01-31T18:12:06.250+01:00"),
        ("Asia/Kolkata", "2025-01-31T22:42:06+05:30", "2025-01-31T22:42:06.250+05:30"),
        ("America/New_York", "2025-01-31T12:12:06-05:00", "2025-01-31T12:12:06.250-05:00"),
    ],
)
def test_one_notation_of_times(zone: str, text: str, data: str, time_zone: Callable[[str], None]) -> None:
    time_zone(zone)
    moment = 1738343526.25
    for said in (moment, "2025-01-31T17:12:06.250Z", "2025-01-31T19:12:06.25+02:00", data):
        assert date(said) == text
        assert moment_data(said) == data
    assert (date(None), moment_data(None), date("")) == ("", None, "")
    assert date("in old times") == moment_data("in old times") == "in old times"


def test_counts() -> None:
    assert [counted(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]


def test_a_table_is_aligned() -> None:
    text = table(["NAME", "STATE"], [["a", "done"], ["longer", "x"]], Terminal())
    assert text.splitlines() == ["NAME    STATE", "a       done", "longer  x"]


def test_a_table_fits_a_narrow_terminal_and_loses_nothing() -> None:
    path = "/a/rather/long/path/without/any/blank/in/it"
    text = table(["NAME", "PLACE", "WHAT"], [["abc", path, "some words that are many"]], Terminal(40))
    assert all(text_width(line) <= 40 for line in text.splitlines())
    columns = [line.split() for line in text.splitlines()[1:]]
    assert columns[0][0] == "abc"
    for word in ("some", "words", "many"):
        assert word in text
    places = "".join(line[5:].split("  ")[0].strip() for line in text.splitlines()[1:])
    assert path in places


def test_a_table_colours_states_without_moving_columns() -> None:
    text = table(["A", "STATE", "B"], [["x", "failed", "y"]], Terminal(80, colour=True), states=1)
    assert "\x1b[31mfailed\x1b[0m  y" in text


def test_cells_cannot_break_a_table() -> None:
    text = table(["A", "B"], [["x\ny\x1b[2J", "z"]], Terminal())
    assert text.splitlines()[1] == "x y  z"


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(20, 100))
def test_fitted_columns(widths: list[int], room: int) -> None:
    fit = fitted(widths, room)
    assert all(0 < new <= old for new, old in zip(fit, widths, strict=True))
    if sum(widths) <= room:
        assert fit == widths
    elif sum(min(w, 8) for w in widths) <= room:
        assert sum(fit) <= room


@given(st.text(alphabet="ab 漢", max_size=60), st.integers(2, 20))
def test_wrapping_keeps_every_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(text_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_json_is_readable() -> None:
    assert as_json({"a": ["ü"]}, indent=None) == '{"a": ["ü"]}'


TOKEN = "5a0d8f52-PyCOMPSJob-1"
SHA = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("headers", "row", "less", "whole"),
    [
        # names stay whole when texts can give way
        (
            ["TYPE", "DESCRIPTION"],
            ["org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob", "A run of a program, as long as its text is " * 3],
            [],
            ["org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob"],
        ),
        # what is less important goes before a name is broken
        (
            ["ID", "CREATED", "FINGERPRINT"],
            ["0f3c2a4e-4b4e-4d0c-9d39-3f2a91c05a0d", "2025-01-31T18:12:06+01:00", "SHA256:" + "a" * 30],
            ["CREATED"],
            ["0f3c2a4e-4b4e-4d0c-9d39-3f2a91c05a0d", "SHA256:" + "a" * 30],
        ),
        (
            ["JOB OF", "SITE", "ID", "STATE", "DETAIL"],
            ["PyCOMPSJob", "my-cluster", TOKEN, "running", "waits for its place: 3 jobs before it (Resources)"],
            [],
            ["PyCOMPSJob", "my-cluster", TOKEN, "running"],
        ),
        (["NODE", "STATE"], ["x", "done"], ["NODE"], ["x", "done"]),
    ],
)
def test_what_is_important_stays_whole_at_80_columns(
    headers: list[str], row: list[str], less: list[str], whole: list[str]
) -> None:
    for indent in ("", "  "):
        text = table(headers, [row, row], Terminal(80), less=less, indent=indent)
        assert all(text_width(line) <= 80 and line.startswith(indent) for line in text.splitlines())
        for cell in whole:
            assert text.split().count(cell) == 2
        assert {name for name in headers if name not in text.splitlines()[0]} <= set(less)


def test_the_first_column_is_broken_last() -> None:
    row = ["0f3c2a4e-4b4e-4d0c-9d39-3f2a91c05a0d", "jane-at-the-big-cluster", "SHA256:" + "a1b2" * 11]
    text = table(["ID", "NAME", "FINGERPRINT"], [row], Terminal(80))
    assert row[0] in text
    assert all(text_width(line) <= 80 for line in text.splitlines())
    narrow = table(["ID", "NAME", "FINGERPRINT"], [row], Terminal(30))
    assert all(text_width(line) <= 30 for line in narrow.splitlines())


def test_paragraphs_fit_the_terminal() -> None:
    text = "some words and then \x1b[31mmore\x1b[0m of them\nanother line"
    assert paragraph(text, Terminal(20)).splitlines() == ["some words and then", "more of them", "another line"]
    assert paragraph(text, Terminal()).splitlines() == ["some words and then more of them", "another line"]


def test_columns_that_may_be_left_out_stay_where_there_is_room() -> None:
    headers, row = ["NAME", "PLACE"], ["a", "/some/where"]
    assert "/some/where" in table(headers, [row], Terminal(80), less=["PLACE"])
    assert "/some/where" in table(headers, [row], Terminal(), less=["PLACE", "NAME"])
    assert "PLACE" not in table(["NAME", "PLACE"], [["a" * 30, "/b" * 30]], Terminal(60), less=["PLACE"])


@given(
    st.lists(st.lists(st.text("ab/-. 漢", max_size=60), min_size=4, max_size=4), min_size=1, max_size=3),
    st.integers(45, 200),
)
def test_a_table_is_never_wider_than_its_terminal_and_keeps_every_sign(rows: list[list[str]], width: int) -> None:
    text = table(["A", "B", "C", "D"], rows, Terminal(width))
    assert all(text_width(line) <= width for line in text.splitlines())
    for sign in "ab/-.漢":
        assert text.count(sign) == sum(cell.count(sign) for row in rows for cell in row)


def test_paths_are_broken_after_their_signs() -> None:
    assert wrap("/a/rather/long/path/to.a-file", 12) == ["/a/rather/", "long/path/", "to.a-file"]
    assert wrap("x" * 7, 3) == ["xxx", "xxx", "x"]
