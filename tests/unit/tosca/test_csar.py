"""CSARs: what is read, what is refused, what is packed. Hostile archives are made here."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import UserError
from orchestrator.model.problems import DocumentError
from orchestrator.tosca import Catalog, codes, read_topology
from orchestrator.tosca.archives import Limits
from orchestrator.tosca.csar import META, Csar, is_csar, open_csar, unpack
from orchestrator.tosca.packaging import escapes, package

TEMPLATE = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: example, template_version: 1.2.3 }
topology_template: { node_templates: { one: { type: tosca.nodes.Root } } }
"""
META_10 = "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nCreated-By: someone\n"
Member = tuple[str | zipfile.ZipInfo, str | bytes]


def make(path: Path, *members: Member) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def link(name: str, target: str) -> Member:
    return entry(name, stat.S_IFLNK | 0o777), target


def refused(path: Path, cache: Path, code: str, limits: Limits | None = None) -> str:
    """The message of the one problem for which an archive is refused; nothing of it may have been written."""
    with pytest.raises(DocumentError) as caught:
        open_csar(path, cache, limits or Limits())
    (problem,) = caught.value.problems
    assert problem.code == code, problem
    assert str(path) in problem.message
    assert caught.value.exit_status == 2
    assert not cache.exists() or list(cache.iterdir()) == []
    return problem.message


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_archive_with_a_root_template(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), ("playbooks/run.yaml", "- hosts: all\n"))
    csar = open_csar(path, cache)
    assert (csar.name, csar.version, csar.entry) == ("example", "1.2.3", csar.folder / "service.yaml")
    assert csar.folder == cache / csar.digest
    assert (csar.folder / "playbooks" / "run.yaml").read_text() == "- hosts: all\n"
    reading = read_topology(csar.entry)
    assert reading.topology is not None
    assert not reading.problems


def test_a_second_opening_unpacks_nothing(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE))
    first = open_csar(path, cache)
    before = first.entry.stat()
    assert open_csar(path, cache) == first
    assert first.entry.stat().st_ino == before.st_ino
    assert [child.name for child in cache.iterdir()] == [first.digest]


def test_what_was_cut_off_in_the_cache_is_unpacked_anew(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE))
    first = open_csar(path, cache)
    first.entry.write_text("")
    assert open_csar(path, cache).entry.read_text() == TEMPLATE


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_archive_with_tosca_meta(version: str, tmp_path: Path, cache: Path) -> None:
    meta = (
        f"TOSCA-Meta-File-Version: {version}\nCSAR-Version: 1.1\nCreated-By: a\n  person\n"
        'Entry-Definitions: Definitions/main.yaml\nOther-Definitions: "Definitions/two words.yaml"\n'
        "  Definitions/more.yaml\n\nName: Definitions/main.yaml\nContent-Type: text/yaml\n"
    )
    path = make(
        tmp_path / "a.csar",
        (META, meta),
        ("Definitions/main.yaml", TEMPLATE),
        ("Definitions/two words.yaml", TEMPLATE),
        ("Definitions/more.yaml", TEMPLATE),
        ("other.yaml", TEMPLATE),
        ("another.yaml", TEMPLATE),
    )
    csar = open_csar(path, cache)
    folder = csar.folder / "Definitions"
    assert csar.entry == folder / "main.yaml"
    assert csar.others == (folder / "two words.yaml", folder / "more.yaml")
    assert (csar.name, csar.version) == ("example", "1.2.3")


def test_of_several_root_files_only_templates_count(tmp_path: Path, cache: Path) -> None:
    name_first = "metadata: { template_name: a, template_version: 1 }\ntosca_definitions_version: alien_dsl_3_0_0\n"
    path = make(tmp_path / "a.zip", ("inputs.yaml", "a: 1\n"), ("types.yml", name_first), (".ci.yml", "x: 1\n"))
    assert open_csar(path, cache).entry.name == "types.yml"


