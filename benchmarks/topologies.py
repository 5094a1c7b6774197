"""Generated topologies that both tools read: TOSCA Simple Profile 1.3, no types but those of the document."""

from __future__ import annotations

from pathlib import Path

_PLAIN = """\
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  bench.nodes.Plain:
    derived_from: tosca.nodes.Root
    properties:
      size: { type: integer, default: 1 }
      label: { type: string, default: none }
    requirements:
      - before:
          capability: tosca.capabilities.Node
          relationship: tosca.relationships.DependsOn
          occurrences: [ 0, UNBOUNDED ]
topology_template:
  node_templates:
"""
_WITH_OPERATION = _PLAIN.replace(
    "topology_template:",
    """\
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create: nothing.yaml
topology_template:""",
)
_NOTHING = """\
- hosts: all
  gather_facts: false
  tasks:
    - set_fact:
        nothing: 1
"""


def plain_topology(folder: Path, nodes: int) -> Path:
    """Nodes without implementations; each but the first depends on an earlier one, as in a tree of width ten."""
    return _written(folder / f"plain-{nodes}.yaml", _PLAIN, [(n - 1) // 10 if n else None for n in range(nodes)])


def operations_topology(folder: Path, nodes: int) -> Path:
    """Nodes with one operation that does nothing, in two chains: so two operations can run at a time."""
    (folder / "nothing.yaml").write_text(_NOTHING)
    before = [n - 2 if n >= 2 else None for n in range(nodes)]
    return _written(folder / f"operations-{nodes}.yaml", _WITH_OPERATION, before)


def _written(file: Path, head: str, before: list[int | None]) -> Path:
    lines = [head]
    for number, earlier in enumerate(before):
        lines.append(f"    node_{number}:\n      type: bench.nodes.Plain\n")
        lines.append(f"      properties: {{ size: {number}, label: node number {number} }}\n")
        if earlier is not None:
            lines.append(f"      requirements:\n        - before: node_{earlier}\n")
    file.write_text("".join(lines))
    return file
