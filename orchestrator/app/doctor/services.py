"""The secret store, and the descriptions of sites."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.app.doctor.finding import Found, State

if TYPE_CHECKING:
    from orchestrator.app.settings import Settings

_SOON = 3600.0
_ENGINES = {"singularity": "singularity", "apptainer": "apptainer", "charliecloud": "ch-run"}


def secrets(settings: Settings) -> Found:
    """Whether the secret store answers: a Vault where one is configured, else the files of the home."""
    from orchestrator.secrets import FileSecretStore, VaultConnection

    embedded = FileSecretStore(settings.secrets)
    if settings.vault is None:
        return _embedded(embedded.paths(), settings.secrets)
    connection = VaultConnection(settings.vault, settings.vault_credentials, embedded)
    try:
        version = connection.reach()
        identity = connection.identity()
    finally:
        connection.close()
    said = f"Vault {version} at {settings.vault.url}: logged in as {identity.name or 'nobody by name'}"
    if 0 < identity.seconds_left < _SOON:
        left = f"{said}; its token lives for {identity.seconds_left:.0f} s unless it is renewed"
        return State.NOTE, left, "if it cannot be renewed: `orch secrets login`"
    return State.OK, said


def _embedded(paths: tuple[str, ...], folder: Path) -> Found:
    open_to_others = [
        file for file in (folder / "secrets.key", folder / "secrets.enc") if file.exists() and _readable(file)
    ]
    if open_to_others and _readable(folder):
        files = " ".join(map(str, open_to_others))
        return State.WARNING, f"others may read {files}", f"chmod 700 {folder}; chmod 600 {files}"
    return State.OK, f"in {folder}: {len(paths)} paths" if paths else f"in {folder}: none yet"


def _readable(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o044)


def sites(settings: Settings) -> Found:
    """Whether the descriptions of sites can be read, and this machine has what is said of it."""
    from orchestrator.sites import ConnectionKind, read_sites

    known = read_sites(settings.site_files())
    for name, faults in known.faults.items():
        return (
            State.WARNING,
            f"site {name!r}: {faults[0]}",
            "mend it; `orch sites list` tells all mistakes",
        )
    for site in known.usable.values():
        engine = _ENGINES.get(site.machine.container_engine)
        if site.connection is ConnectionKind.LOCAL and engine and shutil.which(engine) is None:
            said = f"site {site.name!r} is this machine and should have {engine}, which is not on PATH"
            return State.WARNING, said, f"install it, or mend machine.container_engine of {site.name} in sites.yaml"
    names = ", ".join(known)
    return State.OK, f"{names} (`orch sites check NAME` looks at one)"
