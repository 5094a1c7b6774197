"""Where private folders of runs can be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.ansible import first_fit, lack_of
from orchestrator.app.settings import read_settings
from orchestrator.errors import StorageError


def test_the_first_place_that_will_do_is_taken_and_is_private(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = first_fit([tmp_path / "file" / "runs", tmp_path / "b", tmp_path / "c"])
    assert place == tmp_path / "b"
    assert oct(place.stat().st_mode)[-3:] == "700"
    assert list(place.iterdir()) == []
    assert not (tmp_path / "c").exists()


def test_a_long_path_is_no_hindrance(tmp_path: Path) -> None:
    assert lack_of(tmp_path / ("long" * 30) / "runs") is None


def test_a_link_to_somewhere_else_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert lack_of(tmp_path / "link") == "it is not a folder of this user"


def test_a_file_system_without_pipes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkfifo(path: object, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mkfifo", mkfifo)
    assert lack_of(tmp_path / "a") == "its file system has no named pipes (Operation not permitted)"
    with pytest.raises(StorageError, match="no named pipes") as raised:
        first_fit([tmp_path / "a", tmp_path / "b"])
    assert "TMPDIR" in (raised.value.hint or "")
    assert str(tmp_path / "b") in raised.value.message


def test_the_folder_of_the_login_session_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = read_settings({"ORCH_HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/1"}).run_places
    assert places[0] == tmp_path / "runs"
    assert places[-1].parent == Path("/run/user/1")
    others = read_settings({"ORCH_HOME": str(tmp_path / "other")}).run_places
    assert len(others) == 2
    assert others[1] != places[1]
