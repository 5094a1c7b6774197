"""One call of ``orch``: its common options, its streams, and the home it works on."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.terminal import Terminal, terminal_of
from orchestrator.cli.text import as_json
from orchestrator.errors import StorageError
from orchestrator.model.values import masked

if TYPE_CHECKING:
    from orchestrator.app.wiring import Home


class Session:
    """What the commands of one call share. The common options may stand before and after the command's name."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.home_folder: Path | None = None
        self.sites_file: Path | None = None
        self.json = False
        self.quiet = False
        self.debug = False
        self.completing = False
        """Whether a shell only asks what it may complete, so that nothing must be made."""
        self.carrying = False
        """Whether something is carried out that must not end because of what is said."""

    @cached_property
    def home(self) -> Home:
        """The orchestrator's home. Raises ConfigurationError."""
        from orchestrator.app.settings import read_settings
        from orchestrator.app.wiring import Home

        return Home(
            read_settings(self.environment, home=self.home_folder, sites_file=self.sites_file, make=not self.completing)
        )

    @property
    def opened(self) -> Home | None:
        """The home, if this call has used it."""
        home: Home | None = self.__dict__.get("home")
        return home

    @cached_property
    def terminal(self) -> Terminal:
        """What the standard output can show."""
        return terminal_of(sys.stdout, self.environment)

    @cached_property
    def error_terminal(self) -> Terminal:
        """What the standard error can show."""
        return terminal_of(sys.stderr, self.environment)

    def out(self, text: str = "") -> None:
        """Say something that was asked for.

        Raises BrokenPipeError when nobody reads it, unless something is carried out: that goes on all the same.
        Raises StorageError when it cannot be written.
        """
        try:
            click.echo(text, color=True)
        except BrokenPipeError:
            if not self.carrying:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except OSError as error:
            raise StorageError(f"the answer cannot be written: {error.strerror}") from error

    def err(self, text: str) -> None:
        """Say something besides: an error, a warning, what to do next. When nobody hears it, it is lost."""
        with suppress(OSError):
            click.echo(text, err=True, color=True)

    def note(self, text: str) -> None:
        """Say what was done; not with ``--quiet`` or ``--json``."""
        if not self.quiet and not self.json:
            self.out(text)

    def warn(self, text: str) -> None:
        """Warn."""
        self.err(self.error_terminal.styled("warning: ", "yellow", bold=True) + text)

    def data(self, data: Any, *, line: bool = False) -> None:
        """Answer in JSON; secrets in it are masked."""
        self.out(as_json(masked(data), indent=None if line else 2))


pass_session = click.make_pass_decorator(Session)
