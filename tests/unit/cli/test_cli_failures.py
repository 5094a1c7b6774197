"""How errors are told, and the exit status that goes with them."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from orchestrator.cli.failures import error_data, error_text, excerpt, exit_status, is_private, place_text, totals
from orchestrator.cli.terminal import Terminal
from orchestrator.errors import Defect, SecretError, SiteError, UserError, WorkError
from orchestrator.model.problems import DocumentError, Problems, Related
from orchestrator.model.source import Span

PLAIN = Terminal()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    file = tmp_path / "doc.yaml"
    file.write_text("first: 1\n\tsecond: [wrong, ünï]\npassword: hunter2\n" + "x" * 300 + " wrong " + "y" * 300 + "\n")
    return file


def span(file: Path, line: int, column: int, end: int) -> Span:
    return Span(str(file), line, column, line, end)


def test_a_problem_is_told_with_its_line_and_a_caret(document: Path) -> None:
    problems = Problems()
    related = Related("it is defined here", span(document, 1, 1, 6))
    problems.error("T0001", "that is wrong", span(document, 2, 11, 16), "try right", related)
    problems.warning("T0002", "that is odd", None)
    text = error_text(DocumentError(problems), PLAIN)
    assert text.splitlines() == [
        f"{document}:2:11: error: that is wrong [T0001]",
        "     second: [wrong, ünï]",
        "              ^~~~~",
        f"  {document}:1:1: it is defined here",
        "  hint: try right",
        "warning: that is odd [T0002]",
        "1 error, 1 warning",
    ]


def test_the_caret_stands_under_the_place_also_in_a_long_line(document: Path) -> None:
    shown, marks = excerpt(span(document, 4, 302, 307), Terminal(60), "red")
    assert len(shown) <= 60
    assert shown[marks.index("^") : marks.rindex("~") + 1] == "wrong"


def test_a_span_of_several_lines_is_marked_to_the_end_of_its_first(document: Path) -> None:
    _, marks = excerpt(Span(str(document), 1, 8, 3, 2), PLAIN, "red")
    assert marks == "    " + " " * 7 + "^"


@pytest.mark.parametrize("place", [(9, 1, 2), (3, 11, 18), (0, 1, 1)])
def test_no_line_is_shown_that_is_not_there_or_private(document: Path, place: tuple[int, int, int]) -> None:
    assert excerpt(span(document, *place), PLAIN, "red") == []


@pytest.mark.parametrize("name", ["/nowhere/x.yaml", "/", "/dev/zero"])
def test_no_line_of_what_is_no_file(name: str) -> None:
    assert excerpt(Span(name, 1, 1, 1, 2), PLAIN, "red") == []


def test_any_column_is_borne(document: Path) -> None:
    for column in (1, 8, 9, 500):
        for end in (1, column, column + 1, 900):
            _, marks = excerpt(span(document, 1, column, end), Terminal(40), "red")
            assert marks.strip().startswith("^")


def test_places_are_told_as_seen_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert place_text(span(tmp_path / "a" / "b.yaml", 3, 4, 5)) == "a/b.yaml:3:4"
    assert place_text(Span("/else/b.yaml", 3, 4, 3, 5)) == "/else/b.yaml:3:4"
    assert place_text(Span("b.yaml", 3, 4, 3, 5)) == "b.yaml:3:4"


def test_an_error_is_told_with_its_hint() -> None:
    error = UserError("no such \x1b[2Jthing", hint="name another")
    assert error_text(error, PLAIN) == "error: no such thing\nhint: name another"


def test_a_fault_of_orch_is_told_in_one_line() -> None:
    assert "unset PYTHONPATH" in error_text(ValueError("oops"), PLAIN, {"PYTHONPATH": "/modules/numpy"})
    text = error_text(ValueError("oops"), PLAIN)
    assert text.splitlines()[0] == "error: this is a fault of orch: ValueError: oops"
    assert "--debug" in text


def test_errors_of_the_system_are_not_called_faults_of_orch() -> None:
    error = OSError(28, "No space left on device", "/x/y")
    assert error_text(error, PLAIN).splitlines()[0] == "error: No space left on device: /x/y"


def test_usage_errors_name_the_help_of_the_command() -> None:
    context = click.Context(
        click.Command("run"), info_name="run", parent=click.Context(click.Group(), info_name="orch")
    )
    text = error_text(click.UsageError("no such option: -x", context), PLAIN)
    assert text == "error: no such option: -x\nhint: `orch run --help` tells how it is used"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UserError("x"), 2),
        (SecretError("x"), 2),
        (DocumentError([]), 2),
        (click.UsageError("x"), 2),
        (WorkError("x"), 1),
        (SiteError("x"), 1),
        (Defect("x"), 1),
        (KeyError("x"), 1),
    ],
)
def test_exit_status(error: BaseException, status: int) -> None:
    assert exit_status(error) == status
    assert error_data(error)["exit_status"] == status


def test_errors_in_json(document: Path) -> None:
    problems = Problems()
    problems.error("T0001", "wrong", span(document, 2, 11, 16), "hint")
    data = error_data(DocumentError(problems))
    assert data["code"] == "E1100"
    assert data["problems"] == [
        {
            "code": "T0001",
            "severity": "error",
            "message": "wrong",
            "hint": "hint",
            "file": str(document),
            "line": 2,
            "column": 11,
            "end_line": 2,
            "end_column": 16,
            "related": [],
        }
    ]
    assert error_data(UserError("x", hint="y"))["hint"] == "y"


def test_totals() -> None:
    problems = Problems()
    assert totals(list(problems)) == "no problems"
    problems.warning("W", "a", None)
    problems.warning("W", "b", None)
    assert totals(list(problems)) == "2 warnings"


@pytest.mark.parametrize("name", ["password", "ssh_passwd", "API_KEY", "userSecret", "access-token", "credentials"])
def test_private_names(name: str) -> None:
    assert is_private(name)


@pytest.mark.parametrize("name", ["oid", "key_file_count", "user_id", "block_size"])
def test_other_names(name: str) -> None:
    assert not is_private(name)
