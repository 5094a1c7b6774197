"""Configuration, read once: the only place that looks at the environment."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from orchestrator.errors import ConfigurationError
from orchestrator.model.durations import seconds
from orchestrator.model.values import Secret
from orchestrator.secrets import VaultCredentials, VaultSettings
from orchestrator.storage import user_name, why_unwritable

_CONFIGURATION_KEYS = frozenset({"retention", "database", "vault"})


@dataclass(frozen=True)
class Settings:
    """Where orch keeps its things, and what the environment says.

    ``home``: state, secrets, jobs, catalogue. ``site_files``: descriptions of sites, later ones winning.
    ``database_url``: of a PostgreSQL database that several machines share. ``kill_at`` names a place of
    :mod:`orchestrator.faults` (tests only). ``retention``: for how many seconds workers keep what is over.
    """

    home: Path
    working_folder: Path
    sites_file: Path | None = None
    kill_at: str | None = None
    database_url: Secret | None = None
    retention: float | None = None
    vault: VaultSettings | None = None
    """The Vault that secrets are kept in; None: they are kept in the home."""
    vault_credentials: VaultCredentials = field(default_factory=VaultCredentials)
    session_folder: Path | None = None
    """The folder of the user's login session (``XDG_RUNTIME_DIR``)."""
    collections: tuple[Path, ...] = ()
    """The folders of Ansible's collections."""

    @property
    def database(self) -> Path | Secret:
        """The state database: a SQLite file, or the URL of a PostgreSQL database, which may hold a password."""
        return self.database_url or self.home / "state.sqlite"

    @property
    def durable_database(self) -> Path | Secret:
        """The database that belongs to dbos: a SQLite file; on PostgreSQL it has a schema of its own in ours."""
        return self.database_url or self.home / "dbos.sqlite"

    @property
    def locks(self) -> Path:
        """Locks of the processes that carry executions out."""
        return self.home / "locks"

    @property
    def run_places(self) -> tuple[Path, ...]:
        """Where private folders of running playbooks may be, the best first: the home, else short-lived local storage.

        The folder of the login session comes last: it is gone when the user logs out, and work may go on.
        """
        places = [self.home / "runs"]
        own = f"orch-{os.geteuid()}-{sha256(os.fsencode(self.home)).hexdigest()[:12]}"
        places.append(Path(tempfile.gettempdir()) / own)
        if self.session_folder is not None:
            places.append(self.session_folder / own)
        return tuple(places)

    @property
    def secrets(self) -> Path:
        """The embedded secret store."""
        return self.home / "secrets"

    @property
    def known_hosts(self) -> Path:
        """Host keys of sites that people said they trust (`orch sites trust`)."""
        return self.home / "known_hosts"

    @property
    def catalogue(self) -> Path:
        """The embedded data catalogue."""
        return self.home / "catalogue"

    @property
    def profiles(self) -> Path:
        """The user's own TOSCA profiles."""
        return self.home / "profiles"

    def site_folder(self, site: str) -> Path:
        """What the embedded services of a site keep."""
        return self.home / "sites" / site

    def site_files(self, *folders: Path) -> tuple[Path, ...]:
        """The site descriptions there are: of the home, of some folders, of the working folder, and the one named."""
        if self.sites_file is not None and not self.sites_file.is_file():
            raise ConfigurationError(f"{self.sites_file}: there is no such sites file", hint="see --sites")
        found = [f / "sites.yaml" for f in (self.home, *folders, self.working_folder)]
        found = [file.resolve() for file in found if file.is_file()]
        if self.sites_file is not None:
            found.append(self.sites_file.resolve())
        return tuple(dict.fromkeys(found))


def read_settings(
    environment: Mapping[str, str], *, home: Path | None = None, sites_file: Path | None = None, make: bool = True
) -> Settings:
    """The settings from the environment and the command line. Makes the home, unless ``make`` is false.

    The database is ``ORCH_DATABASE``, else ``database`` of ``config.yaml`` in the home, else a file of the home.
    Secrets are kept in a Vault when ``vault`` of ``config.yaml`` or ``VAULT_ADDR`` names one; ``VAULT_NAMESPACE`` and
    ``VAULT_CACERT`` win over the file, ``VAULT_TOKEN``, ``VAULT_SECRET_ID`` and ``VAULT_PASSWORD`` log in.
    Raises ConfigurationError when the home cannot be made or is no folder, or its ``config.yaml`` is wrong.
    """
    folder = home_folder(environment, home)
    if make:
        make_home(folder)
    configured, root = _configured(folder / "config.yaml")
    url = environment.get("ORCH_DATABASE") or configured.get("database")
    return Settings(
        folder,
        Path.cwd(),
        sites_file,
        environment.get("ORCH_KILL_AT"),
        Secret(str(url)) if url else None,
        _retention(folder / "config.yaml", configured.get("retention")),
        _vault(environment, folder / "config.yaml", configured.get("vault"), root),
        VaultCredentials(*(_secret(environment, f"VAULT_{n}") for n in ("TOKEN", "SECRET_ID", "PASSWORD"))),
        Path(environment["XDG_RUNTIME_DIR"]) if environment.get("XDG_RUNTIME_DIR") else None,
        _collections(
            environment.get("ANSIBLE_COLLECTIONS_PATH") or "~/.ansible/collections:/usr/share/ansible/collections"
        ),
    )


