"""How far a plan is: which steps may start, given how the others ended. Pure bookkeeping, no clock, no I/O."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable

from orchestrator.model.plan import Edge, Outcome, Plan, PlanStep


class Progress:
    """Follows a plan to its end.

    A step starts when all its incoming edges are settled, and: either it is reached by a failure or a cancel edge (a
    clean-up runs whichever of its sources led to it), or every success edge into it was taken. After a failure that
    no ``on_failure`` handles, only clean-up paths start.
    """

    def __init__(self, plan: Plan, done: Iterable[str] = ()) -> None:
        self._steps = {step.id: step for step in plan.steps}
        self._into: dict[str, list[Edge]] = defaultdict(list)
        self._from: dict[str, list[Edge]] = defaultdict(list)
        for edge in plan.edges:
            self._into[edge.target].append(edge)
            self._from[edge.source].append(edge)
        self._open = {step_id: len(self._into[step_id]) for step_id in self._steps}
        self._outcomes: dict[str, Outcome] = {}
        self._cleanup: set[str] = set()
        self._running: set[str] = set()
        self._ready: dict[str, PlanStep] = {}
        self._passed: deque[str] = deque()
        self.failed: list[str] = []
        self._halted = False
        before = set(done)
        self.done: frozenset[str] = frozenset(before - self._clean_ups(before))
        for step in plan.steps:
            if not self._open[step.id]:
                self._admit(step.id)
        self._pass_done()

    def _clean_ups(self, done: set[str]) -> set[str]:
        """What a step that is still to be done may call for when it does not succeed: to be done each time anew."""
        found = {
            edge.target
            for step_id in self._steps
            if step_id not in done
            for edge in self._from[step_id]
            if edge.when is not Outcome.SUCCESS
        }
        waiting = list(found)
        while waiting:
            for edge in self._from[waiting.pop()]:
                if edge.target not in found:
                    found.add(edge.target)
                    waiting.append(edge.target)
        return found

    def _pass_done(self) -> None:
        """Done steps are not done again: they end as soon as they could start."""
        while self._passed:
            step_id = self._passed.popleft()
            if step_id in self._ready:
                self.start(step_id)
                self._end(step_id, Outcome.SUCCESS)

    @property
    def ready(self) -> list[PlanStep]:
        """The steps that may start now, in plan order."""
        return list(self._ready.values())

    @property
    def running(self) -> bool:
        """Whether any started step has not ended."""
        return bool(self._running)

    @property
    def finished(self) -> bool:
        """Whether nothing runs and nothing may start."""
        return not self._running and not self._ready

    def start(self, step_id: str) -> PlanStep:
        """Take a ready step."""
        step = self._ready.pop(step_id)
        self._running.add(step_id)
        return step

    def halt(self) -> None:
        """Start nothing more but clean-up paths, those of ``on_cancel`` among them."""
        self._halted = True
        self._keep_cleanup()

    def _keep_cleanup(self) -> None:
        self._ready = {step_id: step for step_id, step in self._ready.items() if step_id in self._cleanup}

    def end(self, step_id: str, outcome: Outcome) -> None:
        """Tell how a started step ended."""
        self._end(step_id, outcome)
        self._pass_done()

    def _end(self, step_id: str, outcome: Outcome) -> None:
        self._running.discard(step_id)
        self._outcomes[step_id] = outcome
        handled = any(edge.when is outcome for edge in self._from[step_id])
        if outcome is not Outcome.SUCCESS and not handled:
            self.failed.append(step_id)
            self._keep_cleanup()
        self._settle(step_id)

    def _settle(self, step_id: str) -> None:
        settled = [step_id]
        while settled:
            for edge in self._from[settled.pop()]:
                self._open[edge.target] -= 1
                if self._open[edge.target] == 0 and not self._admit(edge.target):
                    settled.append(edge.target)

    def _admit(self, step_id: str) -> bool:
        """Make a step ready, or skip it: then False."""
        edges = self._into[step_id]
        taken = [edge for edge in edges if self._outcomes.get(edge.source) is edge.when]
        by_failure = any(edge.when is not Outcome.SUCCESS for edge in taken)
        cleanup = by_failure or any(edge.source in self._cleanup for edge in taken)
        needed = [edge for edge in edges if edge.when is Outcome.SUCCESS]
        wanted = by_failure or (
            len(needed) == len([e for e in taken if e.when is Outcome.SUCCESS]) and bool(taken or not edges)
        )
        if not wanted or ((self._halted or self.failed) and not cleanup):
            return False
        if cleanup:
            self._cleanup.add(step_id)
        self._ready[step_id] = self._steps[step_id]
        if step_id in self.done:
            self._passed.append(step_id)
        return True
