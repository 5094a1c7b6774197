"""The catalog with CSARs in it, topologies in CSARs, and imports in every notation."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.app.profiles import add_profile, list_profiles, remove_profile
from orchestrator.app.reading import validate
from orchestrator.app.settings import Settings
from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.model.problems import DocumentError, Severity
from orchestrator.tosca import Catalog, Reading, codes, read_topology
from orchestrator.tosca.csar import META

TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: {{ template_name: {name}, template_version: {version} }}
node_types:
  {name}.N:
    derived_from: tosca.nodes.Root
    properties: {{ made_by: {{ type: string, default: "{version}" }} }}
    interfaces: {{ Standard: {{ operations: {{ start: playbooks/run.yaml }} }} }}
"""
TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: {{ template_name: a, template_version: 1.0.0 }}
imports: [ "{reference}" ]
topology_template: {{ node_templates: {{ one: {{ type: mine.N }} }} }}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home").mkdir()
    return Settings(tmp_path / "home", tmp_path)


def profile_archive(path: Path, version: str, name: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("types.yaml", TYPES.format(name=name, version=version))
        archive.writestr("playbooks/run.yaml", "- hosts: all\n")
    return path


def version_taken(settings: Settings, reference: str) -> tuple[str, list[str]]:
    """The version of ``mine`` that a topology gets, and the codes of the problems."""
    file = settings.home / "topology.yaml"
    file.write_text(TOPOLOGY.format(reference=reference))
    checked = validate(Home(settings), file)
    assert checked.topology is not None
    made_by = checked.topology.node_templates["one"].properties["made_by"]
    return made_by.value, [problem.code for problem in checked.problems]  # type: ignore[union-attr]


def test_versions_side_by_side(settings: Settings) -> None:
    for version in ("1.0.0", "1.2.0", "2.0.0"):
        profile_archive(settings.profiles / f"mine-{version}.csar", version)
    folder = settings.profiles / "as-a-folder"
    (folder / "playbooks").mkdir(parents=True)
    (folder / "types.yaml").write_text(TYPES.format(name="mine", version="3.1.0"))
    (folder / "playbooks" / "run.yaml").write_text("- hosts: all\n")
    for version in ("1.0.0", "1.2.0", "2.0.0", "3.1.0"):
        assert version_taken(settings, f"mine:{version}") == (version, [])
    assert version_taken(settings, "mine:1.1.0") == ("1.2.0", [codes.IMPORT_VERSION])
    assert version_taken(settings, "mine:2.5.0") == ("2.0.0", [codes.IMPORT_VERSION])
    assert version_taken(settings, "mine:9.0.0") == ("3.1.0", [codes.IMPORT_VERSION])


def test_a_profile_in_an_archive_brings_its_playbooks(settings: Settings) -> None:
    profile_archive(settings.profiles / "mine.zip", "1.0.0")
    file = settings.home / "topology.yaml"
    file.write_text(TOPOLOGY.format(reference="mine:1.0.0"))
    topology = validate(Home(settings), file).topology
    assert topology is not None
    implementation = topology.node_templates["one"].interfaces["Standard"].operations["start"].implementation
    assert implementation is not None
    assert implementation.path is not None
    assert Path(implementation.path).read_text() == "- hosts: all\n"
    assert Path(implementation.path).is_relative_to(settings.home / "csars")


def test_an_archive_with_tosca_meta_is_a_profile(settings: Settings) -> None:
    settings.profiles.mkdir()
    with zipfile.ZipFile(settings.profiles / "x.csar", "w") as archive:
        archive.writestr(META, "TOSCA-Meta-File-Version: 1.1\nEntry-Definitions: Definitions/mine.yaml\n")
        archive.writestr("Definitions/mine.yaml", TYPES.format(name="mine", version="1.0.0"))
        archive.writestr("Definitions/playbooks/run.yaml", "- hosts: all\n")
    assert version_taken(settings, "mine:1.0.0") == ("1.0.0", [])


def test_a_profile_may_name_files_of_all_its_archive(settings: Settings) -> None:
    settings.profiles.mkdir()
    types = TYPES.format(name="mine", version="1.0.0").replace("playbooks/run.yaml", "../scripts/run.sh")
    with zipfile.ZipFile(settings.profiles / "x.csar", "w") as archive:
        archive.writestr(META, "TOSCA-Meta-File-Version: 1.1\nEntry-Definitions: Definitions/mine.yaml\n")
        archive.writestr("Definitions/mine.yaml", types + "imports: [ ../more/types.yaml ]\n")
        archive.writestr("more/types.yaml", "tosca_definitions_version: tosca_simple_yaml_1_3\n")
        archive.writestr("scripts/run.sh", "")
    assert version_taken(settings, "mine:1.0.0") == ("1.0.0", [])


def test_a_broken_archive_is_told_where_an_import_misses_it(settings: Settings) -> None:
    profile_archive(settings.profiles / "other.csar", "1.0.0", "other")
    (settings.profiles / "mine.csar").write_bytes(b"not a zip")
    file = settings.home / "topology.yaml"
    file.write_text(TOPOLOGY.format(reference="mine:1.0.0"))
    problems = {p.code: p for p in validate(Home(settings), file).problems}
    assert problems[codes.IMPORT_MISSING].severity is Severity.ERROR
    assert problems[codes.ARCHIVE_UNREADABLE].severity is Severity.WARNING
    file.write_text(TOPOLOGY.format(reference="other:1.0.0").replace("mine.N", "other.N"))
    assert not validate(Home(settings), file).problems


def test_profiles_are_added_listed_and_removed(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "playbooks").mkdir(parents=True)
    (folder / "playbooks" / "run.yaml").write_text("- hosts: all\n")
    (folder / "types.yaml").write_text(TYPES.format(name="mine", version="1.0.0"))
    add_profile(settings, folder)
    add_profile(settings, folder)  # the same once more is no fault
    added = add_profile(settings, profile_archive(tmp_path / "x.zip", "2.0.0"))
    assert added.source == settings.profiles / "mine-2.0.0.csar"
    own = [(p.name, p.version) for p in list_profiles(settings).profiles if not p.shipped]
    assert own == [("mine", "1.0.0"), ("mine", "2.0.0")]
    assert version_taken(settings, "mine:2.0.0") == ("2.0.0", [])
    assert remove_profile(settings, "mine:2.0.0") == (settings.profiles / "mine-2.0.0.csar",)
    assert version_taken(settings, "mine:2.0.0") == ("1.0.0", [codes.IMPORT_VERSION])


def test_a_folder_of_the_catalog_can_be_removed(settings: Settings) -> None:
    (settings.profiles / "mine").mkdir(parents=True)
    (settings.profiles / "mine" / "types.yaml").write_text(TYPES.format(name="mine", version="1.0.0"))
    remove_profile(settings, "mine:1.0.0")
    assert list(settings.profiles.iterdir()) == []


def test_another_profile_of_the_same_version_is_refused(settings: Settings, tmp_path: Path) -> None:
    add_profile(settings, profile_archive(tmp_path / "a.csar", "1.0.0"))
    other = profile_archive(tmp_path / "b.csar", "1.0.0")
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("more", "")
    with pytest.raises(UserError, match=r"another mine:1\.0\.0"):
        add_profile(settings, other)


def test_what_cannot_be_added(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "bad.csar").write_bytes(b"")
    with pytest.raises(DocumentError):
        add_profile(settings, tmp_path / "bad.csar")
    with pytest.raises(UserError, match="neither"):
        add_profile(settings, tmp_path / "missing")
    with zipfile.ZipFile(tmp_path / "nameless.csar", "w") as archive:
        archive.writestr(META, "Entry-Definitions: a.yaml\n")
        archive.writestr("a.yaml", "tosca_definitions_version: tosca_simple_yaml_1_3\n")
    with pytest.raises(UserError, match="template_name"):
        add_profile(settings, tmp_path / "nameless.csar")
    assert not settings.profiles.exists()


def test_a_name_cannot_leave_the_catalog_folder(settings: Settings, tmp_path: Path) -> None:
    added = add_profile(settings, profile_archive(tmp_path / "a.csar", "1.0.0", name="../../evil"))
    assert added.source is not None
    assert added.source.parent == settings.profiles


@pytest.mark.parametrize("reference", ["tosca-normative-types:1.0.0-ALIEN20", "mine:1.0.0", "mine", ":", "../x:1"])
def test_what_cannot_be_removed(reference: str, settings: Settings) -> None:
    with pytest.raises(UserError):
        remove_profile(settings, reference)


def test_a_topology_in_a_csar_is_validated(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        archive.writestr("main.yaml", TOPOLOGY.format(reference="types/types.yaml"))
        archive.writestr("types/types.yaml", TYPES.format(name="mine", version="1.0.0"))
        archive.writestr("types/playbooks/run.yaml", "- hosts: all\n")
    checked = validate(Home(settings), tmp_path / "a.csar")
    assert checked.ok
    assert not checked.problems


def test_problems_of_a_csar_have_their_places(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        archive.writestr("main.yaml", TOPOLOGY.format(reference="types.yaml").replace("mine.N", "mine.M"))
        archive.writestr("types.yaml", TYPES.format(name="mine", version="1.0.0").replace("metadata:", "# "))
        archive.writestr("playbooks/run.yaml", "- hosts: all\n")
    (problem,) = validate(Home(settings), tmp_path / "a.csar").problems
    assert problem.code == codes.UNKNOWN_TYPE
    assert problem.span is not None
    assert (Path(problem.span.file).name, problem.span.line) == ("main.yaml", 4)


def test_further_definitions_of_a_csar_are_checked(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        archive.writestr(META, "Entry-Definitions: a.yaml\nOther-Definitions: b.yaml\n")
        archive.writestr("a.yaml", "tosca_definitions_version: tosca_simple_yaml_1_3\n")
        archive.writestr("b.yaml", "tosca_definitions_version: tosca_simple_yaml_1_3\nnonsense: 1\n")
    assert [p.code for p in validate(Home(settings), tmp_path / "a.csar").problems] == [codes.UNKNOWN_KEYNAME]


def test_a_hostile_csar_is_one_problem_of_validate(settings: Settings, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        archive.writestr("../main.yaml", "")
    checked = validate(Home(settings), tmp_path / "a.csar")
    assert checked.topology is None
    assert [p.code for p in checked.problems] == [codes.ARCHIVE_UNSAFE]


def test_a_csar_cannot_use_files_of_the_machine(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("tosca_definitions_version: tosca_simple_yaml_1_3\n")
    (tmp_path / "outside.sh").write_text("")
    types = TYPES.format(name="mine", version="1.0.0").replace("playbooks/run.yaml", str(tmp_path / "outside.sh"))
    with zipfile.ZipFile(tmp_path / "a.csar", "w") as archive:
        text = TOPOLOGY.format(reference="types.yaml").replace("[ ", f"[ {tmp_path / 'outside.yaml'}, ")
        archive.writestr("main.yaml", text)
        archive.writestr("types.yaml", types)
        archive.writestr(META, "Entry-Definitions: main.yaml\n")
    checked = validate(Home(settings), tmp_path / "a.csar")
    assert not checked.ok
    errors = [p for p in checked.problems if p.severity is Severity.ERROR]
    assert [(p.code, p.span.line) for p in errors if p.span] == [(codes.IMPORT_OUTSIDE, 3)]
    assert "outside.yaml" in errors[0].message
    (warning,) = [p for p in checked.problems if p.severity is Severity.WARNING]
    assert warning.code == codes.IMPLEMENTATION_MISSING
    assert "outside.sh" in warning.message


# imports

BASE = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
IMPORTED = BASE + "node_types: { example.N: { derived_from: tosca.nodes.Root } }\n"
USE = "topology_template: { node_templates: { one: { type: example.N } } }\n"


@pytest.fixture
def reading(tmp_path: Path) -> Callable[[str], Reading]:
    """Reads a document of a folder that has ``types.yaml`` and ``lib/types.yaml``."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "types.yaml").write_text(IMPORTED)
    (tmp_path / "lib" / "types.yaml").write_text(IMPORTED)

    def read(text: str) -> Reading:
        (tmp_path / "topology.yaml").write_text(BASE + text.replace("HERE", str(tmp_path)))
        return read_topology(tmp_path / "topology.yaml", Catalog())

    return read


URLS = [
    "imports: [ 'https://example.org/types.yaml' ]\n",
    "imports: [ 'http://example.org/types.yaml' ]\n",
    "imports: [ 'ftp://example.org/types.yaml' ]\n",
    "imports: [ { file: 'https://example.org/types.yaml' } ]\n",
    "imports: [ { url: 'https://example.org/types.yaml' } ]\n",
    "imports: [ { types: { file: 'https://example.org/types.yaml' } } ]\n",
    "imports: [ { types: 'https://example.org/types.yaml' } ]\n",
    "repositories: { r: { url: 'https://example.org' } }\nimports: [ { file: types.yaml, repository: r } ]\n",
    "repositories: { r: 'https://example.org' }\nimports: [ { file: types.yaml, repository: r } ]\n",
]


@pytest.mark.parametrize("text", URLS)
def test_nothing_is_imported_from_the_network(text: str, reading: Callable[[str], Reading]) -> None:
    (problem,) = reading(text).problems
    assert problem.code == codes.IMPORT_URL
    assert "example.org" in problem.message
    assert problem.hint is not None


FILES = [
    "imports: [ types.yaml ]\n",
    "imports: [ ./lib/../types.yaml ]\n",
    "imports: [ { file: types.yaml } ]\n",
    "imports: [ { any_name: types.yaml } ]\n",
    "imports: [ { any_name: { file: lib/types.yaml } } ]\n",
    "imports: [ HERE/types.yaml ]\n",
    "imports: [ 'file://HERE/types.yaml' ]\n",
    "imports: [ 'file:HERE/types.yaml' ]\n",
    "repositories: { r: { url: lib } }\nimports: [ { file: types.yaml, repository: r } ]\n",
    "repositories: { r: lib/ }\nimports: [ { file: types.yaml, repository: r } ]\n",
    "repositories: { r: { url: 'file:lib' } }\nimports: [ { file: types.yaml, repository: r } ]\n",
    "repositories: { r: { url: 'file://HERE/lib' } }\nimports: [ { file: types.yaml, repository: r } ]\n",
    "repositories: { r: { url: 'file:///HERE/lib' } }\nimports: [ { file: types.yaml, repository: r } ]\n",
]


@pytest.mark.parametrize("text", FILES)
def test_files_are_imported_in_every_notation(text: str, reading: Callable[[str], Reading]) -> None:
    assert [str(problem) for problem in reading(text + USE).problems] == []


def test_an_unknown_repository_is_a_problem(reading: Callable[[str], Reading]) -> None:
    text = "repositories: { library: { url: lib } }\nimports: [ { file: types.yaml, repository: librry } ]\n"
    (problem,) = reading(text).problems
    assert problem.code == codes.UNKNOWN_REPOSITORY
    assert problem.hint == "did you mean 'library'?"


def test_a_prefix_names_the_imported_types(reading: Callable[[str], Reading]) -> None:
    text = "imports: [ { file: types.yaml, namespace_prefix: lib } ]\n"
    use = USE.replace("example.N", "'lib:example.N'")
    assert [str(problem) for problem in reading(text + use).problems] == []
