"""A real Slurm cluster on this machine, by ``tests/testbed/cluster.sh``."""

from __future__ import annotations

import fcntl
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support import required

SCRIPT = Path(__file__).resolve().parent.parent / "testbed" / "cluster.sh"
_UP_SECONDS = 600
_LOCK = Path("/tmp/orch-cluster-tests.lock")  # users, host names and ports are those of the whole machine


@dataclass(frozen=True)
class Account:
    """A user of the cluster: name, home folder and the text of the private key."""

    user: str
    home: str
    key: str


@dataclass(frozen=True)
class Cluster:
    """How the login node is reached; ``log`` is where its sshd writes of logins and commands."""

    host: str
    port: int
    first: Account
    second: Account
    known_hosts: Path
    slurm_conf: str
    log: Path

    @property
    def state(self) -> Path:
        """The folder with everything of the cluster (CLUSTER_STATE of ``cluster.sh``)."""
        return self.known_hosts.parent.parent

    @property
    def user(self) -> str:
        """The first user's name."""
        return self.first.user

    @property
    def home(self) -> str:
        """The first user's home folder."""
        return self.first.home

    @property
    def key(self) -> str:
        """The first user's private key."""
        return self.first.key

    def stop(self, part: str) -> None:
        """Stop one of the parts that ``cluster.sh status`` names."""
        _script("stop", part)

    def up(self) -> None:
        """Bring back what was stopped."""
        _script("up")

    def sessions(self) -> int:
        """How many commands and transfers sshd has begun for the user."""
        return len(re.findall(rf"Starting session: .* for {self.user} ", self.log.read_text(errors="replace")))

    def slurm(self, *words: str) -> str:
        """Run one of Slurm's commands as the administrator; its standard output."""
        environment = {**os.environ, "SLURM_CONF": self.slurm_conf}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.strip()

    def site(self, name: str, key: str, more: str = "") -> str:
        """A sites.yaml with the cluster as a site, for the first user with a key of the secret store."""
        return (
            f"sites:\n  {name}:\n    connection: ssh\n    login_host: {self.host}\n    port: {self.port}\n"
            f"    user: {self.user}\n    key: {key}\n    known_hosts: accept-new\n    scheduler: slurm\n"
            f"    slurm: {{interval: 1}}\n{more}"
        )


def _script(*words: str) -> str:
    done = subprocess.run(["bash", str(SCRIPT), *words], capture_output=True, text=True, timeout=_UP_SECONDS)
    assert done.returncode == 0, f"cluster.sh {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """A cluster that is up; one that was up before is left so. ``CLUSTER_*`` of the environment are its settings.

    It is for one process at a time, since tests make parts of it fail: others wait.
    """
    required(os.geteuid() == 0 and shutil.which("apt-get") is not None, "a Slurm cluster needs root on Debian")
    with _alone():
        status = subprocess.run(["bash", str(SCRIPT), "status"], capture_output=True, timeout=_UP_SECONDS)
        _script("up")
        try:
            yield _described()
        finally:
            _script("up" if status.returncode == 0 else "down")


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock; a process that has it already keeps it."""
    if _HELD:
        yield
        return
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _HELD.append(lock)
        try:
            yield
        finally:
            _HELD.clear()


_HELD: list[IO[str]] = []


def _described() -> Cluster:
    words = shlex.split(_script("env").replace("export ", ""))
    told = dict(word.split("=", 1) for word in words)
    first, second = (
        Account(told[f"HPC_USER{n}"], told[f"HPC_HOME{n}"], Path(told[f"HPC_KEY{n}"]).read_text()) for n in ("", "2")
    )
    return Cluster(
        host=told["HPC_HOST"],
        port=int(told["HPC_PORT"]),
        first=first,
        second=second,
        known_hosts=Path(told["HPC_KNOWN_HOSTS"]),
        slurm_conf=told["SLURM_CONF"],
        log=Path(_script("log").strip()),
    )
