"""Use case: turn what is deployed into what another topology says, and keep track of it until that has come to its end.

While an update is under way the deployment has the new topology, and keeps beside it what it was before, in the same
record. What tears down is carried out on the old topology, with its inputs and sites; all else on the new one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import msgspec

from orchestrator.app.inputs import InputUse
from orchestrator.app.instances import CHANGING, Instances, refuse_gone_instances
from orchestrator.app.placement import placed, site_of
from orchestrator.app.policies import Overrides, with_policies
from orchestrator.app.recorded import from_record, recorded
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.decoding import from_json
from orchestrator.model.expressions import Literal
from orchestrator.model.plan import Plan
from orchestrator.model.problems import DocumentError, Severity
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.model.values import Value
from orchestrator.planning import (
    Change,
    Difference,
    Unheard,
    difference,
    plan_problems,
    tears_down,
    unheard_changes,
    update_plan,
    with_instances,
)
from orchestrator.planning.updating import steps_by_node
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus


class Base(msgspec.Struct, frozen=True):
    """What an update begins from.

    ``execution`` is the id of the execution that carries the update out. ``anew`` and ``again`` are nodes that are not
    wholly there: they are to be installed, or to be stopped, configured and started, whatever else is different.
    ``recreated`` are to be torn down and installed.
    """

    execution: str
    topology: Topology
    inputs: Mapping[str, Value]
    matches: Mapping[str, str]
    source: str
    site_files: tuple[str, ...]
    anew: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    recreated: tuple[str, ...] = ()


class _Updating(Topology, frozen=True):
    """How the record of a deployment holds the topology of an update: with what was before beside it."""

    before: Base | None = None


class _Beside(msgspec.Struct, frozen=True):
    """What a record holds besides the topology."""

    before: Base | None = None


@dataclass(frozen=True)
class Update:
    """An update that can be carried out: the deployment as it will be, what is different, and what is to be done."""

    deployment: Deployment
    base: Base
    difference: Difference
    plan: Plan

    @property
    def warnings(self) -> list[str]:
        """What is different and will not take effect, because the operations that read it are not carried out."""
        names = list(dict.fromkeys(unheard.node for unheard in self._unheard))
        remedy = " ".join(f"--recreate {name}" for name in names)
        lines = [
            f"{u.changed}: the {u.what} changed, which only {', '.join(u.operations)} of {u.node} takes notice of; an "
            "update does not carry that out"
            for u in self._unheard
        ]
        return [*lines, f"`orch deploy` with {remedy} tears down and makes again what that is about"] if lines else []

    @property
    def _unheard(self) -> list[Unheard]:
        return unheard_changes(topology_of(self.deployment), self.difference, self.plan)


def base_of(home: Home, deployment: Deployment, execution_id: str) -> Base | None:
    """What an update of a deployment would begin from; None when it must be deployed anew.

    That is what is deployed. After an update that did not come to its end it is what of the old and the new topology
    is there, as the ledger of that update tells.
    """
    before = unfinished(home, deployment)
    if before is not None:
        return _halfway(home, deployment, before, execution_id)
    if deployment.status is not DeploymentStatus.DEPLOYED:
        return None
    return Base(
        execution_id,
        topology_of(deployment),
        deployment.inputs,
        deployment.matches,
        deployment.source,
        deployment.site_files,
    )


def recreating(base: Base | None, topology: Topology, nodes: Iterable[str]) -> Base | None:
    """The base of an update that tears these nodes down and makes them again. Raises UserError for one that is none.

    Without a base all nodes are made anyway.
    """
    for node in nodes:
        if node not in topology.node_templates:
            close = get_close_matches(node, topology.node_templates, n=1)
            names = ", ".join(topology.node_templates)
            raise UserError(
                f"there is no node template {node!r} to recreate",
                hint=f"did you mean {close[0]!r}?" if close else f"there are: {names}",
            )
    return msgspec.structs.replace(base, recreated=tuple(nodes)) if base is not None else None


def before_of(deployment: Deployment) -> Base | None:
    """What the last update of a deployment began from, whether it has come to its end or not."""
    return from_record(deployment.topology, _Beside).before


def unfinished(home: Home, deployment: Deployment) -> Base | None:
    """What an update began from that did not come to its end; None when there is no such update."""
    if deployment.status not in (DeploymentStatus.DEPLOYING, DeploymentStatus.DEPLOY_FAILED):
        return None
    before = before_of(deployment)
    execution = _execution(home, before) if before is not None else None
    return None if execution is not None and execution.status is ExecutionStatus.DONE else before


def prepare(
    base: Base,
    deployment: Deployment,
    overrides: Overrides | None = None,
    *,
    execution_id: str = "",
    instances: Instances | None = None,
) -> Update:
    """What it takes to have ``deployment`` in the place of ``base``. Raises DocumentError for a plan with faults.

    ``instances`` are those that the steps work on, by node (default: one of each).
    """
    new = topology_of(deployment)
    found = difference(
        base.topology,
        new,
        base.inputs,
        deployment.inputs,
        moved=_moved(base, new, deployment.matches),
        anew=base.anew,
        again=base.again,
        recreated=base.recreated,
    )
    plan = update_plan(base.topology, new, found)
    problems = plan_problems(plan)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise DocumentError(problems)
    plan = _placed(with_instances(plan, instances or {}), base, new, deployment.matches)
    plan = with_policies(plan, merged(new, base.topology), overrides)
    return Update(deployment, base, found, plan)


def store(home: Home, update: Update) -> None:
    """Have the deployment be the new one; what it was is kept beside it when there is something to be done."""
    topology = topology_of(update.deployment)
    if not update.difference.nodes:
        home.store.replace_deployment(update.deployment)
        return
    fields = {name: getattr(topology, name) for name in topology.__struct_fields__}
    record = recorded(_Updating(**fields, before=update.base))
    home.store.replace_deployment(
        msgspec.structs.replace(update.deployment, topology=record, status=DeploymentStatus.DEPLOYING)
    )


def settle(home: Home, deployment: Deployment) -> Deployment:
    """The deployment with all that is there: after an update that did not come to its end, nodes of both topologies.

    The store has it then, too, so that what takes it away does not lose any of them.
    """
    base = base_of(home, deployment, "") if unfinished(home, deployment) is not None else None
    if base is None:
        return deployment
    whole = msgspec.structs.replace(
        deployment,
        topology=recorded(_Updating(**msgspec.structs.asdict(base.topology), before=base)),
        inputs=base.inputs,
        matches=base.matches,
    )
    home.store.replace_deployment(whole)
    return whole


def as_before(deployment: Deployment, base: Base) -> Deployment:
    """The deployment as it was before its update."""
    return msgspec.structs.replace(
        deployment,
        topology=recorded(base.topology),
        inputs=base.inputs,
        matches=base.matches,
        source=base.source,
        site_files=base.site_files,
    )


def refuse_overtaken(home: Home, execution: Execution) -> None:
    """See that no later execution has changed the deployment. Raises UserError."""
    if execution.workflow not in CHANGING:
        refuse_gone_instances(home, execution)
        return
    newest = next((e for e in home.store.executions(execution.deployment_id) if e.workflow in CHANGING), execution)
    if newest.id != execution.id:
        raise UserError(
            f"execution {execution.id} ({execution.workflow}) cannot be gone on with: {newest.workflow} "
            f"(execution {newest.id}) came after it",
            hint=f"go on with that one, if it is not done: `orch executions resume {newest.id}`",
        )


def kept_inputs(uses: Iterable[InputUse], base: Base) -> list[InputUse]:
    """The inputs with the values they have as defaults; those that had their default get the new one, if there is."""
    return [_kept(use, base) for use in uses]


def _kept(use: InputUse, base: Base) -> InputUse:
    if base.inputs.get(use.name) is None:
        return use
    definition = base.topology.inputs.get(use.name)
    default = definition.default if definition else None
    if use.default is not None and isinstance(default, Literal) and default.value == base.inputs[use.name]:
        return use
    return dataclasses.replace(use, default=base.inputs[use.name], kept=True)


def kept_matches(base: Base, nodes: Iterable[str], sites: Iterable[str]) -> dict[str, str]:
    """The sites that abstract nodes have, as far as both are still there."""
    known = set(sites)
    return {node: base.matches[node] for node in nodes if base.matches.get(node) in known}


def merged(topology: Topology, other: Topology) -> Topology:
    """A topology with those nodes of another one that it does not have."""
    return msgspec.structs.replace(topology, node_templates={**other.node_templates, **topology.node_templates})


def _execution(home: Home, before: Base) -> Execution | None:
    """The execution of an update; None when it was stored, but never begun."""
    try:
        return home.store.execution(before.execution) if before.execution else None
    except UserError:
        return None


def _moved(base: Base, new: Topology, matches: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The nodes whose work is done on another site: (old, new)."""
    found = {}
    for name in new.node_templates:
        if name in base.topology.node_templates:
            sites = (site_of(base.topology, base.matches, name), site_of(new, matches, name))
            if sites[0] != sites[1]:
                found[name] = sites
    return found


