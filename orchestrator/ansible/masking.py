"""Takes secrets out of texts."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise

from orchestrator.model.values import Secret, Value

_SHORTEST_LINE = 4
"""Lines of a secret of several lines (a private key) are hidden one by one from this length on."""

_LONGEST_WHOLE = 500
"""A longer secret of several lines is looked for by its lines: that is found as well, and much sooner."""

_SHORTEST_CODE = 4
"""A code of a secret (base64, hexadecimal) is looked for from this length on: shorter ones are in any text."""

_LONGEST_CODE = 64
"""Of a longer code the beginning is looked for, and all that goes on like a code is hidden with it."""

_SHORTEST_NUMBER = 4
"""A number is a secret when it has one of this length inside; a shorter one must be the whole of it."""

_NO_COINCIDENCE = 8
"""A secret of this length is not in a text by chance."""


class Mask:
    """Replaces every secret that it was made with by ``***``.

    A secret is also found where it was escaped for JSON, Python, a shell, HTML or a URL, once or several times over, in
    base64 (of a text with it, too) or hexadecimal, and where its line was folded to fit a width, as Ansible folds
    warnings.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {secret for secret in secrets if secret}
        self._pattern = _any_of(frozenset(self._secrets))
        # one character alone is in nearly every text
        letters = "".join(re.escape(secret) for secret in self._secrets if len(secret) == 1)
        self._letter = re.compile(rf"(?<![^\W_])[{letters}](?![^\W_])") if letters else None
        self._inside = _any_of(frozenset(s for s in self._secrets if len(s) > 1))
        self._surely = _any_of(frozenset(s for s in self._secrets if len(s) >= _NO_COINCIDENCE))

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return self._pattern.sub("***", text) if self._pattern else text

    def output(self, value: Value, *, word: bool = False) -> Value:
        """The value with every string or number that contains a secret made a :class:`Secret`.

        ``word``: orch itself has to read it (the id of a job); a short secret inside is a coincidence.
        """
        if isinstance(value, str):
            return Secret(value) if self._is_secret(value, word) else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return Secret(str(value)) if self._is_secret_number(str(value)) else value
        if isinstance(value, dict):
            return {self._name(name): self.output(item) for name, item in value.items()}
        if isinstance(value, list):
            whole = all(isinstance(item, str) for item in value) and "\n".join(value) in self._secrets
            return [Secret(item) if whole else self.output(item) for item in value]
        return value

    def _name(self, name: str) -> str:
        """The name of an entry; a short secret inside is a coincidence, as it is in other values."""
        return self.text(name) if self._is_secret(name, word=False) else name

    def _is_secret(self, value: str, word: bool) -> bool:
        if value in self._secrets:
            return True
        patterns = (self._surely,) if word else (self._inside, self._letter)
        return any(pattern is not None and pattern.search(value) is not None for pattern in patterns)

    def _is_secret_number(self, value: str) -> bool:
        return value in self._secrets or any(len(s) >= _SHORTEST_NUMBER and s in value for s in self._secrets)


@lru_cache(maxsize=8)  # the runs of an execution mostly have the same, and long ones take a while
def _any_of(secrets: frozenset[str]) -> re.Pattern[str] | None:
    """What finds every form of some secrets, longer ones first."""
    parts = {part for secret in secrets for part in _parts(secret)}
    codes = {code for secret in secrets for code in _codes(secret.encode("utf-8", "surrogatepass"))}
    forms = [*((len(part), _pattern(part)) for part in parts), *codes]
    ordered = sorted(forms, key=lambda form: (-form[0], form[1]))
    return re.compile("|".join(pattern for _, pattern in ordered)) if ordered else None


