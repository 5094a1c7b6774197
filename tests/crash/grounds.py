"""Where the native jobs of a crash test run, and how they can be harmed there: this machine, or a Slurm cluster."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from support.cluster import Cluster

from crash.processes import arguments_of, parent, processes_with

_PROGRAM = "program.py"


class Ground(Protocol):
    """The site of the native jobs. A job that is not there has no processes, and has not ended."""

    name: str
    slack: float
    """Seconds from the last word of a job's program until the site knows that the job has ended."""

    def prepare(self, home: Path, orch: Callable[..., Any]) -> list[str]:
        """Describe the site in a home, with commands of ``orch``; the words that name it when it is deployed to."""

    def program(self, token: str) -> list[int]:
        """The processes of a job's program."""

    def supervisor(self, token: str) -> list[int]:
        """What runs the program, and tells how it ended."""

    def remove_folder(self, token: str) -> None:
        """Remove what is kept of a job."""

    def has_ended(self, token: str) -> bool:
        """Whether it is known there how a job has ended."""

    def living(self, execution: str) -> list[str]:
        """Jobs of an execution that have not ended."""


class Local:
    """The launcher's jobs, in a home."""

    name = "local"
    slack = 0.5

    def prepare(self, home: Path, orch: Callable[..., Any]) -> list[str]:
        """Nothing is to be described."""
        self._jobs = home / "sites" / "local" / "jobs"
        return []

    def program(self, token: str) -> list[int]:
        """All processes with the job's mark."""
        return list(processes_with(f"ORCH_LAUNCHER_JOB={self._jobs / token}"))

    def supervisor(self, token: str) -> list[int]:
        """The launcher's supervisor."""
        with suppress(OSError):
            return [int(json.loads((self._jobs / token / "started").read_text())["pid"])]
        return []

    def remove_folder(self, token: str) -> None:
        """The launcher's folder."""
        shutil.rmtree(self._jobs / token, ignore_errors=True)

    def has_ended(self, token: str) -> bool:
        """The supervisor has said its last word."""
        return (self._jobs / token / "exit.json").exists()

    def living(self, execution: str) -> list[str]:
        """None: the processes of an execution are looked for by themselves."""
        return []


class Slurm:
    """Jobs of a cluster on this machine."""

    name = "slurm"
    slack = 5.0

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._keys = Path(cluster.home) / ".ssh" / "authorized_keys"
        self._keys_before = self._keys.read_text()

    def prepare(self, home: Path, orch: Callable[..., Any]) -> list[str]:
        """The cluster as a site, and a key of its user."""
        made = orch("ssh-keys", "generate", "--name", self._cluster.user)
        with self._keys.open("a") as file:
            file.write(made["public_key"].strip() + "\n")
        (home / "sites.yaml").write_text(self._cluster.site("bed", made["id"]))
        return ["--site", "bed"]

    def clean(self) -> None:
        """Leave the cluster as it was."""
        self._cluster.slurm("scancel", "--user", self._cluster.user)
        self._keys.write_text(self._keys_before)

    def program(self, token: str) -> list[int]:
        """The Python that runs the program."""
        return [pid for pid in self._processes(token) if _PROGRAM in arguments_of(pid)]

    def supervisor(self, token: str) -> list[int]:
        """The job's script."""
        return [p for pid in self.program(token) if (p := parent(pid)) in self._processes(token)]

    def remove_folder(self, token: str) -> None:
        """The job's folder at the cluster."""
        shutil.rmtree(Path(self._cluster.home) / ".orch" / "jobs" / token, ignore_errors=True)

    def has_ended(self, token: str) -> bool:
        """It has left the queue."""
        return not self._cluster.slurm("squeue", "-h", "-n", token, "-o", "%i")

    def living(self, execution: str) -> list[str]:
        """What is in the queue."""
        names = self._cluster.slurm("squeue", "-h", "-o", "%j").split()
        return [name for name in names if name.startswith(f"{execution}-")]

    def _processes(self, token: str) -> dict[int, str]:
        return processes_with(f"SLURM_JOB_NAME={token}")
