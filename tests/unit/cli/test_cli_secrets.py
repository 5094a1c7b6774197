"""Secrets on the command line: where their values come from, and that they are never shown."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli.commands.secrets import parse_keys, read_values
from orchestrator.errors import UserError
from orchestrator.secrets import FileSecretStore

CANARY = "hunter2-c4n4ry"


def values(*words: str, stdin: bytes = b"", prompts: dict[str, str] | None = None) -> dict[str, str]:
    read = read_values(parse_keys(words), prompts.__getitem__ if prompts is not None else None, lambda: stdin)
    return {key: secret.reveal() for key, secret in read.items()}


def test_each_key_is_asked_for_on_a_terminal() -> None:
    assert values("user", "password", prompts={"user": "u", "password": " p "}) == {"user": "u", "password": " p "}


def test_one_line_per_key_of_the_standard_input() -> None:
    assert values("b", "a", stdin=b"first\nsecond=x \n") == {"b": "first", "a": "second=x "}
    assert values("a", "b", stdin="ü\r\nlast".encode()) == {"a": "ü", "b": "last"}


@pytest.mark.parametrize(
    ("stdin", "says"),
    [(b"", "no line for a, b"), (b"x\n", "no line for b"), (b"x\ny\nz\n", "3 lines for 2 keys"), (b"x\n\n", "for b:")],
)
def test_the_lines_must_fit_the_keys(stdin: bytes, says: str) -> None:
    with pytest.raises(UserError, match=says):
        values("a", "b", stdin=stdin)


def test_from_a_file(tmp_path: Path) -> None:
    line, key = tmp_path / "line", tmp_path / "key"
    line.write_text(" one line \n")
    key.write_text("-----BEGIN-----\nabc\n-----END-----\n")
    read = values(f"a=@{line}", f"b=@{key}", "c", stdin=b"x\n")
    assert read == {"a": " one line ", "b": key.read_text(), "c": "x"}


def test_all_of_the_standard_input() -> None:
    assert values("a=@-", stdin=b"one\n") == {"a": "one"}
    assert values("a=@-", stdin=b"one\ntwo\n") == {"a": "one\ntwo\n"}
    assert values("a=@-", "b", stdin=b"x", prompts={"b": "y"}) == {"a": "x", "b": "y"}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([f"password={CANARY}"], "command line"),
        (["password="], "command line"),
        ([f"={CANARY}"], "command line"),
        (["a=@"], "names no file"),
        (["a=@/no/such/file"], "/no/such/file"),
        (["a=@/"], "directory"),
        (["a", "a"], "twice"),
        (["a=@-", "b=@-"], "only one"),
        (["a=@-", "b"], "no value for b"),
        ([""], "no name"),
        (["a=@/dev/null"], "no value for a"),
    ],
)
def test_what_is_refused(words: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        values(*words, stdin=b"x")
    assert CANARY not in f"{caught.value} {caught.value.hint}"


def test_what_is_no_text_is_refused_without_being_shown() -> None:
    with pytest.raises(UserError, match="not UTF-8") as caught:
        values("a=@-", stdin=CANARY.encode() + b"\xff")
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_prompt_hides_what_is_typed(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "secrets", "set", "a/b", "user", "password"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "ORCH_HOME": str(tmp_path), "TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    for prompt, answer in ((b"a/b user:", b"me\n"), (b"a/b password:", CANARY.encode() + b"\n"), (b"2 keys set", b"")):
        while prompt not in said:
            said += os.read(ours, 1000)
        os.write(ours, answer)
    assert process.wait(30) == 0
    os.close(ours)
    assert CANARY.encode() not in said
    assert FileSecretStore(tmp_path / "secrets").get("a/b", "password").reveal() == CANARY
