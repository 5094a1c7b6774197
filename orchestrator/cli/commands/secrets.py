"""``orch secrets``: values are read from a prompt, the standard input or a file, and never shown."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import click

from orchestrator import paths
from orchestrator.app import vault_login
from orchestrator.app.vault_login import CALLBACK_PORT
from orchestrator.cli.options import Group
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import counted, duration, table
from orchestrator.errors import SecretAccessError, UserError
from orchestrator.model.values import Secret
from orchestrator.secrets import SecretStore


@click.group(cls=Group)
def secrets() -> None:
    """Keep credentials: set, list, delete; log in to Vault.

    A secret has a path and keys, as topologies name them: `get_secret: [services_secrets/dls, data=password]` is the
    key `password` of the path `services_secrets/dls`. They are kept encrypted in orch's home, or in HashiCorp Vault or
    OpenBao where one is configured (docs/secrets.md), and are never shown.
    """


@secrets.command("set")
@click.argument("path")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@pass_session
def set_(session: Session, path: str, keys: tuple[str, ...]) -> None:
    """Set some keys of a path; its other keys stay.

    The value of each KEY is asked for on a terminal; otherwise it is read from the standard input, one line per key, in
    their order. KEY=@FILE takes it from a file, KEY=@- from all of the standard input (the newline that ends a single
    line is left out; a text of several lines is taken as it is). KEY=VALUE is refused: other users can see the command
    lines of processes, and shells remember them.

    \b
    Examples:
      orch secrets set services_secrets/dls username password
      orch secrets set ssh/me private_key=@$HOME/.ssh/id_ed25519
      printf '%s\\n' "$USER" "$PASSWORD" | orch secrets set dls username password
    """
    sources = parse_keys(keys)
    values = read_values(sources, _prompt(path) if sys.stdin.isatty() else None, _standard_input)
    session.home.secrets.put(path, values)
    if session.json:
        session.data({"path": path, "keys": list(sources)})
    session.note(f"{path}: {counted(len(values), 'key')} set")


@secrets.command("list")
@click.argument("path", required=False)
@pass_session
def list_(session: Session, path: str | None) -> None:
    """List the paths and their keys, never the values.

    \b
    Examples:
      orch secrets list
      orch secrets list services_secrets/dls
    """
    store = session.home.secrets
    paths = store.paths() if path is None else (path,)
    found = {p: _keys_of(store, p) if path is None else store.keys(p) for p in paths}
    if path is not None and not found[path]:
        raise UserError(f"there is no secret {path}", hint="`orch secrets list` shows what there is")
    if session.json:
        session.data([{"path": p, "keys": None if keys is None else list(keys)} for p, keys in found.items()])
    elif found:
        rows = [[p, "(may not be read)" if keys is None else ", ".join(keys)] for p, keys in found.items()]
        session.out(table(["PATH", "KEYS"], rows, session.terminal))
    else:
        session.note("there are no secrets; `orch secrets set PATH KEY` sets one")


@secrets.command()
@click.argument("path")
@click.argument("key", required=False)
@pass_session
def delete(session: Session, path: str, key: str | None) -> None:
    """Delete one key of a path, or all of them.

    \b
    Examples:
      orch secrets delete services_secrets/dls password
      orch secrets delete services_secrets/dls
    """
    session.home.secrets.delete(path, key)
    if session.json:
        session.data({"path": path, "key": key})
    session.note(f"{path}{f' {key}' if key else ''}: deleted")


@secrets.command()
@click.option(
    "--port", type=int, default=CALLBACK_PORT, show_default=True, help="Where the browser comes back to (oidc)."
)
@click.option("--no-browser", is_flag=True, help="Only print the address that is to be opened (oidc).")
@pass_session
def login(session: Session, port: int, no_browser: bool) -> None:
    """Log in to Vault, and show who you are to it.

    How is said by `auth` of vault in config.yaml of the home. Method oidc opens a browser; method token asks for a
    token, or reads it from the standard input; it is then kept in the home, encrypted, until `orch secrets logout`. The
    other methods, and VAULT_TOKEN, are tried out.

    \b
    Examples:
      orch secrets login
      vault token create -field=token | orch secrets login
    """

    def show(address: str) -> None:
        session.err(f"open this address in a browser to log in:\n{address}")
        if not no_browser:
            webbrowser.open(address)

    found = vault_login.login(session.home, ask=_asked_token, show=show, port=port)
    if session.json:
        session.data(asdict(found))
        return
    left = f", for {duration(found.seconds_left)}" if found.seconds_left else ""
    session.note(f"logged in to Vault as {found.name or '(no name)'}{left}; policies: {', '.join(found.policies)}")


@secrets.command()
@pass_session
def logout(session: Session) -> None:
    """Revoke and forget the token that was kept.

    \b
    Example:
      orch secrets logout
    """
    done = vault_login.logout(session.home)
    if session.json:
        session.data({"logged_out": done})
    session.note("logged out of Vault" if done else "there is no login to end")


def _keys_of(store: SecretStore, path: str) -> tuple[str, ...] | None:
    """The keys of a path that is listed; None when its reader may not read it."""
    try:
        return store.keys(path)
    except SecretAccessError:
        return None


def _asked_token(what: str) -> Secret:
    if sys.stdin.isatty():
        return Secret(click.prompt(what, hide_input=True, err=True).strip())
    token = _decoded(_standard_input(), "the standard input").strip()
    if not token:
        raise UserError("the standard input has no token", hint="type it when asked, on a terminal")
    return Secret(token)


def parse_keys(words: Sequence[str]) -> dict[str, str | None]:
    """Each key with the file that its value is in (``-`` is the standard input), None when it is to be asked for.

    Raises UserError, in which no value is shown.
    """
    sources: dict[str, str | None] = {}
    for word in words:
        key, equals, source = word.partition("=")
        if equals and not source.startswith("@"):
            raise UserError(
                f"the value of {key!r} stands on the command line, where other users can see it and the shell keeps it",
                hint=f"name only the key and type the value when asked, or use {key}=@FILE or {key}=@-; "
                "change the secret if it is in use",
            )
        if not key:
            raise UserError("a key has no name", hint="write KEY, KEY=@FILE or KEY=@-")
        if equals and source == "@":
            raise UserError(f"{key}=@ names no file", hint=f"write {key}=@FILE or {key}=@-")
        if key in sources:
            raise UserError(f"the key {key!r} is named twice")
        sources[key] = source[1:] if equals else None
    if list(sources.values()).count("-") > 1:
        raise UserError("only one value can be all of the standard input", hint="use KEY=@FILE for the others")
    return sources


def read_values(
    sources: Mapping[str, str | None], prompt: Callable[[str], str] | None, standard_input: Callable[[], bytes]
) -> dict[str, Secret]:
    """The value of each key. ``prompt`` asks for one; without it they are the lines of the standard input.

    Raises UserError when a value is missing or left over, or cannot be read.
    """
    values: dict[str, Secret] = {}
    open_keys = [key for key, source in sources.items() if source is None]
    if open_keys and prompt is None:
        if "-" in sources.values():
            raise UserError(
                f"there is no value for {', '.join(open_keys)}: all of the standard input belongs to another key",
                hint="use KEY=@FILE",
            )
        values |= zip_lines(open_keys, _decoded(standard_input(), "the standard input"))
    for key, source in sources.items():
        if source is not None:
            content = standard_input() if source == "-" else _file(source)
            values[key] = Secret(_without_newline(_decoded(content, source)))
        elif prompt is not None:
            values[key] = Secret(prompt(key))
    empty = [key for key in sources if not values[key].reveal()]
    if empty:
        raise UserError(f"there is no value for {', '.join(empty)}: it is empty", hint="nothing was set")
    return {key: values[key] for key in sources}


def zip_lines(keys: Sequence[str], text: str) -> dict[str, Secret]:
    """One line for each key. Raises UserError when there are fewer or more."""
    lines = text.split("\n")
    if lines and lines[-1] == "":
        lines.pop()
    lines = [line.removesuffix("\r") for line in lines]
    if len(lines) < len(keys):
        missing = ", ".join(keys[len(lines) :])
        raise UserError(
            f"the standard input has no line for {missing}", hint="give one line per key, in the order of the keys"
        )
    if len(lines) > len(keys):
        raise UserError(
            f"the standard input has {counted(len(lines), 'line')} for {counted(len(keys), 'key')}",
            hint="give one line per key; for a value of several lines use KEY=@-",
        )
    return {key: Secret(line) for key, line in zip(keys, lines, strict=True)}


def _prompt(path: str) -> Callable[[str], str]:
    def ask(key: str) -> str:
        answer: str = click.prompt(f"{path} {key}", hide_input=True, default="", show_default=False, err=True)
        return answer

    return ask


def _standard_input() -> bytes:
    return sys.stdin.buffer.read()


def _file(name: str) -> bytes:
    path = paths.expanded(name)
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{name}: the file of the value cannot be read: {error.strerror}") from error


def _decoded(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{what}: not UTF-8 text (byte {error.start})", hint="encode it, as base64 for example"
        ) from None


def _without_newline(text: str) -> str:
    line = text.removesuffix("\n").removesuffix("\r")
    return line if "\n" not in line else text
