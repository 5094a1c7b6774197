"""Use case: carry out what is queued, and what dead processes left, until asked to stop."""

from __future__ import annotations

import enum
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from orchestrator.app.pruning import Pruned, prune
from orchestrator.app.wiring import Home
from orchestrator.engine import EXCLUSIVE
from orchestrator.errors import OrchError, StorageError, UserError
from orchestrator.model.names import is_name, name_rule
from orchestrator.state import Execution

JOBS = 1000
"""How many executions a worker carries out at once, if nothing else is said: nearly all of them wait for their jobs."""

_BUSY = 16
"""Of executions that have something to do here, a worker has so many at most: what more there is, others may take."""

_TURN_SECONDS = 0.2
_ORPHANS_SECONDS = 1.0
_PRUNE_SECONDS = 86400.0
_SHARE = 4
"""A worker takes this part of the queue at a time, so that others get some of it, too."""
_ELSEWHERE_SECONDS = 5.0
"""How long work is left for workers of the machine on which its processes are: they can end those, others cannot."""
_LONGEST_NAME = 32


class Happening(enum.Enum):
    """What a worker tells of an execution."""

    TAKEN = "taken"
    TAKEN_OVER = "taken over"
    ENDED = "ended"


@dataclass(frozen=True)
class Report:
    """Something that happened in a worker; the execution is as it was then."""

    what: Happening
    execution: Execution
    deployment: str


def get_ready(home: Home, name: str | None = None) -> None:
    """Make this process a worker, by which name people know it. Raises UserError for a name that is none."""
    if name is not None and not is_name(name, _LONGEST_NAME):
        raise UserError(f"{name!r} is no name for a worker", hint=name_rule(_LONGEST_NAME))
    home.process_name = name or "worker"
    home.engine.launch()


def work(
    home: Home,
    *,
    jobs: int = JOBS,
    stopped: Callable[[], bool],
    on_pruned: Callable[[Pruned], None] = lambda pruned: None,
) -> Iterator[Report]:
    """Carry executions out, at most ``jobs`` at once, until ``stopped`` says so; what is under way is not ended then.

    Those that wait for their jobs count, too; but of those that have something to do here there are a few at most.

    Once a day what is older than the home's retention is removed, and told to ``on_pruned``.

    Raises StorageError when the database is gone: then others may take over what this process was carrying out, and it
    must end.
    """
    worker = _Worker(home, jobs)
    if home.settings.retention is not None:
        threading.Thread(target=_prune_daily, args=(home, on_pruned), name="orch-prune", daemon=True).start()
    while not stopped():
        yield from worker.turn()
        threading.Event().wait(_TURN_SECONDS)
    yield from worker.ended()


def _prune_daily(home: Home, on_pruned: Callable[[Pruned], None]) -> None:
    while True:
        # when the database is gone the worker itself will tell
        with suppress(StorageError):
            on_pruned(prune(home, home.settings.retention or 0.0, compact=False))
        threading.Event().wait(_PRUNE_SECONDS)


class _Worker:
    """One worker's view of what there is to do."""

    def __init__(self, home: Home, jobs: int) -> None:
        self._home = home
        self._jobs = jobs
        self._looked = 0.0
        self._dead_since: dict[str, float] = {}

    def turn(self) -> Iterator[Report]:
        """See what has ended, and take what is to be done."""
        if not self._home.owner.held():
            raise StorageError(
                "the connection to the database that holds this worker's lock was lost",
                hint="start the worker again when the database can be reached",
            )
        yield from self.ended()
        if time.monotonic() - self._looked >= _ORPHANS_SECONDS:
            self._looked = time.monotonic()
            yield from self._take_over()
        yield from self._take()

    @property
    def _free(self) -> int:
        engine = self._home.engine
        return min(self._jobs - len(engine.carried_out), _BUSY - engine.busy)

    def ended(self) -> Iterator[Report]:
        """What has ended since this was asked."""
        engine = self._home.engine
        for execution_id in sorted(engine.carried_out):
            try:
                over = engine.wait(execution_id, 0)
            except StorageError:
                raise
            except OrchError as error:
                engine.give_up(execution_id, error)
                over = True
            if over:
                engine.forget(execution_id)
                yield self._report(Happening.ENDED, execution_id)

    def _take_over(self) -> Iterator[Report]:
        """Go on with what dead processes left."""
        home = self._home
        left = [u for u in home.store.unfinished() if u.id not in home.engine.carried_out]
        living = {owner: home.owner.alive(owner) for owner in {u.owner for u in left}}
        dead = [u.id for u in left if not living[u.owner]]
        self._dead_since = {i: self._dead_since.get(i, time.monotonic()) for i in dead}
        for execution_id in dead:
            if self._free > 0 and self._is_for_this_machine(execution_id):
                yield from self._offer(execution_id, Happening.TAKEN_OVER)

    def _is_for_this_machine(self, execution_id: str) -> bool:
        hosts = {process.host for process in self._home.store.processes(execution_id)}
        waited = time.monotonic() - self._dead_since[execution_id]
        return hosts <= {self._home.store.host} or waited > _ELSEWHERE_SECONDS

    def _take(self) -> Iterator[Report]:
        """Begin some of what is queued."""
        share = min(self._free, -(-self._home.store.queued() // _SHARE))
        if share > 0:
            for execution in self._home.store.claimable(EXCLUSIVE, share):
                yield from self._offer(execution.id, Happening.TAKEN)

    def _offer(self, execution_id: str, what: Happening) -> Iterator[Report]:
        engine = self._home.engine
        execution = self._home.store.execution(execution_id)
        if execution.status.final:
            return
        try:
            taken = engine.offer(execution)
        except StorageError:
            raise
        except OrchError as error:
            engine.give_up(execution_id, error)
            yield self._report(Happening.ENDED, execution_id)
            return
        if taken:
            yield self._report(what, execution_id)

    def _report(self, what: Happening, execution_id: str) -> Report:
        execution = self._home.store.execution(execution_id)
        return Report(what, execution, self._home.store.deployment(execution.deployment_id).name)
