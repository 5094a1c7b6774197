"""Lock files: what is written, and what a difference is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.app.packaging import lock, package
from orchestrator.app.reading import validate
from orchestrator.app.settings import Settings
from orchestrator.app.wiring import Home
from orchestrator.model.problems import DocumentError
from orchestrator.tosca import codes
from orchestrator.tosca.locks import LOCK_NAME, lock_problems, read_lock

TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: locked, template_version: 1.0.0 }
imports: [ types.yaml, "mine:1.0.0" ]
topology_template:
  node_templates:
    one: { type: example.N }
    two: { type: mine.N }
"""
TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  example.N:
    derived_from: tosca.nodes.Root
    interfaces: { Standard: { operations: { start: scripts/start.sh } } }
"""
PROFILE = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: {{ template_name: mine, template_version: {version} }}
node_types:
  mine.N:
    derived_from: tosca.nodes.Root
    interfaces: {{ Standard: {{ operations: {{ start: playbooks/run.yaml }} }} }}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    add_profile(tmp_path, "1.0.0")
    return Home(Settings(tmp_path / "home", tmp_path))


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "scripts").mkdir(parents=True)
    (folder / "topology.yaml").write_text(TOPOLOGY)
    (folder / "types.yaml").write_text(TYPES)
    (folder / "scripts" / "start.sh").write_text("echo start\n")
    (folder / "scripts" / "functions").write_text("a\n")
    return folder / "topology.yaml"


def add_profile(tmp_path: Path, version: str) -> Path:
    folder = tmp_path / "home" / "profiles" / f"mine-{version}"
    (folder / "playbooks" / "tasks").mkdir(parents=True)
    (folder / "types.yaml").write_text(PROFILE.format(version=version))
    (folder / "playbooks" / "run.yaml").write_text("- hosts: all\n")
    (folder / "playbooks" / "tasks" / "more.yaml").write_text("[]\n")
    return folder


def differences(home: Home, topology: Path) -> list[str]:
    """The messages of validating; every problem must be one of the lock file, in the lock file."""
    checked = validate(home, topology)
    assert {problem.code for problem in checked.problems} <= {codes.LOCK_DIFFERS}
    for problem in checked.problems:
        assert problem.span is not None
        assert problem.span.file == str(topology.parent / LOCK_NAME)
        assert problem.hint is not None
        assert f"orch lock {topology.name}" in problem.hint
    assert checked.ok is not bool(checked.problems)
    return [problem.message for problem in checked.problems]


def test_what_is_locked(home: Home, topology: Path) -> None:
    locked = lock(home.settings, topology)
    assert locked.file == topology.parent / LOCK_NAME
    assert not locked.changed
    documents = [(file.path, file.profile) for file in locked.topology.documents]
    assert documents == [
        ("topology.yaml", None),
        ("types.yaml", None),
        ("types.yaml", "mine:1.0.0"),
        ("types.yaml", "tosca-normative-types:1.0.0-ALIEN20"),
    ]
    files = [(file.path, file.profile) for file in locked.topology.files]
    assert files == [
        ("scripts/functions", None),
        ("scripts/start.sh", None),
        ("playbooks/run.yaml", "mine:1.0.0"),
        ("playbooks/tasks/more.yaml", "mine:1.0.0"),
    ]
    assert locked.topology.shipped is None
    assert differences(home, topology) == []


def test_locking_again_changes_nothing(home: Home, topology: Path) -> None:
    lock(home.settings, topology)
    first = (topology.parent / LOCK_NAME).read_bytes()
    assert not lock(home.settings, topology).changed
    assert (topology.parent / LOCK_NAME).read_bytes() == first


def test_the_lock_moves_with_its_folder(home: Home, topology: Path, tmp_path: Path) -> None:
    lock(home.settings, topology)
    moved = topology.parent.rename(tmp_path / "moved")
    assert differences(home, moved / "topology.yaml") == []


@pytest.mark.parametrize("name", ["topology.yaml", "types.yaml", "scripts/start.sh", "scripts/functions"])
def test_another_content_is_an_error(name: str, home: Home, topology: Path) -> None:
    lock(home.settings, topology)
    with (topology.parent / name).open("a") as file:
        file.write("# changed\n")
    (message,) = differences(home, topology)
    assert message == f"{name} has another content than the locked one"


@pytest.mark.parametrize("name", ["types.yaml", "playbooks/run.yaml", "playbooks/tasks/more.yaml"])
def test_another_content_of_a_profile_is_an_error(name: str, home: Home, topology: Path) -> None:
    lock(home.settings, topology)
    with (home.settings.profiles / "mine-1.0.0" / name).open("a") as file:
        file.write("# changed\n")
    (message,) = differences(home, topology)
    assert message == f"{name} of the profile mine:1.0.0 has another content than the locked one"


def test_another_version_of_a_profile_is_an_error(home: Home, topology: Path, tmp_path: Path) -> None:
    topology.write_text(TOPOLOGY.replace("mine:1.0.0", "mine:1.1.1"))
    lock(home.settings, topology)
    add_profile(tmp_path, "1.1.0")  # nearer
    checked = validate(home, topology)
    (problem,) = [p for p in checked.problems if p.code == codes.LOCK_DIFFERS]
    assert problem.message == "the profile mine is taken in version 1.1.0; locked is 1.0.0"
    assert problem.hint is not None
    assert "orch profiles add" in problem.hint
    line = (topology.parent / LOCK_NAME).read_text().splitlines()[problem.span.line - 1]  # type: ignore[union-attr]
    assert '"mine:1.0.0"' in line


def test_a_file_more_or_less_is_an_error(home: Home, topology: Path) -> None:
    lock(home.settings, topology)
    (topology.parent / "scripts" / "functions").rename(topology.parent / "scripts" / "new")
    assert sorted(differences(home, topology)) == [
        "scripts/functions is locked, but does not belong to the topology any more",
        "scripts/new belongs to the topology, but is not locked",
    ]


def test_locking_anew_accepts_what_there_is(home: Home, topology: Path) -> None:
    lock(home.settings, topology)
    (topology.parent / "scripts" / "start.sh").write_text("echo other\n")
    assert differences(home, topology)
    assert lock(home.settings, topology).changed
    assert differences(home, topology) == []


def test_many_differences_are_summed_up(home: Home, topology: Path) -> None:
    lock(home.settings, topology)
    for number in range(40):
        (topology.parent / "scripts" / f"{number}.sh").write_text("")
    messages = differences(home, topology)
    assert len(messages) == 21
    assert any(message.startswith("20 more files differ") for message in messages)


def test_a_lock_file_holds_several_topologies(home: Home, topology: Path) -> None:
    other = topology.parent / "other.yaml"
    other.write_text(TOPOLOGY.replace("locked", "other"))
    lock(home.settings, topology)
    lock(home.settings, other)
    found = read_lock(topology.parent / LOCK_NAME)
    assert found is not None
    assert list(found.topologies) == ["other.yaml", "topology.yaml"]
    other.write_text(other.read_text() + "# changed\n")
    assert differences(home, topology) == []
    assert len(differences(home, other)) == 1


def test_a_faulty_topology_is_not_locked(home: Home, topology: Path) -> None:
    topology.write_text(TOPOLOGY.replace("mine.N", "mine.M"))
    with pytest.raises(DocumentError):
        lock(home.settings, topology)
    assert not (topology.parent / LOCK_NAME).exists()


BROKEN = ["", "{", "[]", "\xff", '{"version": 2, "topologies": {}}', '{"version": 1, "topologies": {}, "more": 1}']


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_lock_file_is_one_problem(content: str, home: Home, topology: Path) -> None:
    file = topology.parent / LOCK_NAME
    file.write_bytes(content.encode("latin-1"))
    checked = validate(home, topology)
    assert [problem.code for problem in checked.problems] == [codes.LOCK_UNREADABLE]
    assert str(file) in checked.problems[0].message
    assert not checked.ok


def test_shipped_playbooks_are_locked_as_one(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestrator import resources

    topology = resources.topologies_folder() / "minimal_workflow" / "topology.yaml"
    copy = tmp_path / "topology.yaml"
    copy.write_bytes(topology.read_bytes())
    locked = lock(home.settings, copy)
    assert locked.topology.shipped is not None
    file = tmp_path / LOCK_NAME
    text = json.loads(file.read_text())
    text["topologies"]["topology.yaml"]["shipped"] = "0" * 64
    file.write_text(json.dumps(text, indent=2))
    assert differences(home, copy) == ["the playbooks that ship with orch are other ones than the locked ones"]


def test_a_package_carries_its_lock(home: Home, topology: Path, tmp_path: Path) -> None:
    lock(home.settings, topology)
    made = package(home.settings, topology, tmp_path / "out.csar")
    assert LOCK_NAME in made.files
    other = Home(Settings(tmp_path / "other", tmp_path))  # a home without the profile: the package has it
    checked = validate(other, made.file)
    assert checked.ok
    assert not checked.problems


def test_a_package_with_other_content_than_its_lock_is_refused(home: Home, topology: Path, tmp_path: Path) -> None:
    lock(home.settings, topology)
    (topology.parent / "scripts" / "start.sh").write_text("echo other\n")
    made = package(home.settings, topology, tmp_path / "out.csar")
    checked = validate(home, made.file)
    assert [problem.code for problem in checked.problems] == [codes.LOCK_DIFFERS]
    assert not checked.ok


def test_a_package_can_be_locked_from_outside(home: Home, topology: Path, tmp_path: Path) -> None:
    made = package(home.settings, topology, tmp_path / "out.csar")
    locked = lock(home.settings, made.file)
    assert locked.file == tmp_path / LOCK_NAME
    assert validate(home, made.file).ok
    (topology.parent / "scripts" / "start.sh").write_text("echo other\n")
    package(home.settings, topology, tmp_path / "out.csar")
    (problem,) = validate(home, made.file).problems
    assert problem.message == "scripts/start.sh has another content than the locked one"


def test_without_a_lock_file_nothing_is_said(home: Home, topology: Path) -> None:
    reading = validate(home, topology)
    assert not reading.problems
    assert lock_problems(topology.parent / LOCK_NAME, "x", reading, None, topology.parent) == []  # type: ignore[arg-type]
