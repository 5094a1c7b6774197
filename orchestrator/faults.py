"""Named places where a test can kill the orchestrator, to show that nothing is lost or done twice.

A place is armed with :func:`arm`; without that, :func:`reach` compares one string and returns.
"""

from __future__ import annotations

import os
import signal

_armed: str | None = None


def arm(place: str | None) -> None:
    """Kill this process (SIGKILL) when it reaches ``place``; ``None`` disarms."""
    global _armed
    _armed = place


def reach(place: str) -> None:
    """Mark a place in the code by name."""
    if _armed is not None and _armed == place:
        os.kill(os.getpid(), signal.SIGKILL)
