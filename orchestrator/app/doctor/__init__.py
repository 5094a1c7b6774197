"""Use case: see whether this machine and orch's home have what orch needs, and say what to do where they do not.

Nothing here may fail as a whole: whatever goes wrong while something is looked at becomes what was found. So each part
imports what it looks at only while it looks, and nothing of orch that needs a database, Ansible or the network.
"""

from orchestrator.app.doctor.examination import examine
from orchestrator.app.doctor.finding import Finding, State

__all__ = ["Finding", "State", "examine"]
