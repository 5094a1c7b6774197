"""Versions of Ansible that nobody has seen: what breaks the warm process must not stop a deployment."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TOPOLOGY = """
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  my.Node:
    derived_from: tosca.nodes.Root
    attributes:
      said: { type: string, default: { get_operation_output: [ SELF, Standard, create, SAID ] } }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create: create.yml
          configure: configure.sh
topology_template:
  node_templates:
    N: { type: my.Node }
  outputs:
    said: { value: { get_attribute: [ N, said ] } }
"""
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - command: {argv: [echo, hello]}
      register: echoed
    - set_fact: {SAID: "{{ echoed.stdout }}"}
"""

IN_ANOTHER_PROCESS = """
import os as _os
_imported_in, _init = _os.getpid(), TaskQueueManager.__init__

def _checked(self, *arguments, **options):
    if _os.getpid() != _imported_in:
        raise RuntimeError("this is not the process that I know")
    _init(self, *arguments, **options)

TaskQueueManager.__init__ = _checked
"""
A_THREAD = """
import threading as _threading
_threading.Thread(target=_threading.Event().wait, daemon=True).start()
"""
A_FORK_THAT_HAS_NO_MODULES = """
import os as _os
_imported_in, _modify = _os.getpid(), modify_module

def modify_module(*arguments, **options):
    if _os.getppid() != _imported_in and _os.getpid() != _imported_in:
        raise RuntimeError("modules are only built where I was imported")
    return _modify(*arguments, **options)
"""


@pytest.fixture(scope="module")
def ansible_made_up(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, dict[str, str]], Path]:
    """Makes a Python whose ansible-core has another version and some texts appended to its modules."""

    def make(version: str, appended: dict[str, str]) -> Path:
        folder = tmp_path_factory.mktemp("python")
        spec = importlib.util.find_spec("ansible")
        assert spec is not None
        assert spec.origin is not None
        overlay = folder / "overlay"
        shutil.copytree(Path(spec.origin).parent, overlay / "ansible", ignore=shutil.ignore_patterns("__pycache__"))
        release = overlay / "ansible" / "release.py"
        release.write_text(re.sub(r"__version__ = .*", f"__version__ = {version!r}", release.read_text()))
        for module, text in appended.items():
            with (overlay / "ansible" / module).open("a") as file:
                file.write(text)
        venv.create(folder / "venv", symlinks=True)
        (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
        inherited = sysconfig.get_path("purelib")
        (site / "0.pth").write_text(f"{overlay}\nimport site; site.addsitedir({inherited!r})\n{ROOT}\n")
        python = folder / "venv" / "bin" / "python"
        program = python.with_name("ansible-playbook")
        program.write_text(f"#!{python}\nfrom ansible.cli.playbook import main\nmain()\n")
        program.chmod(0o755)
        return python

    return make


@pytest.mark.parametrize(
    ("version", "appended", "reason"),
    [
        ("2.99.0", {}, None),
        ("2.99.0", {"executor/task_queue_manager.py": IN_ANOTHER_PROCESS}, "not the process that I know"),
        ("2.99.0", {"executor/module_common.py": A_FORK_THAT_HAS_NO_MODULES}, "only built where I was imported"),
        ("2.99.0.dev0", {"cli/__init__.py": A_THREAD}, "2 threads run"),
    ],
)
def test_a_version_never_seen_carries_a_deployment(
    version: str,
    appended: dict[str, str],
    reason: str | None,
    ansible_made_up: Callable[[str, dict[str, str]], Path],
    tmp_path: Path,
) -> None:
    python = ansible_made_up(version, appended)
    for name, text in {"t.yaml": TOPOLOGY, "create.yml": PLAYBOOK, "configure.sh": "echo configured\n"}.items():
        (tmp_path / name).write_text(text)
    environment = os.environ | {"ORCH_HOME": str(tmp_path / "home")}

    def orch(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(python), "-m", "orchestrator", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)

    deployed = orch("deploy", "t.yaml")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    warnings = [line for line in deployed.stdout.splitlines() if "kept ready between playbooks" in line]
    if reason is None:
        assert warnings == []
    else:
        (warning,) = warnings
        assert reason in warning
        assert "orch doctor" in warning
    assert "hello" in orch("outputs").stdout
    assert orch("undeploy").returncode == 0
