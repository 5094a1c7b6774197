"""What Vault and the way to it can answer, as one message each with its remedy."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable

UNSEAL = "unseal it (`bao operator unseal`, `vault operator unseal`) or ask those who run it, then try again"
_NETWORK = "check the network and the address: `url` of vault in config.yaml, or VAULT_ADDR"
_TRUST = "name the certificate of its authority: `ca` of vault in config.yaml, or VAULT_CACERT"


@contextmanager
def explained(url: str, what: str) -> Iterator[None]:
    """Raise what goes wrong as an error of ours; ``what`` says what was tried. No body of an answer is shown.

    Missing paths and refused tokens (hvac's InvalidPath, Forbidden, Unauthorized) are left to the caller.
    """
    import hvac.exceptions as said
    import requests

    try:
        yield
    except (said.InvalidPath, said.Forbidden, said.Unauthorized):
        raise
    except said.VaultDown as error:
        raise _down(url, error) from error
    except said.VaultNotInitialized as error:
        raise SecretStoreUnavailable(
            f"Vault at {url} is not initialised", hint="initialise it (`bao operator init`) and set `url` right"
        ) from error
    except (said.InternalServerError, said.BadGateway, said.RateLimitExceeded) as error:
        raise SecretStoreUnavailable(
            f"Vault at {url} cannot answer: {first_line(error)}", hint="its own log says more; try again later"
        ) from error
    except said.VaultError as error:
        raise SecretAccessError(f"Vault at {url} refused to {what}: {first_line(error)}", hint=_NETWORK) from error
    except requests.exceptions.SSLError as error:
        raise SecretAccessError(
            f"Vault at {url} cannot be trusted: {_reason(error)}", hint=_TRUST, code="E2120"
        ) from error
    except OSError as error:  # of requests too; a CA file that is not there is one without a request
        if isinstance(error, requests.exceptions.RequestException):
            raise SecretStoreUnavailable(
                f"Vault at {url} cannot be reached: {_reason(error)}", hint=_NETWORK
            ) from error
        raise SecretAccessError(f"Vault at {url} cannot be trusted: {error}", hint=_TRUST) from error
    except ValueError as error:  # an address that is none
        raise SecretAccessError(f"Vault at {url} cannot be reached: {error}", hint=_NETWORK) from error


def _down(url: str, error: Exception) -> SecretError:
    if "sealed" in str(error).lower():
        return SecretStoreUnavailable(f"Vault at {url} is sealed", hint=UNSEAL)
    return SecretStoreUnavailable(f"Vault at {url} is out of service: {first_line(error)}", hint=UNSEAL)


def first_line(error: Exception) -> str:
    """What Vault said, in one line, without the address that hvac appends."""
    said = getattr(error, "errors", None)
    text = "; ".join(str(word) for word in said) if said else str(error.args[0] if error.args else error)
    lines = [line.strip(" \t*") for line in text.splitlines() if line.strip(" \t*")]
    return " ".join(lines)[:300] or type(error).__name__


def _reason(error: BaseException) -> str:
    """Why a connection failed, dug out of the errors that wrap each other."""
    import requests

    seen: set[int] = set()
    found: BaseException | None = error
    queue = [error]
    while queue:
        now = queue.pop(0)
        if id(now) in seen:
            continue
        seen.add(id(now))
        if isinstance(now, ssl.SSLCertVerificationError):
            return now.verify_message
        if isinstance(now, OSError) and now.strerror and not isinstance(now, requests.RequestException):
            found = now
        inner = [now.__cause__, now.__context__, getattr(now, "reason", None), *now.args]
        queue += [item for item in inner if isinstance(item, BaseException)]
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    return found.strerror if isinstance(found, OSError) and found.strerror else type(error).__name__
