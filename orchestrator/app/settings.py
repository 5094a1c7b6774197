"""Configuration, read once: the only place that looks at the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from orchestrator.errors import ConfigurationError


@dataclass(frozen=True)
class Settings:
    """Where orch keeps its things, and what the environment says.

    ``home``: state, secrets, jobs, catalogue. ``site_files``: descriptions of sites, later ones winning.
    ``kill_at`` names a place of :mod:`orchestrator.faults` (tests only).
    """

    home: Path
    working_folder: Path
    sites_file: Path | None = None
    kill_at: str | None = None

    @property
    def database(self) -> Path:
        """The state database."""
        return self.home / "state.sqlite"

    @property
    def durable_database(self) -> Path:
        """The database that belongs to dbos."""
        return self.home / "dbos.sqlite"

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

    Raises ConfigurationError when the home cannot be made or is no folder.
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
    return Settings(folder, Path.cwd(), sites_file, environment.get("ORCH_KILL_AT"))
