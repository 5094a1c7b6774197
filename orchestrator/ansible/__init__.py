"""Runs one Ansible playbook: inventory, variables, the process that carries it, its events and outputs.

What it must never do: ask what a playbook is for, decide about retries, store anything, let Ansible template a value of
a user, or leave a secret in a file, an argument, the environment or a text that it gives back. It is the only room that
imports ansible_runner; Ansible itself is only ever imported in Ansible's own processes (``plugins/``, ``warm.py``).
"""

from orchestrator.ansible.places import first_fit, lack_of
from orchestrator.ansible.playbook import (
    EventKind,
    Host,
    HostGroup,
    PlaybookResult,
    PlaybookRun,
    TaskEvent,
    TaskFailure,
    Upload,
)
from orchestrator.ansible.processes import end_session
from orchestrator.ansible.runner import carrier_fault, plain_fault, run_playbook

__all__ = [
    "EventKind",
    "Host",
    "HostGroup",
    "PlaybookResult",
    "PlaybookRun",
    "TaskEvent",
    "TaskFailure",
    "Upload",
    "carrier_fault",
    "end_session",
    "first_fit",
    "lack_of",
    "plain_fault",
    "run_playbook",
]
