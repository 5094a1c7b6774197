"""Shows what is different between what is deployed and what is to be deployed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from orchestrator.cli.failures import is_private
from orchestrator.cli.terminal import Terminal, clean
from orchestrator.cli.text import counted, shown
from orchestrator.model.values import Value
from orchestrator.planning import Change, Difference
from orchestrator.planning.difference import Aspect, Detail

_SIGNS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~", Change.REPLACED: "*"}
_COLOURS = {Change.ADDED: "green", Change.REMOVED: "red", Change.CHANGED: "yellow", Change.REPLACED: "yellow"}
_LONGEST = 60


def difference_text(difference: Difference, terminal: Terminal) -> str:
    """A line for each thing that is different, those of a node under it."""
    lines = []
    for node in difference.nodes:
        lines.append(_line(node.change, f"node {clean(node.name)} ({clean(node.type)})", terminal))
        lines += [f"      {_detail(detail)}" for detail in node.details]
    for detail in (*difference.inputs, *difference.workflows):
        lines.append(_line(detail.change, _detail(detail), terminal))
    lines += [_line(Change.CHANGED, name, terminal) for name in difference.others]
    return "\n".join(lines)


def difference_summary(difference: Difference) -> str:
    """``1 node added, 2 nodes changed``; other parts by name."""
    changes = Counter(node.change for node in difference.nodes)
    parts = [f"{counted(changes[change], 'node')} {change.value}" for change in Change if changes[change]]
    for details, noun in ((difference.inputs, "input"), (difference.workflows, "workflow")):
        if details:
            parts.append(f"{counted(len(details), noun)} different")
    return ", ".join([*parts, *difference.others])


def difference_data(difference: Difference) -> dict[str, Any]:
    """A difference in JSON."""
    return {
        "empty": difference.empty,
        "nodes": [
            {
                "name": node.name,
                "change": node.change.value,
                "type": node.type,
                "details": [_detail_data(detail) for detail in node.details],
            }
            for node in difference.nodes
        ],
        "inputs": [_detail_data(detail) for detail in difference.inputs],
        "workflows": [_detail_data(detail) for detail in difference.workflows],
        "others": list(difference.others),
    }


def _line(change: Change, text: str, terminal: Terminal) -> str:
    return f"  {terminal.styled(_SIGNS[change], _COLOURS[change])} {text}"


def _detail(detail: Detail) -> str:
    name = clean(detail.name)
    what = name if detail.aspect in (Aspect.TYPE, Aspect.SITE, Aspect.STATE) else f"{detail.aspect.value} {name}"
    before, after = (_value(detail.name, value) for value in (detail.before, detail.after))
    if detail.aspect is Aspect.STATE:
        return f"{what}: {before}"
    if detail.change is Change.CHANGED:
        return f"{what}: {before} -> {after}" if before != after else f"{what}: changed"
    return f"{what}: {detail.change.value}" + (f" ({before or after})" if before or after else "")


def _detail_data(detail: Detail) -> dict[str, Any]:
    private = is_private(detail.name)
    return {
        "aspect": detail.aspect.value,
        "name": detail.name,
        "change": detail.change.value,
        "before": "***" if private and detail.before is not None else detail.before,
        "after": "***" if private and detail.after is not None else detail.after,
    }


def _value(name: str, value: Value) -> str:
    if value is not None and is_private(name):
        return "***"
    text = clean(shown(value)).replace("\n", " ")
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
