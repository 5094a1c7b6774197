"""What every store of secrets can do, and how secrets are named."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Protocol

from orchestrator.errors import SecretError
from orchestrator.model.values import Secret

_LONGEST = 255
_MOUNT = "secret/data/"
"""Where the REST interface of Vault has the secrets of its key-value engine (version 2); real topologies spell it."""


class SecretStore(Protocol):
    """Secrets by path and key. Every method raises :class:`SecretError` when the store cannot be read."""

    def get(self, path: str, key: str) -> Secret:
        """One secret. Raises :class:`SecretError` when there is none, with the command that sets it."""

    def put(self, path: str, values: Mapping[str, str | Secret]) -> None:
        """Set some keys of a path; its other keys stay."""

    def paths(self) -> tuple[str, ...]:
        """The normal paths that have a secret, sorted."""

    def keys(self, path: str) -> tuple[str, ...]:
        """The keys of a path, sorted; empty when there are none."""

    def delete(self, path: str, key: str | None = None) -> None:
        """Remove one key of a path, or all. Raises :class:`SecretError` when there is none."""


def normal_path(path: str) -> str:
    """The one name of a path however it is written: ``/secret/data/x``, ``secret/data/x``, ``/x`` and ``x`` are ``x``.

    Raises :class:`SecretError` when nothing is left of it, and for ``..``: parts of paths come from inputs of users.
    """
    normal = "/".join(part.strip() for part in path.split("/") if part.strip())
    while f"{normal}/".startswith(_MOUNT):
        normal = normal[len(_MOUNT) :]
    if ".." in normal.split("/") or "." in normal.split("/"):
        raise SecretError(f"{path!r} is no path of a secret: it goes up or stays with dots", hint="name it in full")
    if not normal or not _fit(normal):
        raise SecretError(f"{path!r} is no path of a secret", hint="write it like services_secrets/dls")
    return normal


def plain_values(values: Mapping[str, str | Secret]) -> dict[str, str]:
    """The values to set, given away. Raises :class:`SecretError` for a key that is none."""
    for key in values:
        if not _fit(key):
            raise SecretError(f"{key!r} is no key of a secret", hint="write it on one line, at most 255 characters")
    return {key: value.reveal() if isinstance(value, Secret) else value for key, value in values.items()}


def _fit(name: str) -> bool:
    """Whether a name can be shown and typed: something, of characters that are no control characters."""
    return bool(name) and len(name) <= _LONGEST and not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
