"""The beginning and the end of every call: the one place where errors become messages and exit statuses."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import click

from orchestrator.cli import completing
from orchestrator.cli.root import PipeClosed, root
from orchestrator.cli.session import Session
from orchestrator.errors import StorageError

BROKEN_PIPE = 128 + signal.SIGPIPE


class Terminated(KeyboardInterrupt):
    """Somebody asked this process to end, with SIGTERM or by closing its terminal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> NoReturn:
    """Run ``orch`` with the words of the command line, and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _terminated)
    session = Session(os.environ)
    if asked := os.environ.get(completing.VARIABLE):
        completing.answer(root, session, asked)
        os._exit(0)
    status = call(session, sys.argv[1:])
    status = _flushed(status)
    if session.opened is not None and _must_end_at_once(session):
        os._exit(status)
    sys.exit(status)


def call(session: Session, words: Sequence[str]) -> int:
    """Run one command; its exit status."""
    try:
        status = root.main(args=list(words), prog_name="orch", standalone_mode=False, obj=session)
        return status if isinstance(status, int) else 0
    except PipeClosed:
        return BROKEN_PIPE
    except (click.Abort, KeyboardInterrupt) as error:
        return _interrupted(session, error)
    except click.UsageError as error:
        session.json = session.json or "--json" in words
        return _reported(session, error)
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name == "orchestrator":
            return _reported(session, error)
        return _unusable(name, error)
    except Exception as error:
        return _reported(session, error)


def _unusable(name: str, error: ImportError) -> int:
    """Said without what shows other errors, since that may need the very package."""
    import traceback

    if isinstance(error, ModuleNotFoundError):
        said = f"the package {name}, which orch needs, is missing from this Python ({sys.executable})"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        said = f"a package that orch needs cannot be used: {error} ({frames[-1].filename})"
    others = "unset PYTHONPATH, whose packages come first, or " if os.environ.get("PYTHONPATH") else ""
    click.echo(f"error: {said}\nhint: {others}install orch again; `orch doctor` lists what is wrong", err=True)
    return 1


def _reported(session: Session, error: Exception) -> int:
    from orchestrator.cli.failures import report  # only when something is wrong

    try:
        return report(session, error)
    except BrokenPipeError:
        return BROKEN_PIPE
    except StorageError as unwritten:
        session.json = False
        return report(session, unwritten)


def _interrupted(session: Session, error: BaseException) -> int:
    """Ended by the user while nothing was followed; what was begun is left in order."""
    cause = error if isinstance(error, KeyboardInterrupt) else error.__cause__
    home = session.opened
    if home is not None:
        from orchestrator.app.leaving import detach
        from orchestrator.cli.following import say_detached

        for execution in detach(home):
            say_detached(session, execution)
    return 128 + (cause.number if isinstance(cause, Terminated) else signal.SIGINT)


def _must_end_at_once(session: Session) -> bool:
    """Whether threads of the engine would keep the process; its affairs are put in order."""
    from orchestrator.app.leaving import leave, uses_engine

    assert session.opened is not None
    if not uses_engine(session.opened):
        return False
    with suppress(Exception):  # the answer is given: a lock file left behind must not turn it into an error
        leave(session.opened)
    return True


def _flushed(status: int) -> int:
    """Get everything out. Where it cannot be written any more, that decides the exit status."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # what is left in the buffer must not fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return BROKEN_PIPE
        status = status or 1
        with suppress(OSError):
            sys.stderr.write(f"error: the answer cannot be written: {error.strerror}\n")
    with suppress(OSError):
        sys.stderr.flush()
    return status


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)
