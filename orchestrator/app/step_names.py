"""How people name the steps of a plan."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from orchestrator.errors import UserError
from orchestrator.model.plan import Plan, StepKind

_SHOWN = 30


def named_steps(plan: Plan, word: str) -> tuple[str, ...]:
    """The ids of the steps that a word of the user means.

    That is the step with this id, and those whose ids go on with a dot after it: the further activities of a declared
    step (``count.2``) or its nodes. Raises UserError when there is none.
    """
    found = tuple(step.id for step in plan.steps if step.id == word or step.id.startswith(f"{word}."))
    if found:
        return found
    known = [step.id for step in plan.steps if step.kind is StepKind.OPERATION]
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    guess = f"did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
    raise UserError(f"the workflow {plan.workflow!r} has no step {word!r}", hint=f"{guess}its steps are: {shown}")


def named_nodes(plan: Plan, words: Iterable[str]) -> tuple[str, ...]:
    """The nodes of the plan that have these names. Raises UserError for one that none has."""
    known = list(dict.fromkeys(step.node for step in plan.steps))
    for word in words:
        if word not in known:
            close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
            guess = f"did you mean {close[0]!r}? " if close else ""
            raise UserError(
                f"the workflow {plan.workflow!r} has no node {word!r}", hint=f"{guess}its nodes are: {', '.join(known)}"
            )
    return tuple(words)
