"""Declared workflows, as written: every activity is a step, ``inline`` and ``delegate`` are expanded.

Source: Simple Profile 1.3 sections 3.6.23, 3.8.7 and 7.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import msgspec

from orchestrator.errors import UserError
from orchestrator.model.expressions import Call, Expression, Function, ListOf, Literal, MapOf
from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep, StepKind
from orchestrator.model.problems import DocumentError, Problems
from orchestrator.model.topology import (
    Activity,
    CallOperation,
    Delegate,
    Inline,
    NodeTemplate,
    Relationship,
    SetState,
    Topology,
    Workflow,
    WorkflowStep,
)
from orchestrator.planning.generated import (
    GENERATED_WORKFLOWS,
    Chain,
    StepNames,
    node_chains,
    relationship_host,
)
from orchestrator.planning.graph import arranged
from orchestrator.planning.problems import PlanFault, fault, suggestion

MAX_STEPS = 100_000
"""The number of activities at which a plan is refused: workflows that inline each other can grow exponentially."""
MAX_DEPTH = 50
"""How deep workflows may be inlined."""


def declared_plan(topology: Topology, workflow_name: str) -> Plan:
    """The plan of a declared workflow.

    A step with several activities becomes the chain ``name``, ``name.2``, ``name.3`` …; what ``inline`` and
    ``delegate`` bring in is named ``name.<step>``. ``on_success`` leaves the last step of a chain, ``on_failure`` and
    ``on_cancel`` leave every one. Links to unknown steps stay in the plan, for :func:`plan_problems` to tell.

    Raises UserError when there is no such workflow, DocumentError (with all problems) when a step cannot be expanded.
    """
    if workflow_name not in topology.workflows:
        raise UserError(
            f"{topology.name} declares no workflow named {workflow_name!r}",
            hint=suggestion(workflow_name, list(topology.workflows)),
        )
    builder = _Builder(topology)
    builder.workflow(topology.workflows[workflow_name], "", {}, ())
    if len(builder.problems):
        raise DocumentError(list(builder.problems))
    return arranged(workflow_name, builder.steps, builder.edges)


@dataclass(frozen=True)
class _Fragment:
    """What a step of a workflow became: where it starts, where it ends well, and all its steps."""

    entries: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass
class _Builder:
    """Gathers the steps and edges of one plan."""

    topology: Topology
    problems: Problems = field(default_factory=Problems)
    names: StepNames = field(default_factory=StepNames)
    steps: list[PlanStep] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    chains: dict[str, dict[str, Chain]] = field(default_factory=dict)
    expanded: int = 0

    def workflow(
        self, workflow: Workflow, prefix: str, inputs: Mapping[str, Expression], outer: tuple[str, ...]
    ) -> _Fragment:
        """Expand a whole workflow. ``outer`` are the workflows it is being put into."""
        path = (*outer, workflow.name)
        fragments = {name: self.step(step, f"{prefix}{name}", inputs, path) for name, step in workflow.steps.items()}
        return self.link(workflow, fragments, prefix)

    def link(self, workflow: Workflow, fragments: Mapping[str, _Fragment], prefix: str) -> _Fragment:
        """Draw the edges between the steps of a workflow."""
        entered: set[str] = set()
        for name, step in workflow.steps.items():
            fragment = fragments[name]
            for outcome, sources, targets in (
                (Outcome.SUCCESS, fragment.exits, step.on_success),
                (Outcome.FAILURE, fragment.members, step.on_failure),
                (Outcome.CANCEL, fragment.members, step.on_cancel),
            ):
                entries = [e for target in targets for e in _entries(workflow, fragments, target, prefix)]
                entered.update(entries)
                self.edges += [Edge(source, entry, outcome) for source in sources for entry in entries]
        return _Fragment(
            tuple(e for fragment in fragments.values() for e in fragment.entries if e not in entered),
            tuple(e for name in _well_ended(workflow, fragments) for e in fragments[name].exits),
            tuple(m for fragment in fragments.values() for m in fragment.members),
        )

    def step(self, step: WorkflowStep, name: str, inputs: Mapping[str, Expression], path: tuple[str, ...]) -> _Fragment:
        """Expand a step: its activities one after the other."""
        first = len(self.steps)
        labels = [name, *(f"{name}.{number}" for number in range(2, len(step.activities) + 1))]
        parts = [
            self.activity(activity, step, label, inputs, path)
            for activity, label in zip(step.activities, labels, strict=False)
        ]
        if step.filter:
            self.steps[first:] = [
                msgspec.structs.replace(s, condition=(*step.filter, *s.condition)) for s in self.steps[first:]
            ]
        parts = [part for part in parts if part.members]
        for before, after in pairwise(parts):
            self.edges += [Edge(a, b) for a in before.exits for b in after.entries]
        if not parts:
            return _Fragment()
        return _Fragment(parts[0].entries, parts[-1].exits, tuple(m for part in parts for m in part.members))

    def activity(
        self,
        activity: Activity,
        step: WorkflowStep,
        name: str,
        inputs: Mapping[str, Expression],
        path: tuple[str, ...],
    ) -> _Fragment:
        """Expand an activity."""
        self.expanded += 1
        if self.expanded > MAX_STEPS or len(path) > MAX_DEPTH:
            message = (
                f"workflow {path[0]!r} has more than {MAX_STEPS} steps, or workflows inlined more than {MAX_DEPTH} deep"
            )
            self.problems.add(fault(PlanFault.TOO_LARGE, message, step.span, "inline less"))
            return _Fragment()
        activity = msgspec.structs.replace(activity, span=activity.span or step.span)
        if isinstance(activity, Inline):
            return self.inline(activity, name, inputs, path)
        nodes = self.targets(step, name)
        parts = []
        for node in nodes:
            label = name if len(nodes) == 1 else f"{name}.{node.name}"
            if isinstance(activity, Delegate):
                parts.append(self.delegate(activity, node, label, inputs))
            elif isinstance(activity, SetState):
                parts.append(self.state(activity, step, node, label))
            else:
                parts.append(self.call(activity, step, node, label, inputs))
        return _Fragment(
            tuple(e for part in parts for e in part.entries),
            tuple(e for part in parts for e in part.exits),
            tuple(m for part in parts for m in part.members),
        )

    def targets(self, step: WorkflowStep, name: str) -> list[NodeTemplate]:
        """The node templates a step is about: its target, or the members of the group that is its target."""
        templates, groups = self.topology.node_templates, self.topology.groups
        target = step.target or ""
        if target in templates:
            return [templates[target]]
        if target in groups:
            return [templates[member] for member in groups[target].members if member in templates]
        written = f"has the target {target!r}, which is no node template" if target else "has no target"
        hint = suggestion(target, [*templates, *groups])
        self.problems.add(fault(PlanFault.UNKNOWN_TARGET, f"step {name!r} {written}", step.span, hint))
        return []

    def state(self, activity: SetState, step: WorkflowStep, node: NodeTemplate, name: str) -> _Fragment:
        """A step that sets a state."""
        return self.add(PlanStep(name, StepKind.STATE, node.name, state=activity.state, span=activity.span))

    def call(
        self,
        activity: CallOperation,
        step: WorkflowStep,
        node: NodeTemplate,
        name: str,
        inputs: Mapping[str, Expression],
    ) -> _Fragment:
        """Steps that call an operation: one, or one for each relationship that the step names."""
        plan_step = PlanStep(
            name,
            StepKind.OPERATION,
            node.name,
            interface=activity.interface,
            operation=activity.operation,
            inputs={**inputs, **_substituted(activity.inputs, inputs)},
            span=activity.span,
        )
        if step.target_relationship is None:
            found = node.operation(activity.interface, activity.operation)
            host = found.implementation.operation_host if found and found.implementation else None
            return self.add(msgspec.structs.replace(plan_step, operation_host=step.operation_host or host))
        parts = [
            self.add(_on_relationship(plan_step, relationship, step.operation_host))
            for relationship in self.relationships(step, node, name)
        ]
        ids = tuple(member for part in parts for member in part.members)
        return _Fragment(ids, ids, ids)

    def relationships(self, step: WorkflowStep, node: NodeTemplate, name: str) -> list[Relationship]:
        """The relationships that a step names: by their own name, else by that of the requirement's definition."""
        wanted = step.target_relationship
        found = [r for r in node.relationships if r.name == wanted]
        found = found or [r for r in node.relationships if r.requirement == wanted]
        if not found:
            names = [n for r in node.relationships for n in (r.name, r.requirement)]
            message = f"step {name!r} has the target_relationship {wanted!r}, which node {node.name!r} does not have"
            self.problems.add(fault(PlanFault.UNKNOWN_TARGET, message, step.span, suggestion(wanted or "", names)))
        return found

    def inline(self, activity: Inline, name: str, inputs: Mapping[str, Expression], path: tuple[str, ...]) -> _Fragment:
        """Another workflow in the place of a step; its inputs are those of the activity, else their defaults."""
        workflow = self.topology.workflows.get(activity.workflow)
        if workflow is None:
            hint = suggestion(activity.workflow, list(self.topology.workflows))
            message = f"step {name!r} inlines the workflow {activity.workflow!r}, which is not declared"
            self.problems.add(fault(PlanFault.UNKNOWN_WORKFLOW, message, activity.span, hint))
            return _Fragment()
        if workflow.name in path:
            ring = " -> ".join([*path[path.index(workflow.name) :], workflow.name])
            message = f"step {name!r} inlines a workflow into itself: {ring}"
            self.problems.add(fault(PlanFault.INLINE_RECURSION, message, activity.span, "take one of them away"))
            return _Fragment()
        given = {n: d.default for n, d in workflow.inputs.items() if d.default is not None}
        given |= _substituted(activity.inputs, inputs)
        return self.workflow(workflow, f"{name}.", {**inputs, **given}, path)

    def delegate(
        self, activity: Delegate, node: NodeTemplate, name: str, inputs: Mapping[str, Expression]
    ) -> _Fragment:
        """The steps that a generated workflow has for a node."""
        if activity.workflow not in GENERATED_WORKFLOWS:
            hint = suggestion(activity.workflow, list(GENERATED_WORKFLOWS))
            message = f"step {name!r} delegates to {activity.workflow!r}, which is not a generated workflow"
            self.problems.add(fault(PlanFault.UNKNOWN_WORKFLOW, message, activity.span, hint))
            return _Fragment()
        if activity.workflow not in self.chains:
            self.chains[activity.workflow] = node_chains(self.topology, activity.workflow)
        chain = self.chains[activity.workflow].get(node.name, Chain(()))
        given = {**inputs, **_substituted(activity.inputs, inputs)}
        renamed = {step.id: self.names.unique(f"{name}.{step.id}") for step in chain.steps()}
        for step in chain.steps():
            own = given if step.kind is StepKind.OPERATION else {}
            span = activity.span or step.span
            self.steps.append(msgspec.structs.replace(step, id=renamed[step.id], inputs=own, span=span))
        self.edges += [Edge(renamed[edge.source], renamed[edge.target]) for edge in chain.edges()]
        if not chain.levels:
            return _Fragment()
        last = [step for step, _ in chain.closing] or chain.levels[-1]
        return _Fragment(
            tuple(renamed[step.id] for step in chain.levels[0]),
            tuple(renamed[step.id] for step in last),
            tuple(renamed.values()),
        )

    def add(self, step: PlanStep) -> _Fragment:
        """Take a step in, under a name of its own."""
        name = self.names.unique(step.id)
        self.steps.append(msgspec.structs.replace(step, id=name))
        return _Fragment((name,), (name,), (name,))


