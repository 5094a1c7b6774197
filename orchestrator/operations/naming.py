"""Names and texts as playbooks written for Yorc expect them."""

from __future__ import annotations

import re

from orchestrator.model.values import Secret, Value
from orchestrator.operations.lookup import FIRST_INSTANCE


def instance_name(node: str, instance: str = FIRST_INSTANCE) -> str:
    """Yorc's name of an instance: ``-`` becomes ``_``, other characters that are not letters or digits are dropped."""
    return re.sub(r"[^A-Za-z0-9_]", "", f"{node}_{instance}".replace("-", "_"))


def yorc_text(value: Value) -> Value:
    """A value as playbooks written for Yorc can use it: scalars as text, nothing as the empty string.

    Yorc hands lists and maps over as JSON text, which old Ansible took for lists and maps in a loop; today's does not.
    So they are handed over as they are, and ``from_json`` lets such values pass.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str | Secret | dict | list) else str(value)
