"""Topologies in the store name what ships with orch by what it is: an upgrade may put it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.app import recorded as module
from orchestrator.app.recorded import from_record, recorded


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    module._folders.cache_clear()
    yield
    module._folders.cache_clear()


def _installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module._folders.cache_clear()
    monkeypatch.setattr(resources, "playbooks_folder", lambda: folder / "playbooks")
    monkeypatch.setattr(resources, "types_folder", lambda: folder / "tosca_types")


OLD, NEW = Path('/opt/3.12/it\'s "orch"'), Path("/opt/3.13/orch")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"{OLD}/playbooks/dls.ansible/submit.yaml", f"{NEW}/playbooks/dls.ansible/submit.yaml"),
        (f"{OLD}/tosca_types/dls/types.yaml", f"{NEW}/tosca_types/dls/types.yaml"),
        # of the user's own
        (f"/backup{OLD}/playbooks/x.yaml", f"/backup{OLD}/playbooks/x.yaml"),
        (f"{OLD}/playbooks-of-mine/x.yaml", f"{OLD}/playbooks-of-mine/x.yaml"),
        (f'cat "{OLD}/playbooks/x.yaml"', f'cat "{OLD}/playbooks/x.yaml"'),
        ("playbooks/x.yaml", "playbooks/x.yaml"),
        ("a\\", "a\\"),
    ],
)
def test_files_that_ship_with_orch_are_found_after_an_upgrade(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _installed(OLD, monkeypatch)
    text = recorded({"path": before, "more": [before, "x"]})
    assert from_record(text, dict[str, object]) == {"path": before, "more": [before, "x"]}
    _installed(NEW, monkeypatch)
    assert from_record(text, dict[str, object]) == {"path": after, "more": [after, "x"]}
    # what an orch in another place writes of the same topology is the same
    assert recorded({"path": after, "more": [after, "x"]}) == text
