"""Copies files to a folder of the host's user, and sets a variable for each with its path there.

Arguments: ``folder``, relative to the user's home; ``files``, each with ``name`` (of the variable), ``source`` and
``path`` (in the folder). Without ``files`` the folder is removed. They go over in one piece, however many they are.
"""

from __future__ import annotations

import posixpath
import shlex
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

PACKED = ".orch.tar"


class ActionModule(ActionBase):  # type: ignore[misc]
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        host = (task_vars or {})["inventory_hostname"]  # two hosts of an inventory may be one machine
        above = f'"$HOME"/{shlex.quote(self._task.args["folder"])}'
        folder = f"{above}/{shlex.quote(host)}"
        files = self._task.args.get("files")
        if files is None:
            self._shell(f"rm -rf {folder}; rmdir {above} 2>/dev/null; true", "removed")
            return result | {"changed": True}
        said = self._shell(f"umask 77 && rm -rf {folder} && mkdir -p {folder} && cd {folder} && pwd", "made")
        there = said.strip().splitlines()[-1]
        if files:
            self._send(files, there)
        facts = {**{file["name"]: posixpath.join(there, file["path"]) for file in files}, "dest_folder": there}
        return result | {"changed": True, "ansible_facts": {**facts, "orch_uploaded": facts}}

    def _send(self, files: list[dict[str, str]], folder: str) -> None:
        with tempfile.TemporaryDirectory() as own:
            packed = Path(own) / PACKED
            try:
                with tarfile.open(packed, "w", dereference=True) as archive:
                    for path, source in {file["path"]: file["source"] for file in files}.items():
                        archive.add(source, path)
            except OSError as error:
                message = f"the artifacts cannot be packed: {error.filename or source}: {error.strerror}"
                raise AnsibleActionFail(message) from error
            self._connection.put_file(str(packed), posixpath.join(folder, PACKED))
        self._shell(f"cd {shlex.quote(folder)} && tar -xof {PACKED} && rm {PACKED}", "filled")

    def _shell(self, command: str, what: str) -> str:
        done = self._low_level_execute_command(command, sudoable=False)
        if done["rc"] != 0:
            raise AnsibleActionFail(f"the folder for artifacts cannot be {what}: {done['stderr'] or done['stdout']}")
        return str(done["stdout"])
