"""The exception by which a task tells its group to stop."""

from __future__ import annotations


class COMPSsException(Exception):
    """Raised by tasks; here it reaches the caller of the task."""

    def __init__(self, message: str, target_direction: int = -1) -> None:
        super().__init__(message)
        self.message = message
        self.target_direction = target_direction
