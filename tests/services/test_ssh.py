"""SSH connections to a real server: words, files, who is trusted, and what is said when it does not work."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from getpass import getuser
from pathlib import Path

import asyncssh
import pytest
from support.sshd import SshServer, ssh_server

from orchestrator.errors import SecretError, SiteError
from orchestrator.model.values import Secret
from orchestrator.sites import SshSettings
from orchestrator.sites.ssh import SshConnection, fetch_host_key, trust

HOSTILE = ["; touch x", "$(touch x)", "`id`", "'", '"', "a\nb", "-n", "", "ä", "\\", "* ~ {1,2}"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A server that also serves files."""
    folder = tmp_path_factory.mktemp("ssh") / "server"
    with ssh_server(folder, Subsystem="sftp internal-sftp") as started:
        yield started


@pytest.fixture(scope="module")
def settings(server: SshServer) -> SshSettings:
    return SshSettings("127.0.0.1", getuser(), server.port, host_key=server.host_key, ride_out=5, site="there")


@pytest.fixture(scope="module")
def connection(settings: SshSettings, server: SshServer) -> Iterator[SshConnection]:
    opened = SshConnection(settings, Secret(server.user_key))
    yield opened
    opened.close()


class TestCommands:
    @pytest.mark.parametrize("login_shell", [False, True])
    def test_words_arrive_as_they_are(self, connection: SshConnection, login_shell: bool) -> None:
        done = connection.run(["printf", "%s\\0", *HOSTILE], login_shell=login_shell)
        assert done.text.split("\0")[:-1] == HOSTILE

    def test_input_output_and_exit_status(self, connection: SshConnection) -> None:
        done = connection.run(["sh", "-c", "cat; echo no >&2; exit 7"], stdin=b"\x00\xff")
        assert (done.exit_status, done.stdout, done.error_text) == (7, b"\x00\xff", "no")

    def test_a_command_that_takes_too_long(self, connection: SshConnection) -> None:
        with pytest.raises(SiteError, match=r"site 'there': sleep took longer than 0\.2 s"):
            connection.run(["sleep", "60"], timeout=0.2)

    def test_more_at_once_than_the_server_has_sessions(self, connection: SshConnection) -> None:
        answers: list[int] = []
        work = [
            threading.Thread(target=lambda: answers.append(connection.run(["sleep", "0.2"]).exit_status))
            for _ in range(24)
        ]
        for thread in work:
            thread.start()
        for thread in work:
            thread.join()
        assert answers == [0] * 24

    def test_a_connection_that_breaks(self, connection: SshConnection) -> None:
        # the server's process of this connection is the parent of what it runs
        cut = ["sh", "-c", "kill $PPID; sleep 5"]
        with pytest.raises(SiteError, match="the connection broke while sh was run"):
            connection.run(cut)
        assert connection.run(["true"]).exit_status == 0

    def test_what_is_repeatable_is_begun_again(self, connection: SshConnection, tmp_path: Path) -> None:
        once = f"test -e {tmp_path}/cut && echo again && exit; touch {tmp_path}/cut; kill $PPID; sleep 5"
        assert connection.run(["sh", "-c", once], repeatable=True).text == "again\n"


