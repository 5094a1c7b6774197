"""What the work itself has left, against what the ledger says of it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

JOB = "job"


@dataclass(frozen=True)
class Run:
    """One time that an operation, or a job's program, was carried out; ``name`` is its own (a job's: its token)."""

    node: str
    operation: str
    name: str
    heard: str = ""


@dataclass
class Traces:
    """The lines of one token, in order."""

    lines: list[tuple[str, Run]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Traces:
        """Read the file of a token; there may be none yet."""
        found = cls()
        for line in file.read_text().splitlines() if file.exists() else ():
            word, node, operation, name, *heard = line.split()
            found.lines.append((word, Run(node, operation, name, " ".join(heard))))
        return found

    def of(self, word: str, node: str, operation: str) -> list[Run]:
        """The runs of an operation with a line of this kind: ``begin``, ``end`` or ``fail``."""
        return [run for kind, run in self.lines if (kind, run.node, run.operation) == (word, node, operation)]

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


def processes_with(*words: str) -> dict[int, str]:
    """Processes with one of the words in their arguments, working folder or environment: id and arguments."""
    found = {}
    wanted = [word.encode() for word in words]
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
            rest = (entry / "environ").read_bytes() + os.readlink(entry / "cwd").encode()
        except OSError:
            continue
        if any(word in arguments or word in rest for word in wanted):
            found[int(entry.name)] = arguments.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split() if entry.name.isdigit() else None
        except OSError:
            continue
        if fields:
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children.get(found[-1], [])
    return found
