"""What tests share."""

from __future__ import annotations

import os

import pytest


def required(condition: bool, reason: str) -> None:
    """Skip with a reason when something is missing; in CI a missing thing is a failure."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {reason}")
    pytest.skip(reason)
