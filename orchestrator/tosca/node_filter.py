"""Node filters (1.3 section 3.6.5): what a target must have, as constraints on properties and on capabilities."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from orchestrator.model.expressions import Expression, Literal
from orchestrator.model.problems import Problems
from orchestrator.model.topology import Constraint, NodeTemplate, PropertyDefinition
from orchestrator.tosca import codes, grammar
from orchestrator.tosca.constraints import OPERATORS, read_constraints, shown, violated
from orchestrator.tosca.fields import as_map, check_keynames, named_items
from orchestrator.tosca.tree import List, Map, Scalar, Tree, empty_map, scalar_at
from orchestrator.tosca.types import CAPABILITY, TypeTable


class Condition(msgspec.Struct, frozen=True):
    """What a filter asks of one property: constraint clauses, or a value alone, which means ``equal``."""

    key: Scalar
    tree: Tree


class NodeFilter(msgspec.Struct, frozen=True):
    """Conditions on the properties of a node, and by capability name or type on those of its capabilities."""

    properties: tuple[Condition, ...] = ()
    capabilities: tuple[tuple[Scalar, tuple[Condition, ...]], ...] = ()


def read_filter(tree: Tree | None, problems: Problems) -> NodeFilter | None:
    """A node filter; what is misshapen in it is a problem."""
    body = as_map(tree, "node_filter", problems)
    if body is None:
        return None
    check_keynames(body, grammar.NODE_FILTER, "node_filter", problems)
    capabilities = []
    for key, value in named_items(body.get("capabilities"), "capabilities", problems):
        fields = as_map(value, f"the filter of the capability {key.text!r}", problems)
        if fields is not None:
            check_keynames(fields, grammar.NODE_FILTER, "the filter of a capability", problems)
            capabilities.append((key, _conditions(fields.get("properties"), problems)))
    return NodeFilter(_conditions(body.get("properties"), problems), tuple(capabilities))


def _conditions(tree: Tree | None, problems: Problems) -> tuple[Condition, ...]:
    return tuple(Condition(key, value) for key, value in named_items(tree, "the properties of a filter", problems))


def unmet(
    wanted: NodeFilter, template: NodeTemplate, types: TypeTable, problems: Problems
) -> tuple[Scalar, str] | None:
    """The first condition that a node template does not meet, with what is wrong; None when it meets all.

    Values that are only known later, because they come from functions, count as right.
    """
    node_type = types.whole_node(template.type)
    if node_type is None:
        return None
    broken = _unmet(wanted.properties, template.properties, node_type.properties, template.name, types, problems)
    if broken is not None:
        return broken
    for key, conditions in wanted.capabilities:
        name = _capability(key.text, template, types)
        if name is None:
            return key, f"{template.name} has no capability {key.text!r}"
        definitions = node_type.capabilities[name].properties
        owner = f"the capability {name} of {template.name}"
        values = template.capabilities[name].properties
        broken = _unmet(conditions, values, definitions, owner, types, problems)
        if broken is not None:
            return broken
    return None


def _capability(written: str, template: NodeTemplate, types: TypeTable) -> str | None:
    if written in template.capabilities:
        return written
    type_name = types.find(CAPABILITY, written)
    if type_name is None:
        return None
    fitting = (c.name for c in template.capabilities.values() if types.derives(CAPABILITY, c.type, type_name))
    return next(fitting, None)


def _unmet(
    conditions: tuple[Condition, ...],
    values: Mapping[str, Expression],
    definitions: Mapping[str, PropertyDefinition],
    owner: str,
    types: TypeTable,
    problems: Problems,
) -> tuple[Scalar, str] | None:
    for condition in conditions:
        name = condition.key.text
        definition = definitions.get(name)
        if definition is None:
            return condition.key, f"{owner} has no property {name!r}"
        base = types.base_of(definition.schema.type)
        constraints = _constraints(condition, base, problems)
        value = values.get(name)
        if value is None:
            return condition.key, f"{owner} has no value for the property {name!r}"
        if not isinstance(value, Literal):
            continue
        broken = violated(constraints, value.value, base)
        if broken is not None:
            return condition.key, f"the property {name!r} of {owner} {shown(broken)}, and is {value.value!r}"
    return None


def _constraints(condition: Condition, base: str, problems: Problems) -> tuple[Constraint, ...]:
    tree = condition.tree
    if isinstance(tree, List) or (isinstance(tree, Map) and tree.entries.keys() & OPERATORS):
        return read_constraints(tree, base, problems)
    place = condition.key
    if isinstance(tree, Map):
        message = "a filter's condition is a constraint clause"
        problems.error(codes.BAD_CONSTRAINT, message, place.span, "write for example { in_range: [ 1, 4 ] }")
        return ()
    return read_constraints(empty_map(place).with_entries({"equal": (scalar_at(place, "equal"), tree)}), base, problems)
