"""A site: a place to run, with how it is reached, what queue runs there and the services it offers."""

from __future__ import annotations

import enum
import platform

import msgspec

LOCAL = "local"
"""The name of the built-in site: this machine, with the embedded services."""


STRICT, ACCEPT_NEW = "strict", "accept-new"
"""What is done about a host that nobody knows yet."""


class ConnectionKind(enum.Enum):
    """How a site is reached."""

    LOCAL = "local"
    SSH = "ssh"


class SchedulerKind(enum.Enum):
    """What queue runs jobs there. LOCAL is orch's own launcher."""

    LOCAL = "local"
    SLURM = "slurm"


class Machine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What images are built for, in the words of the image creation service. Empty: as this machine is."""

    platform: str = ""
    architecture: str = ""
    container_engine: str = "none"
    mpi: str = ""
    gpu: str = ""


class ImageCreation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The image creation service. ``registry``: folder of the workflow registry that images are built from."""

    registry: str | None = None


class DataCatalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data catalogue. ``folder``: where its records lie (default: in the orchestrator's home)."""

    folder: str | None = None


class Services(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The services of a site."""

    image_creation: ImageCreation = ImageCreation()
    data_catalogue: DataCatalogue = DataCatalogue()


class PyCompss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How PyCOMPSs programs are launched.

    ``enqueue``: the command that submits them to the scheduler of a cluster, such as ``enqueue_compss``; without it,
    they run in a batch job under ``python`` with orch's stand-in. ``sc_cfg``: configuration file of the supercomputer,
    for ``enqueue``. ``runcompss``: the command or its path, for this machine. ``python``: the command or its path.
    """

    runcompss: str = "runcompss"
    enqueue: str = ""
    sc_cfg: str = ""
    python: str = "python3"


class Jump(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host by way of which a site is reached. Without ``user`` and ``key``, they are those of the site."""

    host: str
    port: int = 22
    user: str = ""
    key: str = ""
    host_key: str = ""


class Slurm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What jobs ask Slurm for when they do not say it, and how it is asked for them. Times are in seconds.

    ``interval``: between two looks at the queue. ``patience``: for how long a site may be out of reach, or not know a
    job that it took, before that is a failure.
    """

    account: str = ""
    qos: str = ""
    partition: str = ""
    extra: tuple[str, ...] = ()
    interval: float = 5.0
    patience: float = 3600.0


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One site.

    ``user`` logs in to ``login_host`` with the private key that the secret store has as ``ssh-credentials/<key>``.
    ``known_hosts``: ``strict``, or ``accept-new`` for hosts that nobody knows yet; with ``host_key`` only that key is
    trusted. ``sessions``: at most so many at once over the connection. ``ride_out``: seconds for which a broken
    connection is tried to be opened again. ``folder``: where orch keeps its things there, ``~`` being the home of the
    user. ``modules`` are environment modules to load for a job, ``jobs`` how many may run at once (0: any).
    ``environment`` are variables of its jobs; ``inherit`` names variables of whoever runs orch that they have as well.
    """

    name: str = LOCAL
    connection: ConnectionKind = ConnectionKind.LOCAL
    scheduler: SchedulerKind = SchedulerKind.LOCAL
    login_host: str = "localhost"
    port: int = 22
    user: str = ""
    key: str = ""
    jump: Jump | None = None
    known_hosts: str = STRICT
    host_key: str = ""
    sessions: int = 8
    ride_out: float = 120.0
    folder: str = "~/.orch"
    modules: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    inherit: tuple[str, ...] = ()
    jobs: int = 0
    machine: Machine = Machine()
    pycompss: PyCompss = PyCompss()
    slurm: Slurm = Slurm()
    services: Services = Services()


def environment_attributes(site: Site) -> dict[str, str]:
    """The attributes of an ``eflows4hpc.env.nodes.AbstractEnvironment`` that stands for the site.

    A site without a service leaves its attribute empty: playbooks test for that.
    """
    machine = site.machine
    return {
        "cluster_login_host": site.login_host,
        "pycompss_modules": ",".join(site.modules),
        "dls_api_url": "",
        "image_creation_machine_platform": machine.platform or f"linux/{_architecture()}",
        "image_creation_machine_architecture": machine.architecture or platform.machine(),
        "image_creation_machine_container_engine": machine.container_engine,
        "image_creation_machine_mpi": machine.mpi,
        "image_creation_machine_gpu": machine.gpu,
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
