"""Shows whether a way to carry playbooks works with the Ansible that is there."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orchestrator.ansible.environment import ROOM
from orchestrator.ansible.playbook import Host, HostGroup, PlaybookResult, PlaybookRun
from orchestrator.ansible.traces import reason_of
from orchestrator.errors import OrchError

KNOWN_VERSIONS = ("2.19", "2.20", "2.21")
"""The versions of ansible-core that the whole test suite ran with: a short trial is enough for them."""

_LIMIT = 30.0
"""Seconds that a trial may take."""

_SHOWN = 300
"""Characters of a failure that are shown."""

_WORD = "the word"


def fault_of(carry: Callable[..., PlaybookResult], version: str) -> str | None:
    """What is wrong with a carrier, given :func:`run_playbook` with it and Ansible's version; None if nothing is.

    An unknown version has to run a module too, which takes three times as long.
    """
    known = version.rpartition(".")[0] in KNOWN_VERSIONS
    said = f"ansible-core {version}"
    try:
        with tempfile.TemporaryDirectory(prefix="orch-trial-", ignore_cleanup_errors=True) as folder:
            result = carry(_run(Path(folder), with_module=not known), **_LISTENERS, stop=threading.Event())
    except OrchError as error:
        return f"{said}: a trial could not be made: {error.message}"
    if not result.ok:
        failure = result.failures[0].message if result.failures else result.log_tail
        return f"{said}: a trial failed: {_gist(failure)}"
    if result.outputs.get("trial", {}).get("SAID") != _WORD:
        return f"{said}: a trial lost its output"
    return None


def _gist(text: str) -> str:
    """What a failure says, in a line: of a traceback the reason."""
    gist = reason_of(text) or " ".join(line.strip() for line in text.splitlines() if line.strip())
    return gist if len(gist) <= _SHOWN else f"{gist[:_SHOWN]}…"


_LISTENERS: dict[str, Any] = {"on_event": lambda event: None, "on_process": lambda pid, start: None}


def _run(folder: Path, *, with_module: bool) -> PlaybookRun:
    return PlaybookRun(
        playbook=ROOM / "trial.yml",
        folder=folder / "run",
        hosts=(Host("trial", {"ansible_connection": "local"}),),
        group=HostGroup.HOSTED_OPERATIONS,
        all_variables={"word": _WORD, "with_module": with_module},
        outputs=("SAID",),
        timeout=_LIMIT,
    )
