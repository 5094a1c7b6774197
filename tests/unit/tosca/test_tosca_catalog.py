"""The catalog of profiles and the choice of versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import resources
from orchestrator.tosca import Catalog, read_text


def profile(folder: Path, name: str, version: str, file: str = "types.yaml", body: str = "") -> Path:
    place = folder / f"{name}-{version}"
    place.mkdir(parents=True)
    path = place / file
    path.write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        f"metadata:\n  template_name: {name}\n  template_version: {version}\n{body}"
    )
    return path


def test_profiles_are_found_by_their_metadata(tmp_path: Path) -> None:
    first = profile(tmp_path, "one", "1.2.0")
    second = profile(tmp_path, "two", "0.1.0-SNAPSHOT", "anything.yml")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "types.yaml").write_text("a: [")
    (tmp_path / "file.yaml").write_text("")
    catalog = Catalog([tmp_path], shipped=False)
    found = {p.name: (p.version, p.file, p.shipped) for p in catalog.profiles() if p.name != "broken"}
    assert found == {"one": ("1.2.0", first, False), "two": ("0.1.0-SNAPSHOT", second, False)}


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("1.2.0", "1.2.0"),
        ("1.2.1", "1.2.0"),
        ("1.3.0", "1.4.0-SNAPSHOT"),
        ("1.4.0", "1.4.0-SNAPSHOT"),
        ("1.9", "1.4.0-SNAPSHOT"),
        ("2.5.0", "2.0.0"),
        ("9.0.0", "2.0.0"),
        ("0.1.0", "1.2.0"),
        ("strange", "1.2.0"),
    ],
)
def test_the_nearest_version_is_taken(wanted: str, taken: str, tmp_path: Path) -> None:
    for version in ("1.2.0", "1.4.0-SNAPSHOT", "2.0.0"):
        profile(tmp_path, "p", version)
    resolved = Catalog([tmp_path], shipped=False).resolve(f"p:{wanted}")
    assert resolved is not None
    assert resolved.profile.version == taken
    assert resolved.exact == (wanted == taken)


def test_no_version_means_the_newest(tmp_path: Path) -> None:
    profile(tmp_path, "p", "1.2.0")
    profile(tmp_path, "p", "1.10.0")
    resolved = Catalog([tmp_path], shipped=False).resolve("p")
    assert resolved is not None
    assert (resolved.profile.version, resolved.exact) == ("1.10.0", True)


def test_unknown_profiles_and_folders(tmp_path: Path) -> None:
    catalog = Catalog([tmp_path / "nowhere", tmp_path], shipped=False)
    assert catalog.profiles() == ()
    assert catalog.resolve("p:1.0.0") is None


def test_own_folders_win_over_the_shipped_profiles(tmp_path: Path) -> None:
    (shipped,) = [p for p in Catalog().profiles() if p.name == "eflows4hpc.env"]
    own = profile(tmp_path, shipped.name, shipped.version)
    resolved = Catalog([tmp_path]).resolve(f"{shipped.name}:{shipped.version}")
    assert resolved is not None
    assert resolved.profile.file == own


def test_shipped_profiles_are_read_without_errors() -> None:
    catalog = Catalog()
    assert {"tosca-normative-types", "alien-base-types", "yorc-types", "dls.ansible"} <= set(catalog.names())
    imports = "".join(f"  - {p.name}:{p.version}\n" for p in catalog.profiles())
    text = f"tosca_definitions_version: tosca_simple_yaml_1_3\nimports:\n{imports}"
    assert read_text(text, "doc.yaml", resources.types_folder(), catalog).problems == ()


def test_playbooks_of_a_profile_are_found_beside_it(tmp_path: Path) -> None:
    body = (
        "node_types:\n  a.A:\n    derived_from: tosca.nodes.Root\n    interfaces:\n      Standard:\n"
        "        start: playbooks/start.yaml\n        stop: ../outside.yaml\n        create:\n"
        "          implementation: { file: watch, type: orch.artifacts.JobWatch }\n"
    )
    file = profile(tmp_path / "catalog", "p", "1.0.0", body=body)
    (tmp_path / "catalog" / "outside.yaml").write_text("")
    (file.parent / "playbooks").mkdir()
    (file.parent / "playbooks" / "start.yaml").write_text("")
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\nimports: [ p:1.0.0 ]\n"
        "topology_template: { node_templates: { a: { type: a.A } } }\n"
    )
    reading = read_text(text, "doc.yaml", tmp_path, Catalog([tmp_path / "catalog"]))
    assert reading.topology is not None
    operations = reading.topology.node_templates["a"].interfaces["Standard"].operations
    paths = {name: o.implementation.path for name, o in operations.items() if o.implementation}
    assert paths == {"start": str(file.parent / "playbooks" / "start.yaml"), "stop": None, "create": None}
    assert [(p.code, p.severity.value) for p in reading.problems] == [("T0308", "warning")]  # what lies outside
