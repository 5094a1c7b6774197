"""The ordinary way to carry a playbook: ansible-runner starts a new ``ansible-playbook``."""

from __future__ import annotations

import sys
import threading
from typing import Any

from ansible_runner import Runner, RunnerConfig

from orchestrator.ansible.carrier import Carried, Launch
from orchestrator.ansible.environment import ROOM


class ColdCarrier:
    """Starts Ansible anew for each run (most of a second goes into its imports)."""

    def start(self, launch: Launch) -> Carried:
        """Start Ansible under ansible-runner, which gives it a terminal and a session of its own."""
        carried = Carried()
        threading.Thread(target=_carry, args=(launch, carried), name="ansible-runner").start()
        return carried


def _carry(launch: Launch, carried: Carried) -> None:
    try:
        runner = Runner(_configuration(launch), cancel_callback=lambda: False, event_handler=_printer(carried))
        runner.run()
    except Exception as error:  # whatever it is, the run must hear of it
        carried.ended(None, error)
    else:
        carried.ended(runner.rc)


def _printer(carried: Carried) -> Any:
    def keep(event: dict[str, Any]) -> bool:
        if text := event.get("stdout"):
            carried.printed(text + "\n")
        return False  # no file for the event

    return keep


def _configuration(launch: Launch) -> RunnerConfig:
    configuration = RunnerConfig(
        private_data_dir=str(launch.folder),
        ident="run",
        fact_cache_type="memory",
        playbook=launch.arguments[-1],
        quiet=True,
    )
    configuration.prepare()
    # Settings that are given to the constructor are lost if the folder has no settings file (ansible-runner 2.4).
    configuration.suppress_output_file = True
    configuration.pexpect_timeout = 1
    # ansible-runner would hand on the whole environment of the orchestrator, and write it to a file.
    configuration.env = dict(launch.environment)
    configuration.cwd = str(launch.folder)
    script = (str(ROOM / "launch.sh"), str(launch.events), str(launch.go))
    configuration.command = ["/bin/sh", *script, sys.executable, "-m", "ansible", "playbook", *launch.arguments]
    return configuration
