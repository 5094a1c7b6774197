"""Phase 1: text -> tree with positions.

Built on the events of libyaml's parser, without recursion, so that no document can exhaust the stack; bounds on size,
depth and aliases keep hostile documents from hanging the reader.
"""

from __future__ import annotations

import re
import stat
import unicodedata
from pathlib import Path
from typing import Any

import yaml

from orchestrator.model.problems import Problems, Related
from orchestrator.model.source import Span
from orchestrator.tosca import codes
from orchestrator.tosca.tree import List, Map, Place, Scalar, Tree

MAX_BYTES = 64 * 1024 * 1024
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
MAX_DEPTH = 100
MAX_REPEATED = 1_000_000
"""How many values may come in through aliases in one document."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BAD_KEY = "\ud800"
"""Stands for a key that was reported and whose entry is left out; the parser lets no surrogate through."""
_YAML = "tag:yaml.org,2002:"
_TEXT_TAGS = ("!", f"{_YAML}str")
_SCALAR_TAGS = frozenset((None, *_TEXT_TAGS, *(_YAML + name for name in ("int", "float", "bool", "null", "timestamp"))))
_MAP_TAGS = frozenset((None, "!", f"{_YAML}map"))
_LIST_TAGS = frozenset((None, "!", f"{_YAML}seq"))


def event_loader(text: str) -> Any:
    """A loader whose ``get_event`` gives one parser event after the other; it must be disposed of."""
    return _Loader(text)


def read_file(path: Path, label: str, problems: Problems, used_at: Span | None = None) -> str | None:
    """The text of a file; None with a problem when it cannot be had.

    ``label`` names the file in positions; ``used_at`` is the import that asked for it.
    """
    place = used_at or Span(label, 1, 1, 1, 1)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            problems.error(codes.NOT_A_FILE, f"{label} is {what}", place, "name a YAML file")
            return None
        if path.stat().st_size > MAX_BYTES:
            problems.error(codes.YAML_LIMIT, f"{label} is larger than {MAX_BYTES // 1024 // 1024} MiB", place)
            return None
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        problems.error(codes.FILE_MISSING, f"cannot read {label}: {reason}", place, "check the path")
        return None
    return _decoded(data, label, problems)


def _decoded(data: bytes, label: str, problems: Problems) -> str | None:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        hint = "save the file as UTF-8"
        message = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        problems.error(codes.NOT_UTF8, message, Span(label, line, column, line, column + 1), hint)
        return None


def parse(text: str, label: str, problems: Problems) -> Map | None:
    """The root map of a service template; None with a problem when the text is not a YAML map.

    After a syntax error what was read before it is given, so that the rest of the document can still be looked at.
    """
    hint = "begin with tosca_definitions_version"
    root, whole = parse_any(text, label, problems)
    if root is None and whole:
        problems.error(codes.EMPTY_DOCUMENT, "the document is empty", Span(label, 1, 1, 1, 1), hint)
    elif root is not None and not isinstance(root, Map) and whole:
        problems.error(codes.EMPTY_DOCUMENT, "a service template is a map of keynames", root.span, hint)
    return root if isinstance(root, Map) else None


def parse_any(text: str, label: str, problems: Problems) -> tuple[Tree | None, bool]:
    """The root of a document (None for an empty one), and whether it was read to its end; if not, there is a problem.

    ``label`` names the text in positions.
    """
    composer = _Composer(label, problems)
    root = composer.run(text)
    return root, not composer.failed


class _Open:
    """A container whose end has not been seen yet."""

    __slots__ = ("anchor", "flow", "key", "node", "size")

    def __init__(self, node: List | Map, anchor: str | None, flow: bool = False) -> None:
        self.flow = flow
        self.node = node
        self.anchor = anchor
        self.key: Scalar | None = None
        self.size = 1


class _Composer:
    """Builds the tree of one document from parser events."""

    def __init__(self, label: str, problems: Problems) -> None:
        self.label = label
        self.problems = problems
        self.failed = False
        self._root: Tree | None = None
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Tree, int] | None] = {}
        self._repeated = 0

    def run(self, text: str) -> Tree | None:
        try:
            loader = event_loader(text)
        except (yaml.YAMLError, UnicodeError) as error:
            self._syntax(error, text)
            return None
        try:
            self._consume(loader)
        except (yaml.YAMLError, UnicodeError) as error:
            self._syntax(error, text)
        except _LimitError:
            pass
        finally:
            loader.dispose()
        while self._stack:
            self._close(self._stack.pop())
        return self._root

    def _consume(self, loader: Any) -> None:
        documents = 0
        while True:
            event = loader.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._start(event, kind is yaml.MappingStartEvent)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                opened = self._stack.pop()
                if opened.flow:
                    end = event.end_mark
                    opened.node.end_line, opened.node.end_column = end.line + 1, end.column + 1
                self._close(opened)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    message = "a second YAML document begins here; only the first one is read"
                    self.problems.error(codes.MANY_DOCUMENTS, message, self._place(event).span)
                    return
            elif kind is yaml.StreamEndEvent:
                return

    def _place(self, event: Any) -> Place:
        start, end = event.start_mark, event.end_mark
        return Place(self.label, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _scalar(self, event: Any) -> None:
        start, end = event.start_mark, event.end_mark
        tag = event.tag
        if tag not in _SCALAR_TAGS:
            self._bad_tag(event)
        plain = not event.style if tag is None else tag not in _TEXT_TAGS
        if event.style == '"' and not event.value.isprintable():
            self._check_characters(event)
        node = Scalar(self.label, start.line + 1, start.column + 1, end.line + 1, end.column + 1, event.value, plain)
        if event.anchor:
            self._anchors[event.anchor] = (node, 1)
        self._put(node, 1)

    def _start(self, event: Any, mapping: bool) -> None:
        if len(self._stack) >= MAX_DEPTH:
            message = f"values are nested more than {MAX_DEPTH} deep"
            self._limit(message, self._place(event).span)
        if event.tag not in (_MAP_TAGS if mapping else _LIST_TAGS):
            self._bad_tag(event)
        start, end = event.start_mark, event.end_mark
        at = (self.label, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(Map(*at, {}) if mapping else List(*at, []), event.anchor, event.flow_style))

    def _bad_tag(self, event: Any) -> None:
        tag = event.tag.replace(_YAML, "!!")
        message = f"the tag {tag} has no meaning here"
        self.problems.error(codes.BAD_TAG, message, self._place(event).span, "write the value without it")

    def _check_characters(self, event: Any) -> None:
        """Escapes can make characters that nothing which is started can be given, and names that steer a terminal."""
        top = self._stack[-1] if self._stack else None
        is_name = top is not None and isinstance(top.node, Map) and top.key is None
        for character in event.value:
            if is_name and character != "\0" and unicodedata.category(character) == "Cc":
                message = f"the name holds the control character U+{ord(character):04X}"
                self.problems.error(codes.BAD_CHARACTER, message, self._place(event).span, "leave it out")
                return
            if character == "\0" or "\ud800" <= character <= "\udfff":
                what = "a NUL character" if character == "\0" else f"half a surrogate (U+{ord(character):04X})"
                message = f"the value holds {what}, which no program can be given"
                self.problems.error(codes.BAD_CHARACTER, message, self._place(event).span, "leave it out")
                return

    def _alias(self, event: Any) -> None:
        place = self._place(event)
        found = self._anchors.get(event.anchor)
        if found is None:
            what = "refers to itself" if event.anchor in self._anchors else "refers to no anchor before it"
            self.problems.error(codes.BAD_ALIAS, f"the alias *{event.anchor} {what}", place.span)
            self._put(Scalar(self.label, place.line, place.column, place.end_line, place.end_column, "", True), 1)
            return
        node, size = found
        self._repeated += size
        if self._repeated > MAX_REPEATED:
            self._limit(f"aliases repeat more than {MAX_REPEATED} values", place.span)
        self._put(node, size)

    def _put(self, node: Tree, size: int) -> None:
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        top.size += size
        container = top.node
        if isinstance(container, List):
            container.items.append(node)
        elif top.key is None:
            if isinstance(node, Scalar):
                top.key = node
            else:
                self._bad_key(top, node)
        else:
            key, top.key = top.key, None
            if key.text not in container.entries and key.text != _BAD_KEY:
                container.entries[key.text] = (key, node)
            else:
                self._entry(container, key, node)

    def _bad_key(self, top: _Open, node: List | Map) -> None:
        message = f"{'a map' if isinstance(node, Map) else 'a list'} is used as a key"
        self.problems.error(codes.BAD_KEY, message, node.span, "put quotes around a text that begins with { or [")
        top.key = Scalar(node.file, node.line, node.column, node.end_line, node.end_column, _BAD_KEY, False)

    def _entry(self, into: Map, key: Scalar, value: Tree) -> None:
        if key.text == _BAD_KEY:
            return
        before = into.entries.get(key.text)
        if before is None:
            into.entries[key.text] = (key, value)
            return
        first = Related("first given here", before[0].span)
        message = f"the key {key.text!r} is given twice"
        self.problems.error(codes.DUPLICATE_KEY, message, key.span, "remove or rename one of them", first)

    def _close(self, closed: _Open) -> None:
        node = closed.node
        last: Place | None = None
        if isinstance(node, Map):
            if closed.key is not None:  # the text ended within an entry
                key = closed.key
                end = (key.end_line, key.end_column)
                self._entry(node, key, Scalar(self.label, *end, *end, "", True))
            if "<<" in node.entries:
                self._merge(node)
            if node.entries:
                last = next(reversed(node.entries.values()))[1]
        elif node.items:
            last = node.items[-1]
        if last is not None and (last.end_line, last.end_column) > (node.end_line, node.end_column):
            node.end_line, node.end_column = last.end_line, last.end_column
        if closed.anchor:
            self._anchors[closed.anchor] = (node, closed.size)
        self._put(node, closed.size)

    def _merge(self, node: Map) -> None:
        """The merge key of YAML 1.1: entries of other maps that are not given here."""
        key, value = node.entries["<<"]
        if not key.plain:
            return
        sources = value.items if isinstance(value, List) else [value]
        if not all(isinstance(source, Map) for source in sources):
            message = "the merge key << needs a map or a list of maps"
            self.problems.error(codes.WRONG_KIND, message, key.span)
            return
        del node.entries["<<"]
        for source in sources:
            assert isinstance(source, Map)
            for name, entry in source.entries.items():
                node.entries.setdefault(name, entry)

    def _limit(self, message: str, span: Span) -> None:
        self.failed = True
        self.problems.error(codes.YAML_LIMIT, message, span)
        raise _LimitError

    def _syntax(self, error: Exception, text: str) -> None:
        self.failed = True
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        if mark is not None:
            line, column = _within(text, mark.line + 1, mark.column + 1)
            message = getattr(error, "problem", None) or str(error)
            context = getattr(error, "context", None)
            message = f"{context}: {message}" if context else message
        else:
            position = getattr(error, "position", None)
            position = position if isinstance(position, int) else getattr(error, "start", 0)
            before = text[: max(position, 0)]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            message = getattr(error, "reason", None) or str(error)
        hint = (
            "indent with spaces, not with tabs"
            if "'\\t'" in message or "that cannot start any token" in message
            else None
        )
        self.problems.error(
            codes.YAML_SYNTAX, f"YAML: {message}", Span(self.label, line, column, line, column + 1), hint
        )


def _within(text: str, line: int, column: int) -> tuple[int, int]:
    """A place, or the end of the text where the place is behind it, as that of what is missed at the end may be."""
    lines = _LINE_BREAK.split(text)
    return (line, column) if line <= len(lines) else (len(lines), len(lines[-1]) + 1)


class _LimitError(Exception):
    """A bound was passed; what was read so far is closed and given."""
