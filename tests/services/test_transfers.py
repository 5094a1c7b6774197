"""Folders that are brought from one place to another: all of them or an error, the same at every kind of site."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from getpass import getuser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from support.sshd import SshServer, ssh_server

from orchestrator.errors import OrchError, StorageError, UserError, WorkError
from orchestrator.model.values import Secret
from orchestrator.services.catalogue import Catalogue
from orchestrator.services.transfer import Download, StageIn, StageOut, Transfer, carry_out, carry_out_at
from orchestrator.sites import Connection, LocalConnection, SshSettings
from orchestrator.sites.ssh import SshConnection


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "server", Subsystem="sftp internal-sftp") as started:
        yield started


@pytest.fixture(scope="module")
def ssh(server: SshServer) -> Iterator[SshConnection]:
    settings = SshSettings("127.0.0.1", getuser(), server.port, host_key=server.host_key, ride_out=5, site="there")
    opened = SshConnection(settings, Secret(server.user_key))
    yield opened
    opened.close()


@pytest.fixture(params=["local", "ssh"])
def connection(request: pytest.FixtureRequest, ssh: SshConnection) -> Connection:
    """A way to this machine, of each kind."""
    return ssh if request.param == "ssh" else LocalConnection()


@pytest.fixture(params=["beside", "ssh"])
def transfer(request: pytest.FixtureRequest, ssh: SshConnection, tmp_path: Path) -> Any:
    """What carries a transfer out, of each kind."""
    (tmp_path / "job").mkdir()

    def work(wanted: Transfer) -> dict[str, Any]:
        if request.param == "ssh":
            return carry_out_at(ssh, wanted, tmp_path / "job", lambda line: None)
        return carry_out(wanted, lambda line: None)

    return work


def shape(folder: Path) -> dict[str, str | None]:
    """All that is in a folder: the text of each file, None for a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        assert not path.is_symlink()
        found[str(path.relative_to(folder))] = path.read_text() if path.is_file() else None
    return found


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results with links of all kinds, and folders with nothing in them."""
    run, other = tmp_path / "real" / "run", tmp_path / "real" / "other"
    (run / "empty" / "inner").mkdir(parents=True)
    (other / "none").mkdir(parents=True)
    (run / "a.txt").write_text("one\n")
    (other / "c.txt").write_text("three\n")
    (run / "latest").symlink_to("a.txt")
    (run / "absolute").symlink_to(other / "c.txt")
    (run / "more").symlink_to("../other")
    (run / "again").symlink_to("more")
    return run


WHOLE = {
    "a.txt": "one\n",
    "latest": "one\n",
    "absolute": "three\n",
    "more/c.txt": "three\n",
    "again/c.txt": "three\n",
    **dict.fromkeys(["empty", "empty/inner", "more", "more/none", "again", "again/none"]),
}


class TestFolders:
    def test_links_are_followed_and_empty_folders_kept(
        self, connection: Connection, results: Path, tmp_path: Path
    ) -> None:
        connection.get(str(results), tmp_path / "got")
        assert shape(tmp_path / "got") == WHOLE
        connection.put(results, str(tmp_path / "put"))
        assert shape(tmp_path / "put") == WHOLE

    def test_a_way_that_is_a_link(self, connection: Connection, results: Path, tmp_path: Path) -> None:
        (tmp_path / "scratch").symlink_to(tmp_path / "real")
        (tmp_path / "link").symlink_to("scratch/run")
        connection.get(str(tmp_path / "scratch" / "run"), tmp_path / "one")
        connection.get(str(tmp_path / "link"), tmp_path / "two")
        connection.get(f"{tmp_path}/link/", tmp_path / "three")
        connection.put(tmp_path / "link", str(tmp_path / "four"))
        connection.get(f"{tmp_path}/link/latest", tmp_path / "five")
        assert [shape(tmp_path / name) for name in ("one", "two", "three", "four")] == [WHOLE] * 4
        assert (tmp_path / "five").read_text() == "one\n"

    def test_a_folder_with_nothing_in_it(self, connection: Connection, tmp_path: Path) -> None:
        (tmp_path / "nothing").mkdir()
        connection.get(str(tmp_path / "nothing"), tmp_path / "got")
        connection.put(tmp_path / "nothing", str(tmp_path / "deep" / "put"))
        assert (tmp_path / "got").is_dir()
        assert (tmp_path / "deep" / "put").is_dir()

    @pytest.mark.parametrize("name", ["a b", "it's", "li\nne", "back\\slash", "-n", "*", "\u00e4", "caf\udce9", "!!"])
    def test_any_name(self, connection: Connection, tmp_path: Path, name: str) -> None:
        source = tmp_path / "source"
        (source / name / "empty").mkdir(parents=True)
        (source / name / name).write_text("x\n")
        connection.get(str(source), tmp_path / "got")
        connection.put(source, str(tmp_path / "put"))
        for copy in ("got", "put"):
            assert shape(tmp_path / copy) == {name: None, f"{name}/empty": None, f"{name}/{name}": "x\n"}


def broken(folder: Path, kind: str) -> str:
    """Make something in a folder that cannot be brought; its name."""
    (folder / "sub").mkdir(parents=True)
    (folder / "x").write_text("x")
    bad = folder / "sub" / "bad one"
    match kind:
        case "to nothing":
            bad.symlink_to("nothing")
        case "to itself":
            bad.symlink_to("bad one")
        case "to a folder above":
            bad.symlink_to("..")
        case "to the root above":
            bad.symlink_to(folder)
        case "a pipe":
            os.mkfifo(bad)
        case "a socket":
            here = Path.cwd()
            os.chdir(bad.parent)  # a socket's path is short
            socket.socket(socket.AF_UNIX).bind(bad.name)
            os.chdir(here)
    return str(bad)


BROKEN = {
    "to nothing": "is a link that leads nowhere",
    "to itself": "is a link that leads nowhere",
    "to a folder above": "is a link to a folder that holds it",
    "to the root above": "is a link to a folder that holds it",
    "a pipe": "is neither a file nor a folder",
    "a socket": "is neither a file nor a folder",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_be_brought_is_named(connection: Connection, tmp_path: Path, kind: str) -> None:
    bad = broken(tmp_path / "folder", kind)
    for work in (
        lambda: connection.get(str(tmp_path / "folder"), tmp_path / "got"),
        lambda: connection.put(tmp_path / "folder", str(tmp_path / "put")),
    ):
        with pytest.raises(WorkError, match=BROKEN[kind]) as caught:
            work()
        assert bad in caught.value.message
        assert caught.value.hint is not None
    assert not (tmp_path / "got").exists()
    assert not (tmp_path / "put").exists()


class TestResults:
    """Results that are stored as a record, and staged in again."""

    def test_out_and_in(self, transfer: Any, results: Path, tmp_path: Path) -> None:
        catalogue = tmp_path / "catalogue"
        stored = transfer(StageOut(catalogue=catalogue, source=results, key="k"))
        record = Catalogue(catalogue).get(stored["oid"])
        assert [file.name for file in record.files] == sorted(n for n, text in WHOLE.items() if text is not None)
        assert record.folders == ("again/none", "empty/inner", "more/none")
        assert shape(catalogue / "data" / stored["oid"]) == WHOLE
        transfer(StageIn(catalogue=catalogue, oid=stored["oid"], target=tmp_path / "back"))
        assert shape(tmp_path / "back") == WHOLE

    @pytest.mark.parametrize("kind", BROKEN)
    def test_nothing_is_left_out_in_silence(self, transfer: Any, tmp_path: Path, kind: str) -> None:
        bad = broken(tmp_path / "folder", kind)
        with pytest.raises(WorkError, match=BROKEN[kind]) as caught:
            transfer(StageOut(catalogue=tmp_path / "catalogue", source=tmp_path / "folder", key="k"))
        assert bad in caught.value.message
        assert list((tmp_path / "catalogue").glob("*.yaml")) == []

    @pytest.mark.parametrize("kind", ["file", "folder"])
    def test_a_name_that_is_no_utf_8_is_refused(self, transfer: Any, tmp_path: Path, kind: str) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "a").write_text("x")
        if kind == "file":
            (tmp_path / "folder" / "caf\udce9").write_text("x")
        else:
            (tmp_path / "folder" / "caf\udce9").mkdir()
        with pytest.raises(UserError, match=r"the file 'caf\ufffd' is not in UTF-8"):
            transfer(StageOut(catalogue=tmp_path / "catalogue", source=tmp_path / "folder", key="k"))
        assert list((tmp_path / "catalogue").glob("*.yaml")) == []

    def test_a_folder_without_files(self, transfer: Any, tmp_path: Path) -> None:
        (tmp_path / "folder" / "empty").mkdir(parents=True)
        with pytest.raises(WorkError, match="holds no file"):
            transfer(StageOut(catalogue=tmp_path / "catalogue", source=tmp_path / "folder", key="k"))

    def test_what_is_not_there(self, transfer: Any, tmp_path: Path) -> None:
        with pytest.raises(OrchError, match="there is no"):
            transfer(StageOut(catalogue=tmp_path / "catalogue", source=tmp_path / "none", key="k"))


class TestDownloads:
    """What is at a URL, into a file or a folder."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> Iterator[str]:
        (tmp_path / "www").mkdir()
        (tmp_path / "www" / "a b.txt").write_text("one\n")
        (tmp_path / "www" / "b.txt").write_text("two\n")

        class Quiet(SimpleHTTPRequestHandler):
            def __init__(self, *words: Any) -> None:
                super().__init__(*words, directory=str(tmp_path / "www"))

            def log_message(self, *_: Any) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as web:
            Thread(target=web.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{web.server_port}"
            web.shutdown()

    def test_a_folder_that_is_there(self, transfer: Any, url: str, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        one = transfer(Download(url=f"{url}/a%20b.txt?x=1", target=tmp_path / "data"))
        two = transfer(Download(url=f"{url}/b.txt", target=tmp_path / "data"))
        assert (one["path"], two["path"]) == (f"{tmp_path}/data/a b.txt", f"{tmp_path}/data/b.txt")
        assert shape(tmp_path / "data") == {"a b.txt": "one\n", "b.txt": "two\n"}

    def test_a_file(self, transfer: Any, url: str, tmp_path: Path) -> None:
        transfer(Download(url=f"{url}/b.txt", target=tmp_path / "new" / "name"))
        assert (tmp_path / "new" / "name").read_text() == "two\n"
        transfer(Download(url=f"{url}/a%20b.txt", target=tmp_path / "new" / "name"))
        assert (tmp_path / "new" / "name").read_text() == "two\n"  # it is there already
        transfer(Download(url=f"{url}/a%20b.txt", target=tmp_path / "new" / "name", force=True))
        assert (tmp_path / "new" / "name").read_text() == "one\n"


def test_a_folder_here_that_cannot_be_made(ssh: SshConnection, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot make the folder"):
        ssh.get(str(tmp_path / "empty"), tmp_path / "file" / "got")
