"""Configuration, read once: the only place that looks at the environment."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from orchestrator import paths
from orchestrator.errors import ConfigurationError, MachineError
from orchestrator.model.durations import seconds
from orchestrator.model.names import file_name
from orchestrator.model.problems import Problems, SettingsError
from orchestrator.model.values import Secret
from orchestrator.secrets import VaultCredentials, VaultSettings
from orchestrator.storage import owner_name, user_name, why_unwritable

if TYPE_CHECKING:
    from orchestrator.tosca.tree import Map, Tree

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
        return self.home / "sites" / file_name(site)

    def site_files(self, *folders: Path) -> tuple[Path, ...]:
        """The site descriptions there are: of the home, of some folders, of the working folder, and the one named.

        Raises ConfigurationError when the one named is not there, or another is a link that leads nowhere.
        """
        if self.sites_file is not None and not paths.is_file(self.sites_file):
            raise ConfigurationError(f"{self.sites_file}: there is no such sites file", hint="see --sites")
        found = [f / "sites.yaml" for f in (self.home, *folders, self.working_folder)]
        found = [file.resolve() for file in found if _is_there(file)]
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
    file = folder / "config.yaml"
    configured = _Configuration(file)
    url = environment.get("ORCH_DATABASE") or configured.database()
    retention = configured.retention()
    vault = _vault(environment, file, configured.tree("vault"), configured.problems)
    if configured.problems.has_errors:
        raise SettingsError(configured.problems)
    return Settings(
        folder,
        Path.cwd(),
        sites_file,
        environment.get("ORCH_KILL_AT"),
        Secret(str(url)) if url else None,
        retention,
        vault,
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
        named = Path(said) if said else _data_folder()
    folder = paths.expanded(named).absolute()
    try:
        os.fsencode(folder).decode("utf-8")
    except UnicodeDecodeError as error:  # databases and Ansible take no other names
        shown = os.fsencode(folder).decode("utf-8", "backslashreplace")
        raise MachineError(
            f"the name of orch's home, {shown}, is not in UTF-8",
            hint="rename it, or let ORCH_HOME (or --home) name another folder",
        ) from error
    return folder


def _data_folder() -> Path:
    try:
        return Path(platformdirs.user_data_dir("orch", appauthor=False))
    except RuntimeError as error:
        raise MachineError(
            f"where orch's home is cannot be told: HOME is not set, and the user {os.geteuid()} has no home here",
            hint="set HOME, or let ORCH_HOME (or --home) name a folder",
        ) from error


def make_home(folder: Path) -> None:
    """Make the home if it is not there. Raises MachineError when that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what, remedy = why_unwritable(folder, error)
        raise MachineError(f"orch's home {folder} cannot be made: {what}", hint=remedy) from error


def _is_there(file: Path) -> bool:
    """Whether there is such a file. Raises ConfigurationError for a link that leads nowhere: a file was meant."""
    if file.is_symlink() and not file.exists():
        raise ConfigurationError(f"{file} is a link that leads nowhere", hint="mend the link, or remove it")
    return file.exists()


def _collections(named: str) -> tuple[Path, ...]:
    return tuple(paths.expanded(folder) for folder in named.split(os.pathsep) if folder)


def _secret(environment: Mapping[str, str], name: str) -> Secret | None:
    return Secret(environment[name]) if environment.get(name) else None


def _vault(
    environment: Mapping[str, str], file: Path, configured: Tree | None, problems: Problems
) -> VaultSettings | None:
    """The Vault of the configuration file, with what the environment says instead. Raises ConfigurationError."""
    from orchestrator.tosca.structs import read_struct
    from orchestrator.tosca.tree import Map, Place, scalar_at

    names = {"url": "VAULT_ADDR", "namespace": "VAULT_NAMESPACE", "ca": "VAULT_CACERT"}
    given = {key: environment[name] for key, name in names.items() if environment.get(name)}
    if configured is None and "url" not in given:
        return None
    if "ca" in given:
        given["ca"] = str(paths.expanded(given["ca"]).absolute())
    place = configured or Place("VAULT_ADDR", 1, 1, 1, 1)
    if configured is None or isinstance(configured, Map):
        before = configured.entries if isinstance(configured, Map) else {}
        said = {name: (scalar_at(place, name), scalar_at(place, text)) for name, text in given.items()}
        at = (place.file, place.line, place.column, place.end_line, place.end_column)
        configured = Map(*at, {**before, **said})
    vault = read_struct(configured, VaultSettings, "vault", problems)
    return vault.with_paths(file.parent) if vault is not None else None


class _Configuration:
    """What the home's configuration file says; nothing where there is none. Faults are collected in ``problems``."""

    def __init__(self, file: Path) -> None:
        self.problems = Problems()
        self._root: Map | None = None
        try:
            there = _is_there(file)
        except OSError as error:  # Python tells of a folder that may not be entered by raising
            what = f"{file} cannot be read: {error.strerror}; you are {user_name()}"
            with suppress(OSError):
                if not os.access(file.parent, os.X_OK):
                    what = f"{file.parent} belongs to {owner_name(file.parent)}, and {user_name()} may not enter it"
            raise MachineError(
                what,
                hint="let ORCH_HOME (or --home) name a folder of your own",
            ) from error
        if there:
            from orchestrator.tosca.structs import check_keys, read_map  # only where there is something to read

            self._root = read_map(file, "the configuration file is a map", self.problems)
            if self._root is not None:
                check_keys(self._root, _CONFIGURATION_KEYS, "the configuration file", self.problems)

    def tree(self, name: str) -> Tree | None:
        """What is written under a key."""
        return self._root.get(name) if self._root is not None else None

    def database(self) -> str | None:
        """The URL of the database."""
        tree = self.tree("database")
        return self._text(tree, "database", "database: postgresql://USER@HOST/DATABASE") if tree is not None else None

    def retention(self) -> float | None:
        """For how many seconds what is over is kept; None when it is never removed by itself."""
        tree = self.tree("retention")
        text = self._text(tree, "retention", "retention: 90d") if tree is not None else None
        try:
            return seconds(text) if text is not None else None
        except ValueError as error:
            self._wrong(tree, f"retention: {error}", "retention: 90d")
            return None

    def _text(self, tree: Tree, name: str, example: str) -> str | None:
        text = getattr(tree, "text", None)
        if text is None:
            self._wrong(tree, f"{name} is a text", example)
        return text

    def _wrong(self, tree: Tree | None, message: str, example: str) -> None:
        from orchestrator.tosca import codes

        assert tree is not None
        self.problems.error(codes.WRONG_SETTING, message, tree.span, f"for example `{example}`")
