"""A job as it is handed over, and for whom and where it is to run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.errors import SiteError, UserError
from orchestrator.jobs.expansion import SecretGiven
from orchestrator.jobs.written import Argument
from orchestrator.model.values import Secret, Value
from orchestrator.sites import SchedulerKind, Site, SshSettings

_PREFIX = "PyCOMPSs_"


@dataclass(frozen=True)
class BatchOptions:
    """What a scheduler is asked for; empty or None: its own default. ``extra`` are options of sbatch, as words."""

    nodes: int | None = None
    tasks: int | None = None
    cpus_per_task: int | None = None
    memory: str = ""
    time: str = ""
    partition: str = ""
    qos: str = ""
    account: str = ""
    reservation: str = ""
    gres: str = ""
    constraint: str = ""
    array: str = ""
    dependency: str = ""
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteFolders:
    """The folders of a site whose services are the embedded ones; ``registries`` are tried in order."""

    jobs: Path
    images: Path
    transferred: Path
    unpacked: Path
    catalogue: Path
    registries: tuple[Path, ...]


@dataclass(frozen=True)
class Login:
    """How a site is logged in to: where and as whom, and the private keys: of the user, and of the jump host's."""

    settings: SshSettings
    keys: tuple[Secret, ...]


@dataclass(frozen=True)
class JobContext:
    """For whom and where a job is to run."""

    token: str
    execution: str
    deployment: str
    workflow: str
    node: str
    site: Site
    folders: SiteFolders
    workflow_inputs: Mapping[str, Value] = field(default_factory=dict)
    script: str | None = None
    """Path of the batch script that the node's type names as the implementation of submit, as Yorc has it."""
    arguments: tuple[Argument, ...] | None = None
    """Of a PyCOMPSs job, as the topology writes them; None: all that is given is the topology's own text."""
    inherited: Mapping[str, str] = field(default_factory=dict)
    """The variables of whoever runs orch that the site's description names (``inherit``)."""
    login: Login | None = None
    """How another machine is logged in to; None for a site that is this one."""

    @property
    def beside(self) -> bool:
        """Whether jobs run beside the orchestrator, by its own launcher."""
        return self.login is None and self.site.scheduler is SchedulerKind.LOCAL

    @property
    def site_variables(self) -> dict[str, str]:
        """The variables that all jobs of the site have. Our launcher hands the inherited ones over, written nowhere."""
        return {**({} if self.beside else self.inherited), **self.site.environment}


@dataclass(frozen=True)
class Submission:
    """A job: the words of its program and the files of its folder, with what a scheduler is to do about it.

    ``outputs`` are the facts that the submitting operation exports. ``stdin`` is given to the program by our launcher
    and written nowhere.
    """

    argv: tuple[str, ...]
    files: Mapping[str, str]
    outputs: Mapping[str, Value] = field(default_factory=dict)
    stdin: Secret | None = None
    options: BatchOptions | None = None
    heading: tuple[str, ...] = ()
    """Lines of the user's own batch script that the scheduler reads."""
    directory: str = ""
    modules: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """Files that the job's shell reads first."""
    environment: Mapping[str, str] = field(default_factory=dict)
    with_program: bool = False
    """It runs the program of PyCOMPSs jobs, which is to be brought to the site."""
    by_itself: bool = False
    """The words submit the job by themselves, as enqueue_compss does."""
    on_scheduler: bool = False
    """It is for the scheduler of the site, where there is one; all else runs beside the orchestrator."""


@dataclass(frozen=True)
class Submitted:
    """A job that a scheduler has; ``adopted`` when it had it already."""

    id: str
    adopted: bool


class Unsettled(SiteError):
    """It is not known yet whether a job was submitted, or the queue cannot be asked: submit it again, later."""


class SecretInJob(UserError):
    """A secret would become a part of a job that others can see."""


class JobKind(Protocol):
    """How the inputs of an operation become a job. Raises WorkError or UserError for inputs that make no job."""

    def __call__(self, inputs: Mapping[str, Value], context: JobContext) -> Submission:
        """The submission."""


def submission_of(kind: JobKind, inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """What a kind of job makes of its inputs. Raises SecretInJob for a secret that would become a part of it."""
    try:
        return kind(inputs, context)
    except SecretGiven as error:
        places = ", ".join(_places(inputs, error.secret)) or "an input of the workflow"
        raise SecretInJob(
            f"{context.node}: {places} has a secret in it: what a job is given as words, options or variables is seen "
            "by other users of the machine, and lies in its folder",
            hint="have the program read it there, from a file that only its user may read; or use an operation with a "
            "playbook or a script, which gets secrets over a pipe",
        ) from None


def _places(value: Value, secret: Secret, at: str = "") -> Iterator[str]:
    """Where in a value a secret is: ``application.arguments[1]``."""
    if isinstance(value, Secret) and value == secret:
        yield at
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _places(inner, secret, f"{at}.{name}" if at else str(name))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _places(inner, secret, f"{at}[{number}]")


def first_given(inputs: Mapping[str, Value], *names: str) -> Value:
    """The first of the named inputs that is neither missing nor empty, else None."""
    for name in names:
        value = inputs.get(name)
        if value not in (None, ""):
            return value
    return None


def workflow_variables(workflow_inputs: Mapping[str, Value], node: str) -> dict[str, Value]:
    """What ``${…}`` may name: inputs, over them ``PyCOMPSs_x`` as x, over them ``<Node>_PyCOMPSs_x`` as x."""
    found = {name: value for name, value in workflow_inputs.items() if "-" not in name}
    for prefix in (_PREFIX, f"{node}_{_PREFIX}"):
        found |= {n.removeprefix(prefix): v for n, v in workflow_inputs.items() if n.startswith(prefix)}
    return found
