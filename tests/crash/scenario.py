"""What happens to each execution of a crash test: a value that follows from the seed and the execution's number."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What is carried out: a workflow of the workload's topology, or a deployment from its first step to its last."""

    BRANCHES = "branches"
    JOBS = "jobs"
    HANDLED = "handled"
    INSTALL = "install"
    UNINSTALL = "uninstall"


WORKS = "work.work"
TASKS = {
    Kind.BRANCHES: ("Left", "Right", "Join"),
    Kind.JOBS: ("Left", "Right", "Foreign", "Native", "Join"),
    Kind.HANDLED: ("Left", "Right", "Doomed", "Join"),
    Kind.INSTALL: ("Base", "Service"),
    Kind.UNINSTALL: ("Base", "Service"),
}
"""The nodes that do something in each kind of execution."""

JOBS = ("Foreign", "Native")
_WEIGHTS = {Kind.BRANCHES: 2, Kind.JOBS: 5, Kind.HANDLED: 3, Kind.INSTALL: 2}
_NATIVE = ("submit.before:Native", "submit.after:Native", "watch.running:Native", "watch.ended:Native")


class Blow(Enum):
    """What befalls a command, or what works for it."""

    KILL = "killed"
    TERM = "told to end"
    STOP = "stopped for a while"
    CHILDREN = "its children killed"
    JOB = "its job killed"
    FOLDER = "the folder of its job removed"


@dataclass(frozen=True)
class Kill:
    """When a blow falls: some seconds after a command's start; or it is killed at a place of ``orchestrator.faults``.

    ``family``: everything that descends from it is killed with it, as the kernel does when memory is short.
    """

    seconds: float | None = None
    place: str | None = None
    family: bool = False
    blow: Blow = Blow.KILL

    def __str__(self) -> str:
        return (self.place or f"{self.seconds:.2f} s") + (" with its family" if self.family else "")


@dataclass(frozen=True)
class Move:
    """One command on an execution, and what happens to it.

    ``cancels``: where there is something to go on with, it is cancelled instead. ``cancelled_after``: seconds after
    which another process asks for a cancel; that may be killed as well. ``doubled``: another process gives the same
    command at the same time, where there is something to go on with.
    """

    kill: Kill | None = None
    cancels: bool = False
    cancelled_after: float | None = None
    kill_canceller: Kill | None = None
    doubled: bool = False


@dataclass(frozen=True)
class Scenario:
    """An execution and its fate. ``fails``: nodes that fail until it has failed; ``always``: nodes that always do."""

    number: int
    kind: Kind
    seconds: float
    fails: tuple[str, ...]
    always: tuple[str, ...]
    moves: tuple[Move, ...]

    @property
    def token(self) -> str:
        """The name under which its traces are left."""
        return f"x{self.number:04}"

    @property
    def expected(self) -> dict[str, int]:
        """How often the operation of each node must be done in the end."""
        if self.kind is Kind.HANDLED and self.always:
            return {"Left": 1, "Right": 1, "Cleanup": 1}
        return dict.fromkeys(TASKS[self.kind], 1)


def scenarios(seed: int, count: int) -> list[Scenario]:
    """The first executions of a seed; a deployment counts twice, as it is deployed and undeployed."""
    found: list[Scenario] = []
    number = 0
    while len(found) < count:
        number += 1
        choice = random.Random(f"{seed}/{number}")
        kind = choice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        found.append(_scenario(number, kind, choice))
        if kind is Kind.INSTALL:
            found.append(_scenario(number, Kind.UNINSTALL, choice))
    return found[:count]


def _scenario(number: int, kind: Kind, choice: random.Random) -> Scenario:
    fails: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    if choice.random() < 0.4:
        fails = tuple(choice.sample(TASKS[kind], choice.choice((1, 1, 2))))
    if kind is Kind.HANDLED and choice.random() < 0.6:
        always = ("Doomed",)
        fails = tuple(node for node in fails if node != "Doomed" and node != "Join")
    elif kind is Kind.HANDLED:
        fails = tuple(node for node in fails if node != "Doomed")
    moves = tuple(_move(kind, choice) for _ in range(choice.choice((1, 2, 2, 3))))
    return Scenario(number, kind, choice.choice((0.05, 0.3, 1.0)), fails, always, moves)


def _move(kind: Kind, choice: random.Random) -> Move:
    fate = choice.random()
    if fate < 0.65:
        return Move(_kill(kind, choice), cancels=choice.random() < 0.2, doubled=choice.random() < 0.2)
    killed = _kill(kind, choice) if choice.random() < 0.4 else None
    return Move(
        _kill(kind, choice) if fate < 0.8 else None,
        cancelled_after=choice.uniform(0.8, 3.5),
        kill_canceller=killed,
    )


def _kill(kind: Kind, choice: random.Random) -> Kill:
    if choice.random() < 0.5:
        # a step that fails because its children were killed calls for its clean-up, which is another end
        weights = (6, 2, 2, 0 if kind is Kind.HANDLED else 2, *((2, 2) if kind is Kind.JOBS else (0, 0)))
        blow = choice.choices(list(Blow), weights)[0]
        family = blow is Blow.KILL and choice.random() < 0.25
        return Kill(seconds=choice.uniform(0.5, 4.5), family=family, blow=blow)
    places = ["attempt.begun", *(f"playbook.event:{node}" for node in TASKS[kind] if node != "Native")]
    if kind is Kind.JOBS:
        places += _NATIVE * 2
    if kind in (Kind.INSTALL, Kind.UNINSTALL):
        places += [f"states:{kind.value}"] * 2
    return Kill(place=choice.choice(places))
