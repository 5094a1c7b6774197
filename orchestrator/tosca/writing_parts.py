"""Writing: the parts that types and templates have in common: names, values, definitions, interfaces, artifacts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from orchestrator.model.expressions import Function
from orchestrator.model.implementations import JOB_WATCH
from orchestrator.model.problems import Problems
from orchestrator.model.topology import interface_name
from orchestrator.tosca.dialects import FUNCTIONS
from orchestrator.tosca.fields import named_items
from orchestrator.tosca.functions import function_of
from orchestrator.tosca.implementations import find_file
from orchestrator.tosca.imports import Document
from orchestrator.tosca.interfaces import is_definition
from orchestrator.tosca.remarks import Fate, Remarks
from orchestrator.tosca.tree import List, Map, Place, Scalar, Tree, empty_map, scalar_at
from orchestrator.tosca.types import ARTIFACT, DATA, INTERFACE, TypeTable

_INTERFACE_KEYNAMES = frozenset(
    ("type", "derived_from", "version", "metadata", "description", "inputs", "operations", "notifications")
)
_MARKS = ("primary", "file")  # of an implementation that stands where the operation belongs


class Parts:
    """Writes parts of definitions and templates in the notation of Simple Profile 1.3.

    ``folder`` is where the new document will lie. ``referenced`` collects every type that was named, by kind and name.
    """

    def __init__(self, types: TypeTable, folder: Path, remarks: Remarks) -> None:
        self.types = types
        self.remarks = remarks
        self.referenced: set[tuple[str, str]] = set()
        self._folder = folder.resolve()

    # names

    def full(self, kind: str, written: Tree) -> Tree:
        """The name of a type in full: short names and namespace prefixes are resolved."""
        found = self._found(kind, written)
        return _renamed(written, found) if found is not None and isinstance(written, Scalar) else written

    def unprefixed(self, kind: str, written: Tree) -> Tree:
        """A name that may be a type's, with no other change than that a namespace prefix is taken away."""
        found = self._found(kind, written)
        if found is None or not isinstance(written, Scalar):
            return written
        short = written.text.removeprefix("tosca:")
        return written if found == written.text or found.endswith(f".{short}") else _renamed(written, found)

    def _found(self, kind: str, written: Tree) -> str | None:
        """The full name of a type, which is referred to from now on; None where there is none."""
        if not isinstance(written, Scalar) or written.is_null:
            return None
        found = self.types.find(kind, written.text, written.file)
        if found is not None:
            self.referenced.add((kind, found))
        return found

    def names(self, kind: str, tree: Tree) -> Tree:
        """A list of names of types, in full; one alone becomes a list."""
        items = tree.items if isinstance(tree, List) else [tree]
        return _list(tree, [self.full(kind, item) for item in items])

    # values

    def value(self, tree: Tree) -> Tree:
        """A value: functions of other dialects by the names of the normal form."""
        if isinstance(tree, Scalar):
            return tree
        if isinstance(tree, List):
            return _list(tree, [self.value(item) for item in tree.items])
        function = function_of(tree)
        if function is None:
            return tree.with_entries({name: (key, self.value(item)) for name, (key, item) in tree.entries.items()})
        key, arguments = next(tree.items())
        self._remark_function(function, key, arguments)
        return tree.with_entries({function.value: (_renamed(key, function.value), self.value(arguments))})

    def _remark_function(self, function: Function, key: Scalar, arguments: Tree) -> None:
        if FUNCTIONS[key.text].value != key.text:
            self.remarks.add(Fate.CHANGED, f"{key.text} is written as {function.value}", key)
        if function is Function.GET_SECRET:
            self.remarks.add(Fate.EXTENSION, "get_secret is no function of the Simple Profile", key)
        first = arguments.items[0] if isinstance(arguments, List) and arguments.items else arguments
        if function in (Function.GET_PROPERTY, Function.GET_ATTRIBUTE) and isinstance(first, Scalar):
            if first.text == "REQ_TARGET":
                self.remarks.add(Fate.EXTENSION, "REQ_TARGET is no keyword of the Simple Profile", first)
        elif function is Function.GET_INPUT and isinstance(first, Map):
            self.remarks.add(Fate.EXTENSION, "get_input of a name that is itself looked up", key)

    def values(self, tree: Tree) -> Tree:
        """A map of assigned values."""
        if not isinstance(tree, Map):
            return tree
        return tree.with_entries({name: (key, self.value(item)) for name, (key, item) in tree.entries.items()})

    # definitions

    def definitions(self, tree: Tree, inherited: Collection[str] = ()) -> Tree:
        """Definitions of properties, attributes or parameters; ``inherited`` are the names that are refined."""
        if not isinstance(tree, Map):
            return tree
        entries = {n: (k, self.definition(v, n in inherited)) for n, (k, v) in tree.entries.items()}
        return tree.with_entries(entries)

    def definition(self, tree: Tree, inherited: bool = False) -> Tree:
        """One definition. A text alone is its type, or the default of one that is inherited."""
        if isinstance(tree, Scalar):
            if tree.is_null:
                return tree
            return _map(tree, {"default": tree} if inherited else {"type": self.full(DATA, tree)})
        if not isinstance(tree, Map):
            return tree
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, item) in tree.entries.items():
            if name == "tags":
                self.dropped(key)
            else:
                entries[name] = (key, self._of_definition(name, item))
        return tree.with_entries(entries)

    def _of_definition(self, name: str, tree: Tree) -> Tree:
        if name == "type":
            return self.full(DATA, tree)
        if name in ("default", "value"):
            return self.value(tree)
        if name in ("entry_schema", "key_schema"):
            return self.definition(tree)
        return clauses(tree) if name == "constraints" else tree

    # interfaces

    def interfaces(self, tree: Tree, document: Document, artifacts: Collection[str], *, assigned: bool) -> Tree:
        """Interfaces of a type, or, ``assigned``, of a template, whose artifacts have these names."""
        if not isinstance(tree, Map):
            return tree
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for key, body in tree.items():
            name = self._interface_name(key, assigned)
            if name != key.text and (name in tree or name in entries):
                name = key.text  # one interface by two names: the reader merges them
            entries[name] = (_renamed(key, name), self._interface(key, body, document, artifacts, assigned))
        return tree.with_entries(entries)

    def _interface_name(self, key: Scalar, assigned: bool) -> str:
        """The normal name, where it names the same interface type."""
        name = interface_name(key.text)
        same = assigned or self.types.find(INTERFACE, name) == self.types.find(INTERFACE, key.text)
        return name if same else key.text

    def _interface(
        self, key: Scalar, tree: Tree, document: Document, artifacts: Collection[str], assigned: bool
    ) -> Tree:
        if isinstance(tree, Scalar):
            if not tree.is_null:
                tree = _map(tree, {"type": tree})
            elif not assigned and self.types.find(INTERFACE, key.text) is not None:
                tree = empty_map(tree)
        if not isinstance(tree, Map):
            return tree
        written = tree.get("type")
        if assigned:
            kind = self.unprefixed(INTERFACE, written) if written is not None else None
        else:
            kind = self.full(INTERFACE, written if written is not None else key)
            if written is None and self.types.find(INTERFACE, key.text) is None:
                kind = None
        body = self.interface_body(tree, document, artifacts)
        if kind is None:
            return body
        return tree.with_entries({"type": (scalar_at(key, "type"), kind), **_without(body, "type")})

    def interface_body(self, tree: Map, document: Document, artifacts: Collection[str] = ()) -> Map:
        """What stands in an interface or an interface type; its operations go under ``operations``."""
        entries: dict[str, tuple[Scalar, Tree]] = {}
        operations: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, item) in tree.entries.items():
            if name == "operations":
                if isinstance(item, Map):
                    operations = {**dict(item.entries), **operations}
            elif name == "inputs":
                entries[name] = (key, self._inputs(item))
            elif name == "notifications" and isinstance(item, Map):
                told = {n: (k, self._operation(v, document, artifacts)) for n, (k, v) in item.entries.items()}
                entries[name] = (key, item.with_entries(told))
            elif name in _INTERFACE_KEYNAMES:
                entries[name] = (key, item)
            else:
                operations[name] = (key, item)
        if operations:
            written = {n: (k, self._operation(v, document, artifacts)) for n, (k, v) in operations.items()}
            entries["operations"] = (scalar_at(tree, "operations"), tree.with_entries(written))
        return tree.with_entries(entries)

    def _operation(self, tree: Tree, document: Document, artifacts: Collection[str]) -> Tree:
        if isinstance(tree, Scalar):
            return tree if tree.is_null else self._file(tree, document, artifacts)
        if not isinstance(tree, Map):
            return tree
        if "implementation" not in tree and any(mark in tree for mark in _MARKS):
            return _map(tree, {"implementation": self._implementation(tree, document, artifacts)})
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, item) in tree.entries.items():
            if name == "implementation":
                item = self._implementation(item, document, artifacts)
            elif name == "inputs":
                item = self._inputs(item)
            entries[name] = (key, item)
        return tree.with_entries(entries)

    def _inputs(self, tree: Tree) -> Tree:
        if not isinstance(tree, Map):
            return tree
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for name, (key, item) in tree.entries.items():
            defines = isinstance(item, Map) and is_definition(item)
            entries[name] = (key, self.definition(item) if defines else self.value(item))
        return tree.with_entries(entries)

    def _implementation(self, tree: Tree, document: Document, artifacts: Collection[str]) -> Tree:
        """``{file, type}`` goes under ``primary``, as 1.3 has it."""
        if isinstance(tree, Scalar):
            return tree if tree.is_null else self._file(tree, document, artifacts)
        if not isinstance(tree, Map):
            return tree
        primary = tree.get("primary")
        inner = primary if isinstance(primary, Map) else tree
        kind = inner.get("type")
        watch = isinstance(kind, Scalar) and self.types.is_artifact(kind.text, JOB_WATCH)
        file = primary if isinstance(primary, Scalar) else inner.get("file")
        if isinstance(file, Scalar) and not watch:
            file = self._file(file, document, artifacts)
        fields: dict[str, Tree] = {"file": file} if file is not None else {}
        if kind is not None:
            fields["type"] = self.unprefixed(ARTIFACT, kind)
        others = primary.entries if isinstance(primary, Map) else {"repository": (tree, tree.get("repository"))}
        fields |= {name: item for name, (_, item) in others.items() if name not in fields and item is not None}
        entries: dict[str, tuple[Scalar, Tree]] = {}
        if fields:
            whole = file if file is not None and len(fields) == 1 else _map(inner, fields)
            entries["primary"] = (scalar_at(tree, "primary"), whole)
        for name, (key, item) in tree.entries.items():
            if name == "dependencies":
                entries[name] = (key, self._dependencies(item, document))
            elif name not in ("primary", "file", "type", "repository"):
                entries[name] = (key, item)
        return tree.with_entries(entries)

    def _dependencies(self, tree: Tree, document: Document) -> Tree:
        if isinstance(tree, Scalar):
            return tree if tree.is_null else _list(tree, [self._file(tree, document, ())])
        if not isinstance(tree, List):
            return tree
        items: list[Tree] = []
        for item in tree.items:
            file = item.get("file") if isinstance(item, Map) else item
            if not isinstance(file, Scalar):
                items.append(item)
                continue
            moved = self._file(file, document, ())
            items.append(_with(item, "file", moved) if isinstance(item, Map) else moved)
        return _list(tree, items)

    def _file(self, written: Scalar, document: Document, artifacts: Collection[str]) -> Scalar:
        """A file's name as it is seen from the new document."""
        if written.text in artifacts:
            return written
        found = find_file(written.text, document)
        if found is None or _resolved(self._folder, written.text) == found:
            return written
        moved = Path(os.path.relpath(found, self._folder)).as_posix()
        self.remarks.add(Fate.CHANGED, "files are named as they are seen from the new document", written)
        return _renamed(written, moved)

    # artifacts

    def artifacts(self, tree: Tree, document: Document) -> Tree:
        """Artifacts by name."""
        entries: dict[str, tuple[Scalar, Tree]] = {}
        for key, body in named_items(tree, "artifacts", Problems()):
            entries[key.text] = (key, self._artifact(body, document))
        return empty_map(tree).with_entries(entries)

    def _artifact(self, tree: Tree, document: Document) -> Tree:
        if isinstance(tree, Scalar):
            return tree if tree.is_null else self._file(tree, document, ())
        if not isinstance(tree, Map):
            return tree
        entries = dict(tree.entries)
        kind, file = tree.get("type"), tree.get("file")
        if kind is not None:
            entries["type"] = (tree.key("type"), self.full(ARTIFACT, kind))
        if isinstance(file, Scalar) and tree.get("repository") is None:
            entries["file"] = (tree.key("file"), self._file(file, document, ()))
        return tree.with_entries(entries)

    # what is lost

    def dropped(self, key: Scalar) -> None:
        """Say that a keyname of another dialect is not written."""
        what = "tags, which are for user interfaces (icons)" if key.text == "tags" else key.text
        self.remarks.add(Fate.LOST, what, key)


