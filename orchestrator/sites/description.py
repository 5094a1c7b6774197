"""Reading ``sites.yaml``: typed, every mistake at its place. A site with mistakes stops only what uses it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from orchestrator import paths
from orchestrator.model.names import is_name, name_rule
from orchestrator.model.problems import Problem, Problems, SettingsError
from orchestrator.model.source import Span
from orchestrator.sites.site import (
    LOCAL,
    ConnectionKind,
    DataCatalogue,
    ImageCreation,
    SchedulerKind,
    Site,
)
from orchestrator.tosca import codes
from orchestrator.tosca.structs import check_keys, read_map, read_struct
from orchestrator.tosca.tree import Map, Scalar, Tree, kind_of

_SHAPE = "a sites file is a map with the one key `sites`, which maps names to descriptions"


class Sites(Mapping[str, Site]):
    """The sites that are described, by name. To ask for one whose description has faults raises SettingsError."""

    def __init__(self, sites: Mapping[str, Site], faults: Mapping[str, list[Problem]]) -> None:
        self.usable: Mapping[str, Site] = dict(sites)
        """Those without faults."""
        self.faults: Mapping[str, list[Problem]] = dict(faults)
        """What is wrong with the others."""

    def __getitem__(self, name: str) -> Site:
        if name in self.faults:
            raise SettingsError(self.faults[name])
        return self.usable[name]

    def __contains__(self, name: object) -> bool:
        return name in self.usable or name in self.faults

    def __iter__(self) -> Iterator[str]:
        return iter((*self.usable, *self.faults))

    def __len__(self) -> int:
        return len(self.usable) + len(self.faults)


def read_sites(files: Iterable[Path]) -> Sites:
    """The sites described in some files, later ones winning, and the built-in site ``local``.

    A relative path in a description counts from the folder of its file. Raises SettingsError with every fault of a file
    that concerns no single site.
    """
    sites: dict[str, Site | list[Problem]] = {LOCAL: Site()}
    for file in files:
        sites.update(_read(file))
    good = {name: site for name, site in sites.items() if isinstance(site, Site)}
    return Sites(good, {name: faults for name, faults in sites.items() if not isinstance(faults, Site)})


def _read(file: Path) -> dict[str, Site | list[Problem]]:
    """The sites of a file, or their faults."""
    problems = Problems()
    root = read_map(file, _SHAPE, problems)
    if root is not None:
        check_keys(root, ("sites",), "a sites file", problems)
    described = root.get("sites") if root is not None else None
    cut_off = any(problem.code in (codes.YAML_SYNTAX, codes.YAML_LIMIT) for problem in problems)
    missing = described is not None or (root is not None and not root.entries)
    if root is not None and not cut_off and not isinstance(described, Map) and missing:
        message = f"sites is a map of names to descriptions, not {kind_of(described)}" if described else _SHAPE
        problems.error(codes.WRONG_KIND, message, (described or root).span)
    found: dict[str, Site | list[Problem]] = {}
    of_file = list(problems)
    for key, tree in described.items() if isinstance(described, Map) else ():
        own = [problem for problem in of_file if _concerns(problem, key, tree)]
        of_file = [problem for problem in of_file if problem not in own]
        found[key.text] = _site(key, tree, own, file.parent)
    if of_file:
        raise SettingsError(of_file)
    return found


def _concerns(problem: Problem, key: Scalar, tree: Tree) -> bool:
    """Whether a problem of the YAML is one of a single site: in its description, or its name given twice.

    Where the text cannot be read on, nobody knows what else there is.
    """
    if problem.code in (codes.YAML_SYNTAX, codes.YAML_LIMIT):
        return False
    places = [problem.span, *(related.span for related in problem.related)]
    start, end = (key.line, key.column), (tree.end_line, tree.end_column)
    return any(place is not None and start <= (place.line, place.column) < end for place in places)


def _site(key: Scalar, tree: Tree, faults: list[Problem], folder: Path) -> Site | list[Problem]:
    problems = Problems()
    for fault in faults:
        problems.add(fault)
    if not is_name(key.text):
        problems.error(codes.BAD_NAME, f"{key.text!r} is no name for a site", key.span, name_rule())
    site = read_struct(tree, Site, f"site {key.text!r}", problems, without=("name",))
    if site is not None:
        _check(site, f"site {key.text!r}", tree, problems)
    if site is None or problems.has_errors:
        return list(problems)
    return _with_paths(msgspec.structs.replace(site, name=key.text), folder)


def _check(site: Site, what: str, tree: Tree, problems: Problems) -> None:
    if site.connection is ConnectionKind.SSH and site.scheduler is SchedulerKind.LOCAL:
        hint = "name its scheduler (slurm), or use the site local"
        problems.error(codes.MISSING_SETTING, f"nothing runs jobs at {what}", _at(tree, "scheduler"), hint)


def _at(tree: Tree, *keys: str) -> Span:
    """The place of a value inside a description, of the innermost one that is written."""
    for key in keys:
        inner = tree.get(key) if isinstance(tree, Map) else None
        if inner is None:
            break
        tree = inner
    return tree.span


def _with_paths(site: Site, folder: Path) -> Site:
    def absolute(path: str | None) -> str | None:
        return None if path is None else str((folder / paths.expanded(path)).resolve())

    services = site.services
    return msgspec.structs.replace(
        site,
        services=msgspec.structs.replace(
            services,
            image_creation=ImageCreation(registry=absolute(services.image_creation.registry)),
            data_catalogue=DataCatalogue(folder=absolute(services.data_catalogue.folder)),
        ),
    )
