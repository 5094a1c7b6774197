"""What a shell completes: words that may stand for an argument or the value of an option.

It is asked while somebody types: it answers soon or not at all, says nothing of what is wrong, and makes nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class, shell_complete

from orchestrator.cli.session import Session

if TYPE_CHECKING:
    from orchestrator.app.wiring import Home

VARIABLE = "_ORCH_COMPLETE"
"""The environment variable by which a shell asks."""
SHELLS = ("bash", "zsh", "fish")
_LONGEST = 10.0
"""Seconds after which nobody waits for an answer any more."""
_ABOUT = 60

Finder = Callable[["Home", dict[str, Any]], Sequence[tuple[str, str]]]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def answer(root: click.Command, session: Session, asked: str) -> None:
    """Print what a shell may complete; nothing when anything is wrong or takes too long."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGALRM, lambda number, frame: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, _LONGEST)
    session.completing = True
    with suppress(Exception):
        shell_complete(root, {"obj": session}, "orch", VARIABLE, asked)


def script(root: click.Command, shell: str) -> str:
    """What the shell has to run, so that it completes the words of orch."""
    kind = get_completion_class(shell)
    assert kind is not None
    # not the shell's own: that of bash starts one to see its version, and may complain
    return ShellComplete.source(kind(root, {}, "orch", VARIABLE))


def _completer(find: Finder) -> Completer:
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        session = context.find_object(Session)
        with suppress(Exception):
            if session is not None:
                found = find(session.home, context.params)
                return [_item(*item) for item in dict(found).items() if item[0].startswith(incomplete)]
        return []

    return complete


def _item(word: str, about: str) -> CompletionItem:
    # shells are told by lines
    return CompletionItem(word, help=" ".join(about.split())[:_ABOUT] or None)


def _by(name: str, *parameters: str, **settings: Any) -> Completer:
    """Completes with a use case of :mod:`orchestrator.app.suggestions`, given what some parameters have already.

    Of parameters with a bar between their names, the first that has something counts.
    """

    def find(home: Home, known: dict[str, Any]) -> Sequence[tuple[str, str]]:
        from orchestrator.app import suggestions  # imports the store

        words = (next((str(known[n]) for n in p.split("|") if known.get(n) is not None), None) for p in parameters)
        found: Sequence[tuple[str, str]] = getattr(suggestions, name)(home, *words, **settings)
        return found

    return _completer(find)


deployments = _by("deployments")
executions = _by("executions")
runnable_workflows = _by("workflows", "none", "deployment", runnable=True)
workflows = _by("workflows", "target", "deployment", runnable=False)
inputs = _by("inputs", "file|target", "deployment", "workflow")
nodes = _by("nodes", "file", "deployment")
assigned_nodes = _by("nodes", "file", "deployment", ending="=")
matches = _by("matches", "file")
steps = _by("steps", "id")
nodes_of_execution = _by("nodes_of", "id")
sites = _by("sites")
profiles = _by("profiles")
types = _by("types")
records = _by("records")


def targets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A file; or, of a deployment that is named already, a workflow."""
    if context.params.get("deployment") is not None:
        return workflows(context, parameter, incomplete)
    return [CompletionItem(incomplete, type="file")]


def targets_and_executions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What ``targets`` gives; where a file may stand, also an execution."""
    more = [] if context.params.get("deployment") is not None else executions(context, parameter, incomplete)
    return [*targets(context, parameter, incomplete), *more]
