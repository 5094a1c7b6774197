"""A site: a place to run, with how it is reached, what queue runs there and the services it offers."""

from __future__ import annotations

import enum
import platform
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from orchestrator.model.names import VARIABLE
from orchestrator.sites.sbatch import extra_option

LOCAL = "local"
"""The name of the built-in site: this machine, with the embedded services."""


STRICT: Literal["strict"] = "strict"
ACCEPT_NEW: Literal["accept-new"] = "accept-new"
"""What is done about a host that nobody knows yet."""


def _wanted(words: str, hint: str = "") -> dict[str, Any]:
    """What a value is to be, for messages of the reader of descriptions."""
    return {"wanted": words, "hint": hint or None}


_LINE = r"[^\x00-\x1f\x7f]"
_HOST = r"\A(?!-)(?:[\w.-]+|[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\Z"
_HOST_KEY = r"\A(?:(?:ssh|ecdsa|sk-ssh|sk-ecdsa)-[\w@.-]+[ \t]+AAAA[A-Za-z0-9+/]*={0,2}(?:[ \t].*)?\s*)?\Z"

Line = Annotated[str, Meta(pattern=rf"\A{_LINE}*\Z", extra=_wanted("a single line of text"))]
Word = Annotated[str, Meta(pattern=r"\A[^\s\x00-\x1f\x7f]*\Z", extra=_wanted("a single word"))]
Command = Annotated[
    str,
    Meta(pattern=rf"\A(?!-)[^\s\x00-\x1f\x7f]{_LINE}*\Z", extra=_wanted("a command, or its path")),
]
CommandOrNone = Annotated[
    str,
    Meta(pattern=rf"\A(?:(?!-)[^\s\x00-\x1f\x7f]{_LINE}*)?\Z", extra=_wanted("a command, or its path")),
]
PlainWord = Annotated[
    str,
    Meta(pattern=r"\A[A-Za-z0-9_@%+=:,./~^#-]*\Z", extra=_wanted("a word of letters, digits and _@%+=:,./~^#-")),
]
Port = Annotated[int, Meta(ge=1, le=65535, extra=_wanted("1 to 65535"))]
Host = Annotated[
    str,
    Meta(pattern=_HOST, extra=_wanted("the name or the address of a host", "for example login.example.org")),
]
User = Annotated[
    str,
    Meta(
        pattern=r"\A(?!-)[^\s\x00-\x1f\x7f/:;,'\"`&|<>()]*\Z",
        extra=_wanted("the name of a user", "the one that you log in with there"),
    ),
]
Key = Annotated[
    str,
    Meta(
        pattern=rf"\A(?!/)(?!(?:.*/)?\.{{1,2}}(?:/|\Z)){_LINE}*(?<!/)\Z",
        extra=_wanted("the name or the id of an SSH key", "`orch ssh-keys list` shows them"),
    ),
]
HostKeyText = Annotated[
    str,
    Meta(
        pattern=_HOST_KEY,
        extra=_wanted(
            "a public key of a host", "for example `ssh-ed25519 AAAA...`: a line of `ssh-keyscan HOST` without the host"
        ),
    ),
]
Folder = Annotated[
    str,
    Meta(
        pattern=rf"\A(?:~\Z|~?/{_LINE}*\Z)",
        extra=_wanted("an absolute path, or one that begins with ~/", "for example ~/.orch or /scratch/orch"),
    ),
]
File = Annotated[str, Meta(pattern=rf"\A{_LINE}+\Z", extra=_wanted("a path", "leave it out for the default"))]
Module = Annotated[
    str,
    Meta(
        pattern=r"\A(?!--)[^\s\x00-\x1f\x7f;&|<>()'\"`$\\,*?]+\Z",
        extra=_wanted("the name of an environment module", "one module in each item, for example gcc/12.2.0"),
    ),
]
Variable = Annotated[
    str,
    Meta(
        pattern=rf"\A{VARIABLE}\Z",
        extra=_wanted(
            "the name of an environment variable", "a name is letters, digits and '_', and begins with no digit"
        ),
    ),
]
ExtraOption = Annotated[str, Meta(extra={"rule": extra_option})]
Seconds = Annotated[float, Meta(ge=0, extra=_wanted("a number of seconds, 0 or more"))]
Interval = Annotated[float, Meta(gt=0, extra=_wanted("more than 0"))]
Number = Annotated[int, Meta(ge=0, extra=_wanted("0 or more", "0 stands for any number"))]
Sessions = Annotated[int, Meta(ge=2, extra=_wanted("2 or more"))]
Engine = Literal["none", "docker", "podman", "singularity", "apptainer", "charliecloud", ""]


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

    platform: Word = ""
    architecture: Word = ""
    container_engine: Engine = "none"
    mpi: Line = ""
    gpu: Line = ""


class ImageCreation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The image creation service. ``registry``: folder of the workflow registry that images are built from."""

    registry: File | None = None


class DataCatalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data catalogue. ``folder``: where its records lie (default: in the orchestrator's home)."""

    folder: File | None = None


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

    runcompss: Command = "runcompss"
    enqueue: CommandOrNone = ""
    sc_cfg: PlainWord = ""
    python: Command = "python3"


class Jump(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host by way of which a site is reached. Without ``user`` and ``key``, they are those of the site."""

    host: Host
    port: Port = 22
    user: User = ""
    key: Key = ""
    host_key: HostKeyText = ""


class Slurm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What jobs ask Slurm for when they do not say it, and how it is asked for them. Times are in seconds.

    ``interval``: between two looks at the queue. ``patience``: for how long a site may be out of reach, or not know a
    job that it took, before that is a failure.
    """

    account: Word = ""
    qos: Word = ""
    partition: Word = ""
    extra: tuple[ExtraOption, ...] = ()
    interval: Interval = 5.0
    patience: Seconds = 3600.0


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
    login_host: Host = "localhost"
    port: Port = 22
    user: User = ""
    key: Key = ""
    jump: Jump | None = None
    known_hosts: Literal["strict", "accept-new"] = STRICT
    host_key: HostKeyText = ""
    sessions: Sessions = 8
    ride_out: Seconds = 120.0
    folder: Folder = "~/.orch"
    modules: tuple[Module, ...] = ()
    environment: dict[Variable, str] = {}
    inherit: tuple[Variable, ...] = ()
    jobs: Number = 0
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
