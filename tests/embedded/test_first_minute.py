"""What a new user does: clone, `make demo`; and the package as a wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import required
from support.orch import ROOT


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without what tests or a virtual environment put into it."""
    left_out = ("ORCH_", "VIRTUAL_ENV", "PYTHONPATH", "PYTEST", "MAKE", "MFLAGS")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(left_out)}, **more}


def run(*words: str | Path, cwd: Path, **more: str) -> str:
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=clean_environment(**more), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of what is committed."""
    required((ROOT / ".git").exists(), "not a git checkout")
    folder = tmp_path_factory.mktemp("clone") / "orch"
    run("git", "clone", "-q", ROOT, folder, cwd=ROOT)
    return folder


def test_make_demo_twice(clone: Path) -> None:
    first = run("make", "demo", cwd=clone, PYTHON=sys.executable)
    assert "orch deploy" in first
    second = run("make", "demo", cwd=clone, PYTHON=sys.executable)
    assert "orch deploy" not in second
    for said in (first, second):
        (result,) = [line.split()[1] for line in said.splitlines() if line.startswith("result ")]
        lines = Path(result).read_text().splitlines()
        assert "\n".join(lines[:10]) in said
        run(
            sys.executable,
            clone / "topologies/minimal_workflow/count_words.py",
            clone / ".demo/data.txt",
            result,
            cwd=clone,
        )
        assert (clone / ".demo/topology.svg").exists()
    assert (clone / ".demo/data.txt").stat().st_size >= 1_000_000


def test_a_wheel_has_the_types_the_playbooks_and_the_examples(clone: Path, tmp_path: Path) -> None:
    python = clone / ".venv/bin/python"
    if not python.exists():
        run("make", ".venv/.installed", cwd=clone, PYTHON=sys.executable)
    run(python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ".", cwd=clone)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    run(python, "-m", "pip", "install", "-q", "--no-deps", "--target", installed, wheel, cwd=tmp_path)
    example = installed / "orchestrator/_data/topologies/minimal_workflow/topology.yaml"
    assert example.exists()
    said = run(
        python,
        "-m",
        "orchestrator",
        "plan",
        example,
        "install",
        cwd=tmp_path,
        PYTHONPATH=str(installed),
        ORCH_HOME=str(tmp_path / "h"),
    )
    assert "ImageCreation" in said
    assert "warning" not in said
