"""How a Vault is reached and logged in to: the part ``vault`` of the configuration."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from orchestrator import paths
from orchestrator.model.durations import seconds
from orchestrator.model.values import Secret


class AuthMethod(enum.StrEnum):
    """The ways to log in; the value is also where the method is usually enabled (``auth/<value>``)."""

    TOKEN = "token"  # noqa: S105 the name of a method
    APPROLE = "approle"
    USERPASS = "userpass"
    JWT = "jwt"
    OIDC = "oidc"


class WhenUnavailable(enum.StrEnum):
    """What an execution does that needs a secret while Vault is sealed or out of reach."""

    WAIT = "wait"
    FAIL = "fail"


class VaultAuth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to log in. ``path``: where the method is enabled (default: its name). Files are read at each login."""

    method: AuthMethod = AuthMethod.TOKEN
    path: str | None = None
    token_file: str | None = None
    role_id: str | None = None
    secret_id_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    role: str | None = None
    jwt_file: str | None = None

    @property
    def mounted(self) -> str:
        """Where the method is enabled."""
        return (self.path or self.method.value).strip("/")


class VaultSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Vault (or OpenBao) server. ``mount``: of the key-value engine; ``kv``: its version; ``ca``: a PEM file.

    ``wait``: how long an execution waits for a Vault that is sealed or out of reach, as a duration.
    """

    url: str
    namespace: str | None = None
    mount: str = "secret"
    kv: Literal[1, 2, "auto"] = "auto"
    ca: str | None = None
    auth: VaultAuth = msgspec.field(default_factory=VaultAuth)
    when_unavailable: WhenUnavailable = WhenUnavailable.WAIT
    wait: str | int | float = "10m"

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError("`url` of vault begins with https:// or http://")
        if not self.mount.strip("/"):
            raise ValueError("`mount` of vault names a key-value engine, for example secret")
        seconds(self.wait)  # raises ValueError that says how durations are written
        needed = {
            AuthMethod.APPROLE: ("role_id",),
            AuthMethod.USERPASS: ("username",),
            AuthMethod.JWT: ("role", "jwt_file"),
        }
        missing = [name for name in needed.get(self.auth.method, ()) if not getattr(self.auth, name)]
        if missing:
            raise ValueError(f"`auth` of vault with method {self.auth.method.value} needs {' and '.join(missing)}")

    @property
    def mount_point(self) -> str:
        """The mount without slashes around it."""
        return self.mount.strip("/")

    @property
    def wait_seconds(self) -> float:
        """How long an execution waits; 0 when it does not."""
        return seconds(self.wait) if self.when_unavailable is WhenUnavailable.WAIT else 0.0

    def with_paths(self, folder: Path) -> VaultSettings:
        """The same with its files absolute; relative ones count from a folder."""

        def absolute(path: str | None) -> str | None:
            return None if path is None else str(folder / paths.expanded(path))

        auth = msgspec.structs.replace(
            self.auth,
            token_file=absolute(self.auth.token_file),
            secret_id_file=absolute(self.auth.secret_id_file),
            password_file=absolute(self.auth.password_file),
            jwt_file=absolute(self.auth.jwt_file),
        )
        return msgspec.structs.replace(self, ca=absolute(self.ca), auth=auth)


@dataclass(frozen=True)
class VaultCredentials:
    """What the environment gives to log in with."""

    token: Secret | None = None
    secret_id: Secret | None = None
    password: Secret | None = None
