"""Logging in to Vault through an OpenID Connect provider: a browser there, and its answer here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

from orchestrator.errors import SecretAccessError
from orchestrator.model.values import Secret
from orchestrator.secrets.vault_connection import VaultConnection
from orchestrator.secrets.vault_errors import explained, first_line

_PAGE = b"<!doctype html><title>orch</title><p>You can close this page and go back to your terminal.</p>"


def oidc_login(connection: VaultConnection, show: Callable[[str], None], *, port: int, limit: float = 300) -> Secret:
    """Get a token. ``show`` is given the address to open in a browser; ``limit``: seconds to wait for the answer.

    The browser must be able to reach ``localhost:port`` of this machine. Raises SecretAccessError,
    SecretStoreUnavailable.
    """
    import hvac.exceptions as said

    auth, url = connection.settings.auth, connection.settings.url
    client = connection.unauthenticated()
    client_nonce = secrets.token_urlsafe(24)
    redirect = f"http://localhost:{port}/oidc/callback"
    hint = f"the role must allow {redirect}: check `role` and `path` in `auth` of vault in config.yaml"
    try:
        server = _Callback(("127.0.0.1", port), _Handler)
    except OSError as error:
        raise SecretAccessError(
            f"port {port} of this machine is not free for the answer of the browser: {error.strerror}",
            hint="use another one with --port; the role in Vault must allow it",
        ) from error
    with server, explained(url, f"log in with oidc (at auth/{auth.mounted})"):
        try:
            wanted = {
                "redirect_uri": redirect,
                "client_nonce": client_nonce,
                **({"role": auth.role} if auth.role else {}),
            }
            answer = client.adapter.post(f"/v1/auth/{auth.mounted}/oidc/auth_url", json=wanted)
            address = str(answer["data"]["auth_url"])
            if not address:
                raise SecretAccessError(f"Vault at {url} refused to log in with oidc", hint=hint)
            expected = parse_qs(urlsplit(address).query).get("state", [""])[0]
            show(address)
            code = server.code(expected, limit)
            given = {"state": expected, "code": code, "client_nonce": client_nonce}
            login = client.adapter.get(f"/v1/auth/{auth.mounted}/oidc/callback", params=given)
        except (said.Forbidden, said.Unauthorized, said.InvalidRequest, said.InvalidPath) as error:
            raise SecretAccessError(
                f"Vault at {url} refused to log in with oidc: {first_line(error)}", hint=hint
            ) from error
    return Secret(str(login["auth"]["client_token"]))


class _Callback(HTTPServer):
    """Waits for the browser to come back."""

    found: dict[str, str] | None = None

    def code(self, state: str, limit: float) -> str:
        """The code that belongs to the state that was asked for; answers to other states are not heard."""
        deadline = time.monotonic() + limit
        while (left := deadline - time.monotonic()) > 0:
            self.timeout = left
            self.handle_request()
            found, self.found = self.found, None
            if found is None or not secrets.compare_digest(found.get("state", ""), state):
                continue
            if "code" in found:
                return found["code"]
            why = found.get("error_description") or found.get("error") or "no code came back"
            raise SecretAccessError(f"the provider did not log you in: {why[:200]}")
        raise SecretAccessError(
            f"no answer came back from the browser within {limit:g} s", hint="try `orch secrets login` again"
        )


class _Handler(BaseHTTPRequestHandler):
    timeout = 10  # a connection that says nothing must not hold up the others

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        known = parts.path == "/oidc/callback"
        if known and isinstance(self.server, _Callback):
            self.server.found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.send_response(200 if known else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(_PAGE if known else b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the address has the code in it."""
