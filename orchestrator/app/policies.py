"""How operations are carried out: from the topology's policies, the nodes' metadata and the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from orchestrator.errors import UserError
from orchestrator.model.durations import seconds
from orchestrator.model.expressions import Literal
from orchestrator.model.plan import Plan, StepKind, StepPolicy
from orchestrator.model.topology import Topology
from orchestrator.model.values import Value

POLICY_TYPE = "orch.policies.Execution"
PARALLELISM_TYPE = "orch.policies.Parallelism"
_DURATIONS = ("timeout", "backoff")
_METADATA = "orch."


@dataclass(frozen=True)
class Overrides:
    """What the command line says.

    ``timeout``: seconds for the whole workflow. ``nodes``: settings by node (None: of every node). ``parallel``: how
    many operations may be under way at a site ("": at each site).
    """

    timeout: float | None = None
    nodes: Mapping[str | None, Mapping[str, Value]] = field(default_factory=dict)
    parallel: Mapping[str, int] = field(default_factory=dict)


def read_overrides(
    timeouts: Iterable[str], retries: Iterable[str], continued: Iterable[str], parallel: Iterable[str] = ()
) -> Overrides:
    """Overrides from words ``[NODE=]VALUE``, those of ``parallel`` from ``[SITE=]N``. Raises UserError.

    A timeout without a node is that of the whole.
    """
    whole: float | None = None
    nodes: dict[str | None, dict[str, Value]] = {}
    for word in timeouts:
        node, value = _split(word)
        if node is None:
            whole = _setting("timeout", value, "--timeout")
        else:
            nodes.setdefault(node, {})["timeout"] = _setting("timeout", value, "--timeout")
    for word in retries:
        node, value = _split(word)
        nodes.setdefault(node, {})["retries"] = _setting("retries", value, "--retries")
    for node in continued:
        nodes.setdefault(node, {})["continue_on_error"] = True
    places = [_split(word) for word in parallel]
    return Overrides(whole, nodes, {site or "": _places(value, "--parallel") for site, value in places})


def with_policies(plan: Plan, topology: Topology, overrides: Overrides | None = None) -> Plan:
    """The plan with the policy of every operation.

    The plan is also told how many operations may be under way at a site. The command line wins over a node's metadata
    (``orch.timeout``, ``orch.retries``, …), that over policies of the topology, later ones over earlier ones. Raises
    UserError for a value that makes no sense, or an unknown node.
    """
    overrides = overrides or Overrides()
    for name in overrides.nodes:
        if name is not None and name not in topology.node_templates:
            known = ", ".join(topology.node_templates)
            raise UserError(f"the topology has no node template {name!r}", hint=f"known: {known}")
    policies = {node: _policy(topology, node, overrides) for node in {step.node for step in plan.steps}}
    steps = tuple(
        msgspec.structs.replace(step, policy=policies[step.node]) if step.kind is StepKind.OPERATION else step
        for step in plan.steps
    )
    parallel = {**_parallel(topology), **overrides.parallel}
    return msgspec.structs.replace(plan, steps=steps, timeout=overrides.timeout, parallel=parallel)


def _parallel(topology: Topology) -> dict[str, int]:
    """How many operations may be under way at each site: by metadata ``orch.parallel``, over it by policies."""
    found: dict[str, int] = {}
    if (written := topology.metadata.get(f"{_METADATA}parallel")) is not None:
        found[""] = _places(written, "metadata of the topology")
    for policy in topology.policies:
        if PARALLELISM_TYPE in (policy.type, *policy.lineage):
            said = {n: e.value for n, e in policy.properties.items() if isinstance(e, Literal)}
            found[str(said.get("site") or "")] = _places(said.get("operations"), f"policy {policy.name}")
    return found


def _places(value: Value, where: str) -> int:
    text = str(value)
    if not text.isdigit() or int(text) < 1:
        raise UserError(f"{where}: {text!r} is no number of operations", hint="a whole number, 1 or more")
    return int(text)


def _policy(topology: Topology, node: str, overrides: Overrides) -> StepPolicy:
    settings: dict[str, Any] = {}
    for policy in topology.policies:
        ours = POLICY_TYPE in (policy.type, *policy.lineage)
        if ours and (not policy.targets or node in _members(topology, policy.targets)):
            where = f"policy {policy.name}"
            settings |= {
                name: _setting(name, expression.value, where)
                for name, expression in policy.properties.items()
                if isinstance(expression, Literal) and expression.value is not None
            }
    for key, value in topology.node_templates[node].metadata.items():
        name = key.removeprefix(_METADATA)
        if key.startswith(_METADATA) and name in StepPolicy.__struct_fields__:
            settings[name] = _setting(name, value, f"metadata of {node}")
    return StepPolicy(**{**settings, **overrides.nodes.get(None, {}), **overrides.nodes.get(node, {})})


def _members(topology: Topology, targets: tuple[str, ...]) -> set[str]:
    groups = [topology.groups[name].members for name in targets if name in topology.groups]
    return {*targets, *(member for members in groups for member in members)}


def _setting(name: str, value: Value, where: str) -> Value:
    try:
        if name in _DURATIONS:
            return seconds(value)
        if name == "retries":
            number = int(value)
            if number < 0:
                raise ValueError(f"{value!r} is less than 0")
            return number
        if str(value).lower() not in ("true", "false"):
            raise ValueError(f"{value!r} is neither true nor false")
        return str(value).lower() == "true"
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {name}: {error}") from error


def _split(word: str) -> tuple[str | None, str]:
    node, equals, value = word.rpartition("=")
    return (node, value) if equals else (None, word)
