"""Settings of Ansible that lie beside playbooks: a plain ansible-playbook reads them, orch has its own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from orchestrator import paths
from orchestrator.model.problems import Problem, Severity
from orchestrator.tosca import codes
from orchestrator.tosca.brought.scripts import at, read

_NAME = "ansible.cfg"
_SETTING = re.compile(r"([A-Za-z_]\w*)\s*[=:]")
_NAMED_AT_MOST = 5
_HINT = (
    "roles, plugins, collections and group_vars beside a playbook are found by themselves, and ANSIBLE_ROLES_PATH and "
    "ANSIBLE_COLLECTIONS_PATH count; write what else is needed into the playbook"
)


def settings_problems(playbooks: Iterable[Path], topology: Path) -> Iterator[Problem]:
    """A warning for each ansible.cfg with settings, beside a playbook or above it up to the topology's own folder."""
    top = topology.parent.resolve()
    folders: dict[Path, None] = {}
    for playbook in playbooks:
        folder = playbook.parent.resolve()
        above = [f for f in folder.parents if f.is_relative_to(top)] if folder.is_relative_to(top) else []
        folders.update(dict.fromkeys([folder, *above]))
    for folder in folders:
        file = folder / _NAME
        settings = list(_settings(file)) if paths.is_file(file) else []
        if settings:
            names = [name for name, _ in settings]
            shown = ", ".join([*names[:_NAMED_AT_MOST], *(["…"] if len(names) > _NAMED_AT_MOST else [])])
            message = f"these settings of Ansible are not read: {shown}; orch runs playbooks with its own"
            yield Problem(codes.SETTINGS_NOT_READ, Severity.WARNING, message, at(file, settings[0][1]), _HINT)


def _settings(file: Path) -> Iterator[tuple[str, int]]:
    """The names that are set in a file, with their lines."""
    for number, line in enumerate((read(file) or b"").decode("utf-8-sig", "replace").splitlines(), 1):
        found = _SETTING.match(line)  # what is indented goes on with the value before
        if found is not None:
            yield found[1], number
