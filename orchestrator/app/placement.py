"""Which site a node belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.model.plan import Plan
from orchestrator.model.topology import Topology
from orchestrator.sites import LOCAL


def site_of(topology: Topology, matches: Mapping[str, str], node: str) -> str:
    """The name of the site on which a node's work is done.

    A node that is matched to a site is on it; else the node is where the first matched node is that it requires,
    directly or through its host; else, when the whole deployment is on one site, there; else on the built-in site.
    """
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        name = waiting.pop(0)
        if name in matches:
            return matches[name]
        seen.add(name)
        template = topology.node_templates[name]
        direct = [r.target for r in template.relationships if r.target in matches]
        if direct:
            return matches[direct[0]]
        hosts = [r.target for r in template.relationships if "tosca.relationships.HostedOn" in r.lineage]
        waiting.extend(host for host in hosts if host not in seen)
    names = set(matches.values())
    return names.pop() if len(names) == 1 else LOCAL


def abstract_nodes(topology: Topology) -> list[str]:
    """The node templates that must be matched to a site."""
    return [node.name for node in topology.node_templates.values() if node.abstract]


def placed(plan: Plan, topology: Topology, matches: Mapping[str, str]) -> Plan:
    """The plan with the site of every step."""
    sites = {name: site_of(topology, matches, name) for name in {step.node for step in plan.steps}}
    steps = tuple(msgspec.structs.replace(step, site=sites[step.node]) for step in plan.steps)
    return msgspec.structs.replace(plan, steps=steps)
