"""Use case: which sites there are, and which file says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.app.wiring import Home
from orchestrator.sites import LOCAL, Site, read_sites


@dataclass(frozen=True)
class KnownSite:
    """A site, where its data catalogue lies, and the file that describes it (None: it is built in)."""

    site: Site
    catalogue: Path
    file: Path | None


def list_sites(home: Home) -> list[KnownSite]:
    """The sites known here, by name. Raises ConfigurationError."""
    origins: dict[str, Path] = {}
    built_in = read_sites([])[LOCAL]
    for file in home.settings.site_files():
        for name, site in read_sites([file]).items():
            if name != LOCAL or site != built_in:
                origins[name] = file
    sites = home.sites()
    return [KnownSite(sites[name], home.catalogue_folder(sites[name]), origins.get(name)) for name in sorted(sites)]
