"""Use case: SSH keys of users, which live in the secret store only (the contract of HPCWaaS).

A key is at ``ssh-credentials/<id>`` with the keys ``privateKey`` (OpenSSH's format, without passphrase), ``publicKey``,
``created`` and, where it has one, ``name``. Workflows name it by its id, in the input ``vault_id``.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import re
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.app.wiring import Home
from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable, UserError
from orchestrator.model.names import is_name
from orchestrator.model.values import Secret
from orchestrator.secrets import SecretStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

FOLDER = "ssh-credentials"
"""Where HPCWaaS keeps the keys of users."""

PRIVATE_KEY = "privateKey"
"""The key of a path there that holds the private key."""

SMALLEST_RSA, LARGEST_RSA, DEFAULT_RSA = 2048, 16384, 4096
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_LONGEST_ID = 128


class KeyType(enum.StrEnum):
    """What kind of key is generated."""

    ED25519 = "ed25519"
    RSA = "rsa"


@dataclass(frozen=True)
class SshKey:
    """What may be shown of a key. ``type`` is as in its public key without ``ssh-``; ``created`` is ISO 8601, UTC."""

    id: str
    name: str
    type: str
    bits: int
    created: str
    fingerprint: str
    public_key: str


class PassphraseNeeded(UserError):
    """A key that is to be imported is encrypted, and no passphrase was given."""


def generate(home: Home, *, kind: KeyType = KeyType.ED25519, bits: int | None = None, name: str = "") -> SshKey:
    """Make a new key pair and keep it in the secret store. Raises UserError for bits or a name that do not do."""
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    if kind is KeyType.ED25519:
        if bits is not None:
            raise UserError("an ed25519 key always has 256 bits", hint="leave --bits out, or use --type rsa")
        return _keep(home, ed25519.Ed25519PrivateKey.generate(), name)
    size = DEFAULT_RSA if bits is None else bits
    if not SMALLEST_RSA <= size <= LARGEST_RSA:
        raise UserError(f"an RSA key has {SMALLEST_RSA} to {LARGEST_RSA} bits, not {size}")
    return _keep(home, rsa.generate_private_key(65537, size), name)


def import_key(home: Home, content: bytes, *, passphrase: Secret | None = None, name: str = "") -> SshKey:
    """Keep an existing private key (OpenSSH's format or PEM).

    Raises PassphraseNeeded when it is encrypted and no passphrase is given, UserError when it cannot be used.
    """
    return _keep(home, _private_key(content, passphrase), name)


def ssh_keys(home: Home) -> Sequence[SshKey]:
    """All keys, the oldest first; those that may be listed but not read are there with little more than their id."""
    ids = [path.split("/")[1] for path in home.secrets.paths() if re.fullmatch(rf"{FOLDER}/[^/]+", path)]
    return sorted((_read_or_named(home, key_id) for key_id in ids), key=lambda key: (key.created, key.id))


def ssh_key(home: Home, key: str) -> SshKey:
    """One key, by its id or its name. Raises UserError when there is none, or several have the name."""
    if is_name(key, _LONGEST_ID) and PRIVATE_KEY in home.secrets.keys(_path(key)):
        return _read(home, key)
    found = ids_named(home.secrets, key)
    if len(found) > 1:
        raise UserError(f"several SSH keys are called {key!r}", hint=f"name one by its id: {', '.join(found)}")
    if not found:
        raise UserError(f"there is no SSH key {key!r}", hint="`orch ssh-keys list` shows what there is")
    return _read(home, found[0])


def ids_named(store: SecretStore, name: str) -> list[str]:
    """The ids of the keys that people gave this name; those that may not be read have none."""
    found = []
    for path in store.paths():
        folder, _, key_id = path.partition("/")
        if folder != FOLDER or not key_id or "/" in key_id:
            continue
        with suppress(SecretAccessError):
            known = store.keys(path)
            if {"name", PRIVATE_KEY} <= set(known) and store.get(path, "name").reveal() == name:
                found.append(key_id)
    return found


def revoke(home: Home, key: str) -> SshKey:
    """Remove a key, by its id or its name, for good. Raises UserError when there is none."""
    found = ssh_key(home, key)
    home.secrets.delete(_path(found.id))
    return found


def _keep(home: Home, key: PrivateKeyTypes, name: str) -> SshKey:
    from cryptography.hazmat.primitives import serialization

    if name and _NAME.fullmatch(name) is None:
        raise UserError(f"{name!r} cannot be the name of a key", hint="at most 100 characters, on one line")
    key_id = str(uuid.uuid4())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = f"{_public_line(key)} {name or f'orch-{key_id}'}"
    created = datetime.now(UTC).isoformat(timespec="seconds")
    values: dict[str, str | Secret] = {
        PRIVATE_KEY: Secret(private.decode()),
        "publicKey": public,
        "created": created,
        **({"name": name} if name else {}),
    }
    home.secrets.put(_path(key_id), values)
    return _shown(key_id, name, created, public)


def _read_or_named(home: Home, key_id: str) -> SshKey:
    try:
        return _read(home, key_id)
    except SecretAccessError:
        return SshKey(key_id, "", "may not be read", 0, "", "", "")


def _read(home: Home, key_id: str) -> SshKey:
    """What may be shown of a key; the public key of one that another system has kept is made from the private one."""
    store, path = home.secrets, _path(key_id)
    known = store.keys(path)

    def text(key: str) -> str:
        return store.get(path, key).reveal() if key in known else ""

    try:
        public = text("publicKey").strip()
        if not public and PRIVATE_KEY in known:
            public = _public_line(_private_key(store.get(path, PRIVATE_KEY).reveal().encode(), None))
    except (SecretStoreUnavailable, SecretAccessError):
        raise
    except (UserError, SecretError):
        public = ""
    return _shown(key_id, text("name"), text("created"), public)


def _shown(key_id: str, name: str, created: str, public: str) -> SshKey:
    words = public.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error):
        return SshKey(key_id, name, "unknown", 0, created, "", "")
    fingerprint = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return SshKey(key_id, name, words[0].removeprefix("ssh-"), _bits(public), created, f"SHA256:{fingerprint}", public)


def _bits(public: str) -> int:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        return int(getattr(load_ssh_public_key(public.encode()), "key_size", 256))
    except (ValueError, UnsupportedAlgorithm):
        return 0


def _public_line(key: PrivateKeyTypes) -> str:
    from cryptography.hazmat.primitives import serialization

    public = key.public_key()
    line = public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()


def _private_key(content: bytes, passphrase: Secret | None) -> PrivateKeyTypes:
    """A private key of a kind that OpenSSH has. Raises UserError; nothing of the key is in its message."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    text = content.strip() + b"\n"
    load = serialization.load_pem_private_key
    if text.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----"):
        load = serialization.load_ssh_private_key
    given = passphrase.reveal().encode() if passphrase is not None and passphrase.reveal() else None
    try:
        key = load(text, given)
    except TypeError:
        if given is not None:  # the key is not encrypted: the passphrase is not needed
            return _private_key(content, None)
        raise PassphraseNeeded(
            "the private key is encrypted with a passphrase", hint="type it when asked, or use --passphrase-file FILE"
        ) from None
    except UnsupportedAlgorithm:
        raise UserError("the private key is of a kind that cannot be used", hint="use ed25519 or rsa") from None
    except ValueError as error:
        if given is not None:
            raise UserError(
                "the private key cannot be read: the passphrase is wrong, or the key is damaged"
            ) from error.with_traceback(None)
        if b"PUBLIC KEY" in text or text.startswith((b"ssh-", b"ecdsa-")):
            raise UserError(
                "this is a public key", hint="import the private one; orch makes the public one of it"
            ) from None
        if _is_encrypted(text):
            raise PassphraseNeeded(
                "the private key is encrypted with a passphrase",
                hint="type it when asked, or use --passphrase-file FILE",
            ) from None
        raise UserError(
            "the private key cannot be read", hint="it is a file such as ~/.ssh/id_ed25519: OpenSSH's format, or PEM"
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UserError("the private key is of a kind that SSH servers do not accept", hint="use ed25519 or rsa")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SMALLEST_RSA:
        raise UserError(f"the RSA key has only {key.key_size} bits", hint=f"use one with {SMALLEST_RSA} or more")
    return key


def _is_encrypted(text: bytes) -> bool:
    return b"ENCRYPTED" in text


def _path(key_id: str) -> str:
    return f"{FOLDER}/{key_id}"
