"""Transfers of a topology that write the same file: the later one takes the place of the other, in silence."""

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
_PATH, _URL = "target_path", "url"


def shared_targets(topology: Topology) -> Iterator[Problem]:
    """A warning for each download to a file that another one, from elsewhere, is written to as well.

    Only what is certain from the topology counts: literal paths, at the same environment.
    """
    environments = {name: name for name in abstract_nodes(topology)}
    first: dict[tuple[str, str], NodeTemplate] = {}
    for node in topology.node_templates.values():
        path = _file(node) if _DOWNLOAD in node.lineage else None
        if path is None:
            continue
        place = (site_of(topology, environments, node.name), path)
        other = first.setdefault(place, node)
        if other is not node and not _same_source(node, other):
            yield _problem(node, other, path)


def _file(node: NodeTemplate) -> str | None:
    """The file that a download writes, where the topology says it."""
    target, url = _literal(node, _PATH), _literal(node, _URL)
    if not target or (target.endswith("/") and not url):
        return None
    return posixpath.normpath(target + name_of(url or "") if target.endswith("/") else target)


def _same_source(one: NodeTemplate, other: NodeTemplate) -> bool:
    url = _literal(one, _URL)
    return url is not None and url == _literal(other, _URL)


def _literal(node: NodeTemplate, name: str) -> str | None:
    expression = node.properties.get(name)
    return expression.value if isinstance(expression, Literal) and isinstance(expression.value, str) else None


def _problem(node: NodeTemplate, other: NodeTemplate, path: str) -> Problem:
    span = other.spans.get(f"properties.{_PATH}") or other.span
    related = (Related(f"{other.name} writes it, too", span),) if span else ()
    return Problem(
        codes.SHARED_TARGET,
        Severity.WARNING,
        f"{node.name} and {other.name} both write the file {path}: the later one takes the place of the other",
        node.spans.get(f"properties.{_PATH}") or node.span,
        "give each a file of its own, or end the path with / to name the folder that they are put into",
        related,
    )
