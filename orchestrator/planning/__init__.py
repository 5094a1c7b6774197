"""Turns a topology into plans: the generated workflows, the declared ones, the faults of both, pictures of them;
and tells what is different between two topologies.

Must never carry a plan out, read TOSCA text, or ask what state a deployment is in: a plan depends on the topology only.
"""

from orchestrator.planning import pictures
from orchestrator.planning.declared import declared_plan
from orchestrator.planning.difference import Change, Difference, difference
from orchestrator.planning.generated import GENERATED_WORKFLOWS, generated_plan
from orchestrator.planning.graph import predecessors, successors
from orchestrator.planning.instances import (
    decider,
    followers,
    initial_instances,
    instance_ids,
    instance_problems,
    scaling_of,
    with_instances,
)
from orchestrator.planning.problems import plan_problems
from orchestrator.planning.scaling import SCALE, scale_plan
from orchestrator.planning.unheard import Unheard, unheard_changes
from orchestrator.planning.updating import UPDATE, tears_down, update_plan
from orchestrator.planning.workflows import plan_workflow, planning_problems, workflow_names

__all__ = [
    "GENERATED_WORKFLOWS",
    "SCALE",
    "UPDATE",
    "Change",
    "Difference",
    "Unheard",
    "decider",
    "declared_plan",
    "difference",
    "followers",
    "generated_plan",
    "initial_instances",
    "instance_ids",
    "instance_problems",
    "pictures",
    "plan_problems",
    "plan_workflow",
    "planning_problems",
    "predecessors",
    "scale_plan",
    "scaling_of",
    "successors",
    "tears_down",
    "unheard_changes",
    "update_plan",
    "with_instances",
    "workflow_names",
]
