"""What jobs would be refused for: the way from inputs to a submission is gone through before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.app.foresight import UNKNOWN, foretold, is_known
from orchestrator.app.inputs import InputUse, workflow_inputs
from orchestrator.app.job_kinds import batch_script, job_kind
from orchestrator.app.placement import site_of
from orchestrator.errors import OrchError, SiteError
from orchestrator.jobs import Argument, JobContext, JobKind, SiteFolders, image_creation, written_arguments
from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.model.topology import (
    RUNNABLE,
    STANDARD,
    CallOperation,
    Inline,
    NodeTemplate,
    Operation,
    Topology,
    Workflow,
    WorkflowStep,
)
from orchestrator.model.values import Value
from orchestrator.sites import LOCAL, Site
from orchestrator.tosca import codes

_INSTALL = "install"
_AT_DEPLOYMENT = "run_in_standard_mode"
_SAMPLES = ("1", "2")
_NOWHERE = Path("/")


@dataclass(frozen=True)
class Submitting:
    """A step that makes a job: ``operation`` of ``node``, with what the step itself gives, in a workflow."""

    node: NodeTemplate
    kind: JobKind
    operation: Operation
    workflow: str
    inputs: Mapping[str, Expression]
    span: Span | None


def submission_problems(topology: Topology, sites: Sequence[Site]) -> list[Problem]:
    """What jobs would be refused for whatever their inputs are, and those that are run without being submitted.

    What only some of the sites refuse is left for the time when the site is known. Inputs that no workflow declares may
    be given all the same: what is only missing without them is a warning.
    """
    if not any(job_kind(node) for node in topology.node_templates.values()):
        return []
    found: dict[tuple[str, str], Problem] = {}
    whole = _Whole(topology)
    for step in (*_at_deployment(topology), *_in_workflows(topology)):
        problem = _agreed(step, [whole.refusal(step, site, {}) for site in sites])
        without = dict.fromkeys(whole.undeclared(step))
        if problem is None and without:
            problem = _agreed(step, [whole.refusal(step, site, without) for site in sites])
            if problem is not None:
                hint = f"{problem.hint or 'set it'}, or give the input at every run"
                problem = msgspec.structs.replace(problem, severity=Severity.WARNING, hint=hint)
        if problem is not None:
            found.setdefault((step.node.name, problem.message), problem)
    return [*found.values(), *_without_submit(topology)]


def _agreed(step: Submitting, refused: Sequence[OrchError | None]) -> Problem | None:
    """What all sites say; a warning where it is about the site, or about the files beside the topology."""
    errors = [error for error in refused if error is not None]
    if not errors or len(errors) < len(refused):
        return None
    first = errors[0]
    of_site = any(isinstance(error, SiteError) for error in errors) or step.kind is image_creation
    severity = Severity.WARNING if of_site else Severity.ERROR
    return Problem(codes.JOB_REFUSED, severity, first.message, _place(step, first.message), first.hint)


def _place(step: Submitting, message: str) -> Span | None:
    """Where the property is set that a message names, or that uses the ``${name}`` that it names; else the node."""
    spans, properties = step.node.spans, step.node.properties
    named = [name for name in properties if re.search(rf"\b{re.escape(name)}\b", message)]
    written = re.search(r"\$\{[^}]*\}", message)
    if written is not None:
        named = [name for name, value in properties.items() if written[0] in repr(value)] or named
    own = [spans[f"properties.{name}"] for name in named if f"properties.{name}" in spans]
    return own[0] if own else step.node.span


def refuse_impossible_jobs(
    topology: Topology, workflow: str, matched: Mapping[str, Site], inputs: Mapping[str, Value]
) -> None:
    """See that the jobs of a workflow can be made where they are to run.

    ``matched`` is the site of each matched node; ``inputs`` are all that are given or have a default. Raises an error
    with what all of them are refused for.
    """
    sites = {site.name: site for site in matched.values()}
    names = {node: site.name for node, site in matched.items()}
    given = {**dict.fromkeys(use.name for use in workflow_inputs(topology, workflow)), **inputs}
    whole = _Whole(topology)
    steps = [*_in_workflows(topology, workflow), *(_at_deployment(topology) if workflow == _INSTALL else ())]
    errors: dict[str, OrchError] = {}
    for step in steps:
        site = sites.get(site_of(topology, names, step.node.name), Site(name=LOCAL))
        error = whole.refusal(step, site, given)
        if error is not None:
            errors.setdefault(error.message, error)
    if errors:
        first = next(iter(errors.values()))
        raise type(first)("\n".join(errors), hint=first.hint)


class _Whole:
    """A topology, with what is the same for all of its jobs."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._beside = Path(topology.file).resolve().parent / "registry"
        self._uses: dict[str, list[InputUse]] = {}

    def uses(self, workflow: str) -> list[InputUse]:
        """The inputs of a workflow."""
        if workflow not in self._uses:
            self._uses[workflow] = workflow_inputs(self._topology, workflow)
        return self._uses[workflow]

    def undeclared(self, step: Submitting) -> list[str]:
        """The inputs that a job reads and that its workflow does not declare."""
        named = f"{step.node.name}."
        return [u.name for u in self.uses(step.workflow) if not u.declared and any(named in by for by in u.used_by)]

    def refusal(self, step: Submitting, site: Site, inputs: Mapping[str, Value]) -> OrchError | None:
        """What keeps a job from being made, whatever is not known yet; None when nothing does.

        An error that comes of something unknown is none; then two samples take its place, and what both are refused
        for, in the same words, does not come of it.
        """
        error = self._tried(step, site, inputs, UNKNOWN)
        if error is None or is_known(f"{error.message} {error.hint}"):
            return error
        first, second = (self._tried(step, site, inputs, sample) for sample in _SAMPLES)
        same = first is not None and second is not None and first.message == second.message
        return first if same else None

    def _tried(self, step: Submitting, site: Site, given: Mapping[str, Value], unknown: str) -> OrchError | None:
        names = (*self._topology.inputs, *(use.name for use in self.uses(step.workflow)))
        inputs = {**dict.fromkeys(names, UNKNOWN), **given}
        own = {name: self._foretold(expression, step, inputs) for name, expression in step.inputs.items()}
        known = {**inputs, **own}
        values = {
            # an input of the same name replaces what the operation declares
            name: known[name] if known.get(name) is not None else self._foretold(expression, step, known)
            for name, expression in step.operation.inputs.items()
        }
        values |= {name: value for name, value in own.items() if name not in values}
        if step.operation.name == "start" and not _true(values.get(_AT_DEPLOYMENT)):
            return None
        arguments = written_arguments(
            step.node, lambda expression: _sampled(self._foretold(expression, step, known), unknown)
        )
        try:
            step.kind(_sampled(values, unknown), self._context(step, site, _sampled(inputs, unknown), arguments))
        except OrchError as error:
            return error
        except (AttributeError, LookupError, TypeError, ValueError):
            return None  # it comes of a value that is not known, and has the wrong kind
        return None

    def _foretold(self, expression: Expression, step: Submitting, inputs: Mapping[str, Value]) -> Value:
        return foretold(expression, self._topology, step.node, inputs)

    def _context(
        self, step: Submitting, site: Site, inputs: Mapping[str, Value], arguments: tuple[Argument, ...]
    ) -> JobContext:
        named = site.services.image_creation.registry
        return JobContext(
            token="",
            execution="",
            deployment=self._topology.name,
            workflow=step.workflow,
            node=step.node.name,
            site=site,
            folders=SiteFolders(
                _NOWHERE,
                _NOWHERE,
                _NOWHERE,
                _NOWHERE,
                _NOWHERE,
                tuple(Path(folder) for folder in (named, self._beside) if folder is not None),
            ),
            workflow_inputs=inputs,
            script=batch_script(step.node),
            arguments=arguments,
        )


