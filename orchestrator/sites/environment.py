"""The variables of jobs that run on this machine: those of the person who runs orch, but for a few."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from orchestrator.sites.shell import tells_a_scheduler

_ORCHS = ("ORCH_", "VAULT_", "BAO_", "ANSIBLE_", "PGPASS")
"""Settings of orch, and what it logs in with itself: to a Vault, to its database."""


def is_passed_on(name: str, inherit: Collection[str] = ()) -> bool:
    """Whether a variable of whoever runs orch is one of jobs on this machine, too; ``inherit`` names more."""
    return name in inherit or not (name.startswith(_ORCHS) or tells_a_scheduler(name))


def passed_on(inherit: Collection[str] = ()) -> dict[str, str]:
    """The variables that jobs on this machine have of those of this process."""
    return {name: value for name, value in os.environ.items() if is_passed_on(name, inherit)}


def inherited(names: Iterable[str]) -> dict[str, str]:
    """Those of the named variables that this process has."""
    return {name: os.environ[name] for name in names if name in os.environ}
