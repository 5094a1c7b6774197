"""Where the files that ship with the package are: types, playbooks and example topologies.

In a wheel they lie under ``orchestrator/_data``; in a source tree beside the package.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    packaged = _PACKAGE / "_data" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def types_folder() -> Path:
    """The TOSCA profiles that ship with orch, one folder per profile."""
    return _folder("tosca_types")


def playbooks_folder() -> Path:
    """The playbooks that implement the shipped profiles' operations, one folder per profile."""
    return _folder("playbooks")


def topologies_folder() -> Path:
    """The example topologies, one folder per example."""
    return _folder("topologies")
