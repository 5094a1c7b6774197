"""The files that people write for orch itself: a tree -> values of declared types, every fault at its place.

The text of a scalar is kept until its type is known: ``key: 0123`` is a text where a text is declared.
What a field may be is declared at the field, with the limits and the pattern of ``msgspec.Meta``; its ``extra`` says in
words what the value is (``wanted``) and a ``hint``, or has a ``rule``: a function that raises UserError for a text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from orchestrator.errors import UserError
from orchestrator.model.problems import Problems
from orchestrator.model.values import Value
from orchestrator.tosca import codes
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import SIMPLE_TYPES, NotOfType
from orchestrator.tosca.tree import List, Map, Scalar, Tree, kind_of, plain_value
from orchestrator.tosca.yaml_reader import parse_any, read_file

T = TypeVar("T", bound=msgspec.Struct)
_WORDS: dict[type[inspect.Type], tuple[str, str]] = {
    inspect.IntType: ("integer", "a whole number"),
    inspect.FloatType: ("float", "a number"),
    inspect.BoolType: ("boolean", "true or false"),
}
_NOTHING = object()


def read_map(file: Path, shape: str, problems: Problems) -> Map | None:
    """The map that a file holds; None when it is empty, or with a problem when it cannot be read or is none.

    ``shape`` says what such a file is: "a sites file is a map of ...".
    """
    text = read_file(file, str(file), problems)
    return map_of_text(text, str(file), shape, problems) if text is not None else None


def map_of_text(text: str, label: str, shape: str, problems: Problems) -> Map | None:
    """The map that a text is, as :func:`read_map`; ``label`` names the text in positions."""
    root, whole = parse_any(text, label, problems)
    if root is None or isinstance(root, Map) or not whole:
        return root if isinstance(root, Map) else None
    if not (isinstance(root, Scalar) and root.is_null):
        problems.error(codes.WRONG_KIND, f"{shape}, not {kind_of(root)}", root.span)
    return None


def read_struct(tree: Tree, kind: type[T], what: str, problems: Problems, *, without: Collection[str] = ()) -> T | None:
    """A value of a msgspec struct, None when the tree has faults; each is a problem at its place.

    ``what`` names the value in messages. ``without`` are fields that are not to be written. What the struct itself
    refuses (``__post_init__``) is a problem at the whole.
    """
    info = _info(kind)
    assert isinstance(info, inspect.StructType)
    value = _struct(tree, info, what, problems, without)
    return None if value is _NOTHING else value


def check_keys(tree: Map, known: Iterable[str], what: str, problems: Problems) -> None:
    """Report keys that mean nothing."""
    names = list(known)
    for name, (key, _) in tree.entries.items():
        if name not in names:
            hint = did_you_mean(name, names) or f"known: {', '.join(sorted(names))}"
            problems.error(codes.UNKNOWN_SETTING, f"{name!r} is no setting of {what}", key.span, hint)


@cache
def _info(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _read(tree: Tree, info: inspect.Type, what: str, problems: Problems) -> Any:
    """A value of a type, :data:`_NOTHING` when it is none (a problem was reported)."""
    match info:
        case inspect.AnyType():
            return plain_value(tree)
        case inspect.Metadata():
            value = _read(tree, info.type, what, problems)
            return value if value is _NOTHING else _within(tree, value, info.type, info.extra or {}, what, problems)
        case inspect.UnionType():
            return _union(tree, info, what, problems)
        case inspect.StructType():
            return _struct(tree, info, what, problems, ())
        case inspect.DictType():
            return _dict(tree, info, what, problems)
        case inspect.ListType() | inspect.VarTupleType():
            return _list(tree, info, what, problems)
        case _:
            return _scalar(tree, info, what, problems)


def _union(tree: Tree, info: inspect.UnionType, what: str, problems: Problems) -> Any:
    """Of several types, the first that the tree is one of; a text is one where nothing else fits."""
    nothing = isinstance(tree, Scalar) and tree.is_null
    if nothing and any(isinstance(one, inspect.NoneType) for one in info.types):
        return None
    types = [one for one in info.types if not isinstance(one, inspect.NoneType)]
    types.sort(key=lambda one: isinstance(one, inspect.StrType))
    for one in types[:-1]:
        unheard = Problems()
        value = _read(tree, one, what, unheard)
        if value is not _NOTHING:
            return value
    return _read(tree, types[-1], what, problems)


def _struct(tree: Tree, info: inspect.StructType, what: str, problems: Problems, without: Collection[str]) -> Any:
    if isinstance(tree, Scalar) and tree.is_null:
        tree = Map(tree.file, tree.line, tree.column, tree.end_line, tree.end_column, {})
    if not isinstance(tree, Map):
        return _wrong(tree, what, "a map", problems)
    fields = {field.encode_name: field for field in info.fields if field.encode_name not in without}
    whole = not info.forbid_unknown_fields or tree.entries.keys() <= fields.keys()
    if not whole:
        check_keys(tree, fields, what, problems)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in tree.entries:
            value = _field(tree.entries[name][1], field, f"{name} of {what}", problems)
            whole = whole and value is not _NOTHING
            if value is not _OMITTED:
                values[field.name] = value
        elif field.required:
            problems.error(codes.MISSING_SETTING, f"{what} needs {name}", tree.span, f"add {name}")
            whole = False
    if not whole:
        return _NOTHING
    try:
        return info.cls(**values)
    except ValueError as error:
        problems.error(codes.WRONG_SETTING, f"{what}: {error}", tree.span)
        return _NOTHING


_OMITTED = object()


def _field(tree: Tree, field: inspect.Field, what: str, problems: Problems) -> Any:
    """The value of a field; where nothing is written behind its name it has its default."""
    nothing = isinstance(tree, Scalar) and tree.is_null
    return _OMITTED if nothing and not field.required else _read(tree, field.type, what, problems)


def _dict(tree: Tree, info: inspect.DictType, what: str, problems: Problems) -> Any:
    if not isinstance(tree, Map):
        return _wrong(tree, what, "a map", problems)
    found = {}
    for key, value in tree.items():
        name = _read(key, info.key_type, f"a name in {what}", problems)
        inner = _read(value, info.value_type, f"{key.text} of {what}", problems)
        found[key.text] = _NOTHING if name is _NOTHING else inner
    return _NOTHING if any(value is _NOTHING for value in found.values()) else found


def _list(tree: Tree, info: inspect.ListType | inspect.VarTupleType, what: str, problems: Problems) -> Any:
    if not isinstance(tree, List):
        return _wrong(tree, what, "a list", problems)
    found = [_read(item, info.item_type, f"an item of {what}", problems) for item in tree.items]
    if any(item is _NOTHING for item in found):
        return _NOTHING
    return found if isinstance(info, inspect.ListType) else tuple(found)


def _within(tree: Tree, value: Any, info: inspect.Type, extra: Mapping[str, Any], what: str, problems: Problems) -> Any:
    """The value of a scalar, if it is one of those that its field may have."""
    if isinstance(info, inspect.StrType):
        fits = info.pattern is None or re.search(info.pattern, value) is not None
    else:
        assert isinstance(info, inspect.IntType | inspect.FloatType)
        above = (info.ge is None or value >= info.ge) and (info.gt is None or value > info.gt)
        fits = above and (info.le is None or value <= info.le)
    if not fits:
        message = f"{what} is {extra['wanted']}, not {kind_of(tree)}"
        problems.error(codes.WRONG_SETTING, message, tree.span, extra.get("hint"))
        return _NOTHING
    try:
        extra.get("rule", str)(value)
    except UserError as error:
        problems.error(codes.WRONG_SETTING, f"{what}: {error.message}", tree.span, error.hint)
        return _NOTHING
    return value


def _scalar(tree: Tree, info: inspect.Type, what: str, problems: Problems) -> Any:
    if not isinstance(tree, Scalar):
        wanted = _WORDS[type(info)][1] if type(info) in _WORDS else "a text"
        return _wrong(tree, what, wanted, problems)
    if isinstance(info, inspect.StrType):
        return tree.text if not tree.is_null else _wrong(tree, what, "a text", problems)
    if isinstance(info, inspect.EnumType | inspect.LiteralType):
        return _one_of(tree, info, what, problems)
    type_name, wanted = _WORDS[type(info)]
    try:
        value: Value = SIMPLE_TYPES[type_name](tree)
    except NotOfType:
        return _wrong(tree, what, wanted, problems)
    return value if not isinstance(value, str) else _wrong(tree, what, f"{wanted} that has an end", problems)


def _one_of(tree: Scalar, info: inspect.EnumType | inspect.LiteralType, what: str, problems: Problems) -> Any:
    members = [m.value for m in info.cls] if isinstance(info, inspect.EnumType) else list(info.values)
    for member in members:
        if tree.text == str(member):
            return info.cls(member) if isinstance(info, inspect.EnumType) else member
    names = [str(member) for member in members if member != ""]
    message = f"{what} is {_listed(names)}, not {kind_of(tree)}"
    problems.error(codes.WRONG_SETTING, message, tree.span, did_you_mean(tree.text, names))
    return _NOTHING


def _listed(names: list[str]) -> str:
    return " or ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def _wrong(tree: Tree, what: str, wanted: str, problems: Problems) -> Any:
    problems.error(codes.WRONG_SETTING, f"{what} is {wanted}, not {kind_of(tree)}", tree.span)
    return _NOTHING
