"""Playbooks that were written for Yorc run unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.orch import Orch

TOPOLOGY = Path(__file__).with_name("yorc") / "topology.yaml"


@pytest.fixture
def folder(orch: Orch, tmp_path: Path) -> Path:
    """Where the playbooks leave their traces."""
    traces = tmp_path / "traces"
    traces.mkdir()
    orch("deploy", TOPOLOGY, "-i", f"folder={traces}")
    return traces


@pytest.mark.smoke
def test_variables_outputs_and_idioms(orch: Orch, folder: Path) -> None:
    assert (folder / "My_Node_0.txt").read_text() == (
        "My-Node My_Node_0 My_Node_0 yorc-idioms yes it is/6/value/123/a word\n"
    )
    assert (folder / "Other_0.txt").read_text() == "Other Other_0 Other_0 yorc-idioms no/6/value/123/other\n"
    shown = {node["name"]: node["attributes"] for node in orch.json("show")["nodes"]}
    assert shown["My-Node"]["answer"] == "yes it is/6/value/123/a word"


def test_the_operations_of_a_relationship_are_woven_in(folder: Path) -> None:
    assert (folder / "order.txt").read_text().splitlines() == [
        "configured Other",
        "My-Node My_Node_0 uses Other Other_0 (other)",
        "configured My-Node",
    ]


def test_a_job_is_polled_by_its_own_playbook(orch: Orch, folder: Path) -> None:
    orch("run", "job")
    assert (folder / "polled").read_text() == "poll job-17\n" * 3
    shown = {node["name"]: node["attributes"] for node in orch.json("show")["nodes"]}
    assert shown["Job"]["result"] == "after 3"


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "OUT_OF_MEMORY", "CANCELLED"])
def test_a_final_state_ends_the_polling(orch: Orch, folder: Path, state: str) -> None:
    said = orch("run", "job", "-i", f"fail={state}", status=1)
    assert state in said.stdout + said.stderr


def test_a_state_that_is_none_ends_after_a_few_polls(orch: Orch, folder: Path) -> None:
    said = orch("run", "job", "-i", "fail=BANANA", status=1)
    assert "BANANA" in said.stdout + said.stderr
