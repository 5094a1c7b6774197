"""Which instances the nodes of a deployment have, and which the steps of a plan work on."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.app.wiring import Home, topology_of
from orchestrator.errors import UserError
from orchestrator.model.decoding import from_json
from orchestrator.model.plan import Plan
from orchestrator.model.problems import DocumentError
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value
from orchestrator.planning import SCALE, UPDATE, decider, initial_instances, instance_problems
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus

Instances = Mapping[str, tuple[str, ...]]
"""The ids of instances by node."""

CHANGING = ("install", UPDATE, SCALE, "uninstall")
"""The workflows that change what there is of a deployment."""
_ONE = ("0",)


def at_first(topology: Topology, inputs: Mapping[str, Value]) -> Instances:
    """The instances that the nodes are deployed with. Raises DocumentError when the numbers make no sense."""
    problems = instance_problems(topology, inputs)
    if problems:
        raise DocumentError(problems)
    return initial_instances(topology, inputs)


def living(home: Home, deployment: Deployment) -> Instances:
    """The instances that there are; one of every node of which nothing is known."""
    known = home.store.instances_of(deployment.id)
    return {**dict.fromkeys(topology_of(deployment).node_templates, _ONE), **known}


def of_update(home: Home, deployment: Deployment) -> Instances:
    """The instances in an update to what ``deployment`` is to be: there are as many as there were.

    Nodes that come have as many as their host has, else as many as the new topology says.
    """
    topology = topology_of(deployment)
    first = at_first(topology, deployment.inputs)
    known = home.store.instances_of(deployment.id)
    found = {name: known.get(decider(topology, name) or "", ids) for name, ids in first.items()}
    return {**found, **known}


def forget_others(home: Home, deployment: Deployment, plan: Plan) -> None:
    """Forget the instances that a plan which deploys anew does not know."""
    wanted = {(step.node, instance) for step in plan.steps for instance in step.instances}
    known = home.store.node_states(deployment.id)
    home.store.forget_instances(
        deployment.id, [(node, i) for node, ids in known.items() for i in ids if (node, i) not in wanted]
    )


def unfinished_scaling(home: Home, deployment: Deployment) -> Execution | None:
    """The scaling that keeps a deployment from being whole; None when there is none."""
    if deployment.status not in (DeploymentStatus.DEPLOYING, DeploymentStatus.DEPLOY_FAILED):
        return None
    begun = (e for e in home.store.executions(deployment.id) if e.workflow in CHANGING and e.started is not None)
    newest = next(begun, None)
    done = newest is None or newest.workflow != SCALE or newest.status is ExecutionStatus.DONE
    return None if done else newest


def refuse_unfinished_scaling(home: Home, deployment: Deployment) -> None:
    """See that a deployment is not halfway to another number of instances. Raises UserError."""
    execution = unfinished_scaling(home, deployment)
    if execution is not None:
        raise UserError(
            f"{deployment.name!r} was to be scaled, and that has not come to its end (execution {execution.id})",
            hint=f"`orch executions resume {execution.id}`, or scale back with `orch scale`",
        )


def refuse_while_to_be_scaled(home: Home, deployment: Deployment) -> None:
    """See that no scaling is queued: what would be planned now might be wrong when it is carried out."""
    for execution in home.store.executions(deployment.id):
        if execution.workflow == SCALE and execution.status is ExecutionStatus.QUEUED:
            raise UserError(
                f"{deployment.name!r} is about to be scaled (execution {execution.id})",
                hint=f"wait for it, or `orch executions cancel {execution.id}`",
            )


def refuse_gone_instances(home: Home, execution: Execution) -> None:
    """See that all instances that an execution works on are still there. Raises UserError."""
    later = (e for e in home.store.executions(execution.deployment_id) if e.created > execution.created)
    if not any(e.workflow == SCALE for e in later):
        return
    known = home.store.instances_of(execution.deployment_id)
    plan = from_json(execution.plan, Plan)
    for step in plan.steps:
        gone = [i for i in step.instances if step.node in known and i not in known[step.node]]
        if gone and step.instances != _ONE:
            raise UserError(
                f"execution {execution.id} cannot be gone on with: {step.node} was scaled since, "
                f"and has no instance {', '.join(gone)} any more",
                hint=f"run {execution.workflow!r} anew",
            )
