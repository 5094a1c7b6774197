"""Definitions of properties, attributes and parameters (1.3 sections 3.6.10, 3.6.12, 3.6.14): tree -> model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.model.expressions import Expression
from orchestrator.model.problems import Problems, Related
from orchestrator.model.topology import PropertyDefinition, Schema
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.constraints import read_constraints
from orchestrator.tosca.fields import as_map, as_scalar, check_keynames, text_of
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import SIMPLE_TYPES, NotOfType
from orchestrator.tosca.tree import Map, Scalar, Tree
from orchestrator.tosca.values import ValueReader

TypeLookup = Callable[[Scalar], str | None]
"""The full name of a data type (or built-in type) as written; None, with a problem, when there is none."""
Derives = Callable[[str, str], bool]


class DefinitionReader:
    """Reads definitions; ``lookup`` finds data types, ``derives`` tells whether one is derived from another."""

    def __init__(
        self,
        lookup: TypeLookup,
        base_of: Callable[[str], str],
        derives: Derives,
        values: ValueReader,
        problems: Problems,
    ) -> None:
        self._lookup = lookup
        self._base_of = base_of
        self._derives = derives
        self._values = values
        self._problems = problems

    def read_all(
        self,
        tree: Tree | None,
        what: str,
        inherited: Mapping[str, PropertyDefinition] | None = None,
        *,
        needs_type: bool = True,
    ) -> dict[str, PropertyDefinition]:
        """The definitions of a map by name, over the inherited ones, without their defaults (see :meth:`defaults`).

        A definition that repeats an inherited name refines it: what it leaves out stays as inherited.
        """
        found = dict(inherited or {})
        definitions = as_map(tree, what, self._problems)
        if definitions is None:
            return found
        for key, body in definitions.items():
            found[key.text] = self.read(key, body, found.get(key.text), needs_type=needs_type)
        return found

    def read(
        self, key: Scalar, tree: Tree, inherited: PropertyDefinition | None = None, *, needs_type: bool = True
    ) -> PropertyDefinition:
        """One definition without its default. A text alone is the type."""
        if inherited is not None and isinstance(tree, Scalar) and not tree.is_null:
            return inherited  # only a default, as the Simple Profile has it in an example: see defaults()
        if isinstance(tree, Scalar) and not tree.is_null:
            type_name = self._lookup(tree) or "any"
            return PropertyDefinition(key.text, Schema(type_name), span=key.span)
        body = as_map(tree, f"the definition of {key.text!r}", self._problems)
        if body is None:
            return inherited or PropertyDefinition(
                key.text, Schema("any" if not needs_type else "string"), span=key.span
            )
        check_keynames(body, grammar.DEFINITION, f"the definition of {key.text!r}", self._problems)
        self._check_status(body)
        schema = self._schema(key, body, inherited, needs_type)
        required = inherited.required if inherited is not None else True
        return PropertyDefinition(
            key.text,
            schema,
            self.flag(body, "required", required),
            inherited.default if inherited is not None else None,
            text_of(body.get("description"), "description", self._problems)
            or (inherited.description if inherited else ""),
            key.span,
        )

    def _check_status(self, body: Map) -> None:
        status = as_scalar(body.get("status"), "status", self._problems)
        if status is not None and status.text not in grammar.STATUSES:
            hint = did_you_mean(status.text, grammar.STATUSES)
            self._problems.error(codes.WRONG_VALUE, f"there is no status {status.text!r}", status.span, hint)

    def defaults(
        self, tree: Tree | None, definitions: dict[str, PropertyDefinition], word: str, keyname: str = "default"
    ) -> None:
        """Read the defaults that a map of definitions writes, into the definitions, checked against their types."""
        if not isinstance(tree, Map):
            return
        for key, body in tree.items():
            definition = definitions.get(key.text)
            refined = definition is not None and definition.span != key.span
            default = body.get(keyname) if isinstance(body, Map) else body if refined else None
            if default is None or definition is None or (isinstance(default, Scalar) and default.is_null):
                continue
            value = self._values.read(default, definition.schema, f"the {keyname} of {word} {key.text!r}")
            definitions[key.text] = with_default(definition, value)

    def _schema(self, key: Scalar, body: Map, inherited: PropertyDefinition | None, needs_type: bool) -> Schema:
        written = as_scalar(body.get("type"), "type", self._problems)
        if written is None:
            if inherited is not None:
                constraints = read_constraints(body.get("constraints"), inherited.schema.type, self._problems)
                old = inherited.schema
                constraints = (*old.constraints, *constraints)
                return Schema(old.type, self._entry(body) or old.entry, constraints, self._key(body) or old.key)
            if needs_type and "type" not in body.entries:
                message = f"the definition of {key.text!r} has no type"
                self._problems.error(codes.MISSING_TYPE, message, key.span, "add type: string")
            return Schema("string" if needs_type else "any")
        name = self._lookup(written) or "any"
        self._check_refinement(key, written, name, inherited)
        constraints = read_constraints(body.get("constraints"), self._base_of(name), self._problems)
        entry, key_schema = self._entry(body), self._key(body)
        if inherited is not None and inherited.schema.type == name:
            entry, key_schema = entry or inherited.schema.entry, key_schema or inherited.schema.key
        return Schema(name, entry, constraints, key_schema)

    def _check_refinement(self, key: Scalar, written: Scalar, name: str, inherited: PropertyDefinition | None) -> None:
        if inherited is None or name == "any" or inherited.schema.type in (name, "any"):
            return
        old = inherited.schema.type
        if self._derives(name, old):
            return
        message = f"{key.text!r} is inherited with the type {old} and cannot become {name}"
        notes = [Related("inherited from here", inherited.span)] if inherited.span else []
        self._problems.error(codes.BAD_REFINEMENT, message, written.span, f"use {old}", *notes)

    def _key(self, body: Map) -> Schema | None:
        """The schema of a map's keys, which are strings or of a type derived from string."""
        found = self._entry(body, "key_schema")
        if found is None or self._base_of(found.type) == "string":
            return found
        tree = body.get("key_schema")
        assert tree is not None
        message = f"the keys of a map are strings, not {found.type}"
        self._problems.error(codes.WRONG_VALUE, message, tree.span, "use string, or a type derived from it")
        return None

    def _entry(self, body: Map, keyname: str = "entry_schema") -> Schema | None:
        entry = body.get(keyname)
        if entry is None:
            return None
        if isinstance(entry, Scalar):
            name = self._lookup(entry)
            return Schema(name) if name else None
        fields = as_map(entry, keyname, self._problems)
        if fields is None:
            return None
        check_keynames(fields, grammar.SCHEMA, keyname, self._problems)
        written = as_scalar(fields.get("type"), "type", self._problems)
        name = self._lookup(written) if written is not None else None
        if name is None:
            return None
        constraints = read_constraints(fields.get("constraints"), self._base_of(name), self._problems)
        return Schema(name, self._entry(fields), constraints, self._key(fields))

    def flag(self, body: Map, name: str, otherwise: bool) -> bool:
        """A keyname that says yes or no."""
        scalar = as_scalar(body.get(name), name, self._problems)
        if scalar is None:
            return otherwise
        try:
            return bool(SIMPLE_TYPES["boolean"](scalar))
        except NotOfType as answer:
            self._problems.error(
                codes.WRONG_VALUE, f"{name} is a boolean, not {scalar.text!r}", scalar.span, answer.hint
            )
            return otherwise


def with_default(definition: PropertyDefinition, value: Expression | None) -> PropertyDefinition:
    """The definition with another default."""
    return PropertyDefinition(
        definition.name, definition.schema, definition.required, value, definition.description, definition.span
    )
