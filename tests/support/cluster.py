"""A real Slurm cluster on this machine, by ``tests/testbed/cluster.sh``."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support import required

SCRIPT = Path(__file__).resolve().parent.parent / "testbed" / "cluster.sh"
_UP_SECONDS = 600


@dataclass(frozen=True)
class Cluster:
    """How the login node is reached; ``log`` is where its sshd writes of logins and commands."""

    host: str
    port: int
    user: str
    home: str
    key: str
    known_hosts: Path
    slurm_conf: str
    log: Path

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


def _script(*words: str) -> str:
    done = subprocess.run(["bash", str(SCRIPT), *words], capture_output=True, text=True, timeout=_UP_SECONDS)
    assert done.returncode == 0, f"cluster.sh {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@contextmanager
def slurm_cluster() -> Iterator[Cluster]:
    """A cluster that is up; one that was up before is left so. ``CLUSTER_*`` of the environment are its settings."""
    required(os.geteuid() == 0 and shutil.which("apt-get") is not None, "a Slurm cluster needs root on Debian")
    status = subprocess.run(["bash", str(SCRIPT), "status"], capture_output=True, timeout=_UP_SECONDS)
    _script("up")
    try:
        yield _described()
    finally:
        _script("up" if status.returncode == 0 else "down")


def _described() -> Cluster:
    words = shlex.split(_script("env").replace("export ", ""))
    told = dict(word.split("=", 1) for word in words)
    return Cluster(
        host=told["HPC_HOST"],
        port=int(told["HPC_PORT"]),
        user=told["HPC_USER"],
        home=told["HPC_HOME"],
        key=Path(told["HPC_KEY"]).read_text(),
        known_hosts=Path(told["HPC_KNOWN_HOSTS"]),
        slurm_conf=told["SLURM_CONF"],
        log=Path(_script("log").strip()),
    )
