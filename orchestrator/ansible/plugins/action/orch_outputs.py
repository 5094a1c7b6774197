"""Gives the values of the named variables of a host, and the names of those that are undefined."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleUndefinedVariable
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):  # type: ignore[misc]
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        values: dict[str, Any] = {}
        missing: list[str] = []
        of_script = variables.get("orch_script_outputs") or {}
        for name in self._task.args["names"]:
            if name in of_script:
                values[name] = of_script[name]
                continue
            if name not in variables:
                missing.append(name)
                continue
            try:
                values[name] = self._templar.template(variables[name])
            except AnsibleUndefinedVariable:
                missing.append(name)
        return result | {"changed": False, "values": values, "missing": missing}
