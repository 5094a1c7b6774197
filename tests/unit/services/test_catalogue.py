"""The data catalogue on real files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import StorageError, UserError, WorkError
from orchestrator.services import catalogue as catalogue_module
from orchestrator.services.catalogue import Catalogue, CatalogueFile, Record, Source


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalogue")


def test_a_record_comes_back_as_it_was_added(catalogue: Catalogue, tmp_path: Path) -> None:
    files = [
        CatalogueFile("a.txt", path=str(tmp_path / "a.txt"), size=3, checksum="sha256:00"),
        CatalogueFile("sub/b.txt", url="https://example.org/b"),
    ]
    source = Source("x1", "d", "exec_job", "N")
    added = catalogue.add(files, oid="0123", title="null", source=source, published=True)
    assert catalogue.get("0123") == added == Record("0123", tuple(files), "null", added.created, True, source)
    assert added.created.endswith("Z")
    assert catalogue.list() == (added,)
    other = catalogue.add(files)
    assert len(other.oid) == 36
    assert {r.oid for r in catalogue.list()} == {"0123", other.oid}
    with pytest.raises(UserError, match="has a record 0123 already"):
        catalogue.add(files, oid="0123")


@given(title=st.text().filter(lambda text: "\0" not in text), name=st.text(min_size=1), size=st.integers(0, 2**60))
def test_any_text_survives_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, title: str, name: str, size: int
) -> None:
    catalogue = Catalogue(tmp_path_factory.mktemp("c"))
    try:
        title.encode()
        added = catalogue.add([CatalogueFile(name, url="u", size=size)], oid="x", title=title)
    except (UserError, UnicodeEncodeError):
        return  # a name that is no file name, or a text that is no text
    assert catalogue.get("x") == added


def test_a_record_written_by_hand_is_read_with_its_scalars_as_written(catalogue: Catalogue) -> None:
    catalogue.folder.mkdir()
    (catalogue.folder / "1e3.yaml").write_text(
        "oid: 1e3\ntitle: 2024-01-01\npublished: true\nfiles:\n- {name: 007, path: sub/x, size: 12}\n"
    )
    record = catalogue.get("1e3")
    assert (record.oid, record.title, record.published) == ("1e3", "2024-01-01", True)
    assert record.files == (CatalogueFile("007", path="sub/x", size=12),)
    assert catalogue.location(record.files[0]) == str(catalogue.folder / "sub" / "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("oid: x\nfiles: [\n", r"x\.yaml:3:1: .*"),
        ("oid: x\ntitel: a\nfiles: []\n", "titel"),
        ("oid: y\nfiles: []\n", "oid is y, but the file is named x"),
        ("oid: x\n", "files"),
        ("- a\n", "a record is a map"),
        ("", "the record is empty"),
        ("oid: x\noid: y\nfiles: []\n", r"x\.yaml:2:1: .*given twice"),
        ("oid: x\nfiles: []\ntitle: !!binary aGk=\n", r"x\.yaml:3:8: .*tag"),
        ("oid: x\nfiles: " + "[" * 300 + "]" * 300 + "\n", r"x\.yaml:2:\d+: .*deep"),
        ("oid: x\nfiles: [{name: a, path: /a, sise: 1}]\n", r"x\.yaml:2:\d+: .*'sise'"),
        ("oid: x\nfiles: [{name: ../up, path: /a}]\n", r"'\.\./up' is no file name"),
        ("oid: x\nfiles: [{name: /abs, path: /a}]\n", "'/abs' is no file name"),
        ("oid: x\nfiles: [{name: a, path: /a}, {name: a, path: /b}]\n", "two files have the name a"),
        ("oid: x\nfiles: [{name: a}]\n", "either a path or a url"),
        ("oid: x\nfiles: [{name: a, path: /a, url: u}]\n", "either a path or a url"),
        ("oid: x\nfiles: [{name: a, path: /a, size: big}]\n", "size"),
    ],
)
def test_a_malformed_record_is_refused_with_file_and_reason(catalogue: Catalogue, text: str, message: str) -> None:
    catalogue.folder.mkdir()
    (catalogue.folder / "x.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as raised:
        catalogue.get("x")
    assert str(catalogue.folder / "x.yaml") in raised.value.message


def test_an_unknown_record_is_named_with_what_there_is(catalogue: Catalogue) -> None:
    with pytest.raises(UserError, match="has no record nix") as raised:
        catalogue.get("nix")
    assert "no records" in (raised.value.hint or "")
    catalogue.add([], oid="texts")
    with pytest.raises(UserError) as raised:
        catalogue.get("nix")
    assert "texts" in (raised.value.hint or "")
    for bad in ("../x", "", ".x", "a/b", "x\n"):
        with pytest.raises(UserError, match="no object id"):
            catalogue.get(bad)


def test_storing_a_folder_copies_all_its_files(catalogue: Catalogue, tmp_path: Path) -> None:
    result = tmp_path / "result"
    (result / "deep" / "er").mkdir(parents=True)
    (result / "b").write_bytes(b"bb")
    (result / "deep" / "er" / "c").write_bytes(b"ccc" * 1000000)
    (tmp_path / "target").write_bytes(b"linked")
    (result / "link").symlink_to(tmp_path / "target")
    record = catalogue.store(result, "exec-1.step", title="T", source=Source("exec-1"))
    assert [f.name for f in record.files] == ["b", "deep/er/c", "link"]
    assert [f.size for f in record.files] == [2, 3000000, 6]
    assert record.files[1].checksum == f"sha256:{hashlib.sha256(b'ccc' * 1000000).hexdigest()}"
    for file, content in zip(record.files, (b"bb", b"ccc" * 1000000, b"linked"), strict=True):
        assert Path(catalogue.location(file)).read_bytes() == content
    assert not record.published
    assert [p.name for p in (catalogue.folder / "data").iterdir()] == [record.oid]
    assert yaml.safe_load((catalogue.folder / f"{record.oid}.yaml").read_text())["source"] == {"execution": "exec-1"}


def test_storing_twice_under_one_key_gives_one_record(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "r").write_text("one")
    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda _: catalogue.store(tmp_path / "r", "key"), range(8)))
    assert set(records) == {records[0]}
    (tmp_path / "r").write_text("two")
    assert catalogue.store(tmp_path / "r", "key") == records[0]
    assert Path(catalogue.location(records[0].files[0])).read_text() == "one"
    other = catalogue.store(tmp_path / "r", "key2")
    assert other.oid != records[0].oid
    assert len(catalogue.list()) == 2
    assert len(list((catalogue.folder / "data").iterdir())) == 2


def test_of_two_stores_at_once_the_first_to_finish_counts(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r").write_text("one")
    copied = catalogue_module._copied
    others: list[Record] = []

    def overtaken(*args: Any) -> CatalogueFile:
        if not others:
            others.append(Record("", ()))  # the store that overtakes is not overtaken itself
            others.append(catalogue.store(tmp_path / "r", "key", title="first"))
        return copied(*args)

    monkeypatch.setattr(catalogue_module, "_copied", overtaken)
    assert catalogue.store(tmp_path / "r", "key", title="second") == others[1]
    assert others[1].title == "first"
    assert [p.name for p in (catalogue.folder / "data").iterdir()] == [others[1].oid]


def test_publishing(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "r").write_text("one")
    record = catalogue.store(tmp_path / "r", "key")
    assert not record.published
    assert catalogue.publish(record.oid).published
    assert catalogue.get(record.oid).published
    assert catalogue.store(tmp_path / "r", "key2", publish=True).published
    assert catalogue.store(tmp_path / "r", "key").published
    with pytest.raises(UserError, match="no record"):
        catalogue.publish("nix")


def test_a_store_killed_before_its_record_is_repeated(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "r").write_text("one")
    record = catalogue.store(tmp_path / "r", "key")
    (catalogue.folder / f"{record.oid}.yaml").unlink()
    (catalogue.folder / "data" / record.oid / "rubbish").touch()
    again = catalogue.store(tmp_path / "r", "key")
    assert again.files == record.files
    assert [p.name for p in (catalogue.folder / "data" / record.oid).iterdir()] == ["r"]


def test_what_cannot_be_stored_is_a_clear_failure_and_leaves_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(WorkError, match=r"no file or folder .*nowhere"):
        catalogue.store(tmp_path / "nowhere", "k")
    (tmp_path / "empty").mkdir()
    with pytest.raises(WorkError, match="holds no file"):
        catalogue.store(tmp_path / "empty", "k")
    (tmp_path / "odd").mkdir()
    os.mkfifo(tmp_path / "odd" / "pipe")
    with pytest.raises(WorkError, match="odd/pipe is neither"):
        catalogue.store(tmp_path / "odd", "k")
    (tmp_path / "loop").mkdir()
    (tmp_path / "loop" / "again").symlink_to(tmp_path / "loop")
    with pytest.raises(WorkError, match="link to a folder that holds it"):
        catalogue.store(tmp_path / "loop", "k")
    assert catalogue.list() == ()
    assert not list(catalogue.folder.rglob(".new*"))


def test_a_file_where_the_catalogue_belongs_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="is a file where a folder belongs") as raised:
            Catalogue(folder).add([], oid="x")
        assert str(tmp_path / "file") in raised.value.message


def test_two_processes_that_write_at_once_lose_nothing(catalogue: Catalogue) -> None:
    program = (
        "import sys; from pathlib import Path; from orchestrator.services.catalogue import Catalogue\n"
        "c = Catalogue(Path(sys.argv[1]))\n"
        "for n in range(20):\n    c.publish(c.add([], oid=f'{sys.argv[2]}-{n}').oid)\n"
    )
    words = [sys.executable, "-c", program, str(catalogue.folder)]
    running = [subprocess.Popen([*words, name]) for name in ("a", "b")]
    assert [p.wait(60) for p in running] == [0, 0]
    assert len(catalogue.list()) == 40
    assert all(r.published for r in catalogue.list())
