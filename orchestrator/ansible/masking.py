"""Takes secrets out of texts."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable

from orchestrator.model.values import Secret, Value

_SHORTEST_INSIDE = 4
"""A shorter secret is recognised inside an output only if it is the whole of it: ``1`` is in nearly every value."""

_SHORTEST_LINE = 8
"""Lines of a secret of several lines (a private key) are hidden one by one from this length on."""


class Mask:
    """Replaces every secret that it was made with by ``***``.

    A secret is also found where it was escaped for JSON, Python, a shell or a URL, once or several times over, in
    base64, and where its line was folded to fit a width, as Ansible folds warnings.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {secret for secret in secrets if secret}
        parts = {part for secret in self._secrets for part in _parts(secret)}
        ordered = sorted(parts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_pattern, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub("***", text) if self._pattern else text

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
    encoded = b64encode(secret.encode()).decode()
    lines = {line.strip() for line in secret.splitlines()} if "\n" in secret else set()
    parts = {secret, secret.strip(), *(line for line in lines if len(line) >= _SHORTEST_LINE)}
    if len(encoded) >= _SHORTEST_LINE:
        parts.add(encoded)
    return {part for part in parts if part.strip()}


def _pattern(part: str) -> str:
    return r"\n?".join(map(_character, part))


def _character(character: str) -> str:
    """What a character may have become."""
    if character.isascii() and character.isalnum():
        return character
    if character == "\\":
        return r"(?:\\+|%5[cC])"
    url = "".join(f"%(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass"))
    units = character.encode("utf-16-be", "surrogatepass")
    json = "".join(rf"\\+u(?i:{units[i : i + 2].hex()})" for i in range(0, len(units), 2))
    python = rf"\\+(?i:x{ord(character):02x}|U{ord(character):08x})"
    ways = [*_SPECIAL.get(character, ()), rf"\\*{re.escape(character)}", json, python, url]
    optional = "?" if character == "\r" else ""  # a line's end may lose it
    return f"(?:{'|'.join(ways)}){optional}"


_SPECIAL = {
    " ": (r"\s+", r"\+"),
    "\n": (r"\\+n", r"\r?\n"),
    "\r": (r"\\+r",),
    "\t": (r"\\+t", r"\s+"),
    "\b": (r"\\+b",),
    "\f": (r"\\+f",),
    "'": ("'\"'\"'", r"'\\+''"),
}
