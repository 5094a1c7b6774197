"""Operations that are implemented by scripts."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from embedded.test_hostile_inputs import HOSTILE, files_with, sampled_arguments, unharmed
from support.orch import Orch

TOPOLOGY = Path(__file__).with_name("scripts") / "topology.yaml"
SECRET = f"canary-{uuid.uuid4().hex}"
WORD = " ".join(HOSTILE.values())


@pytest.fixture
def folder(orch: Orch, tmp_path: Path) -> Path:
    """Where the scripts leave their traces."""
    traces = tmp_path / "traces"
    traces.mkdir()
    orch("secrets", "set", "scripts", "value", stdin=f"{SECRET}\n")
    return traces


def attributes(orch: Orch, node: str) -> dict[str, Any]:
    return {n["name"]: n["attributes"] for n in orch.json("show")["nodes"]}[node]


@pytest.mark.smoke
def test_scripts_get_data_and_give_outputs(orch: Orch, folder: Path) -> None:
    with sampled_arguments() as seen:
        said = orch("deploy", TOPOLOGY, "-i", f"folder={folder}", "-i", f"word={WORD}")
    logs = orch("executions", "logs", "--level", "debug").stdout
    output = orch("executions", "logs", "--kind", "output").stdout
    assert "the number of arguments is 0" in output
    own = [WORD, WORD, "[1, 2]", "true", "some notes", str(len(SECRET))]
    shell = (folder / "shell").read_text().split("\0")[:-1]
    assert shell == ["Shell", "Shell_0", "Shell_0", *own, "create.sh", "yes"]
    assert (folder / "snake").read_text().split("\0") == ["Snake", "Snake_0", "Snake_0", *own, WORD]
    # what create has set is what start is told
    assert (folder / "said").read_text() == f'{WORD}, and\nmore, "quoted"'
    assert (folder / "trapped").exists()
    found = attributes(orch, "Shell")
    assert (found["said"], found["also"]) == (f'{WORD}, and\nmore, "quoted"', "plain")
    assert attributes(orch, "Snake")["also"] == "5"
    assert "the number of arguments is 0" in logs
    unharmed(orch.folder)
    assert SECRET not in said.stdout + said.stderr + logs
    assert not [words for words in seen if SECRET in words]
    assert list(files_with(orch.folder, SECRET)) == []


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("badly", ["start.sh ended with exit code 7", "it went badly"]),
        ("forgetful", ["start.sh ended without having set LATE"]),
        ("python-badly", ["start.py ended with exit code 1", "it went badly"]),
        ("python-forgetful", ["start.py ended without having set LATE"]),
    ],
)
def test_a_script_that_fails_says_why(orch: Orch, folder: Path, how: str, expected: list[str]) -> None:
    done = orch("deploy", TOPOLOGY, "-i", f"folder={folder}", "-i", f"how={how}", status=1)
    said = done.stdout + done.stderr
    for text in expected:
        assert text in said


def test_a_job_of_scripts(orch: Orch, folder: Path) -> None:
    orch("deploy", TOPOLOGY, "-i", f"folder={folder}")
    orch("run", "job")
    assert (folder / "polled").read_text() == "job-5\n" * 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'\xef\xbb\xbf#!/bin/bash\nif true; then\n  FOUND="$0 yes"\nfi\n', "yes"),
        (b'#!/bin/bash\r\nif true; then\r\n  FOUND="$0 yes"\r\nfi\r\n', "yes"),
        (b"\xef\xbb\xbfFOUND=\"$0 $(printf 'caf\xc3\xa9')\"\r\n# caf\xe9\r\n", "caf\u00e9"),
    ],
    ids=["mark", "line ends", "both, and other bytes"],
)
def test_a_script_of_another_editor(orch: Orch, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "topology.yaml").write_text(EDITED)
    (tmp_path / "create.sh").write_bytes(content)
    orch("deploy", tmp_path / "topology.yaml")
    assert attributes(orch, "It")["found"] == f"{tmp_path}/create.sh {said}"
    assert (tmp_path / "create.sh").read_bytes() == content


def test_a_script_in_utf_16_is_named(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "topology.yaml").write_text(EDITED)
    (tmp_path / "create.sh").write_text("FOUND=x\n", encoding="utf-16")
    done = orch("deploy", tmp_path / "topology.yaml", status=None)
    assert done.returncode != 0
    assert "UTF-16" in done.stdout + done.stderr


EDITED = """
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  edited.It:
    derived_from: tosca.nodes.Root
    attributes:
      found: { type: string }
    interfaces:
      Standard:
        operations:
          create:
            implementation: create.sh
            outputs: { FOUND: [ SELF, found ] }
topology_template:
  node_templates:
    It: { type: edited.It }
"""
