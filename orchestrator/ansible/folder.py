"""The private folder of a run: what is in it, and how it goes away."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orchestrator.ansible.carrier import Launch
from orchestrator.ansible.environment import base_environment, run_environment
from orchestrator.ansible.playbook import Host, HostGroup, PlaybookRun
from orchestrator.errors import Defect, StorageError
from orchestrator.model.values import Secret, Value
from orchestrator.storage import why_unwritable

_PRIVATE_KEYS = ("ansible_private_key", "ansible_ssh_private_key")


class RunFolder:
    """The files of one run. The two pipes carry variables to Ansible and events from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wrapper = path / "run.yml"
        self.inventory = path / "inventory.pipe"
        self.events = path / "events.pipe"
        self.go = path / "go.pipe"

    def launch(self, run: PlaybookRun) -> Launch:
        """How Ansible is started for the run in this folder."""
        connections = [str(host.connection.get("ansible_connection", "ssh")) for host in run.hosts]
        agent = any(name in host.connection for host in run.hosts for name in _PRIVATE_KEYS)
        environment = base_environment() | run_environment(self.path, self.events, connections, agent)
        verbosity = ("-vvvv",) if run.debug else ()
        arguments = ("-i", str(self.inventory), *verbosity, str(self.wrapper))
        return Launch(self.path, environment, arguments, self.events, self.go)


@contextmanager
def run_folder(run: PlaybookRun) -> Iterator[RunFolder]:
    """Make the run's folder, and remove it at the end unless it is to be kept.

    What a killed orchestrator left there is removed first. Raises :class:`StorageError`.
    """
    folder = RunFolder(run.folder)
    try:
        _make(folder, run)
    except OSError as error:
        if folder.wrapper.exists():
            shutil.rmtree(folder.path, ignore_errors=True)
        what, remedy = why_unwritable(run.folder.parent, error)
        raise StorageError(
            f"the folder {run.folder} for a run of Ansible cannot be made: {what}",
            hint=remedy,
        ) from error
    try:
        yield folder
    finally:
        if not run.keep_folder:
            # A process that ends at this moment may still add a file; a second pass takes that too.
            shutil.rmtree(folder.path, ignore_errors=True)
            shutil.rmtree(folder.path, ignore_errors=True)


def _make(folder: RunFolder, run: PlaybookRun) -> None:
    if folder.wrapper.exists():
        shutil.rmtree(folder.path)
    folder.path.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.path.mkdir(mode=0o700)
    except FileExistsError:
        if not folder.path.is_dir() or any(folder.path.iterdir()):
            raise
        folder.path.chmod(0o700)
    folder.wrapper.write_text(wrapper(run), encoding="utf-8")
    for name in ("home", "tmp", "remote", run.work_folder.name):
        (folder.path / name).mkdir(mode=0o700)
    collections = run.playbook.absolute().parent / "collections"
    if collections.is_dir():
        # Ansible looks for collections beside the playbook that it is started with
        (folder.path / "collections").symlink_to(collections)
    for name, text in run.files.items():
        (folder.path / name).write_text(text, encoding="utf-8")
    for pipe in (folder.inventory, folder.events, folder.go):
        os.mkfifo(pipe, 0o600)


def wrapper(run: PlaybookRun) -> str:
    """The playbook that uploads, imports the operation's own and then collects the outputs. Names in it are data."""
    lines = [f"- import_playbook: {_data(str(run.playbook.absolute()))}"]
    if run.outputs:
        names = ", ".join(map(_data, run.outputs))
        lines += _play("Collect outputs", f"orch_outputs: {{names: [{names}]}}")
    if run.upload_folder is not None:
        folder = _data(run.upload_folder)
        files = ", ".join(
            f"{{name: {_data(u.name)}, source: {_data(str(u.source))}, path: {_data(u.path)}}}" for u in run.uploads
        )
        before = _play("Upload artifacts", f"orch_upload: {{folder: {folder}, files: [{files}]}}")
        lines = [*before, *lines, *_play("Remove artifacts", f"orch_upload: {{folder: {folder}}}")]
    return "\n".join([*lines, ""])


def _play(name: str, task: str) -> list[str]:
    head = [f"- name: {name}", "  hosts: all", "  gather_facts: false", "  tasks:"]
    return [*head, f"    - name: {name}", f"      {task}"]


def _data(text: str) -> str:
    return f"!unsafe {json.dumps(text)}"


def inventory(run: PlaybookRun, interpreter: str, temporary: Path) -> bytes:
    """The document that our inventory plugin reads, with every secret in plain text: it goes through a pipe only."""
    return json.dumps(
        {
            "groups": [group.value for group in HostGroup],
            "group": run.group.value,
            "all": dict(run.all_variables),
            "hosts": {
                host.name: {**run.variables.get(host.name, {}), **_connection(host, interpreter, temporary)}
                for host in run.hosts
            },
        },
        default=_plain,
    ).encode()


def _connection(host: Host, interpreter: str, temporary: Path) -> dict[str, Value]:
    local = {"ansible_python_interpreter": interpreter, "ansible_remote_tmp": str(temporary)} if host.is_local else {}
    return {**local, **host.connection}


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return dict(value)
    raise Defect(f"a {type(value).__name__} was passed as a variable to Ansible")
