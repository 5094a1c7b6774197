"""Durations as people write them: ``300ms``, ``30``, ``5 s``, ``10m``, ``1d`` (scalar-unit.time, 1.3 section 3.3.6)."""

from __future__ import annotations

import math
import re

from orchestrator.model.numbers import UNSIGNED

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(rf"\s*({UNSIGNED})\s*([a-zµ]*)\s*")


def seconds(text: object) -> float:
    """The seconds of a duration; a bare number is seconds. Raises ValueError for anything else."""
    match = _DURATION.fullmatch(str(text).lower())
    found = float(match.group(1)) * _UNITS.get(match.group(2), math.inf) if match else math.inf
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is no duration: write it as 300ms, 30 s, 10m, 2h or 1 d")
    return found
