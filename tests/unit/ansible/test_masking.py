"""Secrets are taken out of texts however they were escaped."""

from __future__ import annotations

import base64
import json
import shlex
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.ansible.masking import Mask
from orchestrator.model.values import Secret

ESCAPES: list[Callable[[str], str]] = [
    str,
    json.dumps,
    lambda text: json.dumps(text, ensure_ascii=False),
    lambda text: json.dumps(json.dumps({"a": text})),
    repr,
    lambda text: json.dumps(repr([text])),
    quote,
    lambda text: quote(text, safe=""),
    quote_plus,
    shlex.quote,
]


@given(secret=st.text(min_size=1, max_size=40).filter(str.strip), escape=st.sampled_from(ESCAPES))
@example(secret="0\r", escape=str)
def test_no_escape_saves_a_secret(secret: str, escape: Callable[[str], str]) -> None:
    try:
        escaped = escape(secret)
    except UnicodeEncodeError:
        return
    # What is around must not look like a part of it.
    assert Mask({secret}).text(f"\0{escaped}\0").replace("***", "").strip("\0'\"[]{}:, a\\") == ""


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_of_a_hostile_secret_remains(escape: Callable[[str], str]) -> None:
    secret = "k3y 'single' \"double\" \\back/slash&ü€😀\ttab\nline two of it"
    masked = Mask({secret}).text("before " + escape(secret) + " after")
    for word in ("k3y", "single", "double", "slash", "tab", "line", "two"):
        assert word not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_folded_lines_are_found() -> None:
    secret = "averylongpassword-with-hyphens and some words in it"
    folded = textwrap.fill(f"[WARNING]: something about {secret} happened", 30)
    assert secret not in folded
    masked = Mask({secret}).text(folded)
    assert "password" not in masked
    assert "words" not in masked


def test_base64_is_found() -> None:
    encoded = base64.b64encode(b"password1").decode()
    assert Mask({"password1"}).text(f"Basic {encoded}") == "Basic ***"


def test_lines_of_a_key_are_hidden_one_by_one() -> None:
    key = "-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQ\nBBBB\n-----END KEY-----\n"
    masked = Mask({key}).text("line: AAAAB3NzaC1yc2EAAAADAQABAAABgQ and BBBB")
    assert masked == "line: *** and BBBB"


def test_longer_secrets_go_first_and_none_means_no_change() -> None:
    assert Mask({"abc", "abcdef"}).text("abcdef abc") == "*** ***"
    assert Mask(set()).text("as it is") == "as it is"
    assert Mask({""}).text("as it is") == "as it is"


def test_other_texts_stay() -> None:
    text = "nothing to hide here: 1 + 1 = 2, 50%, \\n"
    assert Mask({"s3cr3t!"}).text(text) == text


def test_outputs_with_secrets_become_secrets() -> None:
    mask = Mask({"s3cr3t", "1"})
    value = {"plain": "x1", "token": "s3cr3t", "url": "http://u:s3cr3t@host", "one": "1", "n": 1, "list": ["s3cr3t"]}
    assert mask.output(value) == {
        "plain": "x1",
        "token": Secret("s3cr3t"),
        "url": Secret("http://u:s3cr3t@host"),
        "one": Secret("1"),
        "n": 1,
        "list": [Secret("s3cr3t")],
    }
