"""Ways to show an execution as it goes on where nothing can be drawn over: lines of text, lines of JSON, nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol

from orchestrator.cli.progress import Progress
from orchestrator.cli.session import Session
from orchestrator.cli.terminal import Terminal, clean
from orchestrator.cli.text import date, duration, moment_data
from orchestrator.state import Event


class View(Protocol):
    """Shows events as they come; None when there is none for a while."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, event: Event | None) -> None:
        """Take an event in and show it."""


class QuietView:
    """Shows nothing."""

    def __enter__(self) -> QuietView:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def show(self, event: Event | None) -> None:
        """Nothing."""


class JsonView(QuietView):
    """One line of JSON per event."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, event: Event | None) -> None:
        """The event as JSON."""
        if event is not None:
            self._session.data({"event": event_data(event)}, line=True)


class LineView(QuietView):
    """One line per change; with ``verbose`` also what tasks do and jobs print."""

    def __init__(self, session: Session, progress: Progress, *, verbose: bool = False) -> None:
        self._session = session
        self._progress = progress
        self._verbose = verbose

    def show(self, event: Event | None) -> None:
        """The event as a line, if it is a change."""
        if event is None:
            return
        self._progress.apply(event)
        for line in change_lines(event, self._progress, self._session.terminal, verbose=self._verbose):
            self._session.out(line)


def event_data(event: Event) -> dict[str, Any]:
    """An event in JSON."""
    return {
        "id": event.id,
        "execution": event.execution_id,
        "time": moment_data(event.time),
        "kind": event.kind,
        "level": event.level,
        "step": event.step,
        "node": event.node,
        "instance": event.instance,
        "text": event.text,
        "data": dict(event.data) if event.data is not None else None,
    }


def change_lines(event: Event, progress: Progress, terminal: Terminal, *, verbose: bool) -> list[str]:
    """The lines that tell an event; none when it is no change that a reader waits for."""
    when = terminal.styled(date(event.time), dim=True)
    title = clean(progress.title(event.step, event.node))
    data = event.data or {}
    match event.kind:
        case "execution":
            return [f"{when} {terminal.state(clean(event.text))}"]
        case "step" if "state" in data:
            return [f"{when} {title}  {_step_state(event, str(data['state']), progress, terminal)}"]
        case "job":
            job = data.get("job")
            said = event.text if not job or str(job) in event.text else f"{event.text} ({job})"
            return [f"{when} {title}  job {clean(said)}"]
        case "state" | "task" | "output" if verbose:
            mark = f" {terminal.symbols.bar} " if event.kind == "output" else "  "
            name = clean(event.node or "") if event.kind == "output" else title
            return [f"{when} {name}{mark}{line}" for line in clean(event.text).splitlines()]
        case _ if event.level in ("warning", "error"):
            return [f"{when} {title}  {terminal.styled(event.level, 'yellow')}: {clean(event.text)}"]
    return []


def _step_state(event: Event, state: str, progress: Progress, terminal: Terminal) -> str:
    step = progress.steps.get(event.step or "")
    if state == "running":
        site = f" on {step.step.site}" if step and step.step.site else ""
        return f"started{site}"
    took = step.elapsed(event.time) if step else None
    time = f" ({duration(took)})" if took is not None else ""
    why = f": {clean(event.text).splitlines()[0]}" if state == "failed" and event.text else ""
    return f"{terminal.state(state)}{time}{why}"
