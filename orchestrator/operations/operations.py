"""One operation, from its inputs to its outputs."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from orchestrator.ansible import PlaybookResult, PlaybookRun, TaskEvent, TaskFailure, run_playbook
from orchestrator.errors import WorkError
from orchestrator.model.expressions import Literal, evaluate, text_of
from orchestrator.model.implementations import Kind, kind_of
from orchestrator.model.names import file_name
from orchestrator.model.topology import (
    RUNNABLE,
    NodeTemplate,
    Operation,
    Relationship,
    interface_name,
)
from orchestrator.model.values import Value
from orchestrator.operations.calls import OperationCall, OperationResult, ResolvedCall, Round
from orchestrator.operations.hosts import Endpoint, Place, Side, place_of, side_of
from orchestrator.operations.implementations import (
    DEST_FOLDER,
    environment,
    playbook_of,
    script_variables,
    uploads_of,
)
from orchestrator.operations.kept import KeptSecrets, noting_lost
from orchestrator.operations.lookup import HOSTED_ON, Surroundings, lookup_for, same_or_first
from orchestrator.operations.naming import instance_name
from orchestrator.operations.outputs import Owned, mapped_attributes, read_outputs
from orchestrator.operations.variables import JOB_ID, everyone, host_variables, shared_variables
from orchestrator.state import Failure
from orchestrator.tosca.conditions import attribute_type

JOB_STATUS = "TOSCA_JOB_STATUS"
_PER_OPPOSITE = ("add_target", "remove_target", "add_source", "remove_source", "target_changed")
_REMOTE_FOLDER = ".orch-operations"
_TAIL_LINES = 20


class Operations:
    """Resolves and runs operations of one execution. ``folder``: where private folders of runs are made.

    ``kept``: the secrets among what its operations left so far.
    """

    def __init__(self, surroundings: Surroundings, folder: Path, kept: KeptSecrets | None = None) -> None:
        self.kept = kept or KeptSecrets()
        self._around = self.kept.added_to(surroundings)
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
        with noting_lost() as lost:
            side, instances, place = self._where(node, relationship, operation, call)
            rounds, origins = self._rounds(node, relationship, operation, call, side, instances)
        return ResolvedCall(
            call=call,
            node=node,
            relationship=relationship,
            operation=operation,
            implementation=implementation,
            inputs=rounds[0].inputs[instances[0]],
            origins=origins,
            outputs=self._outputs(operation, call),
            side=side,
            place=place,
            instances=instances,
            rounds=rounds,
            lost=tuple(lost),
        )

    def host(self, call: OperationCall) -> str:
        """Where an operation would run, in a few words; empty when the operation is not there."""
        try:
            node = self._around.node(call.node)
            relationship = _relationship(node, call.requirement)
            operation = _operation(node, relationship, call)
            _, _, place = self._where(node, relationship, operation, call)
        except WorkError:
            return ""
        return place.described

    def _where(
        self, node: NodeTemplate, relationship: Relationship | None, operation: Operation, call: OperationCall
    ) -> tuple[Side, tuple[str, ...], Place]:
        """At which side an operation runs, on which instances, and on what machines."""
        written = operation.implementation.operation_host if operation.implementation else None
        side = side_of(call.operation_host, written, of_relationship=relationship is not None)
        worked_on, instances = node, call.instances
        if relationship is not None and side is Side.TARGET:
            worked_on = self._around.node(relationship.target)
            instances = call.targets or everyone(self._around, worked_on.name)
        at_home = side is Side.ORCHESTRATOR
        return side, instances, Place(node.name) if at_home else place_of(self._around, worked_on, instances)

    def attribute(self, node: str, name: str) -> Value:
        """The value of a node's attribute as it is now."""
        return lookup_for(self._around, node).attribute("SELF", [name])

    def attribute_type(self, node: str, name: str) -> str:
        """The built-in type of a node's attribute, empty when it is not declared."""
        return attribute_type(self._around.topology, self._around.node(node), name)

    def attributes_of(
        self, resolved: ResolvedCall, outputs: Mapping[str, Mapping[str, Value]]
    ) -> list[tuple[str, str, dict[str, Value]]]:
        """The attributes that an operation's outputs, by instance, are to be stored as: (node, instance, values)."""
        return mapped_attributes(self._around, resolved, outputs) if resolved.operation.outputs else []

    def _outputs(self, operation: Operation, call: OperationCall) -> tuple[str, ...]:
        interface = interface_name(call.interface)
        read = self._read_outputs.get((call.node, interface, call.operation), ())
        if interface == RUNNABLE and call.operation in ("submit", "run"):
            read = [*read, JOB_ID if call.operation == "submit" else JOB_STATUS]
        return tuple(dict.fromkeys((*operation.outputs, *read)))

    @cached_property
    def _read_outputs(self) -> Mapping[Owned, list[str]]:
        return read_outputs(self._around.topology)

    def _rounds(
        self,
        node: NodeTemplate,
        relationship: Relationship | None,
        operation: Operation,
        call: OperationCall,
        side: Side,
        instances: Sequence[str],
    ) -> tuple[tuple[Round, ...], Mapping[str, str]]:
        """The runs that are needed: one, or one for each instance at the other end of the relationship (Yorc)."""
        on_target = relationship is not None and side is Side.TARGET
        every = everyone(self._around, node.name, call.instances)
        if relationship is not None and on_target:
            every = everyone(self._around, relationship.target)
        opposites: Sequence[str | None] = (None,)
        if relationship is not None and HOSTED_ON not in relationship.lineage and call.operation in _PER_OPPOSITE:
            opposites = call.instances if on_target else call.targets or everyone(self._around, relationship.target)
        rounds = []
        origins: Mapping[str, str] = {}
        for opposite in opposites:
            inputs: dict[str, Mapping[str, Value]] = {}
            for instance in dict.fromkeys((*instances, *every)):
                source, target = instance, opposite
                if on_target:
                    source, target = opposite or same_or_first(call.instances, instance), instance
                inputs[instance], origins = self._inputs(node, relationship, operation, call, source, target)
            rounds.append(Round({i: inputs[i] for i in dict.fromkeys((*every, *instances))}, opposite))
        return tuple(rounds), origins

    def _inputs(
        self,
        node: NodeTemplate,
        relationship: Relationship | None,
        operation: Operation,
        call: OperationCall,
        instance: str,
        target: str | None,
    ) -> tuple[dict[str, Value], dict[str, str]]:
        outer = lookup_for(self._around, node.name, relationship=relationship, instance=instance, target=target)
        own = {name: evaluate(expression, outer) for name, expression in call.inputs.items()}
        lookup = replace(outer, activity_inputs=own)
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
        """Run the operation on all its instances, with extra variables.

        The wanted ``outputs`` must be there afterwards. It may take ``timeout`` seconds, and no longer than its
        implementation says.
        """
        limit = min((t for t in (resolved.implementation.timeout, timeout) if t is not None), default=None)
        deadline = None if limit is None else time.monotonic() + limit
        by_instance: dict[str, Mapping[str, Value]] = {}
        result = OperationResult({})
        for now in resolved.rounds:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            run = self._playbook_run(resolved, now, extra, outputs, left)
            ended = run_playbook(run, on_event=on_event, on_process=on_process, stop=stop)
            result = _result(ended, resolved)
            by_instance |= result.by_instance
            if result.failure is not None or result.cancelled:
                break
        first = by_instance.get(resolved.instances[0], {})
        return replace(result, outputs=first, by_instance=by_instance)

    def _playbook_run(
        self,
        resolved: ResolvedCall,
        now: Round,
        extra: Mapping[str, Value],
        outputs: tuple[str, ...],
        timeout: float | None,
    ) -> PlaybookRun:
        kind = kind_of(resolved.implementation, self._around.topology)
        playbook = playbook_of(resolved, kind)
        hosts = resolved.place.hosts(resolved.instances)
        inputs = now.inputs[resolved.instances[0]]
        remote = resolved.place.endpoints is not None
        run = PlaybookRun(
            playbook=playbook,
            folder=self._folder / f"{self._around.execution}-{_unique()}",
            hosts=hosts,
            group=resolved.place.group,
            all_variables=shared_variables(resolved, now),
            outputs=outputs,
            words=(JOB_ID, JOB_STATUS),
            debug=_truth(inputs.get("debug_logs")),
            timeout=timeout,
            files=resolved.place.files(),
            uploads=uploads_of(resolved, kind, inputs) if remote and kind else (),
            upload_folder=self._remote_folder(resolved) if remote else None,
        )
        variables: dict[str, dict[str, Value]] = {}
        for host, instance in zip(hosts, resolved.instances, strict=True):
            own = {**host_variables(self._around, resolved, now, instance), **extra}
            if kind in (Kind.BASH, Kind.PYTHON):
                own["orch_environment"] = environment({DEST_FOLDER: str(run.work_folder), **run.all_variables, **own})
                own |= script_variables(kind, resolved, outputs, run.work_folder)
            variables[host.name] = {DEST_FOLDER: str(run.work_folder), **own}
        return replace(run, variables=variables)

    def _remote_folder(self, resolved: ResolvedCall) -> str:
        """Where a host's user has the files of an operation; the same when the step is done again."""
        call = resolved.call
        name = self._folder_name(call.node, call.requirement or "", call.interface, call.operation)
        return f"{_REMOTE_FOLDER}/{name}"

    def _folder_name(self, *words: str) -> str:
        """The name of a folder of this execution; it begins with the execution's id."""
        return file_name("-".join([self._around.execution, *(word for word in words if word)]))


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


