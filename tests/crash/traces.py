"""What the work itself has left, against what the ledger says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

JOB = "job"
_UNWELL = ("failed", "timeout", "vanished")


@dataclass(frozen=True)
class Run:
    """A word of an operation or a job's program; ``name`` is that of this one run of it (a job's: its token)."""

    node: str
    operation: str
    name: str
    heard: str = ""
    time: float = 0.0


@dataclass
class Traces:
    """The lines of one token, in order."""

    lines: list[tuple[str, Run]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Traces:
        """Read the file of a token; there may be none yet."""
        found = cls()
        for line in file.read_text().splitlines() if file.exists() else ():
            word, time, node, operation, name, *heard = line.split()
            found.lines.append((word, Run(node, operation, name, " ".join(heard), float(time))))
        return found

    def of(self, word: str, node: str, operation: str) -> list[Run]:
        """The runs of an operation with a line of this kind: ``begin``, ``end`` or ``fail``."""
        return [run for kind, run in self.lines if (kind, run.node, run.operation) == (word, node, operation)]

    def of_job(self, word: str, token: str) -> Run | None:
        """The first word of this kind of the job with that token."""
        return next((r for w, r in self.lines if (w, r.operation, r.name) == (word, JOB, token)), None)

    def overlapping(self) -> list[str]:
        """Operations that began while the same one was still at work, and went on to be."""
        found = []
        for index, (word, run) in enumerate(self.lines):
            if word != "begin" or run.operation == JOB:
                continue
            before = {r.name for w, r in self.lines[:index] if w == "begin" and _same(r, run)}
            over = {r.name for w, r in self.lines[:index] if w != "begin"}
            after = {r.name for w, r in self.lines[index:] if w != "begin"}
            if (before - over) & after:
                found.append(f"{run.node}: {run.operation} was carried out twice at the same time")
        return found

    def doubled_jobs(self) -> list[str]:
        """Jobs whose program was started more than once under one token."""
        tokens = Counter(run.name for word, run in self.lines if word == "begin" and run.operation == JOB)
        return [f"job {token} was started {count} times" for token, count in tokens.items() if count > 1]


def _same(run: Run, other: Run) -> bool:
    return (run.node, run.operation) == (other.node, other.operation)


@dataclass(frozen=True)
class Step:
    """A step of an execution, as ``orch --json executions show`` has it."""

    id: str
    node: str
    interface: str
    operation: str
    state: str
    attempt: int

    @property
    def key(self) -> tuple[str, str]:
        """Node and operation as the traces have them; a job is traced by its program."""
        return (
            (self.node, JOB)
            if self.interface.endswith("Runnable")
            else (self.node, f"{self.interface}.{self.operation}")
        )

    @property
    def ends_job(self) -> bool:
        """Whether it is done only when the job is."""
        return self.interface.endswith("Runnable") and self.operation == "run"


def steps_of(shown: Mapping[str, object]) -> list[Step]:
    """The steps that do something, of an execution as it is shown."""
    found = []
    raw = shown["steps"]
    assert isinstance(raw, list)
    for step in raw:
        if step["kind"] != "operation":
            continue
        interface, _, operation = step["title"].partition(": ")[2].rpartition(".")
        found.append(Step(step["id"], step["node"], interface, operation, step["state"], step["attempt"] or 0))
    return found


@dataclass(frozen=True)
class Harm:
    """A time in which somebody cancelled, or did something to jobs; ``tokens``: to these alone."""

    begin: float
    end: float
    tokens: frozenset[str] | None = None

    def concerns(self, token: str, moment: float, slack: float) -> bool:
        """Whether it may be what ended a job whose program said its last word at that moment."""
        if self.tokens is not None:
            return token in self.tokens
        return self.begin - slack <= moment <= self.end


def falsely_said(
    jobs: Iterable[Mapping[str, object]], traces: Traces, harms: Sequence[Harm], slack: float
) -> list[str]:
    """Jobs of which something else is recorded than their own traces say.

    ``slack``: seconds that a job may take from its program's last word until it is known to have ended.
    """
    found = []
    for job in jobs:
        token, state = str(job["token"]), str(job["state"])
        begun, ended, failed = (traces.of_job(word, token) for word in ("begin", "end", "fail"))
        last = ended or failed
        # who came in between may have ended it as well
        by_itself = last is not None and not any(harm.concerns(token, last.time, slack) for harm in harms)
        struck = any(harm.tokens is not None and token in harm.tokens for harm in harms)
        if state == "completed" and ended is None:
            found.append(f"job {token} is said to have completed, but its program has not ended well")
        if state in _UNWELL and begun and not failed and not struck:
            found.append(f"job {token} is said to be {state}, but nothing was wrong with it")
        if state in (*_UNWELL, "cancelled") and ended and by_itself:
            found.append(f"job {token} is said to be {state}, but its program has ended well")
        if state == "cancelled" and failed and by_itself:
            found.append(f"job {token} is said to be cancelled, but its program has failed by itself")
    return found


def repeated_jobs(traces: Traces, harms: Sequence[Harm], slack: float) -> list[str]:
    """Jobs that were run although the one before had done the work."""
    found = []
    for index, (word, run) in enumerate(traces.lines):
        for before, former in traces.lines[:index] if (word, run.operation) == ("begin", JOB) else ():
            did_it = (before, former.node, former.operation) == ("end", run.node, JOB) and former.name != run.name
            if did_it and not any(harm.concerns(former.name, former.time, slack) for harm in harms):
                found.append(f"job {run.name} was run, though {former.name} had ended well")
    return found


def untrue(steps: Iterable[Step], traces: Traces) -> list[str]:
    """Steps that are recorded as done, and were not."""
    found = []
    for step in steps:
        if step.state != "done":
            continue
        word = "begin" if step.key[1] == JOB and not step.ends_job else "end"
        if word == "end" and not traces.of("end", *step.key):
            found.append(f"step {step.id} is recorded as done, but has never ended")
    said = {run.name for word, run in traces.lines if word == "end" and run.node == "Left"}
    for word, run in traces.lines:
        if word == "end" and run.node == "Join" and run.heard not in said:
            found.append(f"Join has heard {run.heard!r}, which Left has not said")
    return found
