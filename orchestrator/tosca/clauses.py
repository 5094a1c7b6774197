"""Condition clauses (1.3 section 3.6.25) of workflows: tree -> data, all that is written in them checked."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.model.problems import Problems
from orchestrator.model.topology import NodeTemplate, NodeType
from orchestrator.model.values import Value
from orchestrator.tosca import codes
from orchestrator.tosca.constraints import OPERATORS, UNBOUNDED, fault_of
from orchestrator.tosca.names import did_you_mean
from orchestrator.tosca.scalars import SIMPLE_TYPES, NotOfType, described
from orchestrator.tosca.templates import EVERY_NODE_HAS
from orchestrator.tosca.tree import List, Map, Scalar, Tree, kind_of, plain_value
from orchestrator.tosca.types import TypeTable

JOINING = ("and", "or", "not", "assert")
_VALUES = frozenset(
    ("equal", "greater_than", "greater_or_equal", "less_than", "less_or_equal", "in_range", "valid_values")
)
_HINT = "write for example { state: [ { equal: started } ] }"


class ClauseReader:
    """Reads the conditions on the attributes of a node, or of each of several."""

    def __init__(self, templates: Sequence[NodeTemplate], types: TypeTable, problems: Problems) -> None:
        self._nodes = [(t, node_type) for t in templates if (node_type := types.whole_node(t.type)) is not None]
        self._types = types
        self._problems = problems

    def read(self, tree: Tree) -> Value:
        """One clause as data; values of attributes that have a type keep their text."""
        if not isinstance(tree, Map) or not tree.entries:
            what = "an empty one" if isinstance(tree, Map) else kind_of(tree)
            self._error(tree, f"a condition is a map of an attribute and its constraints, not {what}", _HINT)
            return plain_value(tree)
        found = {}
        for key, body in tree.items():
            items = body.items if isinstance(body, List) else [body]
            if key.text not in JOINING:
                found[key.text] = self._constraints(key, items)
            elif items:
                found[key.text] = [self.read(item) for item in items]
            else:
                self._error(key, f"{key.text} joins no conditions", _HINT)
        return found

    def _constraints(self, key: Scalar, items: Sequence[Tree]) -> Value:
        type_name = self._type_of(key)
        if len(items) > 1 and not all(isinstance(item, Map) for item in items):
            hint = "write { valid_values: [ … ] } where one of several values will do"
            self._error(key, f"the condition on {key.text} is a list of constraint clauses, or one value", hint)
            return []
        return [self._clause(key, item, type_name) for item in items]

    def _clause(self, key: Scalar, tree: Tree, type_name: str) -> Value:
        if isinstance(tree, Scalar) and tree.is_null:
            self._error(key, f"the condition on {key.text} says nothing of it", _HINT)
            return None
        if not isinstance(tree, Map):
            return {"equal": self._bound(key, "equal", tree, type_name)}
        return {
            operator.text: self._bound(key, operator.text, value, type_name, operator)
            for operator, value in tree.items()
        }

    def _bound(self, key: Scalar, operator: str, tree: Tree, type_name: str, place: Scalar | None = None) -> Value:
        if operator not in OPERATORS:
            self._error(
                place or tree, f"there is no constraint operator {operator!r}", did_you_mean(operator, OPERATORS)
            )
            return None
        fault = fault_of(operator, tree)
        if fault is not None:
            self._error(tree, fault.text, fault.remedy)
            return None
        if operator not in _VALUES or type_name not in SIMPLE_TYPES or type_name == "any":
            return tree.text if operator == "pattern" and isinstance(tree, Scalar) else plain_value(tree)
        return self._typed(key, tree, type_name)

    def _typed(self, key: Scalar, tree: Tree, type_name: str) -> Value:
        """The text of a value; its type reads it anew when it is compared."""
        if isinstance(tree, List):
            return [self._typed(key, item, type_name) for item in tree.items]
        if not isinstance(tree, Scalar):
            self._error(tree, f"{key.text} is {described(type_name)}, not {kind_of(tree)}", None)
            return None
        if tree.is_null or tree.text == UNBOUNDED:
            return plain_value(tree)
        try:
            SIMPLE_TYPES[type_name](tree)
        except NotOfType as answer:
            self._error(tree, f"{key.text} is {described(type_name)}, which {kind_of(tree)} is not", answer.hint)
        return tree.text

    def _type_of(self, key: Scalar) -> str:
        """The built-in type of an attribute; empty where it has none, or where there is no such attribute."""
        found = ""
        for template, node_type in self._nodes:
            definition = node_type.attributes.get(key.text) or node_type.properties.get(key.text)
            if definition is not None:
                found = found or self._types.base_of(definition.schema.type)
            elif key.text not in EVERY_NODE_HAS and key.text not in template.attributes:
                self._unknown(key, template, node_type)
        return found

    def _unknown(self, key: Scalar, template: NodeTemplate, node_type: NodeType) -> None:
        known = [*node_type.attributes, *node_type.properties, *sorted(EVERY_NODE_HAS), *JOINING]
        message = f"{template.name} has no attribute {key.text!r}"
        self._problems.error(codes.UNKNOWN_ATTRIBUTE, message, key.span, did_you_mean(key.text, known))

    def _error(self, tree: Tree, message: str, hint: str | None) -> None:
        self._problems.error(codes.BAD_CONSTRAINT, message, tree.span, hint)