LAYOUTS: dict[str, tuple[Member, ...]] = {
    "neither": (("folder/service.yaml", TEMPLATE),),
    "several": (("a.yaml", TEMPLATE), ("b.yaml", TEMPLATE)),
    "no metadata": (("a.yaml", "tosca_definitions_version: tosca_simple_yaml_1_3\n"),),
    "entry missing": ((META, META_10 + "Entry-Definitions: a.yaml\n"),),
    "entry is a folder": ((META, META_10 + "Entry-Definitions: a\n"), ("a/", b"")),
    "other missing": ((META, META_10 + "Entry-Definitions: a.yaml\nOther-Definitions: b.yaml\n"), ("a.yaml", TEMPLATE)),
    "no field": ((META, META_10 + "nonsense\n"), ("a.yaml", TEMPLATE)),
    "twice": ((META, META_10 + "Created-By: x\n"), ("a.yaml", TEMPLATE)),
    "file version": ((META, "TOSCA-Meta-File-Version: 7.0\n"), ("a.yaml", TEMPLATE)),
    "not text": ((META, b"\xff\xfe\x00"), ("a.yaml", TEMPLATE)),
    "huge meta": ((META, META_10 + "X: " + "y" * 100_000), ("a.yaml", TEMPLATE)),
    "empty": (),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_an_unclear_layout_is_refused(case: str, tmp_path: Path, cache: Path) -> None:
    refused(make(tmp_path / "a.csar", *LAYOUTS[case]), cache, codes.ARCHIVE_LAYOUT)


@pytest.mark.parametrize("name", ["/etc/passwd", "../a.yaml", "x/../../a.yaml", "a\\b.yaml"])
def test_an_entry_outside_the_archive_is_refused(name: str, tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", (META, f"{META_10}Entry-Definitions: {name}\n"), ("a.yaml", TEMPLATE))
    refused(path, cache, codes.ARCHIVE_UNSAFE)


UNSAFE_NAMES = [
    "../evil",
    "a/../../evil",
    "a/../b",
    "..",
    "/etc/evil",
    "//server/evil",
    "C:evil",
    "c:/evil",
    "a\\..\\evil",
    "\\\\server\\evil",
    "a\nb",
    "a\x1b[2J",
    "nul\0.yaml",
]


@pytest.mark.parametrize("name", UNSAFE_NAMES)
def test_an_unsafe_name_is_refused(name: str, tmp_path: Path, cache: Path) -> None:
    placeholder = "x" * len(name)  # zipfile itself would mend some of these names
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), (placeholder, "evil"))
    path.write_bytes(path.read_bytes().replace(placeholder.encode(), name.encode()))
    refused(path, cache, codes.ARCHIVE_UNSAFE)
    assert not (tmp_path / "evil").exists()


UNSAFE: dict[str, tuple[Member, ...]] = {
    "link outside": (link("a", "../outside"),),
    "link up from a folder": (("f/x", ""), link("f/a", "../../outside")),
    "absolute link": (link("a", "/etc/passwd"),),
    "link to a link": (("x", ""), link("a", "x"), link("b", "a")),
    "link over a link": (("d/e/f", ""), link("d/l", "e"), link("b", "d/l/../../x"), ("x", "")),
    "link to itself": (link("a", "a"),),
    "link to its folder": (("f/x", ""), link("f/a", "../f")),
    "link to the root": (link("a", "."),),
    "link to nothing": (link("a", "nowhere"),),
    "link with a backslash": (link("a", "..\\outside"),),
    "endless link": (link("a", "x/" * 5000),),
    "under a link": (("d/x", ""), link("a", "d"), ("a/y", "evil")),
    "under a file": (("a", ""), ("a/y", "")),
    "device": ((entry("a", stat.S_IFBLK | 0o666), ""),),
    "pipe": ((entry("a", stat.S_IFIFO | 0o666), ""),),
    "socket": ((entry("a", stat.S_IFSOCK | 0o666), ""),),
    "case": (("Types/a", ""), ("types/b", "")),
    "case of a file": (("a.yaml", ""), ("A.yaml", "")),
    "unicode forms": (("caf\u00e9", ""), ("cafe\u0301", "")),
    "same place": (("a/b", "1"), ("a//b", "2")),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_an_unsafe_entry_is_refused(case: str, tmp_path: Path, cache: Path) -> None:
    refused(make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), *UNSAFE[case]), cache, codes.ARCHIVE_UNSAFE)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_given_twice_is_refused(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), ("service.yaml", "evil: true"))
    assert "twice" in refused(path, cache, codes.ARCHIVE_UNSAFE)


