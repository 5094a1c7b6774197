"""``orch validate`` and ``orch plan``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.app.inputs import Given, accept_so_far
from orchestrator.app.reading import SECOND_OPINION_AT_MOST, Checked
from orchestrator.app.reading import validate as check
from orchestrator.app.sarif import orch_version, sarif
from orchestrator.app.targets import Target, named_target, target_plan, workflows_of
from orchestrator.cli import completing
from orchestrator.cli.failures import place_text, problem_data, problems_text, totals
from orchestrator.cli.options import Command, deployment_option, input_options
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import clean
from orchestrator.cli.text import counted, shown, table
from orchestrator.model.plan import Outcome, Plan, StepKind

if TYPE_CHECKING:
    from orchestrator.app.resolving import ResolvedStep


@click.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "notation",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How to answer; SARIF 2.1.0 is what editors and code-hosting services read.",
)
@click.option(
    "--second-opinion/--no-second-opinion",
    default=None,
    help=f"Let tosca-parser check it too, which is slow; by default up to {SECOND_OPINION_AT_MOST} nodes.",
)
@pass_session
def validate(session: Session, file: Path, notation: str, second_opinion: bool | None) -> int:
    """Check a topology: every problem with file, line and column.

    All that it imports is read, its types and values are checked, and its workflows are planned. Nothing is deployed.
    The exit status is 2 when there are errors; warnings do not count.

    \b
    Examples:
      orch validate topology.yaml
      orch validate topology.yaml --json
      orch validate topology.yaml --format sarif > topology.sarif
    """
    session.json = session.json or notation == "json"
    checked = check(session.home, file, second_opinion)
    if notation == "sarif":
        session.data(sarif(checked.problems, orch_version(), Path.cwd()))
        return 0 if checked.ok else 2
    if session.json:
        session.data(_checked_data(file, checked))
        return 0 if checked.ok else 2
    if checked.problems:
        session.err(problems_text(checked.problems, session.error_terminal))
    if checked.ok and checked.topology is not None:
        nodes = counted(len(checked.topology.node_templates), "node")
        workflows = ", ".join(checked.topology.workflows) or "none declared"
        mark = session.terminal.styled(f"{session.terminal.symbols.done} {file} is valid", "green")
        session.note(f"{mark}: {clean(checked.topology.name)}, {nodes}, workflows: {workflows}")
    return 0 if checked.ok else 2


def _checked_data(file: Path, checked: Checked) -> dict[str, Any]:
    topology = checked.topology
    return {
        "file": str(file),
        "valid": checked.ok,
        "topology": topology.name if topology else None,
        "nodes": list(topology.node_templates) if topology else [],
        "workflows": list(topology.workflows) if topology else [],
        "problems": [problem_data(problem) for problem in checked.problems],
        "totals": totals(checked.problems),
    }


@click.command(cls=Command)
@click.argument("target", required=False, metavar="[FILE]", shell_complete=completing.targets)
@click.argument("workflow", required=False, shell_complete=completing.workflows)
@deployment_option()
@click.option("--variables", is_flag=True, help="Show what every operation would be given, and where that comes from.")
@input_options
@pass_session
def plan(
    session: Session,
    target: str | None,
    workflow: str | None,
    deployment: str | None,
    variables: bool,
    given: dict[str, Given],
) -> None:
    """Show what a workflow would do, step by step.

    Of a topology file, or of a deployment. WORKFLOW is one that it declares or one that every topology has (install,
    uninstall, start, stop, run, cancel); install when it is left out. Inputs that are given are checked.

    \b
    Examples:
      orch plan topology.yaml
      orch plan topology.yaml exec_job
      orch plan exec_job
      orch plan --deployment wordcount exec_job --json
      orch plan topology.yaml exec_job --variables -i oid=my-text
    """
    found, named = named_target(session.home, target, workflow, deployment)
    workflow = named or "install"
    planned = target_plan(session.home, found, workflow)
    if given:
        accept_so_far(found.topology, workflow, given)
    if variables:
        _show_variables(session, found, workflow, planned, given)
        return
    if session.json:
        session.data(plan_data(planned))
        return
    operations = sum(step.kind is StepKind.OPERATION for step in planned.steps)
    session.note(
        session.terminal.styled(workflow, bold=True)
        + f" of {found.topology.name}: {counted(len(planned.steps), 'step')}, {counted(operations, 'operation')}"
    )
    session.out(plan_table(session, planned))
    others = ", ".join(name for name in workflows_of(found) if name != workflow)
    session.note(f"other workflows: {others}")


def _show_variables(session: Session, found: Target, workflow: str, planned: Plan, given: Mapping[str, Given]) -> None:
    from orchestrator.app.resolving import resolve_plan  # heavy: imports Ansible

    steps = resolve_plan(session.home, found, workflow, planned, given)
    if session.json:
        session.data([_resolved_data(resolved) for resolved in steps])
        return
    for resolved in steps:
        step = resolved.step
        session.out(f"{session.terminal.styled(step.title, bold=True)}  [{step.id}]")
        session.out(f"  host      {clean(resolved.host)}{f' on {step.site}' if step.site else ''}")
        if resolved.problem:
            session.out(f"  problem   {clean(resolved.problem)}")
            continue
        session.out(f"  runs      {clean(resolved.implementation)}")
        rows = [[v.name, v.origin, clean(shown(v.value))] for v in resolved.variables]
        if rows:
            session.out(table(["VARIABLE", "FROM", "VALUE"], rows, session.terminal, indent="  "))


def _resolved_data(resolved: ResolvedStep) -> dict[str, Any]:
    return {
        "step": resolved.step.id,
        "host": resolved.host,
        "site": resolved.step.site,
        "implementation": resolved.implementation,
        "problem": resolved.problem,
        "variables": {v.name: {"value": v.value, "from": v.origin} for v in resolved.variables},
    }


def plan_table(session: Session, planned: Plan) -> str:
    """The steps of a plan, numbered, each with the numbers of those it comes after."""
    numbers = {step.id: number for number, step in enumerate(planned.steps, 1)}
    before: dict[str, list[str]] = {step.id: [] for step in planned.steps}
    for edge in planned.edges:
        if edge.source in numbers and edge.target in before:
            how = "" if edge.when is Outcome.SUCCESS else f" on {edge.when.value}"
            before[edge.target].append(f"{numbers[edge.source]}{how}")
    placed = any(step.site for step in planned.steps)
    rows = []
    for step in planned.steps:
        title = f"{step.title} ({step.requirement})" if step.requirement else step.title
        title += f"  {step.several}" if step.several else ""
        site = [step.site or ""] if placed else []
        rows.append([str(numbers[step.id]), title, *site, ", ".join(before[step.id])])
    return table(["#", "STEP", *(["SITE"] if placed else []), "AFTER"], rows, session.terminal)


def plan_data(planned: Plan) -> dict[str, Any]:
    """A plan in JSON."""
    return {
        "workflow": planned.workflow,
        "steps": [
            {
                "id": step.id,
                "kind": step.kind.value,
                "node": step.node,
                "interface": step.interface,
                "operation": step.operation,
                "state": step.state,
                "requirement": step.requirement,
                "site": step.site,
                "instances": list(step.instances),
                "place": place_text(step.span) if step.span else None,
            }
            for step in planned.steps
        ],
        "edges": [{"source": e.source, "target": e.target, "when": e.when.value} for e in planned.edges],
    }
