"""Triggers of policies (1.3 sections 3.6.21 and 3.6.22): what is written in them is checked."""

from __future__ import annotations

from orchestrator.model.problems import Problems
from orchestrator.tosca import grammar
from orchestrator.tosca.fields import as_map, check_keynames
from orchestrator.tosca.tree import Map


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