def home_folder(environment: Mapping[str, str], named: Path | None = None) -> Path:
    """Where the home is: the one that is named, else ``ORCH_HOME``, else the platform's folder for data of users."""
    if named is None:
        said = environment.get("ORCH_HOME")
        named = Path(said) if said else Path(platformdirs.user_data_dir("orch", appauthor=False))
    with suppress(RuntimeError):  # ~ of a user that is not known stays as it is
        named = named.expanduser()
    return named.absolute()


def make_home(folder: Path) -> None:
    """Make the home if it is not there. Raises ConfigurationError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what, remedy = why_unwritable(folder, error)
        raise ConfigurationError(
            f"orch's home {folder} cannot be made: {what}", hint=f"{remedy}; `orch doctor` tells more"
        ) from error


def _retention(file: Path, said: object) -> float | None:
    """For how many seconds what is over is kept; None when it is never removed by itself."""
    if said is None:
        return None
    try:
        return seconds(said)
    except ValueError as error:
        raise ConfigurationError(f"{file}: retention: {error}", hint="for example `retention: 90d`") from error


def _collections(named: str) -> tuple[Path, ...]:
    return tuple(Path(folder).expanduser() for folder in named.split(os.pathsep) if folder)


def _secret(environment: Mapping[str, str], name: str) -> Secret | None:
    return Secret(environment[name]) if environment.get(name) else None


def _vault(environment: Mapping[str, str], file: Path, configured: Any, root: Any) -> VaultSettings | None:
    """The Vault of the configuration file, with what the environment says instead. Raises ConfigurationError."""
    names = {"url": "VAULT_ADDR", "namespace": "VAULT_NAMESPACE", "ca": "VAULT_CACERT"}
    given = {key: environment[name] for key, name in names.items() if environment.get(name)}
    if configured is None and "url" not in given:
        return None
    if configured is not None and not isinstance(configured, dict):
        place = _place(file, root, ["vault"])
        raise ConfigurationError(f"{place}: `vault` is a map", hint="for example `vault: {url: https://vault:8200}`")
    if "ca" in given:
        given["ca"] = str(Path(given["ca"]).expanduser().absolute())
    try:
        vault = msgspec.convert({**(configured or {}), **given}, type=VaultSettings)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `$")
        unknown = re.findall(r"unknown field `([^`]+)`", what)
        place = _place(file, root, ["vault", *re.findall(r"\.([A-Za-z_0-9]+)", path), *unknown])
        shown = "VAULT_ADDR" if configured is None else f"{place}: vault"
        raise ConfigurationError(f"{shown}: {what}", hint="docs/secrets.md lists the settings of vault") from error
    return vault.with_paths(file.parent)


def _place(file: Path, root: Any, keys: list[str]) -> str:
    """File, line and column of the innermost of some nested keys that is there."""
    import yaml  # slow to import, and only something wrong has a place

    mark = None
    for key in keys:
        entries = root.value if isinstance(root, yaml.MappingNode) else []
        found = next(((name, value) for name, value in entries if name.value == key), None)
        if found is None:
            break
        mark, root = found[0].start_mark, found[1]
    return f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)


def _configured(file: Path) -> tuple[Mapping[str, Any], Any]:
    """What the home's configuration file says, and its root node; nothing when there is none.

    Raises ConfigurationError.
    """
    try:
        there = file.exists()
    except OSError as error:  # Python tells of a folder that may not be entered by raising
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}; you are {user_name()}",
            hint="let ORCH_HOME (or --home) name a folder of your own; `orch doctor` tells more",
        ) from error
    if not there:
        return {}, None
    from orchestrator.yamlfiles import read_yaml  # only where there is something to read

    content, root = read_yaml(file, "configuration file", ConfigurationError)
    if content is None:
        return {}, None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}:1:1: the configuration file is a map", hint="for example `database: URL`")
    for key, _ in root.value:
        if key.value not in _CONFIGURATION_KEYS:
            place = f"{file}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
            known = ", ".join(sorted(_CONFIGURATION_KEYS))
            raise ConfigurationError(f"{place}: {key.value!r} is no setting", hint=f"settings are: {known}")
    return content, root
