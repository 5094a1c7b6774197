"""``orch completion``."""

from __future__ import annotations

import click

from orchestrator.cli.completing import SHELLS, script
from orchestrator.cli.options import Command


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what a shell needs to complete commands and names.

    Completed are commands, options and values: deployments, executions, workflows, steps, nodes, inputs, sites,
    profiles, types, records of the data catalogue, files.

    \b
    Examples:
      eval "$(orch completion bash)"     # in ~/.bashrc
      eval "$(orch completion zsh)"      # in ~/.zshrc, behind compinit
      orch completion fish | source      # in ~/.config/fish/config.fish
    """
    click.echo(script(context.find_root().command, shell))
