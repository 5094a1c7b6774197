"""``orch ssh-keys``: private keys go into the secret store and never come out; public ones are shown."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import click

from orchestrator import paths
from orchestrator.app import ssh_keys as use_cases
from orchestrator.app.ssh_keys import DEFAULT_RSA, KeyType, PassphraseNeeded, SshKey
from orchestrator.cli.options import Group
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import date, moment_data, table
from orchestrator.errors import UserError
from orchestrator.model.values import Secret


@click.group("ssh-keys", cls=Group)
def ssh_keys() -> None:
    """Keep SSH keys: generate, import, list, show, revoke.

    A private key lives in the secret store only (at ssh-credentials/ID, as HPCWaaS has it) and is never shown. Its
    public key goes into ~/.ssh/authorized_keys on the clusters; its id or its name is what workflows take as the input
    `vault_id`, and sites as `key`.
    """


@ssh_keys.command()
@click.option("--name", default="", metavar="NAME", help="A name for it; also the comment of the public key.")
@click.option(
    "--type", "kind", type=click.Choice([k.value for k in KeyType]), default=KeyType.ED25519.value, show_default=True
)
@click.option("--bits", type=int, metavar="N", help=f"The size of an RSA key.  [default: {DEFAULT_RSA}]")
@pass_session
def generate(session: Session, name: str, kind: str, bits: int | None) -> None:
    """Make a new key pair; print its id and its public key.

    The answer is two lines: the id, and the line for ~/.ssh/authorized_keys.

    \b
    Examples:
      orch ssh-keys generate --name "me at the cluster"
      orch ssh-keys generate --type rsa --bits 4096
      orch ssh-keys generate | tail -1 | ssh me@there 'cat >>.ssh/authorized_keys'
    """
    _made(session, use_cases.generate(session.home, kind=KeyType(kind), bits=bits, name=name))


@ssh_keys.command("import")
@click.argument("file", metavar="FILE")
@click.option("--name", default="", metavar="NAME", help="A name for it; also the comment of the public key.")
@click.option(
    "--passphrase-file", metavar="FILE", help="Where the key's passphrase is, when nobody can be asked for it."
)
@pass_session
def import_(session: Session, file: str, name: str, passphrase_file: str | None) -> None:
    """Keep an existing private key; `-` is the standard input. Its file stays where it is.

    A passphrase is asked for; in the store the key has none, as the store itself protects it.

    \b
    Examples:
      orch ssh-keys import ~/.ssh/id_ed25519 --name laptop
      pass show cluster-key | orch ssh-keys import -
    """
    content = sys.stdin.buffer.read() if file == "-" else _content(file, "private key")
    passphrase = None
    if passphrase_file is not None:
        passphrase = Secret(_content(passphrase_file, "passphrase").decode(errors="replace").rstrip("\r\n"))
    try:
        made = use_cases.import_key(session.home, content, passphrase=passphrase, name=name)
    except PassphraseNeeded:
        if not sys.stderr.isatty():
            raise
        typed = click.prompt("passphrase of the private key", hide_input=True, err=True)
        made = use_cases.import_key(session.home, content, passphrase=Secret(typed), name=name)
    _made(session, made)


@ssh_keys.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the keys with their fingerprints.

    \b
    Example:
      orch ssh-keys list
    """
    keys = use_cases.ssh_keys(session.home)
    if session.json:
        session.data([_data(key) for key in keys])
    elif keys:
        rows = [[k.id, k.name, _kind(k), date(k.created), k.fingerprint] for k in keys]
        session.out(
            table(["ID", "NAME", "TYPE", "CREATED", "FINGERPRINT"], rows, session.terminal, less=["CREATED", "TYPE"])
        )
    else:
        session.note("there are no SSH keys; `orch ssh-keys generate` makes one")


@ssh_keys.command()
@click.argument("key", metavar="ID|NAME")
@pass_session
def show(session: Session, key: str) -> None:
    """Print the public key once more.

    \b
    Example:
      orch ssh-keys show jane
    """
    found = use_cases.ssh_key(session.home, key)
    if session.json:
        session.data(_data(found))
    else:
        session.out(found.public_key)


@ssh_keys.command()
@click.argument("key", metavar="ID|NAME")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_session
def revoke(session: Session, key: str, yes: bool) -> None:
    """Delete a key for good, all its versions in Vault included.

    Workflows that use it cannot log in with it any more. The public key stays on the clusters: remove its line from
    ~/.ssh/authorized_keys there.

    \b
    Example:
      orch ssh-keys revoke 3f0c…
    """
    found = use_cases.ssh_key(session.home, key)
    if not yes:
        if not sys.stdin.isatty():
            raise UserError(f"deleting the SSH key {found.id} is to be confirmed", hint="on a terminal, or with --yes")
        label = f" ({found.name})" if found.name else ""
        click.confirm(f"delete the SSH key {found.id}{label} for good?", abort=True, err=True)
    use_cases.revoke(session.home, found.id)
    if session.json:
        session.data({"id": found.id, "revoked": True})
    left = f"its public key ({found.fingerprint}) may still be in authorized_keys of clusters"
    session.note(f"{found.id}: deleted; {left}")


def _made(session: Session, key: SshKey) -> None:
    if session.json:
        session.data(_data(key))
    else:
        session.out(key.id)
        session.out(key.public_key)


def _kind(key: SshKey) -> str:
    return f"{key.type} {key.bits}" if key.type == "rsa" else key.type


def _content(file: str, what: str) -> bytes:
    try:
        return paths.expanded(file).read_bytes()
    except OSError as error:
        raise UserError(f"{file}: the {what} cannot be read: {error.strerror}") from error


def _data(key: SshKey) -> dict[str, Any]:
    return {**asdict(key), "created": moment_data(key.created)}
