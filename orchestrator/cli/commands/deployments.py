"""``orch list``, ``orch show`` and ``orch outputs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestrator.app.executions import ExecutionSummary, list_executions
from orchestrator.app.wiring import Home
from orchestrator.cli.failures import is_private
from orchestrator.cli.options import Command, deployment_option, with_earlier_name
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.terminal import clean
from orchestrator.cli.text import as_json, date, duration, indented, moment_data, shown, table
from orchestrator.model.values import Value
from orchestrator.state import Deployment

if TYPE_CHECKING:
    from orchestrator.app.describe import NodeView

_RECENT = 5


@click.command("list", cls=Command)
@click.option("--all", "-a", "all_", is_flag=True, help="Those that were undeployed, too.")
@pass_session
def list_(session: Session, all_: bool) -> None:
    """List the deployments.

    \b
    Examples:
      orch list
      orch list --all --json
    """
    deployments = session.home.store.deployments(all_=all_)
    newest = {d.id: _newest(session.home, d) for d in deployments}
    if session.json:
        session.data([_deployment_data(d, newest[d.id]) for d in deployments])
        return
    if not deployments:
        session.note("nothing is deployed; `orch deploy TOPOLOGY` deploys a topology")
        return
    rows = [
        [d.name, _status(d, newest[d.id]), _sites(d), _last(newest[d.id]), date(d.created), d.source]
        for d in deployments
    ]
    headers = ["NAME", "STATUS", "SITES", "LAST EXECUTION", "CREATED", "TOPOLOGY"]
    session.out(table(headers, rows, session.terminal, states=1, less=["TOPOLOGY", "CREATED"]))


def _newest(home: Home, deployment: Deployment) -> ExecutionSummary | None:
    found = list_executions(home, deployment, limit=1)
    return found[0] if found else None


def _status(deployment: Deployment, newest: ExecutionSummary | None) -> str:
    changing = ("install", "update", "scale", "uninstall")
    interrupted = newest is not None and newest.interrupted and newest.execution.workflow in changing
    return f"{deployment.status.value} (interrupted)" if interrupted else deployment.status.value


def _sites(deployment: Deployment) -> str:
    return ", ".join(dict.fromkeys(deployment.matches.values()))


def _last(newest: ExecutionSummary | None) -> str:
    return f"{newest.execution.workflow}: {newest.status}" if newest else ""


def _deployment_data(deployment: Deployment, newest: ExecutionSummary | None) -> dict[str, Any]:
    return {
        "name": deployment.name,
        "id": deployment.id,
        "status": deployment.status.value,
        "source": deployment.source,
        "matches": dict(deployment.matches),
        "created": moment_data(deployment.created),
        "updated": moment_data(deployment.updated),
        "last_execution": newest
        and {
            "id": newest.execution.id,
            "workflow": newest.execution.workflow,
            "status": newest.status,
        },
    }


@click.command(cls=Command)
@with_earlier_name()
@deployment_option()
@pass_session
def show(session: Session, deployment: str | None) -> None:
    """Show a deployment: its nodes, sites, states, attributes.

    \b
    Examples:
      orch show
      orch show --deployment wordcount --json
    """
    from orchestrator.app.describe import describe
    from orchestrator.app.executing import find_deployment, runnable_workflows

    found = find_deployment(session.home, deployment)
    view = describe(session.home, found)
    recent = list_executions(session.home, found, limit=_RECENT)
    workflows = [w for w in runnable_workflows(view.topology) if w in view.topology.workflows]
    nodes = [
        {
            "name": n.name,
            "type": n.type,
            "site": n.site,
            "state": n.state,
            "instances": n.instances,
            "attributes": presentable(n.attributes),
        }
        for n in view.nodes
    ]
    if session.json:
        data = _deployment_data(found, recent[0] if recent else None)
        session.data({**data, "inputs": presentable(dict(found.inputs)), "workflows": workflows, "nodes": nodes})
        return
    terminal = session.terminal
    facts = [
        ("status", terminal.state(_status(found, recent[0] if recent else None))),
        ("topology", clean(found.source)),
        ("created", date(found.created)),
        ("workflows", ", ".join(workflows)),
        *((f"input {k}", clean(shown(v))) for k, v in presentable(dict(found.inputs)).items()),
    ]
    session.out(terminal.styled(found.name, bold=True))
    session.out("\n".join(f"  {key}: {value}" for key, value in facts if value))
    session.out()
    rows = [row for n in view.nodes for row in _node_rows(n)]
    session.out(table(["NODE", "TYPE", "SITE", "STATE"], rows, terminal, states=3))
    for view_node in view.nodes:
        if view_node.attributes:
            session.out(f"\n{terminal.styled(view_node.name, bold=True)}")
            lines = [f"{k}: {clean(shown(v))}" for k, v in presentable(view_node.attributes).items()]
            session.out(indented("\n".join(lines)))
    if recent:
        session.out(f"\n{executions_table(session, recent)}")


def _node_rows(node: NodeView) -> list[list[str]]:
    """A line for a node, and one for each of its instances when there are several."""
    if len(node.instances) == 1:
        return [[node.name, node.type, node.site or "", node.state]]
    head = [node.name, node.type, node.site or "", f"{len(node.instances)} instances"]
    return [head, *([f"  {node.name}_{instance}", "", "", state] for instance, state in node.instances.items())]


def presentable(values: dict[str, Value]) -> dict[str, Value]:
    """Values whose names say that they are private are hidden."""
    return {name: "***" if is_private(name) and value not in (None, "") else value for name, value in values.items()}


def executions_table(session: Session, summaries: list[ExecutionSummary]) -> str:
    """Executions, one a line."""
    rows = []
    for summary in summaries:
        e = summary.execution
        took = duration(e.ended - e.started) if e.started is not None and e.ended is not None else ""
        rows.append([e.id, summary.deployment, e.workflow, summary.status, date(e.started or e.created), took])
    headers = ["EXECUTION", "DEPLOYMENT", "WORKFLOW", "STATUS", "STARTED", "TOOK"]
    return table(headers, rows, session.terminal, states=3, less=["TOOK"])


@click.command(cls=Command)
@with_earlier_name()
@deployment_option()
@pass_session
def outputs(session: Session, deployment: str | None) -> None:
    """Show the outputs of a deployment.

    \b
    Examples:
      orch outputs
      orch outputs --deployment wordcount --json
    """
    from orchestrator.app.describe import outputs as find_outputs
    from orchestrator.app.executing import find_deployment

    named = find_deployment(session.home, deployment)
    found = find_outputs(session.home, named)
    if session.json:
        session.data(found)
        return
    if not found:
        session.note(f"{named.name} declares no outputs")
    for key, value in found.items():
        text = value if isinstance(value, str) else as_json(value)
        session.out(f"{session.terminal.styled(key, bold=True)}: {clean(text)}")