class TestFiles:
    def test_there_and_back(self, connection: SshConnection, tmp_path: Path) -> None:
        source = tmp_path / "source"
        (source / "sub").mkdir(parents=True)
        (source / "sub" / "it's $(x).bin").write_bytes(bytes(range(256)) * 4000)
        (source / "run.sh").write_text("#!/bin/sh\n")
        (source / "run.sh").chmod(0o755)
        said: list[str] = []
        connection.put(source, str(tmp_path / "there"), said.append)
        connection.get(str(tmp_path / "there"), tmp_path / "back")
        for name in ("sub/it's $(x).bin", "run.sh"):
            assert (tmp_path / "back" / name).read_bytes() == (source / name).read_bytes()
        assert (tmp_path / "back" / "run.sh").stat().st_mode & 0o100
        assert len(said) == 2
        assert not list(tmp_path.rglob(".new-*"))

    def test_what_is_the_same_already_stays(self, connection: SshConnection, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("text")
        connection.put(tmp_path / "file", str(tmp_path / "copy"))
        before = (tmp_path / "copy").stat().st_ino
        connection.put(tmp_path / "file", str(tmp_path / "copy"))
        assert (tmp_path / "copy").stat().st_ino == before
        (tmp_path / "file").write_text("other")
        connection.put(tmp_path / "file", str(tmp_path / "copy"))
        assert (tmp_path / "copy").read_text() == "other"

    def test_pieces(self, connection: SshConnection, tmp_path: Path) -> None:
        path = str(tmp_path / "new" / "file")
        connection.write(path, b"0123456789")
        assert connection.read(path, 3, 4) == b"3456"
        assert connection.read(path, 99) == b""
        assert connection.read(f"{path}-not") == b""
        assert Path(path).stat().st_mode & 0o777 == 0o600

    def test_what_is_not_there(self, connection: SshConnection, tmp_path: Path) -> None:
        with pytest.raises(SiteError, match="there is no"):
            connection.get(str(tmp_path / "none"), tmp_path / "back")


class TestTrust:
    def test_an_unknown_host_and_a_changed_key(self, settings: SshSettings, server: SshServer, tmp_path: Path) -> None:
        known = tmp_path / "known_hosts"
        strict = dataclasses.replace(settings, host_key="", known_hosts=(known,))
        with pytest.raises(SiteError, match="is not known: it shows the key SHA256:") as caught:
            SshConnection(strict, Secret(server.user_key)).run(["true"])
        assert "orch sites trust there" in str(caught.value.hint)
        trust(known, fetch_host_key(strict))
        assert SshConnection(strict, Secret(server.user_key)).run(["true"]).exit_status == 0
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        known.write_text(f"[127.0.0.1]:{server.port} {other}\n")
        for settings in (strict, dataclasses.replace(strict, accept_new=True)):
            with pytest.raises(SiteError, match="has changed"):
                SshConnection(settings, Secret(server.user_key)).run(["true"])

    def test_a_new_host_is_accepted_and_written(self, settings: SshSettings, server: SshServer, tmp_path: Path) -> None:
        known = tmp_path / "known_hosts"
        accepting = dataclasses.replace(settings, host_key="", known_hosts=(known,), accept_new=True)
        assert SshConnection(accepting, Secret(server.user_key)).run(["true"]).exit_status == 0
        assert " ".join(server.host_key.split()[:2]) in known.read_text()

    def test_by_way_of_another_host(self, settings: SshSettings, server: SshServer) -> None:
        through = dataclasses.replace(settings, jump=settings)
        opened = SshConnection(through, Secret(server.user_key))
        assert opened.run(["echo", "hi"]).text == "hi\n"
        opened.close()


class TestRefusals:
    def test_a_key_that_is_not_let_in(self, settings: SshSettings) -> None:
        stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
        with pytest.raises(SiteError, match=r"lets .* not log in with the key SHA256:"):
            SshConnection(settings, Secret(stranger)).run(["true"])

    def test_nobody_listens(self, settings: SshSettings, server: SshServer) -> None:
        closed = dataclasses.replace(settings, port=1)
        with pytest.raises(SiteError, match="refuses connections"):
            SshConnection(closed, Secret(server.user_key)).run(["true"])

    def test_no_such_host(self, settings: SshSettings, server: SshServer) -> None:
        nowhere = dataclasses.replace(settings, host="nowhere.invalid")
        with pytest.raises(SiteError, match=r"there is no host 'nowhere\.invalid'"):
            SshConnection(nowhere, Secret(server.user_key)).run(["true"])

    def test_a_text_that_is_no_key(self, settings: SshSettings) -> None:
        with pytest.raises(SecretError, match="cannot be used") as caught:
            SshConnection(settings, Secret("not a key at all"))
        assert "not a key at all" not in caught.value.message
