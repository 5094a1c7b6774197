"""How far an execution is, from its plan and its events: bookkeeping for those who show it. No clock, no terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.cli.terminal import clean
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.state import Event

_OUTPUT_LINES = 50
_SETTLED = ("done", "skipped")


@dataclass
class StepProgress:
    """One step that does something. Times are seconds since the epoch; ``said`` is what it said last."""

    step: PlanStep
    state: str = "waiting"
    started: float | None = None
    ended: float | None = None
    job: str = ""
    job_state: str = ""
    said: str = ""

    def elapsed(self, now: float) -> float | None:
        """Seconds that it took, or has taken so far."""
        if self.started is None:
            return None
        return (self.ended if self.ended is not None else now) - self.started


class Progress:
    """Takes the events of an execution in, one after the other."""

    def __init__(self, plan: Plan, states: Mapping[str, str] | None = None) -> None:
        known = states or {}
        self.workflow = plan.workflow
        self.titles = {step.id: step.title for step in plan.steps}
        self.steps = {
            step.id: StepProgress(step, state if (state := known.get(step.id, "")) in _SETTLED else "waiting")
            for step in plan.steps
            if step.kind is StepKind.OPERATION
        }
        self.output: deque[tuple[str, str]] = deque(maxlen=_OUTPUT_LINES)
        self.cancelling = False
        self._ended: list[str] = []

    def apply(self, event: Event) -> None:
        """Take an event in."""
        if event.kind == "execution":
            self.cancelling = self.cancelling or event.text.startswith("cancelling")
        step = self.steps.get(event.step or "")
        if step is None:
            return
        data = event.data or {}
        if event.kind == "step" and "state" in data:
            self._step(step, str(data["state"]), event)
        elif event.kind == "job":
            step.job = str(data.get("job", step.job))
            step.job_state = str(data.get("state", "")) or step.job_state
        elif event.kind == "task":
            step.said = event.text
        elif event.kind == "output":
            lines = clean(event.text.replace("\r\n", "\n").replace("\r", "\n")).splitlines()
            self.output.extend((event.node or "", line) for line in lines if line.strip())

    def _step(self, step: StepProgress, state: str, event: Event) -> None:
        step.state = state
        if state == "running":
            step.started, step.ended, step.said = event.time, None, ""
        else:
            step.ended = event.time
            step.said = event.text if state == "failed" else ""
            self._ended.append(step.step.id)

    def by_state(self, *states: str) -> list[StepProgress]:
        """The steps in some states, in plan order."""
        return [step for step in self.steps.values() if step.state in states]

    def newest_done(self, number: int) -> list[StepProgress]:
        """The steps that were done last, the oldest of them first."""
        recent = [i for i in dict.fromkeys(reversed(self._ended)) if self.steps[i].state == "done"]
        return [self.steps[i] for i in reversed(recent[:number])]

    def title(self, step: str | None, node: str | None) -> str:
        """What an event is about."""
        return self.titles.get(step or "") or node or ""
