"""Reading TOSCA: text -> model.

It finds and reads documents of every dialect, brings them into one normal form and reports every fault with its place.
It must never raise for a bad document, fetch anything from a network, run anything that a document names, or keep state
between two readings.
"""

from orchestrator.tosca.catalog import Catalog, Profile, Resolved
from orchestrator.tosca.codes import CODES, ProblemKind
from orchestrator.tosca.reader import Reading, read_text, read_topology

__all__ = ["CODES", "Catalog", "ProblemKind", "Profile", "Reading", "Resolved", "read_text", "read_topology"]
