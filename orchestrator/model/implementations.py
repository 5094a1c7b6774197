"""What an implementation of an operation is: a playbook or a script."""

from __future__ import annotations

import enum
from pathlib import PurePath

from orchestrator.model.topology import Implementation, Topology

JOB_WATCH = "orch.artifacts.JobWatch"
"""Operations with an implementation of this type watch a job themselves: there is no file to be found."""


class Kind(enum.Enum):
    """What an implementation is."""

    PLAYBOOK = "playbook"
    BASH = "bash"
    PYTHON = "python"


_BY_TYPE = {
    "tosca.artifacts.Implementation.Bash": Kind.BASH,
    "tosca.artifacts.Implementation.Python": Kind.PYTHON,
    "tosca.artifacts.Implementation.Ansible": Kind.PLAYBOOK,
    "org.alien4cloud.artifacts.AnsiblePlaybook": Kind.PLAYBOOK,
}
_BY_ENDING = {
    ".yml": Kind.PLAYBOOK,
    ".yaml": Kind.PLAYBOOK,
    ".ansible": Kind.PLAYBOOK,
    ".sh": Kind.BASH,
    ".bash": Kind.BASH,
    ".py": Kind.PYTHON,
}


def kind_of(implementation: Implementation, topology: Topology) -> Kind | None:
    """What an implementation is, by its type, else by the ending of its file."""
    written = implementation.artifact_type or ""
    declared = topology.artifact_types.get(written)
    for name in declared.lineage if declared else (written,):
        if name in _BY_TYPE:
            return _BY_TYPE[name]
    return _BY_ENDING.get(PurePath(implementation.file).suffix.lower())