def _entries(workflow: Workflow, fragments: Mapping[str, _Fragment], target: str, prefix: str) -> list[str]:
    """Where a link to a step leads: through steps that became nothing, on to what follows them."""
    entries: list[str] = []
    seen: set[str] = set()
    stack = [target]
    while stack:
        name = stack.pop()
        if name in seen:
            continue
        seen.add(name)
        if name not in fragments:
            entries.append(f"{prefix}{name}")
        elif fragments[name].entries:
            entries += fragments[name].entries
        else:
            stack += reversed(workflow.steps[name].on_success)
    return entries


def _well_ended(workflow: Workflow, fragments: Mapping[str, _Fragment]) -> list[str]:
    """The steps after which a workflow is through when all went well: those of the good path that lead nowhere."""
    after_fault = {t for step in workflow.steps.values() for t in (*step.on_failure, *step.on_cancel)}
    after_success = {t for step in workflow.steps.values() for t in step.on_success}
    good, stack = set(), [name for name in workflow.steps if name not in after_fault | after_success]
    while stack:
        name = stack.pop()
        if name in workflow.steps and name not in good:
            good.add(name)
            stack += workflow.steps[name].on_success
    return [
        name
        for name, step in workflow.steps.items()
        if name in good and not any(fragments[t].entries for t in step.on_success if t in fragments)
    ]


