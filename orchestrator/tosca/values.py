"""Typed values: a tree and a schema -> an expression, with every fault of the value reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.model.expressions import Expression, Function, Literal
from orchestrator.model.problems import Problems, Related
from orchestrator.model.source import Span
from orchestrator.model.topology import DataType, PropertyDefinition, Schema
from orchestrator.tosca import codes
from orchestrator.tosca.constraints import UNBOUNDED, shown, violated
from orchestrator.tosca.dialects import FUNCTIONS
from orchestrator.tosca.functions import Inputs, function_of, list_of, map_of, read_call, read_untyped
from orchestrator.tosca.names import did_you_mean, nearest
from orchestrator.tosca.scalars import SIMPLE_TYPES, STRUCTURED_TYPES, NotOfType, described
from orchestrator.tosca.tree import List, Map, Place, Scalar, Tree, kind_of, plain_value

_MAX_FILLED = 10_000
"""How many values the defaults of a data type may make: a few types that hold each other twice could make millions."""


class ValueReader:
    """Reads values of every type; ``data_types`` gives a data type by its full name.

    Without ``functions`` a value is data whatever it looks like: what people give to a topology calls nothing.
    """

    def __init__(
        self, data_types: Callable[[str], DataType | None], problems: Problems, *, functions: bool = True
    ) -> None:
        self._data_type = data_types
        self._problems = problems
        self._functions = functions
        self._complete: dict[str, tuple[Expression | None, int]] = {}

    def read(self, tree: Tree, schema: Schema, what: str, inputs: Inputs = None) -> Expression | None:
        """The value as an expression; None when it is none of its type (a problem was reported).

        ``what`` names the value in messages. ``inputs`` are the names that ``get_input`` may use, None in types.
        """
        type_name = schema.type
        if isinstance(tree, Scalar):
            if type_name == "string" and not schema.constraints:
                return Literal(tree.text, tree.span)
        else:
            function = function_of(tree) if self._functions else None
            if function is not None and not self._is_field(tree, schema):
                assert isinstance(tree, Map)
                return read_call(tree, function, self._problems, inputs)
        reader = SIMPLE_TYPES.get(type_name)
        if reader is not None:
            return self._simple(tree, schema, type_name, what, inputs)
        if type_name in STRUCTURED_TYPES:
            return self._structured(tree, schema, what, inputs)
        data_type = self._data_type(type_name)
        if data_type is None:  # reported where the definition names it
            return self._untyped(tree, inputs)
        base = data_type.lineage[-1]
        if base in SIMPLE_TYPES or base in STRUCTURED_TYPES:
            return self._derived(tree, schema, data_type, base, what, inputs)
        return self._fields(tree, data_type, schema, what, inputs)

    def complete(self, data_type: DataType) -> tuple[Expression | None, int]:
        """A value of a data type made of defaults only, and how many values are in it.

        None when a required field has no default, or when the type holds itself. Made once for each type.
        """
        known = self._complete.get(data_type.name)
        if known is not None:
            return known
        self._complete[data_type.name] = (None, 0)
        entries: dict[str, Expression] = {}
        size = 1
        for name, definition in data_type.properties.items():
            value, inner = self._default(definition)
            size += inner
            if value is not None:
                entries[name] = value
            elif definition.required:
                return None, 0
        if size <= _MAX_FILLED:
            self._complete[data_type.name] = (map_of(entries, data_type.span), size)
        return self._complete[data_type.name]

    def default_of(self, definition: PropertyDefinition) -> Expression | None:
        """The default of a definition; a required value of a data type is made of the type's defaults."""
        return self._default(definition)[0]

    def _default(self, definition: PropertyDefinition) -> tuple[Expression | None, int]:
        if definition.default is not None:
            return definition.default, 1
        if not definition.required or definition.schema.type in SIMPLE_TYPES:
            return None, 0
        data_type = self._data_type(definition.schema.type)
        if data_type is None or not data_type.properties:
            return None, 0
        return self.complete(data_type)

    def fields(
        self,
        assigned: Map | None,
        definitions: Mapping[str, PropertyDefinition],
        owner: str,
        place: Place,
        inputs: Inputs,
        *,
        field_codes: tuple[str, str] = (codes.UNKNOWN_PROPERTY, codes.MISSING_PROPERTY),
        word: str = "property",
        related: Span | None = None,
        check_missing: bool = True,
    ) -> dict[str, Expression]:
        """Assigned values checked against their definitions, with the defaults of the others.

        An unknown name and a required one without a value are problems; the latter at ``place``.
        """
        unknown, missing = field_codes
        values: dict[str, Expression] = {}
        entries = assigned.entries if assigned is not None else {}
        for name, (key, tree) in entries.items():
            definition = definitions.get(name)
            if definition is None:
                self._unknown(key, definitions, owner, unknown, word, related)
                continue
            if isinstance(tree, Scalar) and tree.is_null:
                continue
            value = self.read(tree, definition.schema, f"{word} {name!r}", inputs)
            if value is not None:
                values[name] = value
        for name, definition in definitions.items():
            if name in values:
                continue
            default = self.default_of(definition)
            if default is not None:
                values[name] = default
            elif check_missing and definition.required and not self._written(entries, name, definitions):
                given = entries.get(name)
                at = given[0] if given is not None else place
                message = f"{owner} needs a value for the {word} {name!r}"
                notes = [Related("defined here", definition.span)] if definition.span else []
                self._problems.error(missing, message, at.span, f"add {name}", *notes)
        return values

    @staticmethod
    def _written(
        entries: Mapping[str, tuple[Scalar, Tree]], name: str, definitions: Mapping[str, PropertyDefinition]
    ) -> bool:
        """Whether a value was given, though a wrong one, or under a misspelt name: one problem is enough."""
        given = entries.get(name)
        if given is not None:
            return not (isinstance(given[1], Scalar) and given[1].is_null)
        return any(other not in definitions and nearest(other, definitions) == name for other in entries)

    def _unknown(
        self,
        key: Scalar,
        definitions: Mapping[str, PropertyDefinition],
        owner: str,
        code: str,
        word: str,
        related: Span | None,
    ) -> None:
        hint = did_you_mean(key.text, definitions)
        meant = definitions.get(nearest(key.text, definitions) or "")
        notes = []
        if meant is not None and meant.span is not None:
            notes.append(Related(f"{meant.name} is defined here", meant.span))
        elif related is not None:
            notes.append(Related("the type is defined here", related))
        self._problems.error(code, f"{owner} has no {word} {key.text!r}", key.span, hint, *notes)

    def _is_field(self, tree: Tree, schema: Schema) -> bool:
        """Whether a map that looks like a call is a value of a data type with a field of that name."""
        if schema.type in SIMPLE_TYPES or not isinstance(tree, Map):
            return False
        data_type = self._data_type(schema.type)
        return data_type is not None and next(iter(tree.entries)) in data_type.properties

    def _untyped(self, tree: Tree, inputs: Inputs) -> Expression:
        if self._functions:
            return read_untyped(tree, self._problems, inputs)
        return Literal(plain_value(tree), tree.span)

    def _simple(self, tree: Tree, schema: Schema, type_name: str, what: str, inputs: Inputs) -> Expression | None:
        if type_name == "any":
            return self._untyped(tree, inputs)
        if not isinstance(tree, Scalar):
            return self._wrong(tree, schema.type, what, _function_hint(tree))
        try:
            value = SIMPLE_TYPES[type_name](tree)
        except NotOfType as answer:
            return self._wrong(tree, schema.type, what, answer.hint)
        self._constrained(tree, schema, value, type_name, what)
        return Literal(value, tree.span)

    def _structured(self, tree: Tree, schema: Schema, what: str, inputs: Inputs) -> Expression | None:
        if schema.type == "range":
            return self._range(tree, schema, what)
        entry = schema.entry
        if schema.type == "list":
            if not isinstance(tree, List):
                return self._wrong(tree, "list", what, "begin each item with a dash")
            items = [
                self._untyped(item, inputs)
                if entry is None
                else self.read(item, entry, f"item {number} of {what}", inputs)
                for number, item in enumerate(tree.items, start=1)
            ]
            value = list_of([item for item in items if item is not None], tree.span)
        else:
            if not isinstance(tree, Map):
                return self._wrong(tree, "map", what, "write name: value")
            entries: dict[str, Expression] = {}
            for key, item in tree.items():
                if schema.key is not None:
                    self.read(key, schema.key, f"a key of {what}")
                read = (
                    self._untyped(item, inputs)
                    if entry is None
                    else self.read(item, entry, f"entry {key.text!r} of {what}", inputs)
                )
                if read is not None:
                    entries[key.text] = read
            value = map_of(entries, tree.span)
        if isinstance(value, Literal):
            self._constrained(tree, schema, value.value, schema.type, what)
        return value

    def _range(self, tree: Tree, schema: Schema, what: str) -> Expression | None:
        hint = "write two whole numbers, for example [1, 10] or [1, UNBOUNDED]"
        if not isinstance(tree, List) or len(tree.items) != 2:
            return self._wrong(tree, "range", what, hint)
        bounds = []
        for item in tree.items:
            bound = _bound(item)
            if bound is None:
                return self._wrong(item, "range", what, hint)
            bounds.append(bound)
        low, high = bounds
        if isinstance(low, int) and isinstance(high, int) and low > high:
            return self._wrong(tree, "range", what, "the lower bound comes first")
        self._constrained(tree, schema, bounds, "integer", what)
        return Literal(bounds, tree.span)

    def _derived(
        self, tree: Tree, schema: Schema, data_type: DataType, base: str, what: str, inputs: Inputs
    ) -> Expression | None:
        constraints = (*data_type.constraints, *schema.constraints)
        return self.read(tree, Schema(base, schema.entry, constraints, schema.key), what, inputs)

    def _fields(self, tree: Tree, data_type: DataType, schema: Schema, what: str, inputs: Inputs) -> Expression | None:
        if not isinstance(tree, Map):
            return self._wrong(
                tree, data_type.name, what, f"write a map with {', '.join(data_type.properties) or 'no fields'}"
            )
        if not data_type.properties:
            return self._untyped(tree, inputs)
        values = self.fields(
            tree,
            data_type.properties,
            f"{what} ({data_type.name})",
            tree,
            inputs,
            field_codes=(codes.UNKNOWN_FIELD, codes.MISSING_FIELD),
            word="field",
            related=data_type.span,
        )
        return map_of(values, tree.span)

    def _constrained(self, tree: Tree, schema: Schema, value: object, type_name: str, what: str) -> None:
        if not schema.constraints:
            return
        broken = violated(schema.constraints, value, type_name)
        if broken is not None:
            message = f"{what} {shown(broken)}, and is {kind_of(tree)}"
            notes = [Related("the constraint", broken.span)] if broken.span else []
            self._problems.error(codes.CONSTRAINT_VIOLATED, message, tree.span, None, *notes)

    def _wrong(self, tree: Tree, type_name: str, what: str, hint: str | None) -> Expression | None:
        message = f"{what} is {described(type_name)}, not {kind_of(tree)}"
        self._problems.error(codes.WRONG_VALUE, message, tree.span, hint)
        return None


def _function_hint(tree: Tree) -> str | None:
    if isinstance(tree, Map) and len(tree.entries) == 1:
        name = next(iter(tree.entries))
        meant = nearest(name, FUNCTIONS)
        if meant is not None:
            return f"did you mean the function {meant!r}?"
        if FUNCTIONS.get(name) in (Function.CONCAT, Function.JOIN, Function.TOKEN):
            return f"the arguments of {name} are a list"
    return None


def _bound(tree: Tree) -> int | str | None:
    """An end of a range; None when it is none."""
    if not isinstance(tree, Scalar):
        return None
    return UNBOUNDED if tree.text == UNBOUNDED else tree.whole
