"""One operation, from its inputs to its outputs."""

from __future__ import annotations

import re
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import resources
from orchestrator.ansible import Host, HostGroup, PlaybookResult, PlaybookRun, TaskEvent, run_playbook
from orchestrator.errors import WorkError
from orchestrator.model.expressions import Expression, Function, Literal, calls, evaluate, text_of
from orchestrator.model.topology import (
    RUNNABLE,
    Implementation,
    NodeTemplate,
    Operation,
    Relationship,
    interface_name,
)
from orchestrator.model.values import Secret, Value
from orchestrator.operations.lookup import FIRST_INSTANCE, Surroundings, lookup_for
from orchestrator.state import Failure

JOB_WATCH = "orch.artifacts.JobWatch"
JOB_ID = "TOSCA_JOB_ID"
JOB_STATUS = "TOSCA_JOB_STATUS"
_PLAYBOOK_ENDINGS = (".yml", ".yaml")
_TAIL_LINES = 20


@dataclass(frozen=True)
class OperationCall:
    """Which operation is called, on what, and with what of its own."""

    node: str
    interface: str
    operation: str
    requirement: str | None = None
    operation_host: str | None = None
    inputs: Mapping[str, Expression] = field(default_factory=dict)
    job_id: str | None = None


@dataclass(frozen=True)
class ResolvedCall:
    """A call with everything looked up. ``inputs`` are native values, secrets hidden in them."""

    call: OperationCall
    node: NodeTemplate
    relationship: Relationship | None
    operation: Operation
    implementation: Implementation
    inputs: Mapping[str, Value]
    origins: Mapping[str, str]
    outputs: tuple[str, ...]

    @property
    def watches_job(self) -> bool:
        """Whether the operation is the watching of a job by orch itself, so that nothing is to be run for it."""
        return self.implementation.artifact_type == JOB_WATCH

    @property
    def ours(self) -> bool:
        """Whether its playbook ships with orch: those take native values."""
        path = self.implementation.path
        return path is not None and Path(path).is_relative_to(resources.playbooks_folder())


@dataclass(frozen=True)
class OperationResult:
    """What came of an operation: its outputs, or why there are none."""

    outputs: Mapping[str, Value]
    failure: Failure | None = None
    cancelled: bool = False


