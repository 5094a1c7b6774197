"""A view of a store that waits, for a bounded time, while the store is out of service."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from orchestrator.errors import SecretStoreUnavailable
from orchestrator.model.values import Secret
from orchestrator.secrets.store import SecretStore

_CHECK_SECONDS = 0.2
_TRY_SECONDS = 1.0


class WaitingSecrets:
    """Passes everything on; :meth:`get` tries again while the store is sealed or out of reach.

    ``limit``: seconds to wait at most for one secret. ``checkpoint`` is called all the while: what it raises ends the
    wait. ``on_wait`` hears once what is waited for, and once more when it is over.
    """

    def __init__(
        self, store: SecretStore, limit: float, checkpoint: Callable[[], None], on_wait: Callable[[str], None]
    ) -> None:
        self._store = store
        self._limit = limit
        self._checkpoint = checkpoint
        self._on_wait = on_wait
        self._lock = threading.Lock()
        self._said = False

    def get(self, path: str, key: str) -> Secret:
        """See :meth:`SecretStore.get`. Raises SecretStoreUnavailable when the time is over."""
        begun = time.monotonic()
        while True:
            try:
                found = self._store.get(path, key)
            except SecretStoreUnavailable as error:
                left = begun + self._limit - time.monotonic()
                if left <= 0:
                    said = f"{error.message} (waited {self._limit:g} s for the secret {path})"
                    raise SecretStoreUnavailable(said, hint=error.hint) from error
                self._say(True, f"{error.message}: waiting up to {self._limit:g} s for it, to read the secret {path}")
                self._pause(min(left, _TRY_SECONDS))
                continue
            self._say(False, "the secret store answers again")
            return found

    def put(self, path: str, values: Mapping[str, str | Secret]) -> None:
        """See :meth:`SecretStore.put`."""
        self._store.put(path, values)

    def paths(self) -> tuple[str, ...]:
        """See :meth:`SecretStore.paths`."""
        return self._store.paths()

    def keys(self, path: str) -> tuple[str, ...]:
        """See :meth:`SecretStore.keys`."""
        return self._store.keys(path)

    def delete(self, path: str, key: str | None = None) -> None:
        """See :meth:`SecretStore.delete`."""
        self._store.delete(path, key)

    def _say(self, waiting: bool, text: str) -> None:
        with self._lock:
            changed, self._said = self._said != waiting, waiting
        if changed:
            self._on_wait(text)

    def _pause(self, duration: float) -> None:
        deadline = time.monotonic() + duration
        while (left := deadline - time.monotonic()) > 0:
            self._checkpoint()
            threading.Event().wait(min(left, _CHECK_SECONDS))
        self._checkpoint()