def clauses(tree: Tree) -> Tree:
    """Constraint clauses as a list."""
    return listed(tree) if isinstance(tree, Map) else tree


def listed(tree: Tree) -> Tree:
    """A map of named things, or a list of maps -> a list of maps with one entry each."""
    if isinstance(tree, Scalar):
        return tree
    items = [empty_map(key).with_entries({key.text: (key, v)}) for key, v in named_items(tree, "items", Problems())]
    return _list(tree, list(items))


def with_parts(tree: Map, parts: Mapping[str, Tree]) -> Map:
    """The map with other values under some of its keys."""
    return tree.with_entries({n: (k, parts.get(n, v)) for n, (k, v) in tree.entries.items()})


def as_items(tree: Tree) -> Iterable[Tree]:
    """The items of a list; a value alone counts as a list of one."""
    return tree.items if isinstance(tree, List) else [tree]


def new_list(place: Place, items: list[Tree]) -> List:
    """A list at a place."""
    return List(place.file, place.line, place.column, place.end_line, place.end_column, items)


def new_map(place: Place, fields: Mapping[str, Tree]) -> Map:
    """A map at a place."""
    return empty_map(place).with_entries({name: (scalar_at(place, name), tree) for name, tree in fields.items()})


_list, _map = new_list, new_map


def _renamed(scalar: Scalar, text: str) -> Scalar:
    return scalar if text == scalar.text else scalar_at(scalar, text)


def _without(tree: Map, name: str) -> dict[str, tuple[Scalar, Tree]]:
    return {n: entry for n, entry in tree.entries.items() if n != name}


def _with(tree: Map, name: str, value: Tree) -> Map:
    return tree.with_entries({**tree.entries, name: (tree.key(name), value)})


def _resolved(folder: Path, name: str) -> Path | None:
    try:
        return (folder / name).resolve()
    except (OSError, ValueError, RuntimeError):
        return None
