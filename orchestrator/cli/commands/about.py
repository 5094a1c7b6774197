"""``orch help`` and ``orch version``."""

from __future__ import annotations

import click

from orchestrator.cli.options import Command
from orchestrator.cli.root import installed_version
from orchestrator.cli.session import Session, pass_session


@click.command("help", cls=Command)
@click.argument("words", nargs=-1, metavar="[COMMAND...]")
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Explain orch or one of its commands.

    \b
    Examples:
      orch help
      orch help run
      orch help executions logs
    """
    found = context.find_root()
    for word in words:
        if not isinstance(found.command, click.Group):
            raise click.UsageError(f"`{found.command_path}` has no commands of its own", found)
        name, command, _ = found.command.resolve_command(found, [word])
        assert command is not None
        found = click.Context(command, found, name, **command.context_settings)
    click.echo(found.command.get_help(found))


@click.command(cls=Command)
@pass_session
def version(session: Session) -> None:
    """Say which version of orch this is.

    \b
    Examples:
      orch version
      orch version --json
    """
    if session.json:
        session.data({"version": installed_version()})
    else:
        session.out(f"orch {installed_version()}")
