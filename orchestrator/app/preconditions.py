"""Preconditions of declared workflows (Simple Profile 1.3, section 3.8.6): checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.model.expressions import Lookup
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.state import Deployment
from orchestrator.tosca.conditions import attribute_type, hold

if TYPE_CHECKING:
    from orchestrator.operations import Surroundings


def check_preconditions(home: Home, deployment: Deployment, topology: Topology, workflow: str) -> None:
    """See that a workflow may be run now. Raises UserError that names what does not hold."""
    declared = topology.workflows.get(workflow)
    if declared is None or not declared.preconditions:
        return
    from orchestrator.app.engine_wiring import surroundings  # heavy: imports Ansible

    around = surroundings(home, deployment, None, topology)
    for precondition in declared.preconditions:
        fields = precondition if isinstance(precondition, Mapping) else {}
        target = str(fields.get("target", ""))
        group = topology.groups.get(target)
        for node in group.members if group is not None else (target,):
            _check(around, topology, workflow, node, fields.get("condition") or [])


def _check(around: Surroundings, topology: Topology, workflow: str, node: str, condition: Value) -> None:
    from orchestrator.operations import lookup_for

    if node not in topology.node_templates:
        raise UserError(f"workflow {workflow!r}: a precondition has the target {node!r}, which is no node template")
    lookup = lookup_for(around, node)
    clauses = condition if isinstance(condition, list) else [condition]
    try:
        types = partial(attribute_type, topology, topology.node_templates[node])
        met = hold(clauses, partial(_attribute, lookup), types)
    except ValueError as error:
        raise UserError(f"workflow {workflow!r}: precondition on {node}: {error}") from error
    if not met:
        state = lookup.attribute("SELF", ["state"])
        raise UserError(
            f"workflow {workflow!r} may not be run now: its precondition on {node} does not hold",
            hint=f"the condition is {clauses}; the state of {node} is {state!r}",
        )


def _attribute(lookup: Lookup, name: str) -> Value:
    return lookup.attribute("SELF", [name])
