"""Follows an execution to its end and tells how it ended; Ctrl-C leaves it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from orchestrator.app import executions
from orchestrator.app.leaving import detach, under_way
from orchestrator.cli.failures import failure_text, place_text
from orchestrator.cli.progress import Progress
from orchestrator.cli.session import Session
from orchestrator.cli.terminal import Terminal, clean
from orchestrator.cli.text import duration, moment_data, shown, table
from orchestrator.cli.views import JsonView, LineView, QuietView, View
from orchestrator.errors import StorageError
from orchestrator.model.values import Value
from orchestrator.state import Execution, ExecutionStatus, Failure

_SAME_SIGNAL = 1.0
"""Seconds within which a second signal is part of the first: make, timeout and shells pass theirs on, too."""


class Left(Exception):
    """A signal asked to stop following."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


@contextmanager
def heeding_signals() -> Iterator[Callable[[], int | None]]:
    """While the block runs, SIGINT, SIGTERM and SIGHUP are only noted, so that nothing is torn apart.

    What is given tells whether one came. Another one, a second later or more, ends the process at once.
    """
    noted: list[tuple[int, float]] = []

    def note(number: int, frame: FrameType | None) -> None:
        if noted and time.monotonic() - noted[0][1] > _SAME_SIGNAL:
            os._exit(128 + number)
        noted.append((number, time.monotonic()))

    heeded = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # those that are ignored (nohup, background jobs of scripts) stay so
    before = {n: signal.signal(n, note) for n in heeded if signal.getsignal(n) is not signal.SIG_IGN}
    try:
        yield lambda: noted[0][0] if noted else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def see_through(session: Session, execution_id: str, *, after: int = 0, verbose: bool = False) -> int:
    """Follow an execution to its end, and say how it ended; the exit status.

    When this process carries it out, Ctrl-C leaves it: it can be resumed. ``after``: the event to begin behind.
    Raises the error that keeps this process from going on with it.
    """
    try:
        watch(session, execution_id, after=after, verbose=verbose)
        return tell_end(session, execution_id)
    except Left as left:
        return left.status
    except StorageError as error:
        remedy = f"`orch executions resume {execution_id}`"
        if remedy in (error.hint or ""):
            raise
        raise StorageError(error.message, hint=f"{error.hint}; then {remedy}" if error.hint else remedy) from error


def watch(session: Session, execution_id: str, *, after: int = 0, verbose: bool = False) -> None:
    """Show an execution until it has ended. Raises Left, when that is not awaited."""
    home = session.home
    session.carrying = True
    view = make_view(session, execution_id, verbose=verbose)
    with heeding_signals() as asked:
        with view:
            for event in executions.follow(home, execution_id, after=after):
                if asked():
                    break
                view.show(event)
        number = asked()
        if number is not None:
            if session.terminal.live and execution_id in under_way(home):
                session.err("detaching: playbooks are ended, jobs go on")
            for left in detach(home):
                say_detached(session, left)
            raise Left(number)


def make_view(session: Session, execution_id: str, *, verbose: bool) -> View:
    """The way to show an execution that fits the terminal and the options."""
    if session.json:
        return JsonView(session)
    if session.quiet:
        return QuietView()
    details = executions.show_execution(session.home, execution_id)
    progress = Progress(details.plan, executions.step_states(details))
    if not session.terminal.live:
        return LineView(session, progress, verbose=verbose)
    from orchestrator.cli.live import LiveView  # imports rich

    execution = details.summary.execution
    title = f"{execution.workflow} on {details.summary.deployment} (execution {execution.id})"
    return LiveView(progress, title, execution.started or execution.created, session.terminal)


def say_detached(session: Session, execution_id: str) -> None:
    """Say that an execution was left, and what can be done with it."""
    if session.json:
        session.data({"detached": {"execution": execution_id}}, line=True)
        return
    session.err(
        f"detached: jobs of execution {execution_id} go on, nothing new is started\n"
        f"  orch executions resume {execution_id}    take it up again\n"
        f"  orch executions cancel {execution_id}    end its jobs"
    )


