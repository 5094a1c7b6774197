"""Steps of a plan that cannot be carried out whatever the world does: seen before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.errors import UserError
from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.topology import NodeTemplate, Operation, Topology, interface_name
from orchestrator.tosca import codes

_COMPUTES = ("tosca.nodes.Compute", "tosca.nodes.Abstract.Compute")
_HOSTED_ON = "tosca.relationships.HostedOn"
_ADDRESS = "ip_address"
_HERE = "ORCHESTRATOR"


def refuse_impossible_steps(topology: Topology, plan: Plan) -> None:
    """See that each operation of a plan has a file, and a machine with an address. Raises UserError with all faults."""
    faults: dict[str, str | None] = {}
    for step in plan.steps:
        node = topology.node_templates.get(step.node)
        operation = _operation(node, step) if node is not None and step.kind is StepKind.OPERATION else None
        if node is None or operation is None or operation.implementation is None:
            continue
        implementation = operation.implementation
        if implementation.path is None and implementation.artifact_type != JOB_WATCH:
            place = f" ({implementation.span})" if implementation.span else ""
            message = f"{step.title}: the file {implementation.file!r} that implements it is not there{place}"
            faults.setdefault(message, "put the file there, beside the document that names it")
        at = (step.operation_host or implementation.operation_host or "").upper()
        machine = None if at == _HERE or step.requirement is not None else unreachable_host(topology, node)
        if machine is not None:
            faults.setdefault(_no_address(node, machine), _REMEDY)
    if faults:
        raise UserError("\n".join(faults), hint=next(hint for hint in faults.values()))


def address_problems(topology: Topology) -> Iterator[Problem]:
    """Nodes that are to be worked on at a machine whose address nothing says, as warnings."""
    for node in topology.node_templates.values():
        machine = unreachable_host(topology, node) if _works_there(node) else None
        if machine is not None:
            yield Problem(codes.NO_ADDRESS, Severity.WARNING, _no_address(node, machine), machine.span, _REMEDY)


_REMEDY = "set ip_address of its capability endpoint, or operation_host: ORCHESTRATOR for the operation"


def _no_address(node: NodeTemplate, machine: NodeTemplate) -> str:
    return f"{node.name} is to be worked on at {machine.name}, which has no address"


def _works_there(node: NodeTemplate) -> bool:
    return any(
        operation.implementation is not None and (operation.implementation.operation_host or "").upper() != _HERE
        for interface in node.interfaces.values()
        for operation in interface.operations.values()
    )


def unreachable_host(topology: Topology, node: NodeTemplate) -> NodeTemplate | None:
    """The machine that a node is hosted on, when it can have no address: none is said, and no operation sets one."""
    hosts = _hosts(topology, node)
    machine = next((h for h in hosts if not h.abstract and any(name in h.lineage for name in _COMPUTES)), None)
    if machine is None or any(host.abstract or _has_address(host) for host in hosts):
        return None
    return None if _is_set(topology) else machine


def _hosts(topology: Topology, node: NodeTemplate) -> list[NodeTemplate]:
    found: list[NodeTemplate] = []
    last: NodeTemplate | None = node
    while last is not None:
        target = next((r.target for r in last.relationships if _HOSTED_ON in r.lineage), None)
        last = topology.node_templates.get(target) if target is not None else None
        if last is None or last in found:
            return found
        found.append(last)
    return found


def _has_address(host: NodeTemplate) -> bool:
    endpoint = host.capabilities.get("endpoint")
    return endpoint is not None and (_ADDRESS in endpoint.attributes or _ADDRESS in endpoint.properties)


def _is_set(topology: Topology) -> bool:
    """Whether the outputs of any operation set an address."""
    return any(
        _ADDRESS in path
        for node in topology.node_templates.values()
        for interfaces in (node.interfaces, *(r.interfaces for r in node.relationships))
        for interface in interfaces.values()
        for operation in interface.operations.values()
        for path in operation.outputs.values()
    )


def _operation(node: NodeTemplate, step: PlanStep) -> Operation | None:
    if step.requirement is None:
        return node.operation(step.interface or "", step.operation or "")
    relationship = next((r for r in node.relationships if r.name == step.requirement), None)
    interface = relationship.interfaces.get(interface_name(step.interface or "")) if relationship else None
    return interface.operations.get(step.operation or "") if interface else None
