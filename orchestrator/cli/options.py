"""Commands that take the common options anywhere, and options that several commands have."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from orchestrator.cli import completing
from orchestrator.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # said once is said: the place of the command that does not have it must not take it back
    if value and isinstance(context.obj, Session):
        setattr(context.obj, str(parameter.name), value)


def common_options(*, shown: bool) -> list[click.Option]:
    """The options of every command. ``shown``: all of them are in the help, not only those for answers."""
    return [
        click.Option(
            ["--home", "home_folder"],
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            expose_value=False,
            callback=_set,
            hidden=not shown,
            help="Where orch keeps its state (default: $ORCH_HOME, else the platform's data folder).",
        ),
        click.Option(
            ["--sites", "sites_file"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_set,
            hidden=not shown,
            help="A description of sites, besides those found in the home and the working folder.",
        ),
        click.Option(
            ["--json"],
            is_flag=True,
            expose_value=False,
            callback=_set,
            is_eager=True,
            help="Answer in JSON, errors too.",
        ),
        click.Option(
            ["--quiet", "-q"],
            is_flag=True,
            expose_value=False,
            callback=_set,
            is_eager=True,
            help="Say only what was asked for, and what is wrong.",
        ),
        click.Option(
            ["--debug"],
            is_flag=True,
            expose_value=False,
            callback=_set,
            is_eager=True,
            hidden=not shown,
            help="When orch itself is at fault, show where.",
        ),
    ]


class Command(click.Command):
    """A command with the common options."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        settings["context_settings"] = {**HELP, **(settings.get("context_settings") or {})}
        super().__init__(*words, **settings)
        self.params.extend(common_options(shown=False))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words. When a shell asks for the value of the last one, those before it are read all the same."""
        if ctx.resilient_parsing and args and any(_lacks_value(param, args[-1]) for param in self.params):
            args = args[:-1]
        return super().parse_args(ctx, args)


def _lacks_value(parameter: click.Parameter, word: str) -> bool:
    return isinstance(parameter, click.Option) and not parameter.is_flag and word in parameter.opts


class Branch(click.Group):
    """A command that has commands: by itself it prints its help; of a wrong word it says which may have been meant."""

    def __init__(self, *words: Any, **settings: Any) -> None:
        settings |= {"invoke_without_command": True, "no_args_is_help": False}
        settings["callback"] = _or_help(settings.get("callback") or (lambda: None))
        super().__init__(*words, **settings)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, or say which one may have been meant."""
        names = self.list_commands(ctx)
        if args[0] not in names and not ctx.resilient_parsing:
            close = difflib.get_close_matches(args[0], names, n=1)
            path = ctx.command_path
            guess = f"did you mean `{path} {close[0]}`?" if close else f"`{path} --help` lists the commands"
            raise click.UsageError(f"there is no command {args[0]!r}; {guess}", ctx)
        return super().resolve_command(ctx, args)


def _or_help(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def call(*words: Any, **settings: Any) -> Any:
        context = click.get_current_context()
        if context.invoked_subcommand is None:
            click.echo(context.get_help())
        return callback(*words, **settings)

    return call


class Group(Branch):
    """A command with commands of its own, all with the common options."""

    command_class = Command

    def __init__(self, *words: Any, **settings: Any) -> None:
        settings["context_settings"] = {**HELP, **(settings.get("context_settings") or {})}
        super().__init__(*words, **settings)
        self.params.extend(common_options(shown=False))


def deployment_option(help: str = "The deployment; not needed when there is only one.") -> Callable[[F], F]:
    """``--deployment NAME``, by which every command names a deployment."""
    return click.option("-d", "--deployment", metavar="NAME", shell_complete=completing.deployments, help=help)


def repeated_option(*words: str, help: str, **settings: Any) -> Callable[[F], F]:
    """An option that may be given several times, and says so; the command takes a tuple of what was given."""
    return click.option(*words, multiple=True, help=f"{help.removesuffix('.')}; may be repeated.", **settings)


def steps_option(*words: str, help: str) -> Callable[[F], F]:
    """An option that names steps of an execution."""
    return repeated_option(*words, metavar="STEP", shell_complete=completing.steps, help=help)


class _Unshown(click.Argument):
    """An argument that the help does not show."""

    def get_usage_pieces(self, ctx: click.Context) -> list[str]:
        return []


def with_earlier_name(*, option: bool = False) -> Callable[[F], F]:
    """The deployment's name is also taken as it was given before ``--deployment``: as a word, or as ``--name``."""

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*words: Any, earlier: str | None, deployment: str | None, **settings: Any) -> Any:
            if earlier is not None and deployment not in (None, earlier):
                raise click.UsageError(f"two deployments are named: {earlier!r} and {deployment!r}")
            return function(*words, deployment=deployment or earlier, **settings)

        decorated = cast(F, call)
        if option:
            return click.option("--name", "earlier", hidden=True)(decorated)
        return click.argument("earlier", required=False, cls=_Unshown, shell_complete=completing.deployments)(decorated)

    return decorate


def input_options(function: F) -> F:
    """``-i NAME=VALUE`` and ``--inputs FILE``; the command takes what they say as ``given``."""

    @wraps(function)
    def call(*words: Any, pairs: tuple[str, ...], inputs_file: Path | None, **settings: Any) -> Any:
        from orchestrator.app.inputs import read_inputs

        return function(*words, given=read_inputs(pairs, inputs_file), **settings)

    decorated = click.option(
        "--inputs",
        "inputs_file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A YAML file of inputs (`orch inputs TARGET -o FILE` writes one).",
    )(cast(F, call))
    return repeated_option(
        "-i",
        "--input",
        "pairs",
        metavar="NAME=VALUE",
        shell_complete=completing.inputs,
        help="One input; wins over the file.",
    )(decorated)


def verbose_option(function: F) -> F:
    """``-v``: what jobs print and playbooks do, too."""
    return click.option(
        "-v", "--verbose", is_flag=True, help="Where there is no live view: show the output of jobs and tasks, too."
    )(function)


def policy_options(function: F) -> F:
    """``--timeout``, ``--retries``, ``--continue-on-error``, ``--parallel``; the command takes ``overrides``."""
    options = (
        repeated_option(
            "--timeout",
            metavar="[NODE=]TIME",
            shell_complete=completing.assigned_nodes,
            help="How long the whole, or each operation of a node, may take (30 s, 10m, 2h), before it is cancelled.",
        ),
        repeated_option(
            "--retries",
            metavar="[NODE=]N",
            shell_complete=completing.assigned_nodes,
            help="How often a failed operation, of any node or of one, is tried again.",
        ),
        repeated_option(
            "--continue-on-error",
            metavar="NODE",
            shell_complete=completing.nodes,
            help="Go on when an operation of this node has failed.",
        ),
        repeated_option(
            "--parallel",
            metavar="[SITE=]N",
            help="How many operations of this execution may be under way at a site, or at each, at the same time.",
        ),
    )

    @wraps(function)
    def call(
        *words: Any,
        timeout: tuple[str, ...],
        retries: tuple[str, ...],
        continue_on_error: tuple[str, ...],
        parallel: tuple[str, ...],
        **settings: Any,
    ) -> Any:
        from orchestrator.app.policies import read_overrides

        return function(*words, overrides=read_overrides(timeout, retries, continue_on_error, parallel), **settings)

    decorated = cast(F, call)
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
