"""Reading the small YAML files that people write for orch itself: settings, sites, inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import OrchError


def read_yaml(file: Path, what: str, error: type[OrchError]) -> tuple[Any, Any]:
    """The content of a file, and its root node for the places of things (None when it is empty).

    Raises ``error`` with file, line and column when it cannot be read; ``what`` names the kind of file.
    """
    try:
        text = file.read_text(encoding="utf-8")
        return yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as cause:
        raise error(f"{file}: the {what} cannot be read: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        raise error(f"{file}: not UTF-8 text (byte {cause.start})") from cause
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise error(f"{place}: YAML syntax error: {cause.problem}") from cause
    except yaml.YAMLError as cause:
        raise error(f"{file}: YAML syntax error: {cause}") from cause
