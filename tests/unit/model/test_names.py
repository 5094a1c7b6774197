from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.names import file_name, is_name


@pytest.mark.parametrize("text", ["a", "mn5", "A.b_c-d", "0", "a" * 100, "1.2.3"])
def test_names(text: str) -> None:
    assert is_name(text)
    assert file_name(text) == text


@pytest.mark.parametrize(
    "text", ["", ".", "..", "-x", "_x", "a/b", "../a", "/a", " ", "a b", "a\n", "\x1b[31m", "ä", "a" * 101, "a\0"]
)
def test_what_is_no_name(text: str) -> None:
    assert not is_name(text)
    assert is_name(file_name(text))


def test_a_shorter_rule() -> None:
    assert is_name("a" * 32, 32)
    assert not is_name("a" * 33, 32)


@given(st.text(), st.text())
def test_folders_of_different_names_differ_and_are_short(one: str, other: str) -> None:
    assert is_name(file_name(one))
    assert len(file_name(one)) <= 100
    assert (file_name(one) == file_name(other)) == (one == other)


def test_long_names_with_one_beginning_differ() -> None:
    assert file_name("n" * 240) != file_name("n" * 241)
