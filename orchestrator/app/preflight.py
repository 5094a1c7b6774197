"""What is checked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model.topology import Topology
from orchestrator.sites import SchedulerKind, Site

_OF_THE_SITE = ("service_url", "target_host", "dls_api_url", "image_builder_url")


def ignored_services(topology: Topology, sites: Mapping[str, Site]) -> str | None:
    """A warning that names the services of the topology that the site does not use; None when there is none."""
    if not any(site.scheduler is SchedulerKind.LOCAL for site in sites.values()):
        return None
    found = [
        f"{node.name}.{name}"
        for node in topology.node_templates.values()
        for name in _OF_THE_SITE
        if f"properties.{name}" in node.spans and name in node.properties
    ]
    if not found:
        return None
    names = ", ".join(sorted({site.name for site in sites.values()}))
    return f"site {names} uses its own services: {', '.join(found)} of the topology are ignored"
