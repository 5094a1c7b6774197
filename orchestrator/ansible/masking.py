"""Takes secrets out of texts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from orchestrator.model.values import Secret, Value

_SHORTEST_INSIDE = 4
"""A shorter secret is recognised inside an output only if it is the whole of it: ``1`` is in nearly every value."""

_SHORTEST_LINE = 8
"""Lines of a secret of several lines (a private key) are hidden one by one from this length on."""


class Mask:
    """Replaces every secret that it was made with by ``***``, also where it was escaped for JSON, Python or a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {secret for secret in secrets if secret}
        forms = {form for secret in self._secrets for part in _parts(secret) for form in _forms(part)}
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._wrapped = re.compile("|".join(map(_wrappable, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub("***", text) if self._pattern else text

    def log(self, text: str) -> str:
        """The text without the secrets, also where lines were folded to fit a width (as Ansible folds warnings)."""
        return self._wrapped.sub("***", text) if self._wrapped else text

    def output(self, value: Value) -> Value:
        """The value with every string that contains a secret made a :class:`Secret`."""
        if isinstance(value, str):
            return Secret(value) if self._is_secret(value) else value
        if isinstance(value, dict):
            return {self.text(name): self.output(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.output(item) for item in value]
        return value

    def _is_secret(self, value: str) -> bool:
        return value in self._secrets or any(len(s) >= _SHORTEST_INSIDE and s in value for s in self._secrets)


def _parts(secret: str) -> set[str]:
    stripped = secret.strip()
    lines = {line.strip() for line in secret.splitlines()} if "\n" in secret else set()
    return {secret, *({stripped} if stripped else ()), *(line for line in lines if len(line) >= _SHORTEST_LINE)}


def _forms(secret: str) -> set[str]:
    as_json = json.dumps(secret)[1:-1]
    return {
        secret,
        as_json,
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(as_json)[1:-1],
        repr(secret)[1:-1],
        secret.replace("'", "'\"'\"'"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
    }


def _wrappable(form: str) -> str:
    """A pattern for the form with a line's end possible at every place, and any blanks for blanks."""
    words = ("\\n?".join(map(re.escape, word)) for word in form.split())
    return r"\s+".join(words) or re.escape(form)
