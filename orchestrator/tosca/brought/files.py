"""Which files a topology brings along, each looked at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from orchestrator import resources
from orchestrator.model.expressions import Literal
from orchestrator.model.implementations import Kind, kind_of
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.topology import Implementation, Interface, Operation, Topology
from orchestrator.tosca.brought.playbooks import playbook_problems
from orchestrator.tosca.brought.scripts import bash_problems, python_problems, read
from orchestrator.tosca.brought.settings import settings_problems
from orchestrator.tosca.contents import dependency

_SOURCED = {".sh": Kind.BASH, ".bash": Kind.BASH, ".py": Kind.PYTHON}
_BASH = re.compile(rb"\b(ba|da)?sh\b")
HOSTED_ON = "tosca.relationships.HostedOn"
ENTRY = "PLAYBOOK_ENTRY"


def file_problems(topology: Topology, collections: Sequence[Path] = ()) -> Iterator[Problem]:
    """What is wrong with the playbooks and scripts of a topology and its own types, in their own lines.

    ``collections`` are the folders where Ansible's collections are installed.
    A script of Python for another machine may be for another version of Python: then it is a warning.
    """
    files = _files(topology)
    for (path, kind), hosted in files.items():
        match kind:
            case Kind.BASH:
                yield from bash_problems(path)
            case Kind.PYTHON:
                for problem in python_problems(path):
                    yield msgspec.structs.replace(problem, severity=Severity.WARNING) if hosted else problem
            case Kind.PLAYBOOK:
                yield from playbook_problems(path, topology.node_templates, collections)
    yield from settings_problems([path for path, kind in files if kind is Kind.PLAYBOOK], Path(topology.file))


def _files(topology: Topology) -> dict[tuple[Path, Kind], bool]:
    """The files by what they are, and whether one is for another machine; those that ship with orch are left out."""
    found: dict[tuple[Path, Kind], bool] = {}
    shipped = str(resources.playbooks_folder())
    different: dict[int, tuple[Mapping[str, Interface], bool]] = {}
    for interfaces, hosted in _interfaces(topology):  # nodes of one type share theirs
        different[id(interfaces)] = (interfaces, hosted or different.get(id(interfaces), ({}, False))[1])
    for interfaces, hosted in different.values():
        for interface in interfaces.values():
            for operation in interface.operations.values():
                path = _path(operation)
                if path is None or path.startswith(shipped) or operation.implementation is None:
                    continue
                kind = kind_of(operation.implementation, topology)
                if kind is not None:
                    key = (Path(path), kind)
                    found[key] = found.get(key, False) or hosted
                for path_of_needed in _needed(operation.implementation):
                    key = (path_of_needed, _SOURCED[path_of_needed.suffix])
                    found[key] = found.get(key, False) or hosted
    return found


def _needed(implementation: Implementation) -> Iterator[Path]:
    """The dependencies that are scripts of Bash, as far as they say of themselves what they are, or of Python."""
    for written in implementation.dependencies:
        path = dependency(written, implementation.path, implementation.span)
        if path is not None and path.suffix in _SOURCED:
            first = (read(path) or b"").partition(b"\n")[0]
            if _SOURCED[path.suffix] is Kind.PYTHON or not first.startswith(b"#!") or _BASH.search(first):
                yield path


def _interfaces(topology: Topology) -> Iterator[tuple[Mapping[str, Interface], bool]]:
    for node in topology.node_templates.values():
        yield node.interfaces, any(HOSTED_ON in r.lineage for r in node.relationships)
        for relationship in node.relationships:
            yield relationship.interfaces, True
    for node_type in topology.node_types.values():
        if node_type.profile is None:
            yield node_type.interfaces, False
    for relationship_type in topology.relationship_types.values():
        if relationship_type.profile is None:
            yield relationship_type.interfaces, True


def _path(operation: Operation) -> str | None:
    """The file of an operation; in a folder, the one that the input PLAYBOOK_ENTRY names."""
    implementation = operation.implementation
    if implementation is None or implementation.path is None:
        return None
    entry = operation.inputs.get(ENTRY)
    if isinstance(entry, Literal) and isinstance(entry.value, str) and Path(implementation.path).is_dir():
        path = Path(implementation.path, entry.value)
        return str(path) if path.is_file() else None
    return implementation.path
