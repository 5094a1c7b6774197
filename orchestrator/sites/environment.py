"""The variables of jobs that run on this machine: those of the person who runs orch, but for a few."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.sites.shell import tells_a_scheduler

_ORCHS = ("ORCH_", "VAULT_", "BAO_", "ANSIBLE_", "PGPASS")
"""Settings of orch, and what it logs in with itself: to a Vault, to its database."""


def is_passed_on(name: str, inherit: Collection[str] = ()) -> bool:
    """Whether a variable of whoever runs orch is one of jobs on this machine, too; ``inherit`` names more."""
    return name in inherit or not (name.startswith(_ORCHS) or tells_a_scheduler(name))


def passed_on(environment: Mapping[str, str], inherit: Collection[str] = ()) -> dict[str, str]:
    """The variables that jobs on this machine have of those of whoever runs orch."""
    return {name: value for name, value in environment.items() if is_passed_on(name, inherit)}
