"""``from_json`` as playbooks written for older Ansible use it: a value that is no text already is what they want."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.plugins.filter.core import from_json


def lenient_from_json(value: Any, *arguments: Any, **options: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, list, tuple, dict)):
        return value
    return from_json(value, *arguments, **options)


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"from_json": lenient_from_json}
