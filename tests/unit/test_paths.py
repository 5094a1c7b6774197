from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import paths


def test_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert [ask(file) for ask in (paths.exists, paths.is_file, paths.is_folder)] == [True, True, False]
    assert [ask(tmp_path) for ask in (paths.exists, paths.is_file, paths.is_folder)] == [True, False, True]


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "file/below", "\udc80" * 200, "d/" * 3000])
def test_a_name_that_no_file_can_have_is_not_there(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / name
    assert not any(ask(path) for ask in (paths.exists, paths.is_file, paths.is_folder))
