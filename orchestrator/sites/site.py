"""A site: a place to run, with how it is reached, what queue runs there and the services it offers."""

from __future__ import annotations

import enum
import platform

import msgspec

LOCAL = "local"
"""The name of the built-in site: this machine, with the embedded services."""


class ConnectionKind(enum.Enum):
    """How a site is reached."""

    LOCAL = "local"


class SchedulerKind(enum.Enum):
    """What queue runs jobs there. LOCAL is orch's own launcher."""

    LOCAL = "local"


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
    """How PyCOMPSs programs are launched. ``runcompss``: the command or its path."""

    runcompss: str = "runcompss"


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One site. ``modules`` are environment modules to load for a job, ``jobs`` how many may run at once (0: any)."""

    name: str = LOCAL
    connection: ConnectionKind = ConnectionKind.LOCAL
    scheduler: SchedulerKind = SchedulerKind.LOCAL
    login_host: str = "localhost"
    modules: tuple[str, ...] = ()
    jobs: int = 0
    machine: Machine = Machine()
    pycompss: PyCompss = PyCompss()
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
