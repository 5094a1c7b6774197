"""The plan that gives nodes more or fewer instances, out of the generated lifecycles of the nodes concerned.

Instances that go are taken through ``uninstall``, those that come through ``install``, in the order in which whole
nodes would be; all else is left as it is. Operations of relationships are woven in for every pair of instances of
which one goes or comes, at the end that stays as well; but the operations around ``configure`` of a node run only for
instances that are configured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from orchestrator.model.plan import Plan, PlanStep
from orchestrator.model.topology import Relationship, Topology
from orchestrator.planning.generated import Chain, StepNames, node_chains, waits
from orchestrator.planning.instances import HOSTED_ON
from orchestrator.planning.lifecycle import LIFECYCLES, Hook, Lifecycle, Side
from orchestrator.planning.updating import Part, joined

SCALE = "scale"
"""The workflow name of the plan of a scaling."""
_CONFIGURE = "configure"

Instances = Mapping[str, Sequence[str]]
"""Ids of instances by node."""


def scale_plan(topology: Topology, before: Instances, after: Instances) -> Plan:
    """The plan of a scaling: what there is of every node, and what there is to be.

    What goes is torn down first, then what comes is built up. Cyclic requirements give a cyclic plan.
    """
    first = _Half(topology, LIFECYCLES["uninstall"], before, _less(before, after))
    second = _Half(topology, LIFECYCLES["install"], after, _less(after, before))
    return joined(SCALE, first.teardown(), second.build())


def _less(one: Instances, other: Instances) -> dict[str, tuple[str, ...]]:
    """What one has and the other has not; nodes of which there is nothing are left out."""
    found = {node: tuple(i for i in ids if i not in other.get(node, ())) for node, ids in one.items()}
    return {node: ids for node, ids in found.items() if ids}


@dataclass
class _Half:
    """The tearing down or the building up: ``changed`` are the instances that go or come, among ``everyone``."""

    topology: Topology
    lifecycle: Lifecycle
    everyone: Instances
    changed: Instances
    names: StepNames = field(default_factory=StepNames)

    def teardown(self) -> Part:
        """What goes, and what those that stay are told of it."""
        chains = self._chains("uninstall")
        part = self._part(chains)
        for name, chain in chains.items():
            if name not in self.changed:
                hooks = [v for step in chain.steps() if step.requirement is not None for v in self._variants(step)]
                part.add_leaving(name, hooks, self.topology)
        return part

    def build(self) -> Part:
        """What comes, and what those that were there are told of it."""
        chains = self._chains("install")
        part = self._part(chains)
        for name, chain in chains.items():
            if name not in self.changed:
                part.add_ending((v, other) for step, other in chain.closing for v in self._variants(step))
        return part

    def _chains(self, workflow: str) -> dict[str, Chain]:
        chains = node_chains(self.topology, workflow)
        for chain in chains.values():
            for step in chain.steps():
                self.names.unique(step.id)
        return chains

    def _part(self, chains: Mapping[str, Chain]) -> Part:
        part = Part({name: self._restricted(chain) for name, chain in chains.items() if name in self.changed})
        part.link(waits(self.topology, self.lifecycle, part.chains))
        return part

    def _restricted(self, chain: Chain) -> Chain:
        """The chain of a node for those of its instances that go or come."""
        levels = [tuple(v for step in level for v in self._variants(step)) for level in chain.levels]
        closing = tuple((v, other) for step, other in chain.closing for v in self._variants(step))
        return Chain(tuple(level for level in levels if level), closing)

    def _variants(self, step: PlanStep) -> list[PlanStep]:
        """What a step becomes: none, one, or one for those at its own end and one for those at the other end."""
        mine = self.changed.get(step.node, ())
        if step.requirement is None:
            return [msgspec.structs.replace(step, instances=mine)]
        relationship = self._relationship(step)
        others = self.changed.get(relationship.target, ())
        hook = self._hook(step)
        if hook.around == _CONFIGURE:
            return self._around_configure(step, hook, mine, others)
        hosted = HOSTED_ON in relationship.lineage
        found = []
        if mine:
            targets = self._hosts(relationship, mine) if hosted else ()
            found.append(msgspec.structs.replace(step, instances=mine, targets=targets))
        rest = tuple(i for i in self.everyone[step.node] if i not in mine)
        if others and rest and not hosted:
            name = self.names.unique(step.id) if found else step.id
            found.append(msgspec.structs.replace(step, id=name, instances=rest, targets=others))
        return found

    def _around_configure(
        self, step: PlanStep, hook: Hook, mine: Sequence[str], others: Sequence[str]
    ) -> list[PlanStep]:
        if hook.side is Side.SOURCE:
            return [msgspec.structs.replace(step, instances=tuple(mine))] if mine else []
        sources = tuple(self.everyone[step.node])
        return [msgspec.structs.replace(step, instances=sources, targets=tuple(others))] if others else []

    def _hosts(self, relationship: Relationship, instances: Sequence[str]) -> tuple[str, ...]:
        """The instances of a host that instances of what it hosts are on: the one with the same id, else the first."""
        hosts = self.everyone[relationship.target]
        return tuple(dict.fromkeys(i if i in hosts else hosts[0] for i in instances))

    def _relationship(self, step: PlanStep) -> Relationship:
        relationships = self.topology.node_templates[step.node].relationships
        return next(r for r in relationships if r.name == step.requirement)

    def _hook(self, step: PlanStep) -> Hook:
        return next(hook for hook in self.lifecycle.hooks if hook.operation == step.operation)
