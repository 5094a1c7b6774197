"""A tree -> YAML text that a person likes to read, and that reads back as the same tree.

The texts of scalars stay as they were written, and what was written without quotes and is no text (``3000``, ``true``)
stays without. Function calls and lists of single values stand on one line where they fit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from orchestrator.tosca.dialects import FUNCTIONS
from orchestrator.tosca.tree import List, Map, Scalar, Tree, parse_number, scalar_at

WIDTH = 120
_INDENT = 2
_LONGEST_KEY = 1000  # a key may be 1024 characters long before YAML wants a question mark in front of it
_FLOW_TEXT = re.compile(r"[A-Za-z0-9_./$][A-Za-z0-9_./$@%+=~()*&;<>|^-]*(?: [A-Za-z0-9_./$@+=()-]+)*\Z")
_NOT_FIRST = "-?:,[]{}#&*!|>'\"%@`~="
_WORDS_OF_YAML_1_1 = frozenset(
    ("y", "yes", "n", "no", "on", "off", "true", "false", "null", "~", "", "=", "<<", ".inf", ".nan")
)
_LOOKS_LIKE_A_NUMBER = re.compile(r"[-+.]?[0-9][0-9_.:,eExXoObBaAcCdDfF+-]*([Tt ].*)?\Z")  # also a date or 1:30
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"}


def write_yaml(root: Map, spaced: Collection[str] = ()) -> str:
    """The text of a document.

    Its sections are set apart by blank lines; so are the entries of sections that are named in ``spaced``, at the root
    and one level below.
    """
    writer = _Writer(frozenset(spaced))
    was_long = False
    for number, (key, value) in enumerate(_entries(root)):
        is_long = isinstance(value, Map) or _is_long(value)
        if number and (is_long or was_long):
            writer.lines.append("")
        writer.entry("", key, value, 0)
        was_long = is_long
    return "\n".join(writer.lines) + "\n"


def _is_long(value: Tree) -> bool:
    return isinstance(value, List) and bool(value.items) and _flow_line(value) is None


class _Writer:
    def __init__(self, spaced: frozenset[str]) -> None:
        self.lines: list[str] = []
        self._spaced = spaced

    def entry(self, lead: str, key: Scalar, value: Tree, indent: int) -> None:
        """One entry of a map; ``lead`` is what stands on its line before it, ``indent`` where its key begins."""
        before = self._key(lead, key, indent)
        if indent > _INDENT or key.text not in self._spaced or not isinstance(value, Map) or not value.entries:
            self.value(before, value, indent)
            return
        self.lines.append(before)
        inner = indent + _INDENT
        for number, (name, item) in enumerate(_entries(value)):
            if number:
                self.lines.append("")
            self.entry(" " * inner, name, item, inner)

    def _key(self, lead: str, key: Scalar, indent: int) -> str:
        """What stands before the value of a key, on its line; a very long key has a line of its own."""
        name = _key(key)
        if len(name) <= _LONGEST_KEY:
            return f"{lead}{name}:"
        self.lines.append(f"{lead}? {name}")
        return " " * indent + ":"

    def value(self, lead: str, tree: Tree, indent: int) -> None:
        """A value behind its key or dash, which begins at ``indent``."""
        if isinstance(tree, Scalar):
            self._scalar(lead, tree, indent + _INDENT)
            return
        flow = _flow_line(tree)
        if flow is not None and (len(lead) + 1 + len(flow) <= WIDTH or len(flow) == 2):
            self.lines.append(f"{lead} {flow}")
            return
        inner = indent + _INDENT
        dash = lead.endswith("-")  # the first entry of an item stands on the line of its dash
        if not dash:
            self.lines.append(lead)
        first = f"{lead} " if dash else " " * inner
        if isinstance(tree, Map):
            for key, value in _entries(tree):
                self.entry(first, key, value, inner)
                first = " " * inner
        else:
            for item in tree.items:
                self.value(f"{first}-", item, inner)
                first = " " * inner

    def _scalar(self, lead: str, scalar: Scalar, indent: int) -> None:
        if not isinstance(scalar.native, str):
            self.lines.append(f"{lead} {scalar.text}".rstrip())
            return
        text = scalar.text
        if _is_plain(text, scalar.plain) and len(lead) + len(text) < WIDTH:
            self.lines.append(f"{lead} {text}")
        elif _can_be_literal(text):
            self._block(lead, "|", text, text.removesuffix("\n").split("\n"), indent)
        elif len(lead) + len(text) >= WIDTH and _can_be_folded(text):
            self._block(lead, ">", text, _folded(text.removesuffix("\n"), WIDTH - indent), indent)
        elif _is_plain(text, scalar.plain):
            self.lines.append(f"{lead} {text}")
        else:
            self.lines.append(f"{lead} {_quoted(text)}")

    def _block(self, lead: str, style: str, text: str, lines: list[str], indent: int) -> None:
        self.lines.append(f"{lead} {style}{'' if text.endswith(chr(10)) else '-'}")
        self.lines += [" " * indent + line if line else "" for line in lines]


def _entries(tree: Map) -> Iterator[tuple[Scalar, Tree]]:
    """Keys and values; where a dialect was translated the place of a key may be that of another word."""
    for name, (key, value) in tree.entries.items():
        yield key if key.text == name else scalar_at(key, name), value


# scalars


def _key(key: Scalar) -> str:
    plain = _FLOW_TEXT.match(key.text) is not None and (key.plain or not _ambiguous(key.text))
    return key.text if plain and key.text != "<<" else _quoted(key.text)


def _is_plain(text: str, was_plain: bool) -> bool:
    """Whether a text may stand without quotes in a block, and still is a text, for readers of YAML 1.1 too."""
    if not text or text[0] in _NOT_FIRST or text != text.strip() or not text.isprintable():
        return False
    if ": " in text or " #" in text or text.endswith(":"):
        return False
    return was_plain or not _ambiguous(text)


def _ambiguous(text: str) -> bool:
    lowered = text.lower()
    number = parse_number(text) is not None or _LOOKS_LIKE_A_NUMBER.match(text) is not None
    return number or lowered in _WORDS_OF_YAML_1_1 or lowered.lstrip("+-") in _WORDS_OF_YAML_1_1


def _quoted(text: str) -> str:
    if ("\\" in text or '"' in text) and "'" not in text and text.isprintable():
        return f"'{text}'"
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escaped(c)) for c in text) + '"'


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _can_be_literal(text: str) -> bool:
    """Whether a text of several lines reads back from a block with its lines as they are."""
    body = text.removesuffix("\n")
    if "\n" not in body or body.endswith("\n") or body[0] in " \t\n":
        return False
    return all(line.isprintable() and not line.endswith(" ") for line in body.split("\n"))


def _can_be_folded(text: str) -> bool:
    """Whether a text of one long line may be broken at its spaces."""
    body = text.removesuffix("\n")
    return bool(body) and body.isprintable() and "  " not in body and body == body.strip()


def _folded(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= max(width, 40):
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


# on one line


def _flow_line(tree: List | Map) -> str | None:
    """The notation on one line for what is best read so; None for the rest."""
    if isinstance(tree, List):
        short = all(":" not in item.text if isinstance(item, Scalar) else _is_call(item) for item in tree.items)
    else:
        short = not tree.entries or _is_call(tree)
    return _flow(tree) if short else None


def _is_call(tree: Tree) -> bool:
    return isinstance(tree, Map) and len(tree.entries) == 1 and next(iter(tree.entries)) in FUNCTIONS


def _flow(tree: Tree) -> str | None:
    if isinstance(tree, Scalar):
        return _flow_scalar(tree)
    if isinstance(tree, List):
        items = [_flow(item) for item in tree.items]
        if any(item is None or len(item) > WIDTH for item in items):
            return None
        return f"[ {', '.join(map(str, items))} ]" if items else "[]"
    parts = []
    for key, value in _entries(tree):
        shown = _flow(value)
        if shown is None or len(shown) > WIDTH or len(key.text) > WIDTH:
            return None
        parts.append(f"{_key(key)}: {shown}")
    return f"{{ {', '.join(parts)} }}" if parts else "{}"


def _flow_scalar(scalar: Scalar) -> str | None:
    if not isinstance(scalar.native, str):
        return scalar.text or None
    text = scalar.text
    if "\n" in text or len(text) > WIDTH:
        return None
    plain = _FLOW_TEXT.match(text) is not None and (scalar.plain or not _ambiguous(text))
    return text if plain else _quoted(text)
