"""Transfers between real files and a real HTTP server, as a library and as a job program."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support import small_file_system
from support.orch import wait_for

from orchestrator.errors import UserError, WorkError
from orchestrator.services import transfer
from orchestrator.services.catalogue import Catalogue, CatalogueFile

TEXT = b"some text\n" * 300000  # more than one chunk


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Handler(http.server.BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str | None]]] = []
    release = threading.Event()

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization")))
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/text")  # type: ignore[attr-defined]
            self.end_headers()
        elif self.path.startswith(("/text", "/a%20b")):
            self.answer(TEXT, len(TEXT))
        elif self.path == "/short":
            self.answer(TEXT, len(TEXT) + 1)
        elif self.path == "/slow":
            self.answer(TEXT[:10000], len(TEXT))
            self.wfile.flush()
            self.release.wait(30)
        elif self.path == "/broken":
            self.send_error(503, "Out of order")
        else:
            self.send_error(404)

    def answer(self, data: bytes, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Handler.seen.clear()
    Handler.release.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        Handler.release.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(tmp_path / "catalogue")


def job(folder: Path, request: Any) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / "request.json").write_text(request if isinstance(request, str) else json.dumps({"transfer": request}))
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.services.transfer", "request.json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def result(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())


def failed(folder: Path, done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It ended with status 1, one line on standard error with all the words, and no result."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert not (folder / "result.json").exists()
    assert json.loads((folder / "status.json").read_text())["message"] == done.stderr.strip()


def unfinished(folder: Path) -> list[Path]:
    return [p for p in folder.rglob(".*") if p.name.endswith(".part") or p.name.startswith(".new")]


# --- stage in -------------------------------------------------------------------------------------------------------


def test_stage_in_brings_every_file_from_path_and_url(tmp_path: Path, catalogue: Catalogue, server: str) -> None:
    (tmp_path / "a.txt").write_bytes(TEXT)
    (tmp_path / "tool").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    files = [
        CatalogueFile("a.txt", path=str(tmp_path / "a.txt"), size=len(TEXT), checksum=sha256(TEXT)),
        CatalogueFile("sub/b.txt", url=f"{server}/moved", size=len(TEXT), checksum=sha256(TEXT)),
        CatalogueFile("c d.txt", url=f"{server}/a b?x=y z", checksum="md5:" + hashlib.md5(TEXT).hexdigest()),
        CatalogueFile("e", url=(tmp_path / "tool").as_uri()),
    ]
    catalogue.add(files, oid="texts")
    target = tmp_path / "in" / "here"
    request = {"kind": "stage_in", "catalogue": str(catalogue.folder), "oid": "texts", "target": str(target)}
    done = job(tmp_path / "job", request)
    assert done.returncode == 0, done.stderr
    for name, content in (("a.txt", TEXT), ("sub/b.txt", TEXT), ("c d.txt", TEXT), ("e", b"#!/bin/sh\n")):
        assert (target / name).read_bytes() == content
    assert os.access(target / "e", os.X_OK)
    assert not (target / "a.txt").stat().st_mode & 0o111
    answer = result(tmp_path / "job")
    assert answer["target_path"] == str(target)
    assert answer["files"][0] == {
        "name": "a.txt",
        "path": str(target / "a.txt"),
        "size": len(TEXT),
        "checksum": sha256(TEXT),
        "copied": True,
    }
    assert f"a.txt: {len(TEXT)} bytes" in done.stdout
    assert not unfinished(tmp_path)

    before = (target / "a.txt").stat()
    again = job(tmp_path / "job2", request)
    assert again.returncode == 0
    assert [f["copied"] for f in result(tmp_path / "job2")["files"]] == [False, False, False, False]
    assert (target / "a.txt").stat() == before


def test_a_changed_file_at_the_target_is_replaced(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "a").write_bytes(b"right")
    for n, recorded in enumerate((sha256(b"right"), None)):
        catalogue.add([CatalogueFile("a", path=str(tmp_path / "a"), checksum=recorded)], oid=f"o{n}")
        for wrong in (b"wrong", b"longer than right"):
            (tmp_path / "t").mkdir(exist_ok=True)
            (tmp_path / "t" / "a").write_bytes(wrong)
            transfer.carry_out(transfer.StageIn(catalogue.folder, f"o{n}", tmp_path / "t"))
            assert (tmp_path / "t" / "a").read_bytes() == b"right"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ({"path": "{tmp}/nowhere"}, ["{tmp}/nowhere", "no such file"]),
        ({"path": "{tmp}"}, ["{tmp}", "it is a folder"]),
        ({"path": "{tmp}/a", "size": 4}, ["{tmp}/a", "has 5 bytes, but 4 are recorded"]),
        ({"path": "{tmp}/a", "checksum": "sha256:00"}, ["{tmp}/a", "has the checksum sha256:", "sha256:00"]),
        ({"path": "{tmp}/a", "checksum": "crc32:00"}, ["crc32:00", "unknown algorithm"]),
        ({"url": "{server}/nix?token=geheim"}, ["{server}/nix?...", "404"]),
        ({"url": "{server}/broken"}, ["{server}/broken", "503", "Out of order"]),
        ({"url": "{server}/short"}, ["{server}/short", "broke off after"]),
        ({"url": "{server}/text", "checksum": "sha256:00"}, ["{server}/text", "checksum"]),
        ({"url": "http://127.0.0.1:1/x"}, ["http://127.0.0.1:1/x", "cannot reach", "refused"]),
        ({"url": "http://user:geheim@127.0.0.1:1/x"}, ["http://127.0.0.1:1/x", "cannot reach"]),
        ({"url": "http://[bad/x"}, ["bad"]),
        ({"url": "ftp://h/x"}, ["ftp://h/x", "unknown"]),
        ({"url": "file://other/x"}, ["another machine"]),
    ],
)
def test_a_source_that_is_not_right_is_one_clear_line_and_leaves_no_file(
    tmp_path: Path, catalogue: Catalogue, server: str, file: dict[str, Any], words: list[str]
) -> None:
    (tmp_path / "a").write_bytes(b"right")
    values = {"tmp": str(tmp_path), "server": server}
    filled = {k: v.format(**values) if isinstance(v, str) else v for k, v in file.items()}
    catalogue.add([CatalogueFile("x", **filled)], oid="o")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "x").write_bytes(b"before")
    request = {"kind": "stage_in", "catalogue": str(catalogue.folder), "oid": "o", "target": str(tmp_path / "t")}
    done = job(tmp_path / "job", request)
    failed(tmp_path / "job", done, *(w.format(**values) for w in words))
    assert "geheim" not in done.stderr + done.stdout
    assert (tmp_path / "t" / "x").read_bytes() == b"before"
    assert [p.name for p in (tmp_path / "t").iterdir()] == ["x"]


def test_credentials_in_a_url_go_to_that_server_only(tmp_path: Path, server: str) -> None:
    url = server.replace("http://", "http://us%40er:pass%20word@")
    transfer.fetch(f"{url}/moved", tmp_path / "x", name="x", say=print)
    assert Handler.seen == [("/moved", "Basic dXNAZXI6cGFzcyB3b3Jk"), ("/text", None)]


def test_targets_that_cannot_be_are_one_clear_line(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "a").write_bytes(b"right")
    (tmp_path / "file").touch()
    (tmp_path / "t" / "x").mkdir(parents=True)
    catalogue.add([CatalogueFile("x", path=str(tmp_path / "a"))], oid="o")
    for n, (target, words) in enumerate(
        (
            (str(tmp_path / "file"), [str(tmp_path / "file"), "is a file where a folder belongs"]),
            (str(tmp_path / "file" / "below"), [f"{tmp_path / 'file'} is a file where a folder belongs"]),
            (str(tmp_path / "t"), [str(tmp_path / "t" / "x"), "a folder where a file belongs"]),
            ("relative", ["relative", "not an absolute path"]),
            ("/proc/nope", ["/proc/nope"]),
        )
    ):
        request = {"kind": "stage_in", "catalogue": str(catalogue.folder), "oid": "o", "target": target}
        failed(tmp_path / f"j{n}", job(tmp_path / f"j{n}", request), *words)
    assert not unfinished(tmp_path)


def test_values_are_data(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "a").write_bytes(b"right")
    catalogue.add([CatalogueFile("x", path=str(tmp_path / "a"))], oid="o")
    for n, evil in enumerate(("$(touch x)", "; touch x", "{{ lookup('pipe', 'touch x') }}", "`touch x`", "%s {0}")):
        target = tmp_path / "t" / evil
        request = {"kind": "stage_in", "catalogue": str(catalogue.folder), "oid": "o", "target": str(target)}
        assert job(tmp_path / f"j{n}", request).returncode == 0
        assert result(tmp_path / f"j{n}")["target_path"] == str(target)
        assert (target / "x").read_bytes() == b"right"


def test_a_transfer_that_is_ended_leaves_no_partial_file(tmp_path: Path, catalogue: Catalogue, server: str) -> None:
    catalogue.add([CatalogueFile("x", url=f"{server}/slow")], oid="o")
    request = {"kind": "stage_in", "catalogue": str(catalogue.folder), "oid": "o", "target": str(tmp_path / "t")}
    (tmp_path / "request.json").write_text(json.dumps({"transfer": request}))
    words = [sys.executable, "-m", "orchestrator.services.transfer", "request.json"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(words, cwd=tmp_path, env=env) as running:
        wait_for(lambda: unfinished(tmp_path), "the unfinished file")
        assert not (tmp_path / "t" / "x").exists()
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 143
    assert list((tmp_path / "t").iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_file_system(tmp_path / "disk", "64k") as disk:
        yield disk


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, catalogue: Catalogue, small_disk: Path
) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    catalogue.add([CatalogueFile("x", path=str(tmp_path / "a"))], oid="o")
    requests = [
        {"kind": "stage_in", "catalogue": str(catalogue.folder), "oid": "o", "target": str(small_disk / "t")},
        {"kind": "stage_out", "catalogue": str(small_disk / "c"), "source": str(tmp_path / "a"), "key": "k"},
        {"kind": "download", "url": (tmp_path / "a").as_uri(), "target": str(small_disk / "d" / "x")},
    ]
    for n, request in enumerate(requests):
        failed(
            tmp_path / f"j{n}", job(tmp_path / f"j{n}", request), str(small_disk), "no space left", "free some space"
        )
    assert [p for p in small_disk.rglob("*") if p.is_file() and p.name != ".lock"] == []
    (tmp_path / "a").write_bytes(b"x" * 1000)
    for n, request in enumerate(requests):
        assert job(tmp_path / f"j{n}", request).returncode == 0


# --- stage out ------------------------------------------------------------------------------------------------------


def test_stage_out_stores_always_and_publishes_on_request(tmp_path: Path, catalogue: Catalogue) -> None:
    (tmp_path / "result").mkdir()
    (tmp_path / "result" / "counts.txt").write_text("the 3\n")
    catalogue.add([], oid="about", title="Word counts")
    request = {
        "kind": "stage_out",
        "catalogue": str(catalogue.folder),
        "source": str(tmp_path / "result"),
        "key": "x1.StageOut",
        "mid": "about",
        "execution": "x1",
        "deployment": "d",
        "workflow": "exec_job",
        "node": "StageOut",
    }
    done = job(tmp_path / "j1", {**request, "register": False})
    assert done.returncode == 0, done.stderr
    first = result(tmp_path / "j1")
    record = catalogue.get(first["oid"])
    assert (record.title, record.published) == ("Word counts", False)
    assert record.source is not None
    assert (record.source.execution, record.source.node) == ("x1", "StageOut")
    assert Path(first["files"][0]["path"]).read_text() == "the 3\n"
    assert job(tmp_path / "j2", {**request, "register": True, "mid": "unknown"}).returncode == 0
    assert result(tmp_path / "j2")["oid"] == first["oid"]
    assert catalogue.get(first["oid"]).published
    assert job(tmp_path / "j3", {**request, "key": "x2", "mid": "unknown"}).returncode == 0
    assert catalogue.get(result(tmp_path / "j3")["oid"]).title.startswith("Result of StageOut in d")


def test_stage_out_of_nothing_is_a_clear_failure(tmp_path: Path, catalogue: Catalogue) -> None:
    request = {"kind": "stage_out", "catalogue": str(catalogue.folder), "source": str(tmp_path / "no"), "key": "k"}
    failed(tmp_path / "job", job(tmp_path / "job", request), str(tmp_path / "no"), "no file or folder")


# --- images and downloads -------------------------------------------------------------------------------------------


def test_an_image_arrives_verified(tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    (images / "i.tar.gz").write_bytes(TEXT)
    (images / "i.tar.gz.digest.json").write_text(json.dumps({"size": len(TEXT), "checksum": sha256(TEXT)}))
    request = {"kind": "image", "images": str(images), "image": "i.tar.gz", "default_target": str(tmp_path / "default")}
    assert job(tmp_path / "j1", {**request, "target": None}).returncode == 0
    assert result(tmp_path / "j1") == {"image_file_path": str(tmp_path / "default" / "i.tar.gz")}
    assert (tmp_path / "default" / "i.tar.gz").read_bytes() == TEXT
    assert job(tmp_path / "j2", {**request, "target": str(tmp_path / "t")}).returncode == 0
    assert (tmp_path / "t" / "i.tar.gz").read_bytes() == TEXT
    assert job(tmp_path / "j3", {**request, "target": str(images)}).returncode == 0
    (images / "i.tar.gz").write_bytes(TEXT[:-1] + b"x")
    done = job(tmp_path / "j4", {**request, "target": str(tmp_path / "u")})
    failed(tmp_path / "j4", done, str(images / "i.tar.gz"), "checksum")
    done = job(tmp_path / "j5", {**request, "image": "nix"})
    failed(tmp_path / "j5", done, "no image", str(images / "nix"))
    done = job(tmp_path / "j6", {**request, "image": "../x"})
    failed(tmp_path / "j6", done, "no file name")


def test_a_download_is_kept_unless_forced(tmp_path: Path, server: str) -> None:
    target = tmp_path / "t" / "x"
    request = {"kind": "download", "url": f"{server}/text", "target": str(target)}
    assert job(tmp_path / "j1", request).returncode == 0
    assert result(tmp_path / "j1") == {"path": str(target), "size": len(TEXT), "checksum": sha256(TEXT)}
    target.write_bytes(b"mine")
    assert job(tmp_path / "j2", request).returncode == 0
    assert target.read_bytes() == b"mine"
    assert job(tmp_path / "j3", {**request, "force": True}).returncode == 0
    assert target.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ("no json", "malformed"),
        ({"kind": "other"}, "other"),
        ({"kind": "stage_in", "oid": "x"}, "catalogue"),
        ({"kind": "download", "url": "http://h/x", "target": "/x", "frce": True}, "frce"),
    ],
)
def test_a_malformed_request_is_one_clear_line(tmp_path: Path, request_: Any, word: str) -> None:
    failed(tmp_path / "job", job(tmp_path / "job", request_), word)


def test_the_library_raises_the_families_of_errors(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(UserError, match="has no record nix"):
        transfer.carry_out(transfer.StageIn(catalogue.folder, "nix", tmp_path))
    with pytest.raises(WorkError, match="no such file"):
        transfer.fetch(str(tmp_path / "nix"), tmp_path / "x", name="x", say=print)


# --- several transfers of one execution -----------------------------------------------------------------------------


def staged(tmp_path: Path, token: str, record: str, target: Path) -> subprocess.CompletedProcess[str]:
    """A record is brought by the job of a token."""
    request = {"kind": "stage_in", "catalogue": str(tmp_path / "catalogue"), "oid": record, "target": str(target)}
    return job(tmp_path / token, request)


@pytest.fixture
def records(tmp_path: Path, catalogue: Catalogue) -> dict[str, str]:
    """Records of one file each, by its content; the file is always called data.txt."""
    found = {}
    for content in ("one", "two"):
        (tmp_path / content).mkdir()
        (tmp_path / content / "data.txt").write_text(content)
        found[content] = catalogue.store(tmp_path / content / "data.txt", content, title=content, publish=True).oid
    return found


@pytest.mark.parametrize("written", ["data", "data/", "x/../data", "link"])
def test_no_transfer_replaces_what_another_one_has_brought(
    tmp_path: Path, records: dict[str, str], written: str
) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "link").symlink_to("data")
    assert staged(tmp_path, "e1-A-1", records["one"], tmp_path / "data").returncode == 0
    target = tmp_path / written if not written.endswith("/") else Path(f"{tmp_path}/data/")
    done = staged(tmp_path, "e1-B-1", records["two"], target)
    failed(tmp_path / "e1-B-1", done, "B would replace", "data.txt, which A has brought", "a target of its own")
    assert (tmp_path / "data" / "data.txt").read_text() == "one"


def test_what_may_be_replaced(tmp_path: Path, records: dict[str, str]) -> None:
    target = tmp_path / "data"
    assert staged(tmp_path, "e1-A-1", records["one"], target).returncode == 0
    assert staged(tmp_path, "e1-B-1", records["one"], target).returncode == 0, "the same content"
    assert staged(tmp_path, "e2-B-1", records["two"], target).returncode == 0, "another execution"
    assert staged(tmp_path, "e2-B-2", records["one"], target).returncode == 0, "the same node again"
    assert (target / "data.txt").read_text() == "one"


def test_what_a_failed_transfer_was_to_bring_may_come_from_elsewhere(tmp_path: Path, server: str) -> None:
    target = tmp_path / "text"
    first = {"kind": "download", "url": f"{server}/nothing", "target": str(target)}
    failed(tmp_path / "e1-A-1", job(tmp_path / "e1-A-1", first), "404")
    assert job(tmp_path / "e1-B-1", {**first, "url": f"{server}/text"}).returncode == 0
    again = job(tmp_path / "e1-C-1", {**first, "url": f"{server}/a%20b", "force": True})
    failed(tmp_path / "e1-C-1", again, "C would replace", "which B has brought")


def test_a_transfer_under_way_has_its_target_for_itself(tmp_path: Path, server: str) -> None:
    request = {"kind": "download", "url": f"{server}/slow", "target": str(tmp_path / "text")}
    folder = tmp_path / "e1-A-1"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps({"transfer": request}))
    slow = subprocess.Popen(
        [sys.executable, "-m", "orchestrator.services.transfer", "request.json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        wait_for(lambda: any(path == "/slow" for path, _ in Handler.seen), "the request")
        other = job(tmp_path / "e1-B-1", {**request, "url": f"{server}/text"})
        failed(tmp_path / "e1-B-1", other, "B would replace", "A has brought")
    finally:
        slow.kill()
        slow.wait()
    assert job(tmp_path / "e1-C-1", {**request, "url": f"{server}/text"}).returncode == 0, "A is dead"
