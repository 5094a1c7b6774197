"""Tracebacks of Python in what Ansible prints."""

from __future__ import annotations

_BEGIN = "Traceback (most recent call last)"


def reason_of(text: str) -> str | None:
    """The last line of a text with a traceback, which is the reason; None where there is no traceback."""
    lines = text.split("\n") if _BEGIN in text else []
    return next((line.strip() for line in reversed(lines) if line.strip()), None)
