"""Use case: logging in to Vault, and what Vault knows of who is logged in."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.app.wiring import Home
from orchestrator.errors import UserError
from orchestrator.model.values import Secret
from orchestrator.secrets import VaultConnection, VaultIdentity
from orchestrator.secrets.vault_settings import AuthMethod

CALLBACK_PORT = 8250
"""Where Vault's own command listens for the browser, so that roles usually allow it."""


def login(home: Home, *, ask: Callable[[str], Secret], show: Callable[[str], None], port: int) -> VaultIdentity:
    """Log in to Vault as configured; a token that was asked for or came from a browser is kept, encrypted, in the home.

    ``ask`` gives a token that somebody types, ``show`` is given an address to open in a browser, which then comes back
    to ``port`` of this machine. Raises UserError when no Vault is configured, and SecretError when it refuses.
    """
    vault = _vault(home)
    match vault.settings.auth.method:
        case AuthMethod.OIDC:
            from orchestrator.secrets.oidc import oidc_login  # an HTTP server: only where it is used

            token = oidc_login(vault, show, port=port)
        case AuthMethod.TOKEN if home.settings.vault_credentials.token is None:
            token = ask(f"token for Vault at {vault.settings.url}")
        case _:
            return vault.identity()
    found = vault.identity_of(token)
    vault.remember(token)
    return found


def logout(home: Home) -> bool:
    """Revoke the token that is kept, and forget it; False when there is none. Raises UserError, SecretError."""
    return _vault(home).forget_remembered()


def _vault(home: Home) -> VaultConnection:
    if home.vault is None:
        raise UserError(
            "the secrets are kept in orch's home, where nobody logs in",
            hint="for a Vault, set `vault: {url: …}` in config.yaml of the home, or VAULT_ADDR (docs/secrets.md)",
        )
    return home.vault