class Operations:
    """Resolves and runs operations of one execution. ``folder``: where private folders of runs are made."""

    def __init__(self, surroundings: Surroundings, folder: Path) -> None:
        self._around = surroundings
        self._folder = folder

    def resolve(self, call: OperationCall) -> ResolvedCall:
        """Look everything up that the operation needs.

        Raises WorkError for an operation that cannot be carried out, SecretError for a missing secret.
        """
        node = self._around.node(call.node)
        relationship = _relationship(node, call.requirement)
        operation = _operation(node, relationship, call)
        implementation = operation.implementation
        if implementation is None:
            raise WorkError(f"{call.node}: {call.interface}.{call.operation} has no implementation")
        inputs, origins = self._inputs(node, relationship, operation, call)
        outputs = [*operation.outputs, *_read_outputs(self._around, call)]
        if interface_name(call.interface) == RUNNABLE and call.operation in ("submit", "run"):
            outputs.append(JOB_ID if call.operation == "submit" else JOB_STATUS)
        return ResolvedCall(
            call, node, relationship, operation, implementation, inputs, origins, tuple(dict.fromkeys(outputs))
        )

    def attribute(self, node: str, name: str) -> Value:
        """The value of a node's attribute as it is now."""
        return lookup_for(self._around, node).attribute("SELF", [name])

    def _inputs(
        self, node: NodeTemplate, relationship: Relationship | None, operation: Operation, call: OperationCall
    ) -> tuple[dict[str, Value], dict[str, str]]:
        outer = lookup_for(self._around, node.name, relationship=relationship)
        own = {name: evaluate(expression, outer) for name, expression in call.inputs.items()}
        lookup = lookup_for(self._around, node.name, relationship=relationship, inputs=own)
        given = (
            ("input of the step", own),
            ("input of the workflow", self._around.workflow_inputs),
            ("input of the topology", self._around.topology_inputs),
        )
        values: dict[str, Value] = {}
        origins: dict[str, str] = {}
        for name, expression in operation.inputs.items():
            # Yorc: an input of the same name replaces what the operation declares for it
            shadow = next(((where, m[name]) for where, m in given if m.get(name) is not None), None)
            if shadow:
                origins[name], values[name] = shadow
            else:
                origins[name] = text_of(expression) if not isinstance(expression, Literal) else "a constant"
                values[name] = evaluate(expression, lookup)
        for name, value in own.items():
            values.setdefault(name, value)
            origins.setdefault(name, "input of the step")
        return values, origins

    def run(
        self,
        resolved: ResolvedCall,
        *,
        extra: Mapping[str, Value],
        outputs: tuple[str, ...],
        on_event: Callable[[TaskEvent], None],
        on_process: Callable[[int, float], None],
        stop: threading.Event,
        timeout: float | None = None,
    ) -> OperationResult:
        """Run the operation's playbook, with extra variables; the wanted ``outputs`` must be there afterwards.

        It may take ``timeout`` seconds, and no longer than its implementation says.
        """
        implementation = resolved.implementation
        if implementation.path is None:
            raise WorkError(
                f"{resolved.call.node}: the file {implementation.file!r} of "
                f"{resolved.call.interface}.{resolved.call.operation} is not there",
                hint=f"it is named at {implementation.span}" if implementation.span else None,
            )
        if not implementation.path.endswith(_PLAYBOOK_ENDINGS):
            raise WorkError(
                f"{resolved.call.node}: {implementation.file!r} is not an Ansible playbook",
                hint="implement the operation with a playbook (.yml or .yaml)",
            )
        instance = instance_name(resolved.node.name)
        own = self._variables(resolved, instance)
        prefixed = {f"{instance}_{name}": value for name, value in _carried(resolved).items()}
        run = PlaybookRun(
            playbook=Path(implementation.path),
            folder=self._folder / f"{self._around.execution}-{instance}-{resolved.call.operation}-{_unique()}",
            hosts=(Host(instance, self._connection()),),
            group=HostGroup.HOSTED_OPERATIONS,
            variables={instance: {**own, **extra}},
            all_variables=prefixed,
            outputs=outputs,
            debug=_truth(resolved.inputs.get("debug_logs")),
            timeout=min((t for t in (implementation.timeout, timeout) if t is not None), default=None),
        )
        result = run_playbook(run, on_event=on_event, on_process=on_process, stop=stop)
        return _result(result, instance, resolved)

    def _variables(self, resolved: ResolvedCall, instance: str) -> dict[str, Value]:
        """The variables of an operation of a node or of a relationship (Yorc: resolveContext)."""
        common = {
            "DEPLOYMENT_ID": self._around.deployment,
            **{name: artifact.path for name, artifact in resolved.node.artifacts.items()},
            **_carried(resolved),
        }
        if resolved.call.job_id is not None:
            common[JOB_ID] = resolved.call.job_id
        if resolved.relationship is not None:
            return {**self._ends(resolved.node, resolved.relationship), **common}
        return {"NODE": resolved.node.name, "INSTANCE": instance, "INSTANCES": instance, "HOST": instance, **common}

    def _ends(self, node: NodeTemplate, relationship: Relationship) -> dict[str, Value]:
        """What an operation of a relationship is told of its two ends, and of the capability at its target."""
        found: dict[str, Value] = {}
        target = self._around.node(relationship.target)
        for end, name in (("SOURCE", node.name), ("TARGET", target.name)):
            instance = instance_name(name)
            found |= {f"{end}_NODE": name, f"{end}_INSTANCE": instance, f"{end}_INSTANCES": instance}
            found[f"{end}_HOST"] = instance
        capability = target.capabilities.get(relationship.capability or "")
        if capability is None:
            return found
        lookup = lookup_for(self._around, target.name)
        found["TARGET_CAPABILITY_NAMES"] = capability.name
        found["TARGET_CAPABILITY_TYPE"] = found[f"TARGET_CAPABILITY_{capability.name}_TYPE"] = capability.type
        for name, expression in capability.properties.items():
            value = yorc_text(evaluate(expression, lookup))
            found[f"TARGET_CAPABILITY_PROPERTY_{name}"] = value
            found[f"TARGET_CAPABILITY_{capability.name}_PROPERTY_{name}"] = value
        for name, expression in capability.attributes.items():
            value = yorc_text(evaluate(expression, lookup))
            instance = instance_name(target.name)
            found[f"TARGET_CAPABILITY_{instance}_ATTRIBUTE_{name}"] = value
            found[f"TARGET_CAPABILITY_{capability.name}_{instance}_ATTRIBUTE_{name}"] = value
        return found

    def _connection(self) -> dict[str, Value]:
        return {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


def instance_name(node: str, instance: str = FIRST_INSTANCE) -> str:
    """Yorc's name of an instance: ``-`` becomes ``_``, other characters that are not letters or digits are dropped."""
    return re.sub(r"[^A-Za-z0-9_]", "", f"{node}_{instance}".replace("-", "_"))


def yorc_text(value: Value) -> Value:
    """A value as playbooks written for Yorc can use it: scalars as text, nothing as the empty string.

    Yorc hands lists and maps over as JSON text, which old Ansible took for lists and maps in a loop; today's does not.
    So they are handed over as they are, and ``from_json`` lets such values pass.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str | Secret | dict | list) else str(value)


def _carried(resolved: ResolvedCall) -> dict[str, Value]:
    if resolved.ours:
        return dict(resolved.inputs)
    return {name: yorc_text(value) for name, value in resolved.inputs.items()}


def _relationship(node: NodeTemplate, requirement: str | None) -> Relationship | None:
    if requirement is None:
        return None
    for relationship in node.relationships:
        if relationship.name == requirement:
            return relationship
    raise WorkError(f"{node.name} has no requirement {requirement!r}")


def _operation(node: NodeTemplate, relationship: Relationship | None, call: OperationCall) -> Operation:
    if relationship is None:
        operation = node.operation(call.interface, call.operation)
    else:
        interface = relationship.interfaces.get(interface_name(call.interface))
        operation = interface.operations.get(call.operation) if interface else None
    if operation is None:
        raise WorkError(f"{node.name} has no operation {call.interface}.{call.operation}")
    return operation


def _read_outputs(around: Surroundings, call: OperationCall) -> list[str]:
    """The names of this operation's outputs that anything in the topology reads."""
    found = []
    for node in around.topology.node_templates.values():
        expressions = [*node.attributes.values(), *node.properties.values()]
        for expression in expressions:
            for inner in calls(expression):
                if inner.function is not Function.GET_OPERATION_OUTPUT:
                    continue
                words = [str(a.value) if isinstance(a, Literal) else "" for a in inner.arguments]
                entity, interface, operation, name = words[:4]
                owner = node.name if entity == "SELF" else entity
                wanted = (call.node, interface_name(call.interface), call.operation)
                if (owner, interface_name(interface), operation) == wanted:
                    found.append(name)
    return found


def _result(result: PlaybookResult, instance: str, resolved: ResolvedCall) -> OperationResult:
    outputs = result.outputs.get(instance, {})
    if result.ok:
        return OperationResult(outputs)
    if result.cancelled:
        return OperationResult(outputs, cancelled=True)
    operation = f"{resolved.call.interface}.{resolved.call.operation}"
    if result.failures:
        first = result.failures[0]
        tail = first.stderr or first.stdout or ""
        return OperationResult(
            outputs,
            Failure(
                message=first.message,
                node=resolved.node.name,
                task=f"{first.task} ({first.place})" if first.place else first.task,
                output="\n".join(tail.splitlines()[-_TAIL_LINES:]),
                span=resolved.implementation.span,
            ),
        )
    what = f"host unreachable: {', '.join(result.unreachable)}" if result.unreachable else "the playbook failed"
    return OperationResult(
        outputs,
        Failure(
            message=f"{operation}: {what}",
            node=resolved.node.name,
            output="\n".join(result.log_tail.splitlines()[-_TAIL_LINES:]),
            span=resolved.implementation.span,
        ),
    )


def _truth(value: Value) -> bool:
    return value is True or str(value).lower() == "true"


def _unique() -> str:
    return uuid.uuid4().hex[:8]
