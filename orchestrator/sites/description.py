"""Reading ``sites.yaml``: typed, with unknown keys refused at their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from orchestrator.errors import ConfigurationError
from orchestrator.sites.site import (
    ACCEPT_NEW,
    LOCAL,
    STRICT,
    ConnectionKind,
    DataCatalogue,
    ImageCreation,
    SchedulerKind,
    Site,
)
from orchestrator.yamlfiles import read_yaml

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read_sites(files: Iterable[Path]) -> Mapping[str, Site]:
    """The sites described in some files, later ones winning, and the built-in site ``local``.

    A relative path in a description counts from the folder of its file. Raises ConfigurationError with file and line.
    """
    sites: dict[str, Site] = {LOCAL: Site()}
    for file in files:
        for name, site in _read(file).items():
            sites[name] = site
    return sites


def _read(file: Path) -> dict[str, Site]:
    content, root = read_yaml(file, "sites file", ConfigurationError)
    if content is None:
        return {}
    if not isinstance(content, dict) or set(content) != {"sites"} or not isinstance(content["sites"], dict):
        raise ConfigurationError(
            f"{file}:1:1: a sites file is a map with the one key `sites`, which maps names to descriptions"
        )
    sites = {}
    for name, description in content["sites"].items():
        try:
            site = msgspec.convert(description or {}, type=Site)
        except msgspec.ValidationError as error:
            raise ConfigurationError(
                _explained(file, root, str(name), str(error)), hint="docs/sites.md lists what is said of a site"
            ) from error
        _check(site, f"{file}: site {str(name)!r}")
        sites[str(name)] = _with_paths(msgspec.structs.replace(site, name=str(name)), file.parent)
    return sites


def _check(site: Site, where: str) -> None:
    if site.known_hosts not in (STRICT, ACCEPT_NEW):
        raise ConfigurationError(f"{where}: known_hosts is {STRICT} or {ACCEPT_NEW}, not {site.known_hosts!r}")
    if site.connection is ConnectionKind.SSH and site.scheduler is SchedulerKind.LOCAL:
        raise ConfigurationError(
            f"{where}: nothing runs jobs there", hint="name its scheduler (slurm), or use the site local"
        )
    for variable in (*site.environment, *site.inherit):
        if not _VARIABLE.fullmatch(variable):
            raise ConfigurationError(f"{where}: {variable!r} is no name of an environment variable")
    for variable, value in site.environment.items():
        if "\0" in value:
            raise ConfigurationError(f"{where}: environment: {variable} has a NUL character")
    if site.sessions < 2 or site.slurm.interval <= 0:
        raise ConfigurationError(f"{where}: sessions must be 2 or more, slurm.interval more than 0")


def _explained(file: Path, root: Any, site: str, message: str) -> str:
    what, _, path = message.partition(" - at `$")
    keys = re.findall(r"\.([A-Za-z_0-9]+)", path)
    unknown = re.search(r"unknown field `([^`]+)`", what)
    node = root
    for key in ["sites", site, *keys]:
        node = _child(node, key) or node
    if unknown:
        node = _key_node(node, unknown.group(1)) or node
    mark = node.start_mark
    return f"{file}:{mark.line + 1}:{mark.column + 1}: site {site!r}: {what}"


def _child(node: Any, key: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value
    return None


def _key_node(node: Any, key: str) -> Any:
    if isinstance(node, yaml.MappingNode):
        for name, _ in node.value:
            if name.value == key:
                return name
    return None


def _with_paths(site: Site, folder: Path) -> Site:
    def absolute(path: str | None) -> str | None:
        return None if path is None else str((folder / Path(path).expanduser()).resolve())

    services = site.services
    return msgspec.structs.replace(
        site,
        services=msgspec.structs.replace(
            services,
            image_creation=ImageCreation(registry=absolute(services.image_creation.registry)),
            data_catalogue=DataCatalogue(folder=absolute(services.data_catalogue.folder)),
        ),
    )
