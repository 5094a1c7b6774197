"""Work that would be refused half-way is refused before anything is touched: what no service is there for, secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from orchestrator.app.engine_wiring import Placed, at_work
from orchestrator.app.job_kinds import batch_script
from orchestrator.app.resolving import imagined_execution
from orchestrator.app.wiring import Home
from orchestrator.errors import OrchError, SiteError, UserError
from orchestrator.jobs import JobContext, SecretInJob, SiteFolders, sbatch_words, submission_of
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.topology import RUNNABLE, STANDARD, interface_name
from orchestrator.model.values import Value
from orchestrator.operations import OperationCall, Operations
from orchestrator.state import Deployment, Execution

_NOWHERE = Path("/nowhere")
_TOKEN = "a-job"  # noqa: S105 - no password


def refuse_what_no_site_serves(
    home: Home, deployment: Deployment, workflow: str, inputs: Mapping[str, Value], plan: Plan
) -> None:
    """See that the sites have services for all jobs of a plan. Raises UserError that tells all for which they have not.

    What depends on what operations have yet to leave is not known, and not refused here.
    """
    refused = list(_refused(home, deployment, workflow, inputs, plan))
    if not refused:
        return
    hints = list(dict.fromkeys(error.hint for _, error in refused if error.hint))
    if len(refused) == 1:
        raise UserError(refused[0][1].message, hint="\n".join(hints) or None)
    lines = "\n".join(f"  {step.id}: {error.message}" for step, error in refused)
    raise UserError(f"{len(refused)} steps cannot be carried out:\n{lines}", hint="\n".join(hints) or None)


def _refused(
    home: Home, deployment: Deployment, workflow: str, inputs: Mapping[str, Value], plan: Plan
) -> Iterator[tuple[PlanStep, OrchError]]:
    execution = imagined_execution(deployment, workflow, inputs)
    placed, operations = at_work(home, deployment, execution)
    for step in plan.steps:
        kind = placed.kind(step.node) if step.kind is StepKind.OPERATION and step.requirement is None else None
        resolved = _resolved(operations, step) if kind is not None else None
        if kind is None or resolved is None:
            continue
        try:
            context = _context(placed, deployment, execution, step.node)
            submission = submission_of(kind, resolved, context)
        except (SiteError, SecretInJob) as error:
            yield step, error
            continue
        except (OrchError, ValueError, TypeError):
            continue  # of inputs that are not there yet
        if submission.options is not None and placed.is_scheduled(step.node):
            try:
                sbatch_words(submission.options)
            except UserError as error:
                yield step, error


def _context(placed: Placed, deployment: Deployment, execution: Execution, node: str) -> JobContext:
    """For a job that is never submitted; nothing is asked of its site."""
    return JobContext(
        token=_TOKEN,
        execution=execution.id,
        deployment=deployment.name,
        workflow=execution.workflow,
        node=node,
        site=placed.site(node),
        folders=SiteFolders(_NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE, _NOWHERE, ()),
        workflow_inputs=placed.workflow_inputs(),
        script=batch_script(placed.topology.node_templates[node]),
        arguments=placed.arguments(node),
    )


def _resolved(operations: Operations, step: PlanStep) -> Mapping[str, Value] | None:
    """The inputs of a step that submits a job, as far as they are known; None for any other step."""
    operation = (interface_name(step.interface or ""), step.operation)
    if operation not in ((RUNNABLE, "submit"), (STANDARD, "start")):
        return None
    call = OperationCall(
        step.node, operation[0], step.operation or "", inputs=step.inputs, instances=step.instances[:1]
    )
    try:
        inputs = operations.resolve(call).inputs
    except (OrchError, ValueError):
        return None
    if operation == (STANDARD, "start") and str(inputs.get("run_in_standard_mode")).lower() != "true":
        return None
    return inputs
