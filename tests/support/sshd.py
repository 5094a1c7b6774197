"""A real ssh server of this user on the loopback, with keys of its own."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import debian_program
from support.orch import wait_for


@dataclass(frozen=True)
class SshServer:
    """Where it listens, and the texts of the user's private key and of its own public key."""

    port: int
    user_key: str
    host_key: str


@contextmanager
def ssh_server(folder: Path, **more: str) -> Iterator[SshServer]:
    """Start a server and end it. ``folder`` is made for its files; ``more`` are keywords of sshd_config(5)."""
    sshd = debian_program("sshd", "openssh-server")
    folder.mkdir(mode=0o700)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "user_key.pub",
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
        **more,
    }
    (folder / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(listens, "the ssh server")
        yield SshServer(port, (folder / "user_key").read_text(), (folder / "host_key.pub").read_text().strip())
    finally:
        server.terminate()
        server.wait()