def test_links_within_the_archive_are_kept(tmp_path: Path, cache: Path) -> None:
    members = [("service.yaml", TEMPLATE), ("lib/a.sh", "echo"), link("bin/b.sh", "../lib/a.sh"), link("libs", "lib")]
    csar = open_csar(make(tmp_path / "a.csar", *members), cache)
    assert (csar.folder / "bin" / "b.sh").readlink() == Path("../lib/a.sh")
    assert (csar.folder / "libs" / "a.sh").read_text() == "echo"


def test_an_executable_stays_one_and_nothing_gets_more_rights(tmp_path: Path, cache: Path) -> None:
    members = [("service.yaml", TEMPLATE), (entry("a.sh", stat.S_IFREG | 0o6777), ""), (entry("b"), "")]
    csar = open_csar(make(tmp_path / "a.csar", *members), cache)
    assert stat.S_IMODE((csar.folder / "a.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((csar.folder / "b").stat().st_mode) == 0o644


def test_a_zip_bomb_is_refused(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), ("bomb", bytes(60 * 1024 * 1024)))
    assert "times its size" in refused(path, cache, codes.ARCHIVE_LIMIT)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(archive_size=100),
        Limits(content_size=100),
        Limits(entries=2),
        Limits(depth=2),
        Limits(name_length=10),
        Limits(directory_size=20),
    ],
    ids=str,
)
def test_archives_beyond_a_limit_are_refused(limits: Limits, tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), ("a/b/c/d", "x" * 100), ("another", "y"))
    refused(path, cache, codes.ARCHIVE_LIMIT, limits)


def test_very_many_entries_are_refused_before_they_are_read(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "a.csar"
    record = zipfile.ZipFile(io.BytesIO(), "w")
    record.writestr("x" * 60, b"")
    record.close()
    data = make(path, ("x" * 60, b"")).read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    directory = data[start:end] * 200_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), start, 0)
    path.write_bytes(data[:start] + directory + tail)
    refused(path, cache, codes.ARCHIVE_LIMIT)


def test_overlapping_entries_are_refused(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), ("a", os.urandom(300)), ("b", os.urandom(300)))
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1) + 1)
    first = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[second + 42 : second + 46] = data[first + 42 : first + 46]
    path.write_bytes(data)
    assert "overlaps" in refused(path, cache, codes.ARCHIVE_UNSAFE)


def test_an_encrypted_archive_is_refused(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path, cache, codes.ARCHIVE_UNREADABLE)


def test_an_unusual_compression_is_refused(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "a.csar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("service.yaml", TEMPLATE)
    assert "method 14" in refused(path, cache, codes.ARCHIVE_UNREADABLE)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip", b"PK\x03\x04" + b"\0" * 50, TEMPLATE.encode()])
def test_what_is_no_zip_is_refused(content: bytes, tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "a.csar"
    path.write_bytes(content)
    refused(path, cache, codes.ARCHIVE_UNREADABLE)


def test_damaged_content_is_refused_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE), ("b", os.urandom(1000)))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04", 4) + 100] ^= 0xFF
    path.write_bytes(data)
    assert "damaged" in refused(path, cache, codes.ARCHIVE_UNREADABLE)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path, cache: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csar")
    refused(tmp_path / "pipe.csar", cache, codes.NOT_A_FILE)
    refused(tmp_path / "missing.csar", cache, codes.FILE_MISSING)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 300))
def test_mutated_archives_are_read_or_refused(tmp_path: Path, changes: list[tuple[int, int]], cut: int) -> None:
    outer = tmp_path / "outer"
    outer.mkdir(exist_ok=True)
    path = make(outer / "a.csar", ("service.yaml", TEMPLATE), ("d/b", b"x" * 400), link("d/l", "b"), (META, META_10))
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(data[: len(data) - cut if cut < 30 else len(data)])
    with contextlib.suppress(DocumentError):
        assert open_csar(path, outer / "cache").entry.is_file()
    assert {child.name for child in outer.iterdir()} <= {"a.csar", "cache"}


def test_what_counts_as_a_csar(tmp_path: Path) -> None:
    zipped = make(tmp_path / "archive.data", ("service.yaml", TEMPLATE))
    (tmp_path / "a.yaml").write_text(TEMPLATE)
    (tmp_path / "folder.zip").mkdir()
    assert is_csar(zipped)
    assert is_csar(tmp_path / "missing.CSAR")
    assert not is_csar(tmp_path / "a.yaml")
    assert not is_csar(tmp_path / "folder.zip")
    assert not is_csar(tmp_path / "missing.yaml")


