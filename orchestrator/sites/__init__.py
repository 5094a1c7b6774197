"""Sites: the places where things run, and which abstract node stands for which of them.

It reads site descriptions and matches nodes to sites; it must never read TOSCA text or carry anything out.
"""

from orchestrator.sites.completed import Completed
from orchestrator.sites.connection import Connection, LocalConnection
from orchestrator.sites.description import Sites, read_sites
from orchestrator.sites.environment import inherited, passed_on
from orchestrator.sites.login import HostKey, SshSettings
from orchestrator.sites.matching import match_nodes
from orchestrator.sites.site import LOCAL, ConnectionKind, SchedulerKind, Site, Slurm, environment_attributes

__all__ = [
    "LOCAL",
    "Completed",
    "Connection",
    "ConnectionKind",
    "HostKey",
    "LocalConnection",
    "SchedulerKind",
    "Site",
    "Sites",
    "Slurm",
    "SshSettings",
    "environment_attributes",
    "inherited",
    "match_nodes",
    "passed_on",
    "read_sites",
]
