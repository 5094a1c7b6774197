"""Options of sbatch that people write themselves: for a site, for a job, or in a batch script."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from orchestrator.errors import UserError
from orchestrator.sites.quantities import size_option, time_limit

_FOUND_BY = "orch finds the job and its output by it"
_OURS: Mapping[str, str] = {
    **dict.fromkeys(("J", "job-name", "o", "output", "e", "error", "D", "chdir", "parsable"), _FOUND_BY),
    "wrap": "the job has a program of its own",
    "test-only": "with it, sbatch submits no job",
    **dict.fromkeys(("W", "wait"), "orch itself waits for the job"),
}
"""Options that orch decides, and why."""

_REMEDIES = {_FOUND_BY: "leave it out; `orch executions logs` shows the output"}

_OTHER_CLUSTERS = frozenset({"M", "clusters", "cluster-constraint"})
"""Options that send a job to a cluster whose queue the site's commands do not show."""

_QUANTITIES: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(("mem", "mem-per-cpu", "mem-per-gpu", "tmp"), size_option),
    **dict.fromkeys(("time", "time-min"), time_limit),
}
"""Options whose values may be written as TOSCA has them."""


def is_ours(text: str) -> bool:
    """Whether an option is one that orch decides."""
    return _name(text) in _OURS


def extra_option(word: str) -> str:
    """An extra option as a word of sbatch; Yorc has them without dashes. Raises UserError."""
    text = word if word.startswith("-") else f"--{word}"
    refuse_other_clusters(text)
    reason = _OURS.get(_name(text))
    if reason is not None:
        raise UserError(f"the option {word!r} cannot be given: {reason}", hint=_REMEDIES.get(reason, "leave it out"))
    if not re.fullmatch(r"--?[A-Za-z][A-Za-z0-9-]*(=.*)?", text, re.DOTALL):
        raise UserError(f"{word!r} is no option of sbatch", hint="write it NAME=VALUE or --NAME=VALUE")
    name, equals, value = text.partition("=")
    reader = _QUANTITIES.get(name.removeprefix("--")) if equals else None
    if reader is None:
        return text
    try:
        return f"{name}={reader(value)}"
    except ValueError as error:
        raise UserError(f"the option {word!r} cannot be read", hint=str(error)) from error


def refuse_other_clusters(text: str) -> None:
    """Raises UserError for an option that sends a job to another cluster than the site's."""
    if _name(text) in _OTHER_CLUSTERS:
        raise UserError(
            f"the option {text!r} cannot be given: orch would not find the job in the queue of the site's own cluster",
            hint="leave it out, and describe the other cluster as a site of its own, by a login node of that one",
        )


def _name(text: str) -> str:
    name = next(iter(text.lstrip("-").partition("=")[0].split()), "")
    return name if text.startswith("--") else name[:1]