def test_unpack_makes_a_folder_or_fills_an_empty_one(tmp_path: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE))
    (tmp_path / "empty").mkdir()
    for name in ("new/deep", "empty"):
        csar = unpack(path, tmp_path / name)
        assert csar.entry == tmp_path / name / "service.yaml"
        assert csar.entry.read_text() == TEMPLATE


def test_unpack_never_writes_over_anything(tmp_path: Path) -> None:
    path = make(tmp_path / "a.csar", ("service.yaml", TEMPLATE))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("full", "full/mine", "link"):
        with pytest.raises(UserError, match="is there already"):
            unpack(path, tmp_path / name)
    assert [child.name for child in (tmp_path / "full").iterdir()] == ["mine"]


# packaging

TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  example.Used:
    derived_from: tosca.nodes.Root
    interfaces:
      Standard:
        operations:
          create: ../playbooks/create.yaml
          start: { implementation: { primary: ../scripts/start.sh, dependencies: [ ../data/table.csv ] } }
    artifacts:
      model: { type: tosca.artifacts.File, file: ../models/model.bin }
  example.Unused:
    derived_from: tosca.nodes.Root
    interfaces: { Standard: { operations: { stop: ../unused/stop.sh } } }
"""
TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: packed, template_version: 2.0.0, template_author: An author }
imports: [ types/types.yaml ]
topology_template:
  node_templates:
    one: { type: example.Used }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A topology whose files lie in several folders, with things beside them that it does not need."""
    files = {
        "topology.yaml": TOPOLOGY,
        "types/types.yaml": TYPES,
        "types/unrelated.yaml": TEMPLATE,
        "playbooks/create.yaml": "- hosts: all\n  roles: [ base ]\n- import_playbook: ../common/shared.yaml\n",
        "playbooks/roles/base/tasks/main.yaml": "- debug:\n",
        "playbooks/.vault_pass": "secret",
        "playbooks/__pycache__/x.pyc": "",
        "common/shared.yaml": "- hosts: all\n",
        "common/vars/all.yaml": "a: 1\n",
        "scripts/start.sh": "#!/bin/sh\n. ./functions\n",
        "scripts/functions": "",
        "data/table.csv": "1,2\n",
        "data/other.csv": "3,4\n",
        "models/model.bin": "weights",
        "models/other.bin": "x",
        "unused/stop.sh": "#!/bin/sh\n",
        "registry/wf/step/eflows4hpc.yaml": "a: 1\n",
        "notes.txt": "private",
        ".git/config": "private",
    }
    folder = tmp_path / "project"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "scripts/start.sh").chmod(0o755)
    return folder


def test_a_topology_is_packed_with_what_it_needs(project: Path, tmp_path: Path, cache: Path) -> None:
    made = package(project / "topology.yaml", tmp_path / "out.csar")
    assert list(made.files) == [
        META,
        "common/shared.yaml",
        "common/vars/all.yaml",
        "data/table.csv",
        "models/model.bin",
        "playbooks/create.yaml",
        "playbooks/roles/base/tasks/main.yaml",
        "registry/wf/step/eflows4hpc.yaml",
        "scripts/functions",
        "scripts/start.sh",
        "topology.yaml",
        "types/types.yaml",
        "unused/stop.sh",
    ]
    csar = open_csar(made.file, cache)
    assert (csar.name, csar.version, csar.entry.name) == ("packed", "2.0.0", "topology.yaml")
    assert os.access(csar.folder / "scripts/start.sh", os.X_OK)
    reading = read_topology(csar.entry)
    assert not reading.problems
    assert escapes(reading, csar, Catalog()) == []
    assert "Created-By: An author\n" in (csar.folder / META).read_text()


def test_the_same_sources_give_the_same_package(project: Path, tmp_path: Path) -> None:
    first = package(project / "topology.yaml", tmp_path / "a.csar").file.read_bytes()
    for file in project.rglob("*"):
        os.utime(file, (1, 1))
    moved = project.rename(tmp_path / "moved")
    assert package(moved / "topology.yaml", tmp_path / "b.csar").file.read_bytes() == first
    unpacked = unpack(tmp_path / "a.csar", tmp_path / "unpacked")
    assert package(unpacked.entry, tmp_path / "c.csar").file.read_bytes() == first


