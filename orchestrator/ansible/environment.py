"""The environment that Ansible and the processes of its tasks on this machine are given."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

ROOM = Path(__file__).resolve().parent
EVENTS_VARIABLE = "ORCH_EVENTS"
"""Names the pipe that our callback plugin writes to."""

_INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TZ",
    "LD_LIBRARY_PATH",
    # where this very Python finds its packages: `pip install --user`, modules of clusters
    "PYTHONPATH",
    "PYTHONUSERBASE",
    "SSH_AUTH_SOCK",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "JAVA_HOME",
    "COMPSS_HOME",
    "ANSIBLE_COLLECTIONS_PATH",
    "ANSIBLE_ROLES_PATH",
)


def base_environment() -> dict[str, str]:
    """What is the same for all runs: a short list of the orchestrator's own variables, and our Ansible settings.

    The rest of the orchestrator's environment stays out, as it may hold credentials that no playbook should see.
    """
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    path = inherited.get("PATH", os.defpath)
    home = Path(inherited.get("HOME", "/"))
    return {
        # Ansible's home is private to the run, so what the user installed is named here.
        "ANSIBLE_COLLECTIONS_PATH": f"{home}/.ansible/collections:/usr/share/ansible/collections",
        "ANSIBLE_ROLES_PATH": f"{home}/.ansible/roles:/usr/share/ansible/roles:/etc/ansible/roles",
        **inherited,
        # The ansible-playbook of this very installation.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), path]),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "ANSIBLE_CONFIG": str(ROOM / "ansible.cfg"),
    }


def run_environment(folder: Path, events: Path, connections: Iterable[str], agent: bool) -> dict[str, str]:
    """What is added for one run: everything that Ansible writes on this machine goes to ``folder``.

    ``connections`` are the kinds of connection in use; ``agent`` starts a private ssh-agent for private keys that are
    given as values.
    """
    temporary = str(folder / "tmp")
    environment = {
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_LOCAL_TEMP": temporary,
        "TMPDIR": temporary,
        EVENTS_VARIABLE: str(events),
    }
    if set(connections) <= {"local"}:
        environment["ANSIBLE_REMOTE_TEMP"] = str(folder / "remote")
    if agent:
        environment["ANSIBLE_SSH_AGENT"] = "auto"
    return environment
