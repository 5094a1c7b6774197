"""The files that a topology brings along: are its playbooks and scripts such that they can be carried out at all?

They are read, and never run; Ansible is not imported.
"""

from orchestrator.tosca.brought.files import file_problems
from orchestrator.tosca.brought.scripts import bash_text_problems

__all__ = ["bash_text_problems", "file_problems"]
