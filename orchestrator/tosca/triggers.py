"""Triggers of policies and conditions (1.3 sections 3.6.21 to 3.6.25): what is written in them is checked."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.model.problems import Problems
from orchestrator.tosca import grammar
from orchestrator.tosca.constraints import OPERATORS, Fault, fault_of
from orchestrator.tosca.fields import as_map, check_keynames
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.tree import List, Map, Tree, kind_of


def check_triggers(triggers: Map | None, problems: Problems) -> None:
    """The keynames of triggers; that they set nothing off is told of the keyname ``triggers`` itself."""
    for key, body in triggers.items() if triggers is not None else ():
        fields = as_map(body, f"the trigger {key.text!r}", problems)
        if fields is None:
            continue
        check_keynames(fields, grammar.TRIGGER, f"the trigger {key.text!r}", problems)
        schedule = as_map(fields.get("schedule"), "schedule", problems)
        if schedule is not None:
            check_keynames(schedule, grammar.SCHEDULE, "a schedule", problems)


def clause_faults(tree: Tree) -> Iterator[tuple[Fault, Tree]]:
    """What makes no sense in a condition clause, with its place."""
    if not isinstance(tree, Map):
        yield Fault(f"a condition is a map of an attribute and its constraints, not {kind_of(tree)}"), tree
        return
    for key, body in tree.items():
        inner = body.items if isinstance(body, List) else [body]
        for part in inner:
            if key.text in ("and", "or", "not", "assert"):
                yield from clause_faults(part)
            elif isinstance(part, Map):
                yield from _operator_faults(part)


def _operator_faults(constraint: Map) -> Iterator[tuple[Fault, Tree]]:
    for key, value in constraint.items():
        if key.text not in OPERATORS:
            yield Fault(f"there is no constraint operator {key.text!r}", did_you_mean(key.text, OPERATORS)), key
            continue
        fault = fault_of(key.text, value)
        if fault is not None:
            yield fault, value