def tell_end(session: Session, execution_id: str) -> int:
    """Say how an execution ended; the exit status: 0 when it is done, else 1."""
    execution = executions.result(session.home, execution_id)
    deployment = session.home.store.deployment(execution.deployment_id)
    if session.json:
        session.data({"result": execution_data(execution, deployment.name, execution.status.value)}, line=True)
    elif execution.status is ExecutionStatus.DONE:
        session.note(_done_text(session, execution, deployment.name))
        if execution.outputs and not session.quiet:
            session.out(outputs_table(execution.outputs, session.terminal))
    else:
        session.err(end_text(session, execution))
    return 0 if execution.status is ExecutionStatus.DONE else 1


def _done_text(session: Session, execution: Execution, deployment: str) -> str:
    terminal = session.terminal
    what = {
        "install": f"{deployment} is deployed",
        "update": f"{deployment} is updated",
        "scale": f"{deployment} is scaled",
        "uninstall": f"{deployment} is undeployed",
    }
    said = what.get(execution.workflow, f"{execution.workflow} is done")
    return terminal.styled(f"{terminal.symbols.done} {said}", "green") + f"{_took(execution)} [{execution.id}]"


def end_text(session: Session, execution: Execution) -> str:
    """What is to be said of an execution that was not done: why, where, and what to do."""
    terminal = session.error_terminal
    if not execution.status.final:
        return (
            f"{terminal.styled('error:', 'red', bold=True)} the process that carried execution {execution.id} out is "
            f"gone\n  orch executions resume {execution.id}    take it up again"
        )
    failure = execution.failure or Failure("")
    if execution.status is ExecutionStatus.CANCELLED:
        head = terminal.styled("cancelled:", "yellow", bold=True) + f" {execution.workflow}{_took(execution)}"
    else:
        head = terminal.styled("error:", "red", bold=True)
        head += f" {execution.workflow} failed{_took(execution)}: {clean(failure.message)}"
    facts = failure_facts(failure, cancelled=execution.status is ExecutionStatus.CANCELLED)
    lines = [head, *([failure_text(terminal, facts)] if facts else [])]
    mended = "go on from there" if execution.status is ExecutionStatus.CANCELLED else "when the cause is mended"
    lines.append(f"  orch executions resume {execution.id}    {mended}")
    lines.append(f"  orch executions logs {execution.id}      all that happened")
    return "\n".join(lines)


def failure_facts(failure: Failure, *, cancelled: bool = False) -> list[tuple[str, str]]:
    """What is known of a failure besides its message."""
    facts = [
        ("node", failure.node or ""),
        ("step", failure.step or ""),
        ("task", failure.task or ""),
        ("place", place_text(failure.span) if failure.span else ""),
        ("could not be stopped" if cancelled else "output", failure.output),
        ("hint", failure.hint or ""),
    ]
    return [(name, value) for name, value in facts if value.strip()]


def _took(execution: Execution) -> str:
    # of one that was resumed, the time between its attempts would be counted, too
    if execution.started is None or execution.ended is None or execution.attempt > 1:
        return ""
    return f" after {duration(execution.ended - execution.started)}"


def execution_data(execution: Execution, deployment: str, status: str) -> dict[str, Any]:
    """An execution in JSON, without its inputs and its plan."""
    failure = execution.failure
    return {
        "id": execution.id,
        "deployment": deployment,
        "workflow": execution.workflow,
        "status": status,
        "attempt": execution.attempt,
        "created": moment_data(execution.created),
        "started": moment_data(execution.started),
        "ended": moment_data(execution.ended),
        "failure": failure_data(failure) if failure else None,
        "outputs": dict(execution.outputs) if execution.outputs is not None else None,
    }


def outputs_table(outputs: Mapping[str, Value], terminal: Terminal) -> str:
    """The outputs of a workflow."""
    return table(["OUTPUT", "VALUE"], [[name, shown(value)] for name, value in outputs.items()], terminal)


def failure_data(failure: Failure) -> dict[str, Any]:
    """A failure in JSON."""
    return {
        "message": failure.message,
        "node": failure.node,
        "step": failure.step,
        "task": failure.task,
        "output": failure.output,
        "hint": failure.hint,
        "place": str(failure.span) if failure.span else None,
    }
