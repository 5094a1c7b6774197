"""The command ``orch`` with its common options; its commands are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click

from orchestrator.cli.options import HELP, Branch, common_options


@dataclass(frozen=True)
class Lazy:
    """Where a command is (module and name in it), and what it does in a few words."""

    module: str
    name: str
    summary: str


SECTIONS: Mapping[str, Mapping[str, Lazy]] = {
    "Topologies": {
        "validate": Lazy("topologies", "validate", "Check a topology: every problem with file, line and column."),
        "plan": Lazy("topologies", "plan", "Show what a workflow would do, step by step."),
        "graph": Lazy("graph", "graph", "Draw a topology, a workflow or an execution."),
        "inputs": Lazy("inputs", "inputs", "List the inputs of a topology or workflow, or write a file of them."),
        "convert": Lazy("convert", "convert", "Write a topology or a file of types in TOSCA Simple Profile 1.3."),
        "package": Lazy("package", "package", "Pack a topology, with all that it needs, into one file (a CSAR)."),
        "unpack": Lazy("package", "unpack", "Unpack a CSAR, if that is safe."),
        "lock": Lazy("package", "lock", "Write down what a topology is made of (orch.lock)."),
    },
    "Deployments": {
        "deploy": Lazy("work", "deploy", "Deploy a topology, once."),
        "run": Lazy("work", "run", "Run a workflow of a deployment, as often as you like."),
        "scale": Lazy("scale", "scale", "Give nodes of a deployment more or fewer instances."),
        "undeploy": Lazy("work", "undeploy", "Undo a deployment."),
        "list": Lazy("deployments", "list_", "List the deployments."),
        "show": Lazy("deployments", "show", "Show a deployment: its nodes, sites, states, attributes."),
        "outputs": Lazy("deployments", "outputs", "Show the outputs of a deployment."),
        "executions": Lazy("executions", "executions", "What ran: list, show, logs, cancel, resume."),
        "prune": Lazy("prune", "prune", "Remove what is over: old executions, their jobs' folders, unused archives."),
        "worker": Lazy("worker", "worker", "Carry out what was queued with --detach."),
    },
    "Surroundings": {
        "types": Lazy("types", "types", "Show what a node type has, or list all node types."),
        "sites": Lazy("sites", "sites", "See the sites where things can run: list, check, trust."),
        "secrets": Lazy("secrets", "secrets", "Keep credentials: set, list, delete; log in to Vault."),
        "ssh-keys": Lazy("ssh_keys", "ssh_keys", "Keep SSH keys: generate, import, list, show, revoke."),
        "profiles": Lazy("profiles", "profiles", "Keep TOSCA profiles: list, add, remove."),
        "catalogue": Lazy("catalogue", "catalogue", "Keep data sets: add, list, show."),
        "doctor": Lazy("doctor", "doctor", "See whether this machine and orch's home have what orch needs."),
        "explain": Lazy("explain", "explain", "Say what the code of a problem or an error stands for."),
        "completion": Lazy("completion", "completion", "Print what a shell needs to complete commands and names."),
        "help": Lazy("about", "help_", "Explain orch or one of its commands."),
        "version": Lazy("about", "version", "Say which version of orch this is."),
    },
}
"""Every command, in the order of the help."""

COMMANDS: Mapping[str, Lazy] = {name: lazy for section in SECTIONS.values() for name, lazy in section.items()}


class PipeClosed(Exception):
    """Nobody reads the answer any more."""


class Root(Branch):
    """Imports a command when it is called, and lists all in sections."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        command: click.Command = getattr(import_module(f"orchestrator.cli.commands.{lazy.module}"), lazy.name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command. click would end the process by itself when nobody reads the answer."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise PipeClosed from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands in sections."""
        for section, commands in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, lazy.summary) for name, lazy in commands.items()], col_max=20)


def _version(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"orch {installed_version()}")
        context.exit()


def installed_version() -> str:
    """The version of orch that is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("tosca-orch")
    except PackageNotFoundError:
        return "(not installed: run from its sources)"


@click.group(cls=Root, context_settings=HELP, params=common_options(shown=True))
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
def root() -> None:
    """Deploy an HPC workflow once, run it as often as you like: here, or on a cluster.

    \b
    A first minute:
      orch validate topology.yaml         is it right?
      orch deploy topology.yaml           once: images are built and copied
      orch inputs exec_job -o in.yaml     which inputs does a run want?
      orch run exec_job --inputs in.yaml  as often as you like
      orch executions logs -f             what it says

    Ctrl-C detaches: jobs go on, and `orch executions resume` takes them up again. Every command explains itself
    with -h. The options below may stand before and after a command.
    """
