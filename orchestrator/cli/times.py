"""Moments as people write them."""

from __future__ import annotations

from datetime import date, datetime
from datetime import time as time_of_day

from orchestrator.errors import UserError
from orchestrator.model.durations import seconds


def moment(text: str, now: float) -> float:
    """The moment that a text means, in seconds since the epoch.

    ``10m`` is so long before ``now``, ``18:30`` a time of today, ``2025-01-31 18:30`` one of another day (ISO 8601, in
    local time unless it says otherwise). Raises UserError for anything else.
    """
    try:
        return now - seconds(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        pass
    try:
        today = date.fromtimestamp(now)
        return datetime.combine(today, time_of_day.fromisoformat(text.strip())).timestamp()
    except ValueError:
        raise UserError(
            f"{text!r} is no time", hint="write 10m, 2h or 1d for so long ago, or 18:30, or 2025-01-31 18:30"
        ) from None