def _true(value: Value) -> bool:
    return str(value).lower() == "true"


def _sampled(value: Value, sample: str) -> Value:
    """A value with something else in the place of what is not known."""
    if isinstance(value, str):
        return value.replace(UNKNOWN, sample)
    if isinstance(value, Mapping):
        return {key: _sampled(item, sample) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_sampled(item, sample) for item in value]
    return value


# which steps make jobs


def _at_deployment(topology: Topology) -> Iterator[Submitting]:
    for node in topology.node_templates.values():
        kind = job_kind(node)
        start = node.operation(STANDARD, "start")
        if kind is not None and start is not None and start.implementation is not None:
            yield Submitting(node, kind, start, _INSTALL, {}, node.span)


def _in_workflows(topology: Topology, only: str | None = None) -> Iterator[Submitting]:
    names = [only] if only is not None else [*topology.workflows] or ["run"]
    for name in names:
        workflow = topology.workflows.get(name)
        if workflow is not None:
            for step, call in _calls(topology, workflow, "submit"):
                yield from _submitting(topology, step, name, call.inputs, call.span)
        elif name == "run":
            for node in topology.node_templates:
                yield from _submitting(topology, node, name, {}, None)


def _submitting(
    topology: Topology, name: str, workflow: str, inputs: Mapping[str, Expression], span: Span | None
) -> Iterator[Submitting]:
    node = topology.node_templates.get(name)
    kind = job_kind(node) if node is not None else None
    operation = node.operation(RUNNABLE, "submit") if node is not None else None
    if node is not None and kind is not None and operation is not None and operation.implementation is not None:
        yield Submitting(node, kind, operation, workflow, inputs, span)


def _calls(topology: Topology, workflow: Workflow, operation: str) -> Iterator[tuple[str, CallOperation]]:
    """The calls of an operation of Runnable that a workflow makes, by node; also those of workflows put into it."""
    seen: set[str] = set()
    waiting = [workflow]
    while waiting:
        current = waiting.pop()
        if current.name in seen:
            continue
        seen.add(current.name)
        for step in current.steps.values():
            for activity in step.activities:
                if isinstance(activity, Inline) and activity.workflow in topology.workflows:
                    waiting.append(topology.workflows[activity.workflow])
                elif isinstance(activity, CallOperation) and (activity.interface, activity.operation) == (
                    RUNNABLE,
                    operation,
                ):
                    yield from ((node, activity) for node in _targets(topology, step))


def _targets(topology: Topology, step: WorkflowStep) -> Sequence[str]:
    if step.target_relationship is not None or step.target is None:
        return ()
    group = topology.groups.get(step.target)
    return group.members if group is not None else (step.target,)


def _without_submit(topology: Topology) -> Iterator[Problem]:
    """Jobs that a workflow watches and does not submit; a workflow that is put into others is judged with them."""
    inlined = {
        activity.workflow
        for workflow in topology.workflows.values()
        for step in workflow.steps.values()
        for activity in step.activities
        if not isinstance(activity, CallOperation) and hasattr(activity, "workflow")
    }
    for name, workflow in topology.workflows.items():
        if name in inlined:
            continue
        submitted = {node for node, _ in _calls(topology, workflow, "submit")}
        for node, call in _calls(topology, workflow, "run"):
            template = topology.node_templates.get(node)
            if node in submitted or template is None or job_kind(template) is None:
                continue
            message = f"the workflow {name!r} calls Runnable.run of {node}, and nothing in it submits the job"
            hint = "add `call_operation: Runnable.submit` before it"
            yield Problem(codes.NO_SUBMISSION, Severity.ERROR, message, call.span, hint)
