"""Transfers of a topology that write the same file or folder: the later one takes its place."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from orchestrator.app.placement import abstract_nodes, site_of
from orchestrator.model.expressions import Literal
from orchestrator.model.problems import Problem, Related, Severity
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.services.transfer import name_of
from orchestrator.tosca import codes

_DOWNLOAD = "dls.ansible.nodes.HTTP2SSH"
_STAGE_IN = "dls.ansible.nodes.DLSDAGStageInData"
_PATH, _URL, _RECORD = "target_path", "url", "oid"


def shared_targets(topology: Topology) -> Iterator[Problem]:
    """A warning for each transfer to a file, or folder, that another one, from elsewhere, is written to as well.

    Only what is certain from the topology counts: literal paths, at the same environment.
    """
    environments = {name: name for name in abstract_nodes(topology)}
    first: dict[tuple[str, str, str], NodeTemplate] = {}
    for node in topology.node_templates.values():
        kind = next((name for name in (_DOWNLOAD, _STAGE_IN) if name in node.lineage), None)
        path = None if kind is None else _file(node) if kind == _DOWNLOAD else _folder(node)
        if kind is None or path is None:
            continue
        place = (kind, site_of(topology, environments, node.name), path)
        other = first.setdefault(place, node)
        if other is not node and not _same_source(node, other, _URL if kind == _DOWNLOAD else _RECORD):
            yield _problem(node, other, *(_OF_FILES if kind == _DOWNLOAD else _OF_FOLDERS), path)


def _file(node: NodeTemplate) -> str | None:
    """The file that a download writes, where the topology says it."""
    target, url = _literal(node, _PATH), _literal(node, _URL)
    if not target or (target.endswith("/") and not url):
        return None
    return _normal(target + name_of(url or "") if target.endswith("/") else target)


def _folder(node: NodeTemplate) -> str | None:
    """The folder that a record is brought to, where the topology says it and which record it is."""
    target = _literal(node, _PATH)
    return _normal(target) if target and _RECORD in node.properties else None


def _normal(path: str) -> str:
    """The one way to write a path; two slashes at its begin are one."""
    return posixpath.normpath(f"/{path.lstrip('/')}" if path.startswith("/") else path)


def _same_source(one: NodeTemplate, other: NodeTemplate, name: str) -> bool:
    source = _literal(one, name)
    return source is not None and source == _literal(other, name)


def _literal(node: NodeTemplate, name: str) -> str | None:
    expression = node.properties.get(name)
    return expression.value if isinstance(expression, Literal) and isinstance(expression.value, str) else None


_OF_FILES = (
    "both write the file {}: the later one takes the place of the other",
    "give each a file of its own, or end the path with / to name the folder that they are put into",
)
_OF_FOLDERS = (
    "both bring a record into the folder {}: a file that both have is brought once, and the second transfer fails",
    "give each a folder of its own",
)


def _problem(node: NodeTemplate, other: NodeTemplate, what: str, hint: str, path: str) -> Problem:
    span = other.spans.get(f"properties.{_PATH}") or other.span
    related = (Related(f"{other.name} writes it, too", span),) if span else ()
    return Problem(
        codes.SHARED_TARGET,
        Severity.WARNING,
        f"{node.name} and {other.name} {what.format(path)}",
        node.spans.get(f"properties.{_PATH}") or node.span,
        hint,
        related,
    )