def _result(result: PlaybookResult, resolved: ResolvedCall) -> OperationResult:
    names = {instance: instance_name(resolved.place.node, instance) for instance in resolved.instances}
    by_instance = {i: result.outputs[name] for i, name in names.items() if name in result.outputs}
    outputs = by_instance.get(resolved.instances[0], {})
    if result.ok:
        return OperationResult(outputs, by_instance=by_instance)
    if result.cancelled:
        return OperationResult(outputs, cancelled=True, by_instance=by_instance)
    return OperationResult(outputs, _failure(result, resolved, names), by_instance=by_instance)


def _failure(result: PlaybookResult, resolved: ResolvedCall, names: Mapping[str, str]) -> Failure:
    span = resolved.implementation.span
    if not result.failures:
        tail = "\n".join(result.log_tail.splitlines()[-_TAIL_LINES:])
        return Failure(f"{resolved.named}: the playbook failed", node=resolved.node.name, output=tail, span=span)
    first = result.failures[0]
    endpoint = next(
        (resolved.place.endpoints[i] for i, n in names.items() if resolved.place.endpoints and n == first.host), None
    )
    if first.host in result.unreachable and endpoint is not None:
        return Failure(
            f"{endpoint.node} ({endpoint.described}) cannot be reached: {_said(first)}",
            node=resolved.node.name,
            hint=_unreachable_hint(first, endpoint),
            span=span,
        )
    tail = first.stderr or first.stdout or ""
    before_tasks = not first.task and not first.host and first.place is None
    several = len(names) > 1 and first.host
    return Failure(
        message=f"{first.host}: {first.message}" if several else first.message,
        node=resolved.node.name,
        hint="if this is no mistake of the playbook, `orch doctor` tells whether Ansible works"
        if before_tasks
        else None,
        task=f"{first.task} ({first.place})" if first.place else first.task,
        output="\n".join(tail.splitlines()[-_TAIL_LINES:]),
        span=span,
    )


def _said(failure: TaskFailure) -> str:
    """What ssh said, without what Ansible puts before it."""
    said = failure.message.split("Failed to connect to the host via ssh: ", 1)[-1]
    return "\n".join(line.removeprefix("ssh: ") for line in said.strip().splitlines())


def _unreachable_hint(failure: TaskFailure, endpoint: Endpoint) -> str:
    text = failure.message.lower()
    if "host key" in text:
        return (
            f"compare the key that `ssh-keyscan -p {endpoint.port} {endpoint.address}` shows with the machine's own, "
            "then add it to ~/.ssh/known_hosts, or give it as host_key of the endpoint"
        )
    if "permission denied" in text or "authentication" in text:
        return f"see that the user {endpoint.user!r} and the key or password of the endpoint are right"
    return "see that the machine is up and that this address and port are right"


def _truth(value: Value) -> bool:
    return value is True or str(value).lower() == "true"


def _unique() -> str:
    return uuid.uuid4().hex[:8]
