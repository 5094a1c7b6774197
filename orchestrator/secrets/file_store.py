"""The embedded store: one file, encrypted and authenticated with AES-256-GCM, and its key in a file beside it."""

from __future__ import annotations

import base64
import binascii
import errno
import fcntl
import json
import os
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from orchestrator.errors import SecretError, StorageError
from orchestrator.model.values import Secret
from orchestrator.secrets.store import normal_path, plain_values

_MAGIC = b"orch-secrets-1\n"
"""The beginning of the file, and part of what is authenticated."""

_NONCE = 12
"""Bytes of the nonce that follows; a new one each time the file is written (NIST SP 800-38D, 8.2.2)."""

_KEY = 32

_Values = dict[str, dict[str, str]]


class FileSecretStore:
    """Secrets in ``<folder>/secrets.enc``, the key in ``<folder>/secrets.key``; both for the owner only.

    Whoever has both files has the secrets: encryption keeps them out of searches, and out of copies of the data file.
    Several processes may use the folder at once. Writing raises :class:`StorageError` when it fails.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)
        self._file = self._folder / "secrets.enc"
        self._key_file = self._folder / "secrets.key"

    def get(self, path: str, key: str) -> Secret:
        """See :meth:`SecretStore.get`."""
        name = normal_path(path)
        values = self._read()
        if name not in values:
            raise SecretError(f"there is no secret {name} (key {key})", hint=_how_to_set(name, key))
        if key not in values[name]:
            known = ", ".join(sorted(values[name]))
            raise SecretError(f"the secret {name} has no key {key}, only {known}", hint=_how_to_set(name, key))
        return Secret(values[name][key])

    def put(self, path: str, values: Mapping[str, str | Secret]) -> None:
        """See :meth:`SecretStore.put`."""
        name = normal_path(path)
        plain = plain_values(values)
        if not plain:
            return
        with self._changing() as every:
            every[name] = {**every.get(name, {}), **plain}

    def paths(self) -> tuple[str, ...]:
        """See :meth:`SecretStore.paths`."""
        return tuple(sorted(self._read()))

    def keys(self, path: str) -> tuple[str, ...]:
        """See :meth:`SecretStore.keys`."""
        return tuple(sorted(self._read().get(normal_path(path), {})))

    def delete(self, path: str, key: str | None = None) -> None:
        """See :meth:`SecretStore.delete`."""
        name = normal_path(path)
        with self._changing() as every:
            if name not in every or (key is not None and key not in every[name]):
                what = name if key is None else f"{name} (key {key})"
                raise SecretError(f"there is no secret {what}", hint="`orch secrets list` shows what there is")
            left = {} if key is None else {k: v for k, v in every[name].items() if k != key}
            if left:
                every[name] = left
            else:
                del every[name]

    @contextmanager
    def _changing(self) -> Iterator[_Values]:
        """All secrets, to be changed; written when the block ends well. One process at a time."""
        with _explained("lock the secret store", self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _explained("lock the secret store", self._folder):
                fcntl.flock(lock, fcntl.LOCK_EX)
            values = self._read()
            yield values
            self._write(values)
        finally:
            os.close(lock)

    def _read(self) -> _Values:
        # The two files are read without the lock: each comes by rename, and the key is there first and never changes.
        try:
            sealed = self._file.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as e:
            raise SecretError(f"cannot read the secret store {self._file}: {_reason(e, self._file)}") from e
        plain = _unsealed(sealed, self._key(), self._file)
        loaded: _Values = json.loads(plain)
        return loaded

    def _key(self) -> bytes:
        try:
            text = self._key_file.read_bytes()
        except FileNotFoundError as e:
            raise SecretError(
                f"the key of the secret store is missing: {self._key_file}",
                hint=f"restore it from a backup; or remove {self._file} and set the secrets anew",
            ) from e
        except OSError as e:
            raise SecretError(f"cannot read the key of the secret store {self._key_file}: {_reason(e, None)}") from e
        try:
            key = base64.b64decode(text, validate=False)
        except binascii.Error:
            key = b""
        if len(key) != _KEY:
            raise SecretError(
                f"the key of the secret store is damaged: {self._key_file}", hint="restore it from a backup"
            )
        return key

    def _write(self, values: _Values) -> None:
        if not self._file.exists() and not self._key_file.exists():
            _replace(self._key_file, base64.b64encode(os.urandom(_KEY)) + b"\n")
        plain = json.dumps(values, sort_keys=True).encode()
        _replace(self._file, _sealed(plain, self._key()))


def _sealed(plain: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # slow to import, and most commands need no secret

    nonce = os.urandom(_NONCE)
    return _MAGIC + nonce + AESGCM(key).encrypt(nonce, plain, _MAGIC)


def _unsealed(sealed: bytes, key: bytes, file: Path) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    head, rest = sealed[: len(_MAGIC)], sealed[len(_MAGIC) :]
    if head == _MAGIC and len(rest) > _NONCE:
        with suppress(InvalidTag):
            return AESGCM(key).decrypt(rest[:_NONCE], rest[_NONCE:], _MAGIC)
    raise SecretError(
        f"the secret store {file} was changed or damaged, or its key is another one",
        hint="restore both files from a backup; or remove both and set the secrets anew",
    )


def _replace(path: Path, content: bytes) -> None:
    """Write a file for the owner only, whole or not at all, so that it survives a crash."""
    with _explained("write the secret store", path):
        fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(fd, "wb") as f:
                f.write(content)
                f.flush()
                os.fsync(f.fileno())
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _explained(what: str, place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise StorageError(f"cannot {what} {place}: {_reason(e, place)}") from e


def _reason(error: OSError, place: Path | None) -> str:
    reasons = {
        errno.ENOTDIR: "a file is where a folder belongs",
        errno.EEXIST: "a file is where a folder belongs",
        errno.ENOSPC: "no space left on the disk",
        errno.EDQUOT: "the disk quota is used up",
    }
    return reasons.get(error.errno or 0) or error.strerror or str(place)


def _how_to_set(path: str, key: str) -> str:
    return f"orch secrets set {shlex.quote(path)} {shlex.quote(key)}"
