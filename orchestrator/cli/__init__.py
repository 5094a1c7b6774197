"""The command ``orch``: reads the command line, calls one use case, shows its answer.

It must never decide anything itself, nor know of databases, Ansible or files of the orchestrator: what a command needs
to know or do is a use case in :mod:`orchestrator.app`. Only here are click and rich used, and anything printed.
A command's module is imported when the command is used, so that ``orch --help`` costs next to nothing.
"""

from orchestrator.cli.entry import main

__all__ = ["main"]
