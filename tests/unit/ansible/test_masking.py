"""Secrets are taken out of texts however they were escaped."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import shlex
import textwrap
import unicodedata
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
    key = "-----BEGIN KEY-----\nAAAAB3NzaC1yc2EAAAADAQABAAABgQ\nBBBB\nCC\n-----END KEY-----\n"
    masked = Mask({key}).text("line: AAAAB3NzaC1yc2EAAAADAQABAAABgQ and BBBB and CC")
    assert masked == "line: *** and *** and CC"
    assert Mask({key}).text(key) == "***"
    long = key * 20
    for escape in (str, json.dumps, repr, quote):
        assert set(Mask({long}).text(escape(long)).replace("***", "")) <= set("\n\\n\"'%0A")


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
        "n": Secret("1"),
        "list": [Secret("s3cr3t")],
    }


AWKWARD = {
    "short": "7q",
    "word": "sunrise",
    "quotes": "a'b\"c\\d",
    "regex": ".*[x]{2}(y|$)+?",
    "unicode": "pässwörd-\u20ac-\U0001f600",
    "line ends": "first\nse\r\nthird line\n",
}
FORMS: dict[str, Callable[[str], str]] = {
    "whole": str,
    "in a text": "pre{}post".format,
    "url": lambda s: "https://u:" + quote(s, safe="") + "@host/",
    "url twice": lambda s: quote(quote(s, safe="")),
    "json": lambda s: json.dumps({"a": [s]}),
    "json in json": lambda s: json.dumps(json.dumps({"a": s}, ensure_ascii=False)),
    "python": lambda s: repr({"a": s}),
    "bytes": lambda s: repr(s.encode()),
    "shell": lambda s: "export A=" + shlex.quote(s),
    "html": lambda s: "<b>" + html.escape(s) + "</b>",
    "xml": lambda s: s.encode("ascii", "xmlcharrefreplace").decode(),
    "octal": lambda s: "".join(c if c.isascii() else "".join(f"\\{b:03o}" for b in c.encode()) for c in s),
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 with a newline": lambda s: base64.b64encode(f"{s}\n".encode()).decode(),
    "lines": lambda s: json.dumps(s.splitlines(), ensure_ascii=False),
    "decomposed": lambda s: unicodedata.normalize("NFD", s),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", AWKWARD.values(), ids=AWKWARD)
def test_what_is_made_from_an_awkward_secret_is_a_secret(secret: str, form: Callable[[str], str]) -> None:
    made = form(secret)
    mask = Mask({secret})
    assert mask.output(made) == Secret(made)
    assert mask.output({"deep": [{"made": made}]}) == {"deep": [{"made": Secret(made)}]}
    shown = mask.text(f"said: {made}.")
    assert "***" in shown
    for part in re.findall(r"[A-Za-z0-9]{3,}", secret):
        assert part not in shown
    assert Mask({"another secret"}).output(made) == made


@pytest.mark.parametrize("before", ["", "u", "me", "joe"])
@pytest.mark.parametrize("behind", ["", "!", "ab", "\n"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes, binascii.hexlify])
@pytest.mark.parametrize(
    "secret", ["sunrise", "a'b\"c\\d", "p\u00e4ss?>~", "a much longer secret, which takes several lines of code " * 2]
)
def test_codes_of_texts_with_a_secret(secret: str, encode: Callable[[bytes], bytes], before: str, behind: str) -> None:
    made = encode(f"{before}{secret}{behind}".encode()).decode()
    assert Mask({secret}).output(made) == Secret(made)
    shown = Mask({secret}).text(f"Authorization: {made}.")
    left = shown.removeprefix("Authorization: ").replace("***", "")
    assert len(left) <= len(f"{before}{behind}") * 2 + 4


def test_numbers_and_lists_made_from_secrets() -> None:
    mask = Mask({"4711", "42", "ab\ncd", "true"})
    assert mask.output(4711) == Secret("4711")
    assert mask.output(147110) == Secret("147110")
    assert mask.output(42) == Secret("42")
    assert (mask.output(1423), mask.output(0.5), mask.output(True), mask.output(None)) == (1423, 0.5, True, None)
    assert mask.output(["ab", "cd"]) == [Secret("ab"), Secret("cd")]
    assert mask.output(["ab"]) == ["ab"]


def test_short_secrets_are_no_coincidence_in_outputs_but_in_words_that_orch_reads() -> None:
    mask = Mask({"12", "x", "long enough"})
    assert mask.output("job 12") == Secret("job 12")
    assert mask.output("ax") == "ax"
    assert mask.output("a-x") == Secret("a-x")
    assert mask.output("4128", word=True) == "4128"
    assert mask.output("12", word=True) == Secret("12")
    assert mask.output("a long enough word", word=True) == Secret("a long enough word")


def test_names_of_entries_are_kept_unless_they_are_a_secret() -> None:
    mask = Mask(["p", "u", "hunter2"])
    assert mask.output({"output_path": 1, "execution_url": {"hunter2": "x"}}) == {
        "output_path": 1,
        "execution_url": {"***": "x"},
    }
