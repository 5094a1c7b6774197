"""Use case: give nodes of a deployment more or fewer instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.app.executing import Started, find_deployment, refuse_while_busy, start
from orchestrator.app.instances import living, unfinished_scaling
from orchestrator.app.placement import placed
from orchestrator.app.policies import Overrides, with_policies
from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.decoding import from_json
from orchestrator.model.plan import Plan
from orchestrator.model.problems import DocumentError, Severity
from orchestrator.model.topology import Topology
from orchestrator.planning import SCALE, decider, followers, instance_ids, plan_problems, scale_plan, scaling_of
from orchestrator.state import Deployment, DeploymentStatus, Execution


@dataclass(frozen=True)
class Scaled:
    """A node with the ids of the instances that it has, and of those that it is to have."""

    node: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A scaling that can be carried out; nothing is touched. ``changed`` has no entry for nodes that stay as they are.

    ``needed`` is False when everything is so already.
    """

    deployment: Deployment
    plan: Plan
    changed: tuple[Scaled, ...]
    needed: bool


def read_numbers(words: Iterable[str]) -> dict[str, int]:
    """How many instances nodes are to have, from words ``NODE=N``. Raises UserError."""
    numbers: dict[str, int] = {}
    for word in words:
        node, equals, text = word.rpartition("=")
        if not (node and equals and text.isdecimal() and text.isascii()):
            raise UserError(f"{word!r} is not of the form NODE=N", hint="N is a number of instances, like 3")
        if numbers.get(node, int(text)) != int(text):
            raise UserError(f"{node!r} is given two numbers: {numbers[node]} and {int(text)}")
        numbers[node] = int(text)
    return numbers


def prepare(
    home: Home,
    numbers: Mapping[str, int],
    *,
    deployment_name: str | None = None,
    overrides: Overrides | None = None,
) -> Prepared:
    """See what it takes to give nodes so many instances each. Raises UserError, DocumentError."""
    deployment = find_deployment(home, deployment_name)
    topology = topology_of(deployment)
    earlier = unfinished_scaling(home, deployment)
    if deployment.status is not DeploymentStatus.DEPLOYED and earlier is None:
        raise UserError(
            f"{deployment.name!r} is not deployed: it is {deployment.status.value}",
            hint="deploy it again, or resume what was interrupted (see `orch executions list`)",
        )
    for node, number in numbers.items():
        _check(topology, deployment, node, number)
    before = living(home, deployment)
    after = {**before, **{f: instance_ids(n) for node, n in numbers.items() for f in followers(topology, node)}}
    if earlier is not None:
        _refuse_half_done(home, topology, earlier, after)
    plan = scale_plan(topology, before, after)
    problems = plan_problems(plan)
    if any(problem.severity is Severity.ERROR for problem in problems):
        raise DocumentError(problems)
    plan = with_policies(placed(plan, topology, deployment.matches), topology, overrides)
    changed = tuple(Scaled(node, before[node], after[node]) for node in before if before[node] != after[node])
    return Prepared(deployment, plan, changed, needed=bool(changed) or earlier is not None)


def begin(home: Home, prepared: Prepared) -> Started | None:
    """Carry out what was prepared; None when everything is so already. Raises UserError."""
    if not prepared.needed:
        return None
    refuse_while_busy(home, prepared.deployment, behind_runs=home.queue_only)
    return start(home, prepared.deployment, SCALE, {}, prepared.plan)


def _check(topology: Topology, deployment: Deployment, node: str, number: int) -> None:
    """See that a node may have so many instances."""
    decides = decider(topology, node) if node in topology.node_templates else None
    scaling = scaling_of(topology, node, deployment.inputs) if decides == node else None
    if scaling is None:
        raise _not_scalable(topology, node, decides, number)
    if not scaling.admits(number):
        low = max(1, scaling.minimum)
        span = f"{low} to {scaling.maximum} instances" if low < scaling.maximum else f"{low} only"
        raise UserError(
            f"{node!r} cannot have {number} instances: its capability scalable allows {span}",
            hint="to change min_instances or max_instances, change the topology and `orch deploy` it",
        )


def _not_scalable(topology: Topology, node: str, decides: str | None, number: int) -> UserError:
    able = [name for name in topology.node_templates if decider(topology, name) == name]
    known = f"these can be scaled: {', '.join(able)}" if able else "no node of the topology can be scaled"
    if node not in topology.node_templates:
        return UserError(f"the topology has no node template {node!r}", hint=known)
    if decides is not None:
        return UserError(
            f"{node!r} is hosted on {decides!r}, and has as many instances as that",
            hint=f"`orch scale {decides}={number}` scales both",
        )
    return UserError(f"{node!r} cannot be scaled: it has no capability scalable", hint=known)


def _refuse_half_done(home: Home, topology: Topology, earlier: Execution, after: Mapping[str, Sequence[str]]) -> None:
    """See that nothing stays of what a scaling that did not come to its end has begun with."""
    begun = home.store.ledger(earlier.id)
    plan = from_json(earlier.plan, Plan)
    for step in plan.steps:
        half = [i for i in step.instances if i in after.get(step.node, ())]
        if step.id in begun and step.requirement is None and half:
            node = decider(topology, step.node) or step.node
            raise UserError(
                f"instance {', '.join(half)} of {step.node!r} is not whole: the scaling before (execution "
                f"{earlier.id}) has not come to its end",
                hint=f"`orch executions resume {earlier.id}`, or scale {node} to {half[0]} or fewer",
            )