def test_a_folder_is_packed_whole(project: Path, tmp_path: Path) -> None:
    (project / "old.csar").write_bytes(b"")
    made = package(project, tmp_path / "out.csar")
    assert "notes.txt" in made.files
    assert "types/unrelated.yaml" in made.files
    assert not [name for name in made.files if "/." in name or name.startswith(".") or name.endswith((".csar", ".pyc"))]


def test_documents_above_the_topology_are_packed(project: Path, tmp_path: Path, cache: Path) -> None:
    (project / "deep").mkdir()
    (project / "topology.yaml").rename(project / "deep" / "topology.yaml")
    text = TOPOLOGY.replace("types/types.yaml", "../types/types.yaml")
    (project / "deep" / "topology.yaml").write_text(text)
    csar = open_csar(package(project / "deep" / "topology.yaml", tmp_path / "out.csar").file, cache)
    assert csar.entry == csar.folder / "deep" / "topology.yaml"
    assert not read_topology(csar.entry).problems


def test_profiles_of_the_user_are_packed_too(project: Path, tmp_path: Path, cache: Path) -> None:
    profile = tmp_path / "catalog" / "mine"
    (profile / "playbooks").mkdir(parents=True)
    (profile / "playbooks" / "run.yaml").write_text("- hosts: all\n")
    (profile / "types.yaml").write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "metadata: { template_name: mine, template_version: 1.0.0 }\n"
        "node_types: { mine.N: { derived_from: tosca.nodes.Root, interfaces: "
        "{ Standard: { operations: { start: playbooks/run.yaml } } } } }\n"
    )
    text = TOPOLOGY.replace("[ types/types.yaml ]", "[ 'mine:1.0.0' ]").replace("example.Used", "mine.N")
    (project / "topology.yaml").write_text(text)
    made = package(project / "topology.yaml", tmp_path / "out.csar", Catalog([tmp_path / "catalog"]))
    csar = open_csar(made.file, cache)
    reading = read_topology(csar.entry, Catalog().with_first(csar.profiles))
    assert not reading.problems
    assert reading.topology is not None
    implementation = reading.topology.node_templates["one"].interfaces["Standard"].operations["start"].implementation
    assert implementation is not None
    assert implementation.path == str(csar.profiles / "mine-1.0.0" / "playbooks" / "run.yaml")


def test_a_faulty_topology_is_not_packed(project: Path, tmp_path: Path) -> None:
    (project / "topology.yaml").write_text(TOPOLOGY.replace("example.Used", "example.Usd"))
    with pytest.raises(DocumentError) as caught:
        package(project / "topology.yaml", tmp_path / "out.csar")
    assert [problem.code for problem in caught.value.problems] == [codes.UNKNOWN_TYPE]
    assert not (tmp_path / "out.csar").exists()


def test_an_absolute_name_cannot_be_packed(project: Path, tmp_path: Path) -> None:
    text = TYPES.replace("../playbooks/create.yaml", str(project / "playbooks/create.yaml"))
    (project / "types/types.yaml").write_text(text)
    with pytest.raises(DocumentError) as caught:
        package(project / "topology.yaml", tmp_path / "out.csar")
    (problem,) = caught.value.problems
    assert problem.code == codes.IMPORT_OUTSIDE
    assert "absolute path" in problem.message
    assert problem.span is not None
    assert problem.span.file.endswith("types.yaml")


def test_an_absolute_import_cannot_be_packed(project: Path, tmp_path: Path) -> None:
    (project / "topology.yaml").write_text(TOPOLOGY.replace("types/types.yaml", str(project / "types/types.yaml")))
    with pytest.raises(DocumentError) as caught:
        package(project / "topology.yaml", tmp_path / "out.csar")
    assert {problem.code for problem in caught.value.problems} == {codes.IMPORT_OUTSIDE}
    assert [child for child in tmp_path.iterdir() if child.name.endswith(".csar")] == []


def test_a_link_out_of_the_folder_is_not_packed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "private.txt").write_text("private")
    (project / "copy.txt").symlink_to(tmp_path / "private.txt")
    with pytest.raises(DocumentError) as caught:
        package(project, tmp_path / "out.csar")
    assert [problem.code for problem in caught.value.problems] == [codes.IMPORT_OUTSIDE]


