"""Matching of abstract nodes to sites."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from orchestrator.errors import UserError


def match_nodes(
    nodes: Sequence[str], sites: Collection[str], *, site: str | None = None, matches: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Which site each abstract node stands for: node -> name of a site.

    ``matches`` decides for the nodes it names, ``site`` for all others; with a single site nothing needs to be said.
    Raises UserError for an unknown site or node, and when a node is left without a site.
    """
    matches = dict(matches or {})
    for name in [*matches.values(), *([site] if site else [])]:
        if name not in sites:
            raise UserError(f"there is no site {name!r}", hint=_known("site", name, sites))
    for node in matches:
        if node not in nodes:
            raise UserError(
                f"{node!r} is not an abstract node of the topology, so it cannot be matched to a site",
                hint=_known("abstract node", node, nodes),
            )
    fallback = site or (next(iter(sites)) if len(sites) == 1 else None)
    left = [node for node in nodes if node not in matches]
    if left and fallback is None:
        raise UserError(
            f"no site is given for {', '.join(left)}",
            hint=f"use --site NAME or --match {left[0]}=NAME; sites: {', '.join(sorted(sites))}",
        )
    return {node: matches.get(node) or str(fallback) for node in nodes}


def _known(what: str, name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known: {', '.join(sorted(known))}" if known else f"the topology has no {what}"
