"""What happens to each execution of a crash test: a value that follows from the seed and the execution's number."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What is carried out: a workflow of the workload's topology, or a deployment from its first step to its last."""

    BRANCHES = "branches"
    JOBS = "jobs"
    HANDLED = "handled"
    INSTALL = "install"
    UNINSTALL = "uninstall"


class Act(Enum):
    """What befalls an execution while a command carries it out."""

    NOTHING = "nothing"
    KILL = "killed"
    FAMILY = "killed with all that descends from it"
    PLACE = "killed at a place of orchestrator.faults"
    TERM = "told to end"
    STOP = "stopped for a while"
    WARM = "its warm Ansible killed"
    ANSIBLE = "a process of its Ansible killed"
    PLAIN = "a process of a plain ansible-playbook killed"
    PROGRAM = "its job's program killed"
    SUPERVISOR = "its job's supervisor killed"
    FOLDER = "its job's folder removed"
    CANCEL = "cancelled while its owner lives"
    CANCELLER = "cancelled while its owner lives, and who cancels is killed"
    ORPHAN = "killed, then cancelled"
    TWINS = "killed, then resumed twice at once"
    LATE = "killed, then cancelled when its job had completed"
    DISK = "the disk of its home filled"


ACTS = tuple(act for act in Act if act not in (Act.NOTHING, Act.DISK))
"""What can be done anywhere. A full disk needs a home on a disk of its own."""

JOBS = ("Foreign", "Native")
TASKS = {
    Kind.BRANCHES: ("Left", "Right", "Join"),
    Kind.JOBS: ("Left", "Right", "Foreign", "Native", "Join"),
    Kind.HANDLED: ("Left", "Right", "Doomed", "Join"),
    Kind.INSTALL: ("Base", "Service"),
    Kind.UNINSTALL: ("Base", "Service"),
}
"""The nodes that do something in each kind of execution."""

OF_JOBS = (Act.PROGRAM, Act.SUPERVISOR, Act.FOLDER, Act.LATE)
FAILING = (*OF_JOBS, Act.WARM, Act.ANSIBLE, Act.PLAIN, Act.DISK)
"""After these a step may fail that would not; then something clears up after it, which is another end of HANDLED."""

_HARMLESS = (Act.STOP, Act.TWINS, Act.CANCEL)
"""They come last: after these an execution may well be done."""

_WEIGHTS = {Kind.BRANCHES: 2, Kind.JOBS: 5, Kind.HANDLED: 3, Kind.INSTALL: 2}
_NATIVE = ("submit.before:Native", "submit.after:Native", "watch.running:Native", "watch.ended:Native")


@dataclass(frozen=True)
class Move:
    """One command on an execution, and what happens. ``delay``: seconds after the moment that the act waits for.

    ``place``: where it is killed, if so; None: somewhere. ``choice``: which of several processes, as a share of them.
    """

    act: Act = Act.NOTHING
    delay: float = 0.0
    place: str | None = None
    choice: float = 0.0

    def __str__(self) -> str:
        return f"{self.act.value} ({self.place or f'{self.delay:.2f} s'})"


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
    def expected(self) -> tuple[str, ...]:
        """The nodes whose operations must be done in the end."""
        if self.kind is Kind.HANDLED and self.always:
            return ("Left", "Right", "Cleanup")
        return TASKS[self.kind]


def scenarios(seed: int, count: int, acts: Sequence[Act] = ACTS, only: Kind | None = None) -> list[Scenario]:
    """The first executions of a seed; a deployment counts twice, as it is deployed and undeployed.

    Each has two or three acts. They come in rounds, so that all have happened after half as many executions.
    ``only``: the kind of all executions.
    """
    found: list[Scenario] = []
    order: list[Act] = []
    number = 0
    while len(found) < count:
        number += 1
        choice = random.Random(f"{seed}/{number}")
        while len(order) < 2:
            order += choice.sample(acts, len(acts))
        first, order = sorted(order[:2], key=_HARMLESS.__contains__), order[2:]
        kind = only or _kind(first, choice)
        found.append(_scenario(number, kind, first, choice))
        if kind is Kind.INSTALL:
            calm = [act for act in acts if act not in OF_JOBS] or [Act.KILL]
            found.append(_scenario(number, Kind.UNINSTALL, choice.choices(calm, k=2), choice))
    return found[:count]


def _kind(acts: Sequence[Act], choice: random.Random) -> Kind:
    if any(act in OF_JOBS for act in acts):
        return Kind.JOBS
    kinds = [kind for kind in _WEIGHTS if kind is not Kind.HANDLED or not any(act in FAILING for act in acts)]
    return choice.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]


def _scenario(number: int, kind: Kind, acts: Sequence[Act], choice: random.Random) -> Scenario:
    fails: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    if choice.random() < 0.3:
        fails = tuple(choice.sample(TASKS[kind], choice.choice((1, 1, 2))))
    if kind is Kind.HANDLED and choice.random() < 0.6:
        always = ("Doomed",)
        fails = tuple(node for node in fails if node != "Doomed" and node != "Join")
    elif kind is Kind.HANDLED:
        fails = tuple(node for node in fails if node != "Doomed")
    if any(act in OF_JOBS for act in acts):
        fails = tuple(node for node in fails if node == "Join")  # the jobs must be reached by the first command
    more = choice.choices((Act.KILL, Act.PLACE, Act.TERM, Act.CANCEL), k=choice.choice((0, 0, 1)))
    moves = tuple(_move(act, kind, choice) for act in (*acts, *more))
    long = any(act in (*FAILING, Act.CANCEL, Act.CANCELLER) for act in acts)
    return Scenario(number, kind, 1.0 if long else choice.choice((0.05, 0.3, 1.0)), fails, always, moves)


def _move(act: Act, kind: Kind, choice: random.Random) -> Move:
    place = None
    if act is Act.PLACE or (act in (Act.ORPHAN, Act.TWINS) and choice.random() < 0.6):
        place = _place(kind, choice)
    if act is Act.LATE:
        place = "watch.running:Native"
    longest = 0.8 if act in FAILING and act is not Act.DISK else 4.5
    return Move(act, choice.uniform(0.0, longest), place, choice.random())


def _place(kind: Kind, choice: random.Random) -> str:
    places = ["attempt.begun", *(f"playbook.event:{node}" for node in TASKS[kind] if node != "Native")]
    if kind is Kind.JOBS:
        places += _NATIVE * 2
    if kind in (Kind.INSTALL, Kind.UNINSTALL):
        places += [f"states:{kind.value}"] * 2
    return choice.choice(places)
