"""Use case: which sites there are, and which file says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.app.wiring import Home
from orchestrator.model.problems import Problem
from orchestrator.sites import LOCAL, Site, read_sites


@dataclass(frozen=True)
class KnownSite:
    """A site, where its data catalogue lies, and the file that describes it (None: it is built in)."""

    site: Site
    catalogue: Path
    file: Path | None


@dataclass(frozen=True)
class SiteList:
    """The sites by name, and what is wrong with those that cannot be used."""

    usable: tuple[KnownSite, ...]
    problems: tuple[Problem, ...]


def list_sites(home: Home) -> SiteList:
    """The sites known here. Raises SettingsError for a file that cannot be read at all."""
    origins: dict[str, Path] = {}
    built_in = Site()
    for file in home.settings.site_files():
        for name, site in read_sites([file]).usable.items():
            if name != LOCAL or site != built_in:
                origins[name] = file
    sites = home.sites()
    known = [KnownSite(site, home.catalogue_folder(site), origins.get(name)) for name, site in sites.usable.items()]
    problems = [problem for faults in sites.faults.values() for problem in faults]
    return SiteList(tuple(sorted(known, key=lambda one: one.site.name)), tuple(problems))
