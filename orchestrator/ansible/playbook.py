"""What one run of a playbook is given and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from orchestrator.model.values import Value


class HostGroup(Enum):
    """The inventory's group that holds the hosts. Both groups always exist, as in Yorc; one is empty."""

    TARGET_HOSTS = "target_hosts"
    HOSTED_OPERATIONS = "hosted_operations"


@dataclass(frozen=True)
class Host:
    """A host of the inventory.

    ``connection`` holds Ansible's connection variables: ``ansible_connection`` ("local" or "ssh"), ``ansible_host``,
    ``ansible_port``, ``ansible_user``, ``ansible_python_interpreter`` and so on; a value may be a ``Secret``.
    """

    name: str
    connection: Mapping[str, Value] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine, reached without ssh."""
        return self.connection.get("ansible_connection") == "local"


@dataclass(frozen=True)
class Upload:
    """A file or folder that every host gets. The variable ``name`` holds its path there, which ends with ``path``."""

    name: str
    source: Path
    path: str


@dataclass(frozen=True)
class PlaybookRun:
    """One run of one playbook.

    ``folder`` is private to the run: it is made (mode 0700) at the start and removed at the end unless ``keep_folder``.
    ``variables`` are the plain variables of each host by its name, ``all_variables`` those of every host. Every value
    is data: Ansible never templates it. ``outputs`` are the names of the facts or variables that are wanted from each
    host afterwards; of these, ``words`` are read by orch itself, such as ids of jobs: a short secret in one is a
    coincidence. ``files`` are texts, none of them secret, that are put in ``folder`` under their names. ``uploads``
    are copied to ``upload_folder`` in the home of each host's user (the variable ``dest_folder`` holds it there), which
    is removed after success; when the run fails, the next one with that folder removes it. ``debug`` makes Ansible talk
    (``-vvvv``). ``timeout`` is in seconds, ``None`` for no limit.
    """

    playbook: Path
    folder: Path
    hosts: tuple[Host, ...]
    group: HostGroup
    variables: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    all_variables: Mapping[str, Value] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    debug: bool = False
    keep_folder: bool = False
    timeout: float | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    uploads: tuple[Upload, ...] = ()
    upload_folder: str | None = None

    @property
    def work_folder(self) -> Path:
        """A folder of the run on this machine, empty at first."""
        return self.folder / "work"


@dataclass(frozen=True)
class TaskFailure:
    """Why a task, or the playbook as a whole (``task`` is then empty), failed.

    ``place`` is ``file:line`` of the task. ``hidden`` says that the task asked for ``no_log``: its texts are not known.
    """

    task: str
    host: str
    message: str
    stdout: str = ""
    stderr: str = ""
    return_code: int | None = None
    place: str | None = None
    hidden: bool = False


@dataclass(frozen=True)
class PlaybookResult:
    """How a run ended.

    ``outputs`` holds the wanted values of each host in their own types; a string that contains a secret of the run is a
    ``Secret``. ``failures`` is empty if ``ok``. ``log_tail`` is the end of what Ansible printed.
    """

    ok: bool
    cancelled: bool
    outputs: Mapping[str, Mapping[str, Value]]
    failures: tuple[TaskFailure, ...]
    unreachable: tuple[str, ...]
    log_tail: str


class EventKind(Enum):
    """What a :class:`TaskEvent` tells.

    ``OUTPUT`` is text that a task printed, or a retry that it announces; ``SCRIPT`` what the script of an operation
    printed; ``WARNING`` something that people should know of how playbooks are run here.
    """

    PLAY = "play"
    TASK = "task"
    OK = "ok"
    CHANGED = "changed"
    SKIPPED = "skipped"
    FAILED = "failed"
    IGNORED = "ignored"
    UNREACHABLE = "unreachable"
    OUTPUT = "output"
    WARNING = "warning"
    SCRIPT = "script"


@dataclass(frozen=True)
class TaskEvent:
    """Something that happened during a run; ``text`` is fit to be shown (secrets are ``***``)."""

    kind: EventKind
    task: str
    host: str
    text: str
