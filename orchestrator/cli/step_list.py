"""The steps of an execution as a list that shows which comes after which, with states and times."""

from __future__ import annotations

import time
from collections.abc import Mapping

from orchestrator.app.executions import ExecutionDetails, step_states
from orchestrator.cli.terminal import UNICODE, Terminal, clean
from orchestrator.cli.text import duration, table
from orchestrator.model.plan import Outcome, Plan, StepKind

_NAMED = 4
"""So many predecessors are named where lines have a width."""


def predecessors(plan: Plan) -> dict[str, dict[str, Outcome]]:
    """The operations after which each operation comes, and how those end then; steps that set a state are seen through.

    Both are in the order of the plan.
    """
    into: dict[str, list[tuple[str, Outcome]]] = {step.id: [] for step in plan.steps}
    for edge in plan.edges:
        into[edge.target].append((edge.source, edge.when))
    kinds = {step.id: step.kind for step in plan.steps}
    seen: dict[str, dict[str, Outcome]] = {}
    for step in plan.steps:
        found: dict[str, Outcome] = {}
        for source, when in into[step.id]:
            if kinds[source] is StepKind.OPERATION:
                found.setdefault(source, when)
            else:
                for before, how in seen.get(source, {}).items():
                    found.setdefault(before, how)
        seen[step.id] = found
    order = {step.id: number for number, step in enumerate(plan.steps)}
    return {
        step.id: dict(sorted(seen[step.id].items(), key=lambda item: order[item[0]]))
        for step in plan.steps
        if step.kind is StepKind.OPERATION
    }


def levels(before: Mapping[str, Mapping[str, Outcome]]) -> list[list[str]]:
    """The operations by their distance from the beginning: those of one level do not need each other."""
    depth: dict[str, int] = {}
    for step, needed in before.items():
        depth[step] = 1 + max((depth[other] for other in needed), default=-1)
    found: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for step, level in depth.items():
        found[level].append(step)
    return found


def steps_text(details: ExecutionDetails, terminal: Terminal) -> str:
    """The operations, level by level; what is side by side is bracketed on a terminal."""
    states = step_states(details)
    before = predecessors(details.plan)
    last: list[str] = []
    rows = []
    for level in levels(before):
        for number, step_id in enumerate(level):
            step = details.plan.step(step_id)
            usual = terminal.width is not None and before[step_id] == dict.fromkeys(last, Outcome.SUCCESS)
            after = "" if usual else _after(before[step_id], terminal)
            name = f"{_bracket(number, len(level), terminal)}{clean(step_id)}"
            rows.append([name, step.title, step.site or "", states[step_id], _took(details, step_id, states), after])
        last = level
    return table(["STEP", "DOES", "SITE", "STATE", "TOOK", "AFTER"], rows, terminal, states=3, less=["TOOK"])


def _bracket(number: int, count: int, terminal: Terminal) -> str:
    if terminal.width is None:
        return ""
    signs = "┌│└" if terminal.symbols is UNICODE else "/|\\"
    if count == 1:
        return "  "
    return f"{signs[0 if number == 0 else 2 if number == count - 1 else 1]} "


def _after(before: Mapping[str, Outcome], terminal: Terminal) -> str:
    names = [name if when is Outcome.SUCCESS else f"{name} (on {when.value})" for name, when in before.items()]
    if terminal.width is not None and len(names) > _NAMED:
        names = [*names[:_NAMED], f"and {len(names) - _NAMED} more"]
    return ", ".join(names)


def _took(details: ExecutionDetails, step_id: str, states: Mapping[str, str]) -> str:
    entry = details.ledger.get(step_id)
    if entry is None or states[step_id] in ("waiting", "skipped"):
        return ""
    return duration((entry.ended or time.time()) - entry.started)
