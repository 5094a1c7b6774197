"""Builds the wheel, installs it for every Python and choice of dependencies, and runs the smoke tests on each.

Each environment is made outside of the source tree; the tests start the orch that is installed in it, from folders of
their own.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
OF_ANSIBLE = ("2.19", "2.20", "2.21")
OLDEST, NEWEST = "lowest-direct", "highest"


@dataclass(frozen=True)
class Choice:
    """One environment: a Python, how versions of dependencies are chosen, and a version of Ansible if it is fixed."""

    python: str
    resolution: str = NEWEST
    ansible: str | None = None

    @property
    def name(self) -> str:
        """For people."""
        which = f"ansible-core {self.ansible}" if self.ansible else f"{self.resolution} versions"
        return f"Python {self.python}, {which}"


def main() -> int:
    """Run it; the exit status is 1 when something did not work or no Python was there."""
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each Python once, the oldest with the oldest versions")
    parser.add_argument("--only", default="", help="only environments whose name has this text")
    given = parser.parse_args()
    there = {version: python for version in PYTHONS if (python := find(version)) is not None}
    for version in PYTHONS:
        print(f"Python {version}: {there.get(version) or 'not there, so not tried'}", flush=True)
    chosen = [c for c in (short(list(there)) if given.short else whole(list(there))) if given.only in c.name]
    with tempfile.TemporaryDirectory(prefix="orch-matrix-") as name:
        folder = Path(name)
        wheel = build(folder / "wheel")
        places = {choice: folder / str(i) for i, choice in enumerate(chosen)}
        failed = [choice.name for choice, place in places.items() if not works(choice, there, wheel, place)]
        if len(places) > 1 and not kept(list(places.values()), folder / "kept"):
            failed.append("state that is kept from one environment to the next")
    for name in failed:
        print(f"FAILED: {name}")
    print(f"\n{len(chosen) - len(failed)} environments passed, {len(failed)} failed")
    return 1 if failed or not chosen else 0


def whole(there: list[str]) -> Iterator[Choice]:
    """Every Python with the newest and the oldest versions, and every Ansible on one Python that has them all."""
    for version in there:
        yield Choice(version, NEWEST)
        yield Choice(version, OLDEST)
    for version in [v for v in there if v in ("3.12", "3.13")][-1:]:
        yield from (Choice(version, NEWEST, ansible) for ansible in OF_ANSIBLE)


def short(there: list[str]) -> Iterator[Choice]:
    """Every Python once."""
    yield from (Choice(version, OLDEST if version == there[0] else NEWEST) for version in there)


def find(version: str) -> str | None:
    """A Python of that version on this machine."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    names = [f"python{version}", *map(str, sorted(pyenv.glob(f"{version}.*/bin/python{version}"), reverse=True))]
    for name in names:
        code = "import sys, venv, ensurepip; print(*sys.version_info[:2], sep='.'); print(sys.executable)"
        try:
            done = subprocess.run([name, "-c", code], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue  # not there, or a launcher of a Python that is not
        found, _, executable = done.stdout.strip().partition("\n")
        if found == version:
            return executable
    return None


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    uv("build", "-q", "--wheel", "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def works(choice: Choice, there: dict[str, str], wheel: Path, folder: Path) -> bool:
    """Whether the smoke tests pass in an environment that is made for it."""
    began = time.monotonic()
    print(f"\n== {choice.name}", flush=True)
    python = folder / "bin" / "python"
    more = [f"ansible-core=={choice.ansible}.*"] if choice.ansible else []
    uv("venv", "-q", "--python", there[choice.python], folder)
    if choice.resolution == OLDEST:
        # of what pyproject.toml asks for: for the wheel itself they would be the dependencies of a dependency
        pins = folder / "pins.txt"
        words = ("--resolution", OLDEST, "--python", python, "--no-header", "--no-annotate", "-o", pins)
        uv("pip", "compile", "-q", *words, ROOT / "pyproject.toml")
        more = [*more, "-r", str(pins)]
    uv("pip", "install", "-q", "--python", python, wheel, *more)
    print(subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True).stdout, end="")
    tests = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "smoke", "-p", "no:cacheprovider"]
    environment = {**os.environ, "ORCH_TEST_PYTHON": str(python)}
    done = subprocess.run([*tests, str(ROOT / "tests" / "embedded")], env=environment, cwd=ROOT)
    print(f"== {choice.name}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.monotonic() - began:.0f} s)")
    return done.returncode == 0


def kept(places: list[Path], folder: Path) -> bool:
    """Whether what one environment has deployed is run by all others, and undeployed by the last, on one home.

    The first one is gone by then, as after an upgrade.
    """
    print("\n== one home, from environment to environment", flush=True)
    shutil.copytree(ROOT / "topologies" / "minimal_workflow", folder)
    text = "again and again\n" * 1000
    (folder / "data.txt").write_text(text)
    run = ["run", "exec_job", "-i", "oid=my-text", "-i", f"staged_in_data_path={folder}/in"]
    commands = [
        ["catalogue", "add", "--oid", "my-text", "data.txt"],
        ["deploy", "topology.yaml"],
        *([*run, "-i", f"result_data_path={folder}/out{i}"] for i in range(len(places))),
        ["undeploy"],
    ]
    who = [places[0], places[0], *places, places[-1]]
    for place, command in zip(who, commands, strict=True):
        if place != places[0] and places[0].exists():
            shutil.rmtree(places[0])
        words = [place / "bin" / "python", "-m", "orchestrator", *command]
        environment = {**os.environ, "ORCH_HOME": str(folder / "home")}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
            return False
    results = [folder / f"out{i}" / "result.txt" for i in range(len(places))]
    wrong = [str(result) for result in results if not result.is_file() or "2000" not in result.read_text()]
    if wrong:
        print(f"these results are not there, or wrong: {', '.join(wrong)}")
    return not wrong


VERSIONS = """
import importlib.metadata as m
names = "ansible-core dbos sqlalchemy asyncssh cryptography msgspec"
print(", ".join(f"{name} {m.version(name)}" for name in names.split()))
"""


def uv(*words: str | Path) -> None:
    """Run uv of the environment that the tests run in; it trusts whom pip trusts, the certificates of the system."""
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    subprocess.run([Path(sys.executable).with_name("uv"), *map(str, words)], env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
