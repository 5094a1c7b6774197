"""Reads hosts and variables from a pipe, so that no value is ever in a file, an argument or the environment.

The strings it sets are not marked as trusted templates, so Ansible (2.19 and later) never templates them.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

from ansible.plugins.inventory import BaseInventoryPlugin

DOCUMENTATION = """
name: orch_inventory
short_description: hosts and variables from a pipe
description: Reads one JSON document from the named pipe that is given as inventory source.
options: {}
"""

# A pipe can be read once, but the task "meta: refresh_inventory" parses the sources again.
_documents: dict[str, dict[str, Any]] = {}


class InventoryModule(BaseInventoryPlugin):  # type: ignore[misc]
    NAME = "orch_inventory"

    def verify_file(self, path: str) -> bool:
        return path.endswith("/inventory.pipe")

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        # Ansible 2.21 makes a socket there, and a socket's path is at most 107 characters long: this is a short name
        # for the folder that TMPDIR names. What tasks start still gets the long one.
        tempfile.tempdir = f"/proc/{os.getpid()}/cwd/tmp"
        if path not in _documents:
            with open(path, encoding="utf-8") as pipe:  # noqa: PTH123
                _documents[path] = json.load(pipe)
        document = _documents[path]
        for group in document["groups"]:
            inventory.add_group(group)
        for name, value in document["all"].items():
            inventory.set_variable("all", name, value)
        for host, variables in document["hosts"].items():
            inventory.add_host(host, group=document["group"])
            for name, value in variables.items():
                inventory.set_variable(host, name, value)