def _placed(plan: Plan, base: Base, new: Topology, matches: Mapping[str, str]) -> Plan:
    """The plan with the site of every step: what is torn down is where it was."""
    before = placed(plan, merged(base.topology, new), base.matches)
    after = placed(plan, merged(new, base.topology), matches)
    steps = tuple(
        old if tears_down(old.interface, old.operation or old.state) else later
        for old, later in zip(before.steps, after.steps, strict=True)
    )
    return msgspec.structs.replace(plan, steps=steps)


def _halfway(home: Home, deployment: Deployment, before: Base, execution_id: str) -> Base:
    """What is there after an update that did not come to its end, node by node."""
    execution = _execution(home, before)
    if execution is None:
        return msgspec.structs.replace(before, execution=execution_id)
    ledger = home.store.ledger(execution.id)
    done = {step for step, entry in ledger.items() if entry.status.settled}
    begun = set(ledger)
    told = prepare(before, deployment).difference
    halves = steps_by_node(from_json(execution.plan, Plan))
    new = topology_of(deployment)
    nodes: dict[str, NodeTemplate] = dict(before.topology.node_templates)
    anew, again = set(before.anew), set(before.again)
    for node in told.nodes:
        down, up = ({step.id for step in half} for half in halves.get(node.name, ((), ())))
        if node.change in (Change.REMOVED, Change.REPLACED) and down <= done:
            nodes.pop(node.name, None)
        elif node.change in (Change.REMOVED, Change.REPLACED) and down & begun:
            anew.add(node.name)
        if node.change is not Change.REMOVED and up & begun:
            nodes[node.name] = new.node_templates[node.name]
        if node.change in (Change.ADDED, Change.REPLACED) and up & begun:
            anew.discard(node.name)
            if not up <= done:
                anew.add(node.name)
        elif node.change is Change.CHANGED:
            again.discard(node.name)
            if not (down | up) <= done:
                again.add(node.name)
    return Base(
        execution_id,
        msgspec.structs.replace(new, node_templates=nodes),
        {**before.inputs, **deployment.inputs},
        {**before.matches, **deployment.matches},
        deployment.source,
        tuple(dict.fromkeys((*before.site_files, *deployment.site_files))),
        tuple(sorted(anew & set(nodes))),
        tuple(sorted(again & set(nodes))),
    )
