"""Use cases: how a process that carries executions out leaves them."""

from __future__ import annotations

from orchestrator.app.wiring import Home


def uses_engine(home: Home) -> bool:
    """Whether this process has made its engine: then its threads go on, and it must be ended at once."""
    return "engine" in home.__dict__


def under_way(home: Home) -> list[str]:
    """The executions that this process carries out and that have not ended."""
    if not uses_engine(home):
        return []
    return sorted(i for i in home.engine.carried_out if not home.store.execution(i).status.final)


def detach(home: Home) -> list[str]:
    """Stop carrying executions out; their jobs go on. The executions that are left, which can be resumed."""
    if not uses_engine(home):
        return []
    home.engine.detach()
    return under_way(home)


def leave(home: Home) -> None:
    """Put things in order before the process ends: when nothing is under way, its lock is not left behind."""
    if uses_engine(home) and not under_way(home):
        home.engine.flush()
        home.owner.release()