def _parts(secret: str) -> set[str]:
    """A secret as it may be written, without escapes."""
    lines = [line.strip() for line in secret.splitlines()]
    parts: set[str] = set()
    if len(lines) > 1:
        parts = {line for line in lines if len(line) >= _SHORTEST_LINE}
        parts |= {f"{one}\n{two}" for one, two in pairwise(lines) if len(two) < _SHORTEST_LINE}
    if len(lines) < 2 or len(secret) <= _LONGEST_WHOLE:
        parts |= {secret, secret.strip(), *(unicodedata.normalize(form, secret) for form in ("NFC", "NFD"))}
    return {part for part in parts if part.strip()}


def _codes(secret: bytes) -> Iterator[tuple[int, str]]:
    """Patterns of a secret's codes, each with the length of what it finds."""
    for whole in (secret, secret + b"\n"):
        if len(whole) > 1:
            yield from _base64_forms(b64encode(whole).decode(), "", "")
    for before in range(3):
        # of the characters before and behind, some bits belong to the secret's neighbours
        padded = bytes(before) + secret
        encoded = b64encode(padded).decode()
        first, last = -(-before * 8 // 6), len(padded) * 8 // 6
        if last - first >= _SHORTEST_CODE:
            mixed = "[A-Za-z0-9+/_-]?"
            behind = f"{mixed}={{0,2}}" if len(padded) % 3 else ""
            yield from _base64_forms(encoded[first:last], mixed if before else "", behind)
    if len(secret) * 2 >= 2 * _SHORTEST_CODE:
        yield len(secret) * 2, rf"(?i:{_folded(secret.hex(), '[0-9a-f]')})"


def _base64_forms(code: str, before: str, behind: str) -> Iterator[tuple[int, str]]:
    for form in {code, code.replace("+", "-").replace("/", "_")}:
        yield len(form), f"{before}{_folded(form, '[A-Za-z0-9+/_-]')}{behind}"


def _folded(code: str, signs: str) -> str:
    """A code whose lines may be folded."""
    fold = r"(?:\r?\n|\\+n)?"
    found = fold.join(map(re.escape, code[:_LONGEST_CODE]))
    return found if len(code) <= _LONGEST_CODE else f"{found}(?:{fold}{signs})*"


def _pattern(part: str) -> str:
    return r"\n?".join(map(_character, part))


def _character(character: str) -> str:
    """What a character may have become."""
    if character.isascii() and character.isalnum():
        return character
    if character == "\\":
        return r"(?:\\+|%(?:25)*5[cC]|&#(?:92|[xX]5[cC]);)"
    encoded = character.encode("utf-8", "surrogatepass")
    url = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in encoded)
    octal = "".join(rf"\\+0?{byte:03o}" for byte in encoded)
    octets = "".join(rf"\\+x(?i:{byte:02x})" for byte in encoded)
    units = character.encode("utf-16-be", "surrogatepass")
    json = "".join(rf"\\+u(?i:{units[i : i + 2].hex()})" for i in range(0, len(units), 2))
    python = rf"\\+(?i:x{ord(character):02x}|U{ord(character):08x})"
    html = rf"&#(?:0*{ord(character)}|[xX]0*(?i:{ord(character):x}));"
    ways = [*_SPECIAL.get(character, ()), rf"\\*{re.escape(character)}", json, python, url, octal, octets, html]
    optional = "?" if character == "\r" else ""  # a line's end may lose it
    return f"(?:{'|'.join(ways)}){optional}"


_SPECIAL = {
    " ": (r"\s+", r"\+"),
    # a text of several lines may have been made a list of them
    "\n": (r"\\+n", r"\r?\n", r"""\\*["'],\s*u?\\*["']"""),
    "\r": (r"\\+r",),
    "\t": (r"\\+t", r"\s+"),
    "\b": (r"\\+b",),
    "\f": (r"\\+f",),
    "'": ("'\"'\"'", r"'\\+''", "&apos;"),
    '"': ("&quot;", '""'),
    "&": ("&amp;",),
    "<": ("&lt;",),
    ">": ("&gt;",),
}
