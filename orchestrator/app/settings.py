"""Configuration, read once: the only place that looks at the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from orchestrator.errors import ConfigurationError
from orchestrator.model.values import Secret

_CONFIGURATION_KEYS = frozenset({"database"})


@dataclass(frozen=True)
class Settings:
    """Where orch keeps its things, and what the environment says.

    ``home``: state, secrets, jobs, catalogue. ``site_files``: descriptions of sites, later ones winning.
    ``database_url``: of a PostgreSQL database that several machines share. ``kill_at`` names a place of
    :mod:`orchestrator.faults` (tests only).
    """

    home: Path
    working_folder: Path
    sites_file: Path | None = None
    kill_at: str | None = None
    database_url: Secret | None = None

    @property
    def database(self) -> Path | Secret:
        """The state database: a SQLite file, or the URL of a PostgreSQL database, which may hold a password."""
        return self.database_url or self.home / "state.sqlite"

    @property
    def durable_database(self) -> str:
        """The URL of the database that belongs to dbos; on PostgreSQL it has a schema of its own in ours."""
        return self.database_url.reveal() if self.database_url else f"sqlite:///{self.home / 'dbos.sqlite'}"

    @property
    def locks(self) -> Path:
        """Locks of the processes that carry executions out."""
        return self.home / "locks"

    @property
    def runs(self) -> Path:
        """Private folders of running playbooks."""
        return self.home / "runs"

    @property
    def secrets(self) -> Path:
        """The embedded secret store."""
        return self.home / "secrets"

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
    environment: Mapping[str, str], *, home: Path | None = None, sites_file: Path | None = None
) -> Settings:
    """The settings from the environment and the command line. Makes the home.

    The database is ``ORCH_DATABASE``, else ``database`` of ``config.yaml`` in the home, else a file of the home.
    Raises ConfigurationError when the home cannot be made or is no folder, or its ``config.yaml`` is wrong.
    """
    named = home or (Path(environment["ORCH_HOME"]) if environment.get("ORCH_HOME") else None)
    folder = named or Path(platformdirs.user_data_dir("orch", appauthor=False))
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        what = "a file is in its place" if isinstance(error, FileExistsError) else error.strerror
        raise ConfigurationError(
            f"orch's home {folder} cannot be made: {what}", hint="set ORCH_HOME (or --home) to a folder"
        ) from error
    url = environment.get("ORCH_DATABASE") or _configured(folder / "config.yaml").get("database")
    return Settings(folder, Path.cwd(), sites_file, environment.get("ORCH_KILL_AT"), Secret(str(url)) if url else None)


def _configured(file: Path) -> Mapping[str, object]:
    """What the home's configuration file says; nothing when there is none. Raises ConfigurationError."""
    if not file.exists():
        return {}
    from orchestrator.yamlfiles import read_yaml  # only where there is something to read

    content, root = read_yaml(file, "configuration file", ConfigurationError)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}:1:1: the configuration file is a map", hint="for example `database: URL`")
    for key, _ in root.value:
        if key.value not in _CONFIGURATION_KEYS:
            place = f"{file}:{key.start_mark.line + 1}:{key.start_mark.column + 1}"
            known = ", ".join(sorted(_CONFIGURATION_KEYS))
            raise ConfigurationError(f"{place}: {key.value!r} is no setting", hint=f"settings are: {known}")
    return content
