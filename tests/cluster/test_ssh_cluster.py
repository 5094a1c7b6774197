"""SSH connections to the login node of a cluster: its users, its sessions, its outages, and who sees a key."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncssh
import pytest
from support import small_file_system
from support.cluster import Account, Cluster
from support.orch import wait_for

from orchestrator.errors import SiteError
from orchestrator.model.values import Secret
from orchestrator.sites import SshSettings
from orchestrator.sites.ssh import SshConnection


def connect(cluster: Cluster, account: Account | None = None, **changes: object) -> SshConnection:
    who = account or cluster.first
    settings = SshSettings(
        cluster.host, who.user, cluster.port, known_hosts=(cluster.known_hosts,), ride_out=60, site="bed"
    )
    return SshConnection(dataclasses.replace(settings, **changes), Secret(who.key))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def connection(cluster: Cluster) -> Iterator[SshConnection]:
    opened = connect(cluster)
    yield opened
    opened.close()


@pytest.fixture
def there(connection: SshConnection, tmp_path: Path) -> Iterator[str]:
    """A folder of the user at the cluster."""
    folder = f"{connection.home()}/{tmp_path.name}"
    yield folder
    connection.run(["rm", "-rf", "--", folder])


def test_three_megabytes_go_in_and_come_out(connection: SshConnection) -> None:
    data = os.urandom(3_000_000)
    assert connection.run(["cat"], stdin=data).stdout == data


def test_modules_are_there_in_login_shells_only(connection: SshConnection) -> None:
    words = ["bash", "-c", "type module"]
    assert connection.run(["sh", "-c", "type module"]).exit_status != 0
    assert connection.run(words, login_shell=True).exit_status == 0
    assert connection.run(["module", "load", "COMPSs/3.3"], login_shell=True).exit_status == 0


def test_a_file_that_was_damaged_there_is_brought_again(connection: SshConnection, there: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "tree" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(os.urandom(100_000))
    connection.put(tmp_path / "tree", there)
    damage = "printf x | dd of=a bs=1 seek=5000 conv=notrunc"
    assert connection.run(["sh", "-c", f"cd {there} && {damage}"]).exit_status == 0
    connection.put(tmp_path / "tree", there)
    sums = connection.run(["sh", "-c", f"cd {there} && sha256sum a b"]).text.split()[::2]
    assert sums == [hashlib.sha256((tmp_path / "tree" / name).read_bytes()).hexdigest() for name in ("a", "b")]


def test_no_space_there(cluster: Cluster, connection: SshConnection, there: str, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(2_000_000))
    connection.write(f"{there}/first", b"")
    with small_file_system(Path(there) / "small", "1m"):
        Path(there, "small").chmod(0o777)
        with pytest.raises(SiteError, match=r"site 'bed': .*small/big"):
            connection.put(tmp_path / "big", f"{there}/small/big")
        assert not connection.exists(f"{there}/small/big")


def test_two_users_have_their_own_files(cluster: Cluster, connection: SshConnection, there: str) -> None:
    connection.write(f"{there}/mine", b"text")
    other = connect(cluster, cluster.second)
    try:
        assert other.run(["id", "-un"]).text.strip() == cluster.second.user
        assert other.home() == cluster.second.home
        with pytest.raises(SiteError, match="Permission denied"):
            other.read(f"{there}/mine")
        with pytest.raises(SiteError, match="Permission denied"):
            other.write(f"{there}/theirs", b"")
    finally:
        other.close()


def test_many_calls_share_few_sessions_of_one_login(cluster: Cluster, there: str) -> None:
    opened = connect(cluster, sessions=4)
    logins = cluster.log.read_text(errors="replace").count(f"Accepted publickey for {cluster.user} ")
    # each sees, while it runs, how many there are of its kind
    count = 'cd "$0" && : >"$$" && sleep 0.1 && ls | wc -l; rm -f "$$"'
    assert opened.run(["mkdir", there]).exit_status == 0
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda _: opened.run(["sh", "-c", count, there]), range(30)))
    opened.close()
    assert [done.exit_status for done in found] == [0] * 30
    assert 1 <= max(int(done.text) for done in found) <= 3  # the fourth is for files
    after = cluster.log.read_text(errors="replace").count(f"Accepted publickey for {cluster.user} ")
    assert after == logins + 1


class TestOutages:
    def test_what_is_repeatable_rides_it_out(self, cluster: Cluster) -> None:
        opened = connect(cluster)
        assert opened.run(["true"]).exit_status == 0
        cluster.stop("sshd")
        try:
            with ThreadPoolExecutor(3) as pool:
                command = pool.submit(opened.run, ["echo", "back"], repeatable=True)
                file = pool.submit(opened.exists, "/etc/passwd")
                threading.Event().wait(1.0)  # so long it is away
                assert not command.done()
                assert not file.done()
                cluster.up()
                assert command.result(60).text == "back\n"
                assert file.result(60)
        finally:
            cluster.up()
            opened.close()

    def test_what_may_have_done_its_work_is_not_repeated(self, cluster: Cluster, there: str) -> None:
        opened = connect(cluster)
        opened.write(f"{there}/traces", b"")
        once = f"echo once >>{there}/traces; sleep 60"
        try:
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(opened.run, ["sh", "-c", once], timeout=120)
                wait_for(lambda: Path(there, "traces").read_text(), "the command")
                cluster.stop("sshd")
                with pytest.raises(SiteError, match="site 'bed': the connection broke while sh was run") as caught:
                    running.result(60)
        finally:
            cluster.up()
            opened.close()
        assert "orch executions resume" in str(caught.value.hint)
        assert Path(there, "traces").read_text() == "once\n"

    def test_it_lasts_for_longer_than_is_ridden_out(self, cluster: Cluster) -> None:
        opened = connect(cluster, ride_out=1.0)
        assert opened.run(["true"]).exit_status == 0
        cluster.stop("sshd")
        try:
            with pytest.raises(SiteError, match=r"127\.0\.0\.1:.* refuses connections"):
                opened.run(["true"], repeatable=True)
        finally:
            cluster.up()
            opened.close()

    def test_a_first_login_is_not_waited_for(self, cluster: Cluster) -> None:
        cluster.stop("sshd")
        try:
            opened, began = connect(cluster), time.monotonic()
            with pytest.raises(SiteError, match="refuses connections"):
                opened.run(["true"], repeatable=True)
            assert time.monotonic() - began < 30
        finally:
            cluster.up()


def test_a_private_key_is_in_no_file_and_no_command_line(cluster: Cluster, there: str, tmp_path: Path) -> None:
    made = asyncssh.generate_private_key("ssh-ed25519", comment="canary")
    text = made.export_private_key().decode()
    keys = Path(cluster.home) / ".ssh" / "authorized_keys"
    before = keys.read_text()
    keys.write_text(before + made.export_public_key().decode())
    opened = connect(cluster, Account(cluster.user, cluster.home, text))
    try:
        assert opened.run(["true"], stdin=b"x", login_shell=True).exit_status == 0
        opened.write(f"{there}/file", b"x")
        canary = text.splitlines()[2].encode()
        for entry in Path("/proc").iterdir():
            for name in ("cmdline", "environ"):
                assert canary not in _read(entry / name), f"{entry}/{name}"
        for folder in (tmp_path, Path(cluster.home), Path(cluster.state) / "log"):
            for path in folder.rglob("*"):
                assert canary not in _read(path), path
    finally:
        opened.close()
        keys.write_text(before)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""
