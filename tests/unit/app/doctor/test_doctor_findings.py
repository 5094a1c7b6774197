"""The doctor's looking: whatever goes wrong while it looks is a finding; what found numbers mean."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from orchestrator.app.doctor.clock import difference, is_zone
from orchestrator.app.doctor.finding import Finding, State, carried_out, findings
from orchestrator.app.doctor.home import mounted, room
from orchestrator.app.doctor.software import MODULES, NEWEST_TESTED, WHERE_NEEDED, is_newer
from orchestrator.errors import StorageError

ROOT = Path(__file__).resolve().parents[4]
MB = 1024**2


def _raising(error: Exception) -> Finding:
    def look() -> tuple[State, str]:
        raise error

    (found,) = carried_out("thing", look)
    assert (found.name, found.state) == ("thing", State.FAULT)
    return found


@pytest.mark.parametrize(
    ("error", "found", "remedy"),
    [
        (StorageError("it is torn", hint="sew it"), "it is torn", "sew it"),
        (ModuleNotFoundError("No module", name="lost"), "the Python module lost is missing", "install orch anew"),
        (ImportError("undefined symbol: x"), "broken: undefined symbol: x", "install orch anew"),
        (OSError(28, "No space left on device", "/x"), "No space left on device: /x", "other findings"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero", "report"),
    ],
)
def test_what_goes_wrong_is_a_finding(error: Exception, found: str, remedy: str) -> None:
    told = _raising(error)
    assert found in told.found
    assert remedy in told.remedy


def test_what_does_not_answer_is_a_finding_and_the_order_is_kept() -> None:
    held = threading.Event()

    def hangs() -> tuple[State, str]:
        held.wait()
        return State.OK, "too late"

    def two() -> Iterator[Finding]:
        yield Finding("b", State.OK, "one")
        yield Finding("c", State.NOTE, "two")

    found = findings([("a", hangs), ("pair", two), ("d", lambda: (State.OK, "well"))], limit=0.2)
    held.set()
    assert [(item.name, item.state) for item in found] == [
        ("a", State.FAULT),
        ("b", State.OK),
        ("c", State.NOTE),
        ("d", State.OK),
    ]
    assert "no answer" in found[0].found


@pytest.mark.parametrize(
    ("free", "files", "state"),
    [
        (2048 * MB, None, State.OK),
        (2048 * MB, 5000, State.OK),
        (500 * MB, None, State.WARNING),
        (5 * MB, 5000, State.FAULT),
        (0, None, State.FAULT),
        (2048 * MB, 500, State.WARNING),
        (2048 * MB, 0, State.FAULT),
    ],
)
def test_room(free: int, files: int | None, state: State) -> None:
    assert room(free, files)[0] is state


@pytest.mark.parametrize(
    ("before", "written", "after", "said"),
    [
        (100.0, 100.2, 100.4, "agree"),
        (100.0, 98.0, 100.4, "agree"),  # whole even seconds
        (100.0, 160.0, 100.4, "60 s ahead of"),
        (100.0, 40.0, 100.4, "60 s behind"),
        (5000.0, 1400.0, 5004.0, "3600 s behind"),
    ],
)
def test_times_of_files(before: float, written: float, after: float, said: str) -> None:
    state, found = difference(before, written, after)[:2]
    assert said in found
    assert state is (State.OK if said == "agree" else State.WARNING)


@pytest.mark.parametrize(
    ("named", "known"),
    [
        ("UTC", True),
        ("CET-1CEST,M3.5.0,M10.5.0/3", True),
        ("<+03>-3", True),
        ("Mars/Olympus", False),
        ("Europe/Berlinn", False),
        ("/no/such/file", False),
        ("../../etc/passwd", False),
    ],
)
def test_time_zones(named: str, known: bool) -> None:
    assert is_zone(named) is known


@pytest.mark.parametrize(
    ("version", "tested", "newer"),
    [
        ("2.21.3", "2.21", False),
        ("2.22.0", "2.21", True),
        ("3.0", "2.21", True),
        ("2.9", "2.21", False),
        ("2.22.0rc1", "2.21", True),
        ("1.0", None, False),
    ],
)
def test_newer_versions(version: str, tested: str | None, newer: bool) -> None:
    assert is_newer(version, tested) is newer


def test_the_newest_tested_version_of_every_package_is_written_down() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = {Requirement(text).name.lower().replace(".", "-") for text in project["dependencies"]}
    assert own == set(NEWEST_TESTED)
    assert own == {*MODULES, *WHERE_NEEDED}


def test_the_file_system_of_a_folder() -> None:
    assert mounted(Path("/proc/self"))[0] == "proc"
    kind, options = mounted(Path(__file__).parent)
    assert kind not in ("proc", "unknown file system")
    assert {"rw", "ro"} & set(options)
