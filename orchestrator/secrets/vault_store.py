"""The secrets of a HashiCorp Vault or OpenBao server: its key-value engine, version 1 or 2."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.errors import SecretAccessError, SecretError
from orchestrator.model.values import Secret
from orchestrator.secrets.store import normal_path, plain_values
from orchestrator.secrets.vault_connection import VaultConnection

if TYPE_CHECKING:
    import hvac

_CONFLICTS = 10
"""How often a change is tried again that somebody else's change came before."""


class VaultSecretStore:
    """Implements :class:`SecretStore` over a connection. Raises SecretStoreUnavailable and SecretAccessError, too.

    Nothing that is read is kept: neither on disk nor in memory.
    """

    def __init__(self, connection: VaultConnection) -> None:
        self.connection = connection
        self._version: int | None = None

    def get(self, path: str, key: str) -> Secret:
        """See :meth:`SecretStore.get`. A value that is no string is given as JSON."""
        name = self._name(path)
        values = self._read(name)[0]
        place = f"{self._mount}/{name} in Vault at {self.connection.settings.url}"
        if values is None:
            raise SecretError(f"there is no secret {place} (key {key})", hint=_how_to_set(name, key))
        if key not in values:
            known = ", ".join(sorted(values)) or "none at all"
            raise SecretError(f"the secret {place} has no key {key}, only {known}", hint=_how_to_set(name, key))
        value = values[key]
        return Secret(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    def put(self, path: str, values: Mapping[str, str | Secret]) -> None:
        """See :meth:`SecretStore.put`. With version 2 it is a new version, and no change of others is lost."""
        plain = plain_values(values)
        if plain:
            self._change(self._name(path), lambda before: {**(before or {}), **plain})

    def paths(self) -> tuple[str, ...]:
        """See :meth:`SecretStore.paths`. Folders whose listing Vault forbids are left out, but for the first."""
        found: list[str] = []
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                names = self._list(folder)
            except SecretAccessError:
                if not folder:
                    raise
                continue
            folders += [folder + name for name in names if name.endswith("/")]
            found += [folder + name for name in names if not name.endswith("/")]
        return tuple(sorted(found))

    def keys(self, path: str) -> tuple[str, ...]:
        """See :meth:`SecretStore.keys`."""
        return tuple(sorted(self._read(self._name(path))[0] or {}))

    def delete(self, path: str, key: str | None = None) -> None:
        """See :meth:`SecretStore.delete`. A whole path goes with all its versions and its metadata, for good.

        Without one key a new version is written; earlier versions keep it until the path is deleted.
        """
        name = self._name(path)
        values, version = self._read(name)
        # a path whose last version is deleted is still one whose earlier versions are to go
        exists = values is not None or version > 0
        if not exists or (key is not None and key not in (values or {})):
            what = name if key is None else f"{name} (key {key})"
            raise SecretError(f"there is no secret {what}", hint="`orch secrets list` shows what there is")
        if key is not None and len(values or {}) > 1:
            self._change(name, lambda before: {k: v for k, v in (before or {}).items() if k != key})
            return

        def deletes(client: hvac.Client) -> None:
            if self._kv_version(client) == 2:
                client.secrets.kv.v2.delete_metadata_and_all_versions(name, mount_point=self._mount)
            else:
                client.secrets.kv.v1.delete_secret(name, mount_point=self._mount)

        self.connection.use(f"delete the secret {self._mount}/{name}", deletes)

    @property
    def _mount(self) -> str:
        return self.connection.settings.mount_point

    def _name(self, path: str) -> str:
        """The path inside the engine, however it is written; also with this engine's own mount before it."""
        name = normal_path(path)
        prefixes = [f"{self._mount}/data/"]
        if self.connection.settings.kv == 1:
            prefixes.append(f"{self._mount}/")
        for prefix in prefixes:
            name = name.removeprefix(prefix)
        return name

    def _read(self, name: str) -> tuple[dict[str, Any] | None, int]:
        """The values of a path, None when there are none, and its version (0: there is none, or version 1)."""
        from hvac.exceptions import InvalidPath

        def reads(client: hvac.Client) -> tuple[dict[str, Any] | None, int]:
            try:
                if self._kv_version(client) == 1:
                    return client.secrets.kv.v1.read_secret(name, mount_point=self._mount)["data"], 0
                answer = client.secrets.kv.v2.read_secret_version(
                    name, mount_point=self._mount, raise_on_deleted_version=False
                )
            except InvalidPath:
                return None, 0
            return answer["data"]["data"], int(answer["data"]["metadata"]["version"])

        return self.connection.use(f"read the secret {self._mount}/{name}", reads)

    def _change(self, name: str, change: Any) -> None:
        for _ in range(_CONFLICTS):
            values, version = self._read(name)
            if self._write(name, change(values), version):
                return
        raise SecretError(f"the secret {name} is changed by others all the time", hint="try again")

    def _write(self, name: str, values: dict[str, Any], version: int) -> bool:
        """Write all values of a path; False when it was changed since ``version`` was read."""
        from hvac.exceptions import InvalidRequest

        def writes(client: hvac.Client) -> bool:
            if self._kv_version(client) == 1:
                client.secrets.kv.v1.create_or_update_secret(name, values, mount_point=self._mount)
                return True
            try:
                client.secrets.kv.v2.create_or_update_secret(name, values, cas=version, mount_point=self._mount)
            except InvalidRequest as error:
                if "check-and-set" in str(error):
                    return False
                raise
            return True

        return self.connection.use(f"write the secret {self._mount}/{name}", writes)

    def _list(self, folder: str) -> list[str]:
        from hvac.exceptions import InvalidPath

        def lists(client: hvac.Client) -> list[str]:
            engine = client.secrets.kv.v2 if self._kv_version(client) == 2 else client.secrets.kv.v1
            try:
                names: list[str] = engine.list_secrets(folder, mount_point=self._mount)["data"]["keys"]
            except InvalidPath:
                return []
            return names

        return self.connection.use(f"list the secrets of {self._mount}/{folder}", lists)

    def _kv_version(self, client: hvac.Client) -> int:
        """The version of the engine: as configured, else as Vault says; 2 when it does not tell."""
        from hvac.exceptions import Forbidden, InvalidPath

        configured = self.connection.settings.kv
        if configured != "auto":
            return configured
        if self._version is None:
            try:
                mount = client.adapter.get(f"/v1/sys/internal/ui/mounts/{self._mount}")["data"]
                self._version = int((mount.get("options") or {}).get("version") or 1)
            except (Forbidden, InvalidPath):
                return 2
        return self._version


def _how_to_set(path: str, key: str) -> str:
    return f"orch secrets set {shlex.quote(path)} {shlex.quote(key)}"
