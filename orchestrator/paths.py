"""Whether files are there, for names that people write: one that no file can have is not there.

``Path.exists`` and its kin raise OSError for a name that is too long, or where a folder may not be searched.
"""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: Path | str) -> Path:
    """The path with ``~`` replaced; it stays where nobody knows the home of that user (in containers, for one)."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def exists(path: Path) -> bool:
    """Whether there is something of that name."""
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: Path) -> bool:
    """Whether there is a regular file of that name."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: Path) -> bool:
    """Whether there is a folder of that name."""
    return os.path.isdir(path)  # noqa: PTH112