def _artifact_folder(project: Path) -> Path:
    """A folder that is an artifact of the topology."""
    topology = project / "topology.yaml"
    folder = project / "set"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "file").write_text("x")
    text = topology.read_text()
    head, _, rest = text.partition("node_templates:\n")
    node = "    Extra: { type: tosca.nodes.Root, artifacts: { d: { file: set, type: tosca.artifacts.File } } }\n"
    topology.write_text(f"{head}node_templates:\n{node}{rest}")
    return folder


def test_folders_are_packed_with_what_links_lead_to_and_empty_ones(project: Path, tmp_path: Path) -> None:
    folder = _artifact_folder(project)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "far").write_text("far")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "latest").symlink_to("sub/file")
    (folder / "empty" / "deeper").mkdir(parents=True)
    package(project / "topology.yaml", tmp_path / "a.csar")
    there = unpack(tmp_path / "a.csar", tmp_path / "there").folder / "set"
    assert sorted(p.relative_to(there).as_posix() for p in there.rglob("*")) == [
        "empty", "empty/deeper", "latest", "linked", "linked/far", "sub", "sub/file",
    ]  # fmt: skip
    assert (there / "linked" / "far").read_text() == "far"


@pytest.mark.parametrize("of_folder", [False, True])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda folder: (folder / "gone").symlink_to("nothing"), "gone is a link that leads nowhere"),
        (lambda folder: (folder / "itself").symlink_to("itself"), "itself is a link that leads nowhere"),
        (lambda folder: (folder / "sub" / "up").symlink_to(".."), "sub/up is a link to a folder that holds it"),
        (lambda folder: os.mkfifo(folder / "sub" / "pipe"), "sub/pipe is neither a file nor a folder"),
    ],
)
def test_what_no_package_can_hold_is_refused_by_name(
    project: Path, tmp_path: Path, make: Callable[[Path], None], says: str, of_folder: bool
) -> None:
    make(_artifact_folder(project))
    with pytest.raises(UserError) as refused:
        package(project if of_folder else project / "topology.yaml", tmp_path / "a.csar")
    assert f"set/{says}" in refused.value.message
    assert not (tmp_path / "a.csar").exists()


def test_references_out_of_the_project_are_not_followed(project: Path, tmp_path: Path) -> None:
    (tmp_path / "private.yaml").write_text("private")
    (project / "playbooks/create.yaml").write_text("- import_tasks: ../../private.yaml\n")
    assert not [n for n in package(project / "topology.yaml", tmp_path / "out.csar").files if "private" in n]


def test_package_never_replaces_what_is_no_package(project: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no CSAR"):
        package(project / "topology.yaml", project / "notes.txt")
    assert (project / "notes.txt").read_text() == "private"
    package(project / "topology.yaml", tmp_path / "out.csar")
    package(project / "topology.yaml", tmp_path / "out.csar")


def test_the_usual_name_of_a_package(project: Path, here: Path) -> None:
    assert package(project / "topology.yaml").file == Path("packed-2.0.0.csar")
    text = TOPOLOGY.replace("template_name: packed", "template_name: ../../evil")
    (project / "topology.yaml").write_text(text)
    assert package(project / "topology.yaml").file == Path("_._.._evil-2.0.0.csar")


def test_files_outside_the_archive_are_found_out(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "outside.yaml").write_text("tosca_definitions_version: tosca_simple_yaml_1_3\n")
    text = TEMPLATE + f"imports: [ {tmp_path / 'outside.yaml'} ]\n"
    csar: Csar = open_csar(make(tmp_path / "a.csar", ("service.yaml", text)), cache)
    problems = escapes(read_topology(csar.entry), csar, Catalog())
    assert [problem.code for problem in problems] == [codes.IMPORT_OUTSIDE]


@pytest.mark.parametrize("directory", [False, True])
def test_an_entry_of_an_empty_name_is_refused(directory: bool, tmp_path: Path) -> None:
    path = make(tmp_path / "a.csar", ("t.yaml", TEMPLATE))
    with zipfile.ZipFile(path, "a") as archive:
        nameless = entry("", stat.S_IFDIR | 0o755 if directory else stat.S_IFREG | 0o644)
        with archive.open(nameless, "w"):
            pass
    assert "without a name" in refused(path, tmp_path / "cache", codes.ARCHIVE_UNSAFE)


def test_the_archives_own_folder_is_no_entry(tmp_path: Path) -> None:
    path = make(tmp_path / "a.csar", ("./", ""), ("t.yaml", TEMPLATE))
    assert open_csar(path, tmp_path / "cache").name == "example"
