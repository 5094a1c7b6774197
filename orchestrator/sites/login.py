"""What it takes to log in to a site."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SshSettings:
    """Where and as whom to log in, and whom to trust. Times are in seconds.

    ``host_key`` is the only key that is trusted, where one is given (``ssh-ed25519 AAAA...``); else the files
    ``known_hosts`` and OpenSSH's own tell. With ``accept_new`` a host that nobody knows yet is written into the first
    of ``known_hosts``. ``sessions``: how many there may be at once (MaxSessions of sshd_config(5) is 10 by default).
    ``ride_out``: for how long a connection that broke is tried to be opened again.
    """

    host: str
    user: str
    port: int = 22
    jump: SshSettings | None = None
    known_hosts: tuple[Path, ...] = ()
    host_key: str = ""
    accept_new: bool = False
    sessions: int = 8
    ride_out: float = 120.0
    site: str = ""

    @property
    def place(self) -> str:
        """The host as messages name it."""
        return f"{self.host}:{self.port}" if self.port != 22 else self.host


@dataclass(frozen=True)
class HostKey:
    """What a host shows of itself: a line for a file of known hosts, and the fingerprint as ssh-keygen(1) writes it."""

    line: str
    fingerprint: str
