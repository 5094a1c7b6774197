"""Preconditions of declared workflows (Simple Profile 1.3, section 3.8.6): checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.model.expressions import Lookup
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.state import Deployment
from orchestrator.tosca.conditions import attribute_type, hold


def check_preconditions(home: Home, deployment: Deployment, topology: Topology, workflow: str) -> None:
    """See that a workflow may be run now. Raises UserError that names what does not hold."""
    declared = topology.workflows.get(workflow)
    if declared is None or not declared.preconditions:
        return
    from orchestrator.app.engine_wiring import surroundings  # heavy: imports Ansible
    from orchestrator.operations import lookup_for

    around = surroundings(home, deployment, None, topology)
    for precondition in declared.preconditions:
        target = str(precondition.get("target", "")) if isinstance(precondition, Mapping) else ""
        if target not in topology.node_templates:
            raise UserError(
                f"workflow {workflow!r}: a precondition has the target {target!r}, which is no node template"
            )
        clauses = precondition.get("condition") or []
        lookup = lookup_for(around, target)
        values = partial(_attribute, lookup)
        try:
            types = partial(attribute_type, topology, topology.node_templates[target])
            met = hold(clauses if isinstance(clauses, list) else [clauses], values, types)
        except ValueError as error:
            raise UserError(f"workflow {workflow!r}: precondition on {target}: {error}") from error
        if not met:
            state = lookup.attribute("SELF", ["state"])
            raise UserError(
                f"workflow {workflow!r} may not be run now: its precondition on {target} does not hold",
                hint=f"the condition is {clauses}; the state of {target} is {state!r}",
            )


def _attribute(lookup: Lookup, name: str) -> Value:
    return lookup.attribute("SELF", [name])
