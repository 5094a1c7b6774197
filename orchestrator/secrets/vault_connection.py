"""A connection to Vault that is logged in and stays so: tokens are renewed in time, or another one is got."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator import paths
from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable
from orchestrator.model.values import Secret
from orchestrator.secrets.file_store import FileSecretStore
from orchestrator.secrets.vault_errors import UNSEAL, explained, first_line
from orchestrator.secrets.vault_settings import AuthMethod, VaultCredentials, VaultSettings

if TYPE_CHECKING:
    import hvac

T = TypeVar("T")
_TIMEOUT = 15
"""Seconds for one answer."""

_RENEW_AT = 2 / 3
"""The part of a token's time after which it is renewed."""

_SOONEST = 0.5
"""Seconds between two attempts to renew, at least."""

_REMEMBERED = "orch/vault-login"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VaultIdentity:
    """Who is logged in. ``seconds_left``: how long the token lives if it is not renewed; 0: for ever."""

    name: str
    policies: tuple[str, ...]
    seconds_left: float


class VaultConnection:
    """One process's connection; several threads may use it. It logs in when it is first used.

    ``remembered`` keeps the token of ``orch secrets login``, encrypted.
    """

    def __init__(
        self, settings: VaultSettings, credentials: VaultCredentials, remembered: FileSecretStore | None = None
    ) -> None:
        self.settings = settings
        self._credentials = credentials
        self._remembered = remembered
        self._lock = threading.RLock()
        self._client: hvac.Client | None = None
        self._closed = threading.Event()
        self._generation = 0

    def use(self, what: str, function: Callable[[hvac.Client], T]) -> T:
        """What a function of a logged-in client gives; ``what`` says what it does, as in ``read the secret x``.

        A token that has run out is replaced once, where that can be done. Raises SecretStoreUnavailable,
        SecretAccessError, and hvac's InvalidPath.
        """
        import hvac.exceptions as said

        url = self.settings.url
        client, generation = self._logged_in()
        with explained(url, what):
            try:
                return function(client)
            except (said.Forbidden, said.Unauthorized) as error:
                if self._is_valid(client):
                    raise SecretAccessError(
                        f"Vault at {url} forbids to {what}: the login is right, its policies do not allow this",
                        hint="ask for a policy that allows it (`orch secrets login` shows who you are to Vault)",
                    ) from error
                if not self._can_login_again and self._token().reveal() == client.token:
                    raise self._wrong_token() from error
        self._forget(generation)
        client, _ = self._logged_in()
        with explained(url, what):
            try:
                return function(client)
            except (said.Forbidden, said.Unauthorized) as error:
                raise SecretAccessError(f"Vault at {url} forbids to {what}: {first_line(error)}") from error

    def close(self) -> None:
        """End the renewal."""
        self._closed.set()

    def unauthenticated(self) -> hvac.Client:
        """A client without a token."""
        import hvac

        settings = self.settings
        # every value is given: hvac would look into the environment and ~/.vault-token for those that are not
        return hvac.Client(
            url=settings.url, token="", namespace=settings.namespace, verify=settings.ca or True, timeout=_TIMEOUT
        )

    def reach(self) -> str:
        """See that Vault can be reached and is unsealed, without logging in; its version.

        Raises SecretStoreUnavailable, SecretAccessError.
        """
        with explained(self.settings.url, "look at its health"):
            health = self.unauthenticated().sys.read_health_status(
                method="GET", standby_ok=True, sealed_code=200, uninit_code=200
            )
        answer = health if isinstance(health, dict) else {}
        if answer.get("initialized", True) and answer.get("sealed"):
            raise SecretStoreUnavailable(f"Vault at {self.settings.url} is sealed", hint=UNSEAL)
        return str(answer.get("version", ""))

    def remember(self, token: Secret) -> None:
        """Keep a token for later commands and executions, and use it now."""
        if self._remembered is not None:
            self._remembered.put(_REMEMBERED, {"token": token, "url": self.settings.url})
        with self._lock:
            self._client = None
            self._credentials = VaultCredentials(token, self._credentials.secret_id, self._credentials.password)

    def forget_remembered(self) -> bool:
        """Revoke the token that is kept, and forget it; False when there is none."""
        import hvac.exceptions as said

        token = self._remembered_token()
        if token is None or self._remembered is None:
            return False
        client = self.unauthenticated()
        client.token = token.reveal()
        try:
            with explained(self.settings.url, "revoke the token"):
                client.auth.token.revoke_self()
        except (said.Forbidden, said.Unauthorized):
            _LOG.info("the token had run out already")
        self._remembered.delete(_REMEMBERED)
        return True

    def identity(self) -> VaultIdentity:
        """Who is logged in. Raises SecretStoreUnavailable, SecretAccessError."""
        return self.identity_of(Secret(self._logged_in()[0].token or ""))

    def identity_of(self, token: Secret) -> VaultIdentity:
        """Who a token belongs to. Raises SecretStoreUnavailable, SecretAccessError."""
        import hvac.exceptions as said

        client = self.unauthenticated()
        client.token = token.reveal()
        with explained(self.settings.url, "look up the token"):
            try:
                data = client.auth.token.lookup_self()["data"]
            except (said.Forbidden, said.Unauthorized) as error:
                raise self._wrong_token() from error
        policies = (*(data.get("policies") or ()), *(data.get("identity_policies") or ()))
        return VaultIdentity(str(data.get("display_name") or ""), tuple(policies), float(data.get("ttl") or 0))

    def _logged_in(self) -> tuple[hvac.Client, int]:
        with self._lock:
            if self._client is None:
                client = self.unauthenticated()
                time_to_live, renewable = self._login(client)
                self._client = client
                self._generation += 1
                if time_to_live > 0:
                    self._keep_alive(client, self._generation, time_to_live, renewable)
            return self._client, self._generation

    def _forget(self, generation: int) -> None:
        """Log in anew at the next use, unless somebody has done so already."""
        with self._lock:
            if generation == self._generation:
                self._client = None

    # --- logging in

    def _login(self, client: hvac.Client) -> tuple[float, bool]:
        """Log a client in; how many seconds its token lives (0: for ever), and whether it can be renewed."""
        import hvac.exceptions as said

        method = self.settings.auth.method
        if method in (AuthMethod.TOKEN, AuthMethod.OIDC):
            client.token = self._token().reveal()
            with explained(self.settings.url, "look up the token"):
                try:
                    data = client.auth.token.lookup_self()["data"]
                except (said.Forbidden, said.Unauthorized):
                    return 0.0, False  # wrong, or not allowed to look itself up: its first use will tell
            return float(data.get("ttl") or 0), bool(data.get("renewable"))
        what = f"log in with {method.value} (at auth/{self.settings.auth.mounted})"
        with explained(self.settings.url, what):
            try:
                auth = self._method_login(client)["auth"]
            except (said.Forbidden, said.Unauthorized, said.InvalidRequest, said.InvalidPath) as error:
                raise SecretAccessError(
                    f"Vault at {self.settings.url} refused to {what}: {first_line(error)}", hint=_login_hint(method)
                ) from error
        client.token = auth["client_token"]
        return float(auth.get("lease_duration") or 0), bool(auth.get("renewable"))

    def _method_login(self, client: hvac.Client) -> dict[str, dict[str, Any]]:
        auth, given = self.settings.auth, self._credentials
        answer: dict[str, dict[str, Any]]
        match auth.method:
            case AuthMethod.APPROLE:
                secret_id = given.secret_id or _from_file(auth.secret_id_file, "secret_id_file")
                plain = secret_id.reveal() if secret_id else None
                answer = client.auth.approle.login(auth.role_id, plain, use_token=False, mount_point=auth.mounted)
            case AuthMethod.USERPASS:
                password = given.password or _from_file(auth.password_file, "password_file")
                if password is None:
                    raise SecretAccessError(
                        f"there is no password for {auth.username} at Vault",
                        hint="set `password_file` in `auth` of vault in config.yaml, or VAULT_PASSWORD",
                    )
                answer = client.auth.userpass.login(
                    auth.username, password.reveal(), use_token=False, mount_point=auth.mounted
                )
            case _:
                jwt = _from_file(auth.jwt_file, "jwt_file")
                plain = jwt.reveal() if jwt else ""
                answer = client.auth.jwt.jwt_login(auth.role, plain, use_token=False, path=auth.mounted)
        return answer

    def _token(self) -> Secret:
        """The token as it is now: of the environment, a file, ``orch secrets login``, or Vault's own command."""
        auth = self.settings.auth
        if self._credentials.token is not None:
            return self._credentials.token
        if auth.token_file is not None:
            found = _from_file(auth.token_file, "token_file")
            if found is not None:
                return found
        if (found := self._remembered_token()) is not None:
            return found
        usual = paths.expanded("~/.vault-token")
        if auth.method is AuthMethod.TOKEN and usual.is_file():
            found = _from_file(str(usual), "token_file")
            if found is not None:
                return found
        hint = "`orch secrets login` gets one"
        if auth.method is AuthMethod.TOKEN:
            hint = "set VAULT_TOKEN, or `token_file` in `auth` of vault in config.yaml; or `orch secrets login`"
        raise SecretAccessError(f"there is no token for Vault at {self.settings.url}", hint=hint)

    def _remembered_token(self) -> Secret | None:
        store = self._remembered
        if store is None or "token" not in store.keys(_REMEMBERED):
            return None
        return store.get(_REMEMBERED, "token") if store.get(_REMEMBERED, "url").reveal() == self.settings.url else None

    def _wrong_token(self) -> SecretError:
        return SecretAccessError(
            f"Vault at {self.settings.url} does not accept the token: it is wrong or revoked, or has run out",
            hint="`orch secrets login`, or a new one in VAULT_TOKEN or in `token_file` of vault in config.yaml",
        )

    def _is_valid(self, client: hvac.Client) -> bool:
        import hvac.exceptions as said

        try:
            client.auth.token.lookup_self()
        except (said.Forbidden, said.Unauthorized):
            return False
        return True

    # --- staying logged in

    def _keep_alive(self, client: hvac.Client, generation: int, time_to_live: float, renewable: bool) -> None:
        threading.Thread(
            target=self._renewals,
            args=(client, generation, time_to_live, renewable),
            name="orch-vault-renewal",
            daemon=True,
        ).start()

    def _renewals(self, client: hvac.Client, generation: int, time_to_live: float, renewable: bool) -> None:
        """Renew the token when two thirds of its time are over; when that gives little or nothing, log in anew."""
        granted, ends = time_to_live, time.monotonic() + time_to_live
        wait = granted * _RENEW_AT
        while renewable and not self._closed.wait(max(wait, _SOONEST)):
            if generation != self._generation:
                return
            try:
                with explained(self.settings.url, "renew the token"):
                    now = float(client.auth.token.renew_self()["auth"]["lease_duration"])
            except SecretStoreUnavailable as error:
                _LOG.info("the token for Vault is not renewed yet: %s", error.message)
                if time.monotonic() > ends:
                    break
                wait = max((ends - time.monotonic()) / 3, _SOONEST)
                continue
            except Exception as error:
                _LOG.info("the token for Vault cannot be renewed: %s", type(error).__name__)
                break
            ends = time.monotonic() + now
            if now < granted / 2 and self._can_login_again:
                break  # its last renewals: the greatest lifetime of the token is near
            wait = now * _RENEW_AT
        if not renewable and self._closed.wait(max(wait, _SOONEST)):
            return
        if not self._closed.is_set():
            self._forget(generation)

    @property
    def _can_login_again(self) -> bool:
        return self.settings.auth.method not in (AuthMethod.TOKEN, AuthMethod.OIDC)


def _from_file(name: str | None, setting: str) -> Secret | None:
    """The content of a file without the newline at its end. Raises SecretAccessError when it cannot be read."""
    if name is None:
        return None
    try:
        text = Path(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretAccessError(
            f"{name}: cannot be read to log in to Vault: {reason}", hint=f"see `{setting}` of vault in config.yaml"
        ) from error
    if not text:
        raise SecretAccessError(f"{name}: is empty; it should log in to Vault", hint=f"see `{setting}` in config.yaml")
    return Secret(text)


def _login_hint(method: AuthMethod) -> str:
    return {
        AuthMethod.APPROLE: "check `role_id`; the secret id (`secret_id_file` or VAULT_SECRET_ID) may be used up",
        AuthMethod.USERPASS: "check `username`, and the password in `password_file` or VAULT_PASSWORD",
        AuthMethod.JWT: "check `role`, and that the token in `jwt_file` is still valid and meant for Vault",
    }.get(method, "check `auth` of vault in config.yaml")
