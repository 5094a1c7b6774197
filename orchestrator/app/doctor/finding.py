"""What was found, and how the looking is done: all at once, each with a limit of time, and nothing that raises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.errors import OrchError

LIMIT = 30.0
"""Seconds after which something that does not answer is given up: a network file system may hang for ever."""


class State(StrEnum):
    """``NOTE``: worth knowing; ``WARNING``: something does not work, or soon will not; ``FAULT``: orch cannot work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to do about it where something is to be done."""

    name: str
    state: State
    found: str
    remedy: str = ""


Found = tuple[State, str, str] | tuple[State, str]
"""State, what was found, and the remedy where there is one."""

Look = Callable[[], Found | Iterable[Finding]]
Check = tuple[str, Look]


def findings(checks: Sequence[Check], limit: float = LIMIT) -> list[Finding]:
    """Look at everything at once; the findings in the order of the checks."""
    answers: dict[int, list[Finding]] = {}

    def look(number: int, check: Check) -> None:
        answers[number] = carried_out(*check)

    threads = [threading.Thread(target=look, args=item, daemon=True) for item in enumerate(checks)]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, ends - time.monotonic()))
    found: list[Finding] = []
    for number, (name, _) in enumerate(checks):
        found += answers.get(number) or [_silent(name, limit)]
    return found


def carried_out(name: str, look: Look) -> list[Finding]:
    """What a look gives; an error of it is a finding, too."""
    try:
        answer = look()
        if isinstance(answer, tuple):
            return [Finding(name, *answer)]
        return list(answer)
    except OrchError as error:
        return [Finding(name, State.FAULT, error.message, error.hint or "mend that, then look again")]
    except ImportError as error:
        return [
            Finding(
                name,
                State.FAULT,
                _lost(error),
                "see packages; if they are well, install orch anew, in an environment of its own",
            )
        ]
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        return [Finding(name, State.FAULT, f"{error.strerror or error}{where}", "see the other findings")]
    except Exception as error:
        said = f"this could not be looked at: {type(error).__name__}: {error}"
        return [Finding(name, State.FAULT, said, "see the other findings; if they are well, please report this")]


def _lost(error: ImportError) -> str:
    missing = isinstance(error, ModuleNotFoundError) and error.name
    return f"the Python module {error.name} is missing" if missing else f"a Python module is broken: {error}"


def _silent(name: str, limit: float) -> Finding:
    said = f"there was no answer within {limit:g} s"
    return Finding(
        name,
        State.FAULT,
        said,
        "see whether its file system or server hangs, or the machine is overloaded; then look again",
    )