def _on_relationship(step: PlanStep, relationship: Relationship, host: str | None) -> PlanStep:
    interface = relationship.interfaces.get(step.interface or "")
    found = interface.operations.get(step.operation or "") if interface else None
    own = found.implementation.operation_host if found and found.implementation else None
    return msgspec.structs.replace(
        step,
        requirement=relationship.name,
        operation_host=host or relationship_host(step.operation or "", own),
    )


def _substituted(given: Mapping[str, Expression], inputs: Mapping[str, Expression]) -> dict[str, Expression]:
    """Input assignments inside an inlined workflow, with what that workflow was given in the place of its inputs."""
    return {name: _with_inputs(value, inputs) for name, value in given.items()}


def _with_inputs(expression: Expression, inputs: Mapping[str, Expression]) -> Expression:
    match expression:
        case Literal():
            return expression
        case ListOf(items=items, span=span):
            return ListOf(tuple(_with_inputs(item, inputs) for item in items), span)
        case MapOf(entries=entries, span=span):
            return MapOf({key: _with_inputs(item, inputs) for key, item in entries.items()}, span)
        case Call(function=Function.GET_INPUT, arguments=(Literal(value=str() as name),)) if name in inputs:
            return inputs[name]
        case Call(function=function, arguments=arguments, span=span):
            return Call(function, tuple(_with_inputs(argument, inputs) for argument in arguments), span)
