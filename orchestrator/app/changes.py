"""What of the files that an execution works with has changed since: said when it is gone on with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from orchestrator.app.recorded import recorded
from orchestrator.app.step_names import named_steps
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import OrchError
from orchestrator.model.decoding import from_json
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.topology import Operation, Topology, interface_name
from orchestrator.state import Deployment, Execution, StepStatus


def changes_since(home: Home, execution: Execution, again: Collection[str] = ()) -> list[str]:
    """What has changed since an execution worked with it, and what to do, each in a line.

    Its topology, since it was deployed; files of operations, since steps were done with them. The steps that are named
    with ``again`` and what depends on them are done with the files of today.
    """
    deployment = home.store.deployment(execution.deployment_id)
    plan = from_json(execution.plan, Plan)
    return [*_topology(home, deployment), *_operations(home, execution, deployment, plan, again)]


def _topology(home: Home, deployment: Deployment) -> Iterator[str]:
    from orchestrator.app.reading import load  # heavy: imports networkx

    source = Path(deployment.source)
    if not source.is_file() or _modified(source) <= deployment.created:
        return
    try:
        topology, _ = load(home, source)
    except (OrchError, OSError) as error:
        yield (
            f"{source} has changed since it was deployed, and cannot be read as it is now ({_first_line(error)}): this "
            "goes on with what was deployed"
        )
        return
    if recorded(topology) != deployment.topology:
        yield (
            f"{source} has changed since it was deployed: this goes on with what was deployed; when it has ended, "
            f"`orch deploy {source}` applies the change"
        )


def _operations(
    home: Home, execution: Execution, deployment: Deployment, plan: Plan, again: Collection[str]
) -> Iterator[str]:
    from orchestrator.engine import downstream  # heavy: imports Ansible and dbos

    named = {step for word in again for step in named_steps(plan, word)}
    redone = named | downstream(plan, named)
    topology = topology_of(deployment)
    ledger = home.store.ledger(execution.id)
    told: set[Path] = set()
    for step in plan.steps:
        entry = ledger.get(step.id)
        file = _file(topology, step) if step.kind is StepKind.OPERATION else None
        if entry is None or entry.status is not StepStatus.DONE or entry.ended is None or file is None:
            continue
        if step.id in redone or file in told or _modified(file) <= entry.ended:
            continue
        told.add(file)
        yield (
            f"{file} has changed since {step.id} was done with it, which is not done again: "
            f"`orch executions resume {execution.id} --from {step.id}` does it and what depends on it again"
        )


def _file(topology: Topology, step: PlanStep) -> Path | None:
    """The file that implements the operation of a step."""
    node = topology.node_templates.get(step.node)
    if node is None:
        return None
    operation: Operation | None
    if step.requirement is None:
        operation = node.operation(step.interface or "", step.operation or "")
    else:
        of = next((r for r in node.relationships if r.name == step.requirement), None)
        interface = of.interfaces.get(interface_name(step.interface or "")) if of else None
        operation = interface.operations.get(step.operation or "") if interface else None
    implementation = operation.implementation if operation else None
    return Path(implementation.path) if implementation and implementation.path else None


def _modified(file: Path) -> float:
    """When a file was changed; 0 when it is not there."""
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")
