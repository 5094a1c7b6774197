"""Phase 7: declared workflows (1.3 sections 3.6.23 to 3.6.27, 3.8.7): tree -> model, every name in them checked."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems
from orchestrator.model.topology import (
    Activity,
    CallOperation,
    Delegate,
    Inline,
    Interface,
    NodeTemplate,
    SetState,
    Workflow,
    WorkflowStep,
    interface_name,
)
from orchestrator.model.values import Value
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.clauses import ClauseReader
from orchestrator.tosca.cycles import find_cycles
from orchestrator.tosca.fields import as_list, as_map, as_scalar, check_keynames, scalars_of, text_of
from orchestrator.tosca.functions import read_untyped
from orchestrator.tosca.implementations import operation_host
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.templates import definitions_of
from orchestrator.tosca.tree import Map, Scalar, Tree, kind_of
from orchestrator.tosca.types import TypeTable

GENERATED = frozenset(("install", "uninstall", "start", "stop", "run", "cancel"))
"""Workflows that every topology has, declared or not."""

_ACTIVITIES = ("set_state", "call_operation", "delegate", "inline")


class WorkflowReader:
    """Reads the workflows of a topology whose node templates and groups are known."""

    def __init__(
        self,
        types: TypeTable,
        templates: Mapping[str, NodeTemplate],
        groups: Mapping[str, Collection[str]],
        topology_inputs: Collection[str],
        problems: Problems,
    ) -> None:
        self._types = types
        self._templates = templates
        self._groups = groups
        self._topology_inputs = topology_inputs
        self._problems = problems
        self._known: Collection[str] = GENERATED
        self._inputs: set[str] = set()

    def read_all(self, tree: Tree | None) -> dict[str, Workflow]:
        """All workflows by name."""
        workflows = as_map(tree, "workflows", self._problems)
        if workflows is None:
            return {}
        self._known = [*workflows.entries, *(name for name in sorted(GENERATED) if name not in workflows)]
        found = {}
        for key, body in workflows.items():
            fields = as_map(body, f"the workflow {key.text!r}", self._problems)
            if fields is not None:
                found[key.text] = self._workflow(key, fields)
        self._check_inlines(found)
        return found

    def _workflow(self, key: Scalar, body: Map) -> Workflow:
        check_keynames(body, grammar.WORKFLOW, f"the workflow {key.text!r}", self._problems)
        inputs = definitions_of(body.get("inputs"), self._types, "input")
        self._inputs = {*self._topology_inputs, *inputs}
        steps_tree = as_map(body.get("steps"), "steps", self._problems)
        names = list(steps_tree.entries) if steps_tree is not None else []
        steps = {}
        for step_key, step in steps_tree.items() if steps_tree is not None else ():
            fields = as_map(step, f"the step {step_key.text!r}", self._problems)
            if fields is not None:
                steps[step_key.text] = self._step(step_key, fields, names)
        self._check_circles(steps)
        return Workflow(
            key.text,
            inputs,
            self._outputs(body.get("outputs")),
            steps,
            self._preconditions(body.get("preconditions")),
            text_of(body.get("description"), "description", self._problems),
            key.span,
        )

    def _outputs(self, tree: Tree | None) -> dict[str, Expression]:
        outputs = as_map(tree, "outputs", self._problems)
        found = {}
        for key, body in outputs.items() if outputs is not None else ():
            value = body.get("value") if isinstance(body, Map) else None
            if value is None and isinstance(body, Map) and "type" in body:
                continue
            found[key.text] = read_untyped(value if value is not None else body, self._problems, self._inputs)
        return found

    def _step(self, key: Scalar, body: Map, names: list[str]) -> WorkflowStep:
        check_keynames(body, grammar.STEP, f"the step {key.text!r}", self._problems)
        target = as_scalar(body.get("target"), "target", self._problems)
        known = self._check_target(target)
        relationship = text_of(body.get("target_relationship"), "target_relationship", self._problems) or None
        interfaces = self._interfaces(target, relationship) if known else None
        activities = [
            activity
            for item in self._activity_items(body.get("activities"))
            if (activity := self._activity(item, target, interfaces)) is not None
        ]
        return WorkflowStep(
            key.text,
            target.text if target is not None else None,
            tuple(activities),
            relationship,
            operation_host(body.get("operation_host"), self._problems),
            self._conditions(body.get("filter"), "filter", target),
            self._successors(body, "on_success", names),
            self._successors(body, "on_failure", names),
            self._successors(body, "on_cancel", names),
            key.span,
        )

    def _preconditions(self, tree: Tree | None) -> tuple[Value, ...]:
        return tuple(self._precondition(item) for item in as_list(tree, "preconditions", self._problems))

    def _precondition(self, tree: Tree) -> Value:
        fields = as_map(tree, "a precondition", self._problems)
        if fields is None:
            return {}
        check_keynames(fields, grammar.PRECONDITION, "a precondition", self._problems)
        target = as_scalar(fields.get("target"), "target", self._problems)
        if target is None:
            message = "the precondition names no target"
            self._problems.error(codes.MISSING_KEYNAME, message, fields.span, "add target: NODE")
        self._check_target(target)
        condition = self._conditions(fields.get("condition"), "condition", target)
        return {"target": target.text if target is not None else "", "condition": list(condition)}

    def _conditions(self, tree: Tree | None, what: str, target: Scalar | None) -> tuple[Value, ...]:
        """Condition clauses on the attributes of a node, or of the members of a group, as data."""
        items = [tree] if isinstance(tree, Map) else as_list(tree, what, self._problems)
        name = target.text if target is not None else ""
        nodes = [self._templates[n] for n in self._groups.get(name, (name,)) if n in self._templates]
        reader = ClauseReader(nodes, self._types, self._problems)
        return tuple(reader.read(item) for item in items)

    def _check_target(self, target: Scalar | None) -> bool:
        if target is None:
            return False
        if target.text in self._templates or target.text in self._groups:
            return True
        hint = did_you_mean(target.text, [*self._templates, *self._groups])
        message = f"there is no node template or group {target.text!r}"
        self._problems.error(codes.UNKNOWN_STEP_TARGET, message, target.span, hint)
        return False

    def _interfaces(self, target: Scalar | None, relationship: str | None) -> Mapping[str, Interface] | None:
        """The interfaces whose operations the step can call; None when that is not known."""
        template = self._templates.get(target.text) if target is not None else None
        if template is None or self._types.whole_node(template.type) is None:
            return None
        if relationship is None:
            return template.interfaces
        found = next((r for r in template.relationships if relationship in (r.name, r.requirement, r.type)), None)
        return found.interfaces if found is not None else None

    def _successors(self, body: Map, keyname: str, names: list[str]) -> tuple[str, ...]:
        found = scalars_of(body.get(keyname), keyname, self._problems)
        for step in found:
            if step.text not in names:
                message = f"there is no step {step.text!r}"
                self._problems.error(codes.UNKNOWN_STEP, message, step.span, did_you_mean(step.text, names))
        return tuple(step.text for step in found if step.text in names)

    def _activity_items(self, tree: Tree | None) -> list[Tree]:
        return [tree] if isinstance(tree, Map) else as_list(tree, "activities", self._problems)

    # activities

    def _activity(
        self, tree: Tree, target: Scalar | None, interfaces: Mapping[str, Interface] | None
    ) -> Activity | None:
        entry = next(iter(tree.items())) if isinstance(tree, Map) and tree.entries else None
        if entry is None or entry[0].text not in _ACTIVITIES:
            place = entry[0] if entry is not None else tree
            what = repr(entry[0].text) if entry is not None else kind_of(tree)
            hint = did_you_mean(entry[0].text, _ACTIVITIES) if entry is not None else "write - call_operation: …"
            self._problems.error(codes.BAD_ACTIVITY, f"{what} is not an activity", place.span, hint)
            return None
        key, value = entry
        assert isinstance(tree, Map)
        if len(tree.entries) > 1:
            names = ", ".join(tree.entries)
            hint = "begin each activity with a dash"
            self._problems.error(codes.BAD_ACTIVITY, f"these are several activities in one: {names}", key.span, hint)
        if isinstance(value, Map) and key.text != "set_state":
            known = grammar.CALL if key.text == "call_operation" else grammar.PUT_IN
            check_keynames(value, known, f"the activity {key.text}", self._problems)
        if key.text == "set_state":
            state = as_scalar(value, "set_state", self._problems)
            if state is None:
                self._empty(key)
                return None
            return SetState(state.text, key.span)
        inputs = self._activity_inputs(value)
        if key.text == "call_operation":
            return self._call(key, value, inputs, target, interfaces)
        name = as_scalar(value.get("workflow") if isinstance(value, Map) else value, key.text, self._problems)
        if name is None:
            self._empty(key)
            return None
        if name.text not in self._known:
            message = f"there is no workflow {name.text!r}"
            self._problems.error(codes.UNKNOWN_WORKFLOW, message, name.span, did_you_mean(name.text, self._known))
        kind = Delegate if key.text == "delegate" else Inline
        return kind(name.text, inputs, key.span)

    def _empty(self, key: Scalar) -> None:
        self._problems.error(codes.BAD_ACTIVITY, f"{key.text} names nothing", key.span)

    def _activity_inputs(self, value: Tree) -> dict[str, Expression]:
        """Inputs as a map, or, as 1.3 also has them, as a list of maps."""
        tree = value.get("inputs") if isinstance(value, Map) else None
        if tree is None:
            return {}
        maps = [tree] if isinstance(tree, Map) else as_list(tree, "inputs", self._problems)
        found = {}
        for item in maps:
            fields = as_map(item, "inputs", self._problems)
            for key, body in fields.items() if fields is not None else ():
                given = (
                    body.get("value") if isinstance(body, Map) and body.entries.keys() <= {"value", "type"} else None
                )
                found[key.text] = read_untyped(given if given is not None else body, self._problems, self._inputs)
        return found

    def _call(
        self,
        key: Scalar,
        value: Tree,
        inputs: dict[str, Expression],
        target: Scalar | None,
        interfaces: Mapping[str, Interface] | None,
    ) -> CallOperation | None:
        written = as_scalar(
            value.get("operation") if isinstance(value, Map) else value, "call_operation", self._problems
        )
        if written is None:
            self._empty(key)
            return None
        interface, dot, operation = written.text.rpartition(".")
        if not dot or not interface or not operation:
            message = f"{written.text!r} is not an operation"
            self._problems.error(codes.UNKNOWN_OPERATION, message, written.span, "write Interface.operation")
            return None
        name = interface_name(interface)
        if interfaces is not None:
            self._check_operation(written, name, operation, target, interfaces)
        return CallOperation(name, operation, inputs, written.span)

    def _check_operation(
        self,
        written: Scalar,
        interface: str,
        operation: str,
        target: Scalar | None,
        interfaces: Mapping[str, Interface],
    ) -> None:
        found = interfaces.get(interface)
        if found is not None and operation in found.operations:
            return
        known = [f"{name}.{op}" for name, i in interfaces.items() for op in i.operations]
        hint = did_you_mean(f"{interface}.{operation}", known)
        owner = target.text if target is not None else "the target"
        message = f"{owner} has no operation {written.text!r}"
        self._problems.error(codes.UNKNOWN_OPERATION, message, written.span, hint)

    # circles

    def _check_circles(self, steps: Mapping[str, WorkflowStep]) -> None:
        edges = {name: [*step.on_success, *step.on_failure, *step.on_cancel] for name, step in steps.items()}
        for circle in find_cycles(edges):
            message = f"the steps follow each other in a circle: {' -> '.join([*circle, circle[0]])}"
            self._problems.error(codes.CYCLIC_STEPS, message, steps[circle[0]].span, "remove one of the edges")

    def _check_inlines(self, workflows: Mapping[str, Workflow]) -> None:
        edges = {
            name: [a.workflow for s in workflow.steps.values() for a in s.activities if isinstance(a, Inline)]
            for name, workflow in workflows.items()
        }
        for circle in find_cycles(edges):
            message = f"the workflows are inlined in a circle: {' -> '.join([*circle, circle[0]])}"
            self._problems.error(codes.CYCLIC_INLINE, message, workflows[circle[0]].span, "break the circle of inline")


def inputs_of(tree: Tree | None) -> set[str]:
    """The names of the inputs of all workflows: functions of node templates see them while a workflow runs."""
    found: set[str] = set()
    for _, body in tree.items() if isinstance(tree, Map) else ():
        inputs = body.get("inputs") if isinstance(body, Map) else None
        if isinstance(inputs, Map):
            found.update(inputs.entries)
    return found
