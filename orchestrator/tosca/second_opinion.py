"""The second validator: tosca-parser, on the normal form, fenced in.

It sees the types that the node templates use, flattened and under names of their own (so that its own definitions of
the normative types do not get in the way), and the templates in batches, because its graph makes a whole document
quadratic; the targets of a batch's requirements are there as stubs. Its state is global: one thread uses it at a time.
What it crashes on, or says about something that only this translation made, never reaches the user. Constraints are
not shown to it: we have checked them, and it compares versions as numbers and knows fewer types that can be compared.
What it refuses else is a warning: our own checks have judged the document, and its limits are not ours.
"""

from __future__ import annotations

import copy
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.model.expressions import Expression, Literal
from orchestrator.model.problems import Problems
from orchestrator.model.topology import DataType, NodeTemplate, NodeType, PropertyDefinition, Schema, Topology
from orchestrator.tosca import codes
from orchestrator.tosca.scalars import BUILT_IN_TYPES

BATCH = 50
_LOCK = threading.Lock()
_LATER = {"get_input": "later"}
"""Stands for every value that is only known later: tosca-parser does not look into functions of inputs."""
_ABOUT_TRANSLATION = frozenset(("KeyError", "AttributeError", "InvalidTypeError"))
_UNSEEN = frozenset(("any", "json", "xml", "null"))
_QUOTED = re.compile(r'"([^"]*)"')


def check_again(topology: Topology, problems: Problems) -> None:
    """Let tosca-parser look at a topology that our own checks found no error in; what it refuses is a warning."""
    with _LOCK:
        names = list(topology.node_templates)
        for start in range(0, len(names), BATCH):
            batch = names[start : start + BATCH]
            if not _refusals(_document(topology, batch)):
                continue
            for name in batch:  # not every message names the template: one by one, it is known
                for message in _refusals(_document(topology, [name])):
                    _report(message, topology.node_templates[name], problems)


def _refusals(document: dict[str, Any]) -> list[str]:
    """What tosca-parser says about a document; nothing where it crashes."""
    from toscaparser.common.exception import ExceptionCollector  # half a second: only where it is asked for
    from toscaparser.tosca_template import ToscaTemplate

    logger = logging.getLogger("tosca")
    was = logger.disabled
    logger.disabled = True
    children = [logging.getLogger(name) for name in ("tosca.model", "toscaparser.common.exception")]
    states = [child.disabled for child in children]
    for child in children:
        child.disabled = True
    try:
        ToscaTemplate(yaml_dict_tpl=document)
    except Exception:  # whatever it raises: its verdict is in the collector, its crashes are not the user's business
        return [str(message) for message in ExceptionCollector.getExceptionsReport(False)]
    finally:
        ExceptionCollector.stop()
        ExceptionCollector.clear()
        logger.disabled = was
        for child, state in zip(children, states, strict=True):
            child.disabled = state
    return []


def _report(message: str, template: NodeTemplate, problems: Problems) -> None:
    """A message becomes a problem at the template, or at the property that it names."""
    kind, _, text = message.partition(": ")
    if kind in _ABOUT_TRANSLATION:
        return
    words = _QUOTED.findall(text)
    place = next((s for word in words if (s := template.spans.get(f"properties.{word}"))), template.span)
    shown = text.replace(_PREFIX, "").strip().rstrip(".")
    hint = "orch takes it; a tool that is built on tosca-parser would not"
    problems.warning(codes.SECOND_OPINION, f"{template.name}: {shown}", place, hint)


# the normal form as tosca-parser wants it

_PREFIX = "orch.checked."


def _document(topology: Topology, batch: list[str]) -> dict[str, Any]:
    templates = [topology.node_templates[name] for name in batch]
    targets = {r.target for t in templates for r in t.relationships} - set(batch)
    writer = _Writer(topology)
    nodes = {t.name: writer.template(t) for t in templates}
    for name in sorted(targets):
        nodes[name] = {"type": "tosca.nodes.Root"}
    return {
        "tosca_definitions_version": "tosca_simple_yaml_1_3",
        "node_types": writer.node_types,
        "data_types": writer.data_types,
        "topology_template": {"inputs": {"later": {"type": "string"}}, "node_templates": nodes},
    }


class _Writer:
    """Writes types as they are used, each once."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self.node_types: dict[str, Any] = {}
        self.data_types: dict[str, Any] = {}

    def template(self, template: NodeTemplate) -> dict[str, Any]:
        """A node template with what tosca-parser can check of it."""
        node_type = self._topology.node_types.get(template.type)
        if node_type is None:
            return {"type": "tosca.nodes.Root"}
        written: dict[str, Any] = {"type": self._node(node_type)}
        properties = self._values(template.properties, node_type.properties)
        if properties:
            written["properties"] = properties
        known = {r.requirement for r in template.relationships} & set(node_type.requirements)
        requirements = [{r.requirement: {"node": r.target}} for r in template.relationships if r.requirement in known]
        if requirements:
            written["requirements"] = requirements
        return written

    def _node(self, node_type: NodeType) -> str:
        name = _PREFIX + node_type.name
        if name not in self.node_types:
            written = self.node_types[name] = {"derived_from": "tosca.nodes.Root"}
            properties = self._definitions(node_type.properties.values())
            requirements = [
                {
                    r.name: {
                        "capability": "tosca.capabilities.Root",
                        "node": "tosca.nodes.Root",
                        "relationship": "tosca.relationships.Root",
                        "occurrences": [0, "UNBOUNDED"],  # ours are more exact: a mapping may fulfil a requirement
                    }
                }
                for r in node_type.requirements.values()
                if r.name != "dependency"
            ]
            written.update(_filled(properties=properties, requirements=requirements))
        return name

    def _definitions(self, definitions: Iterable[PropertyDefinition]) -> dict[str, Any]:
        return {d.name: self._definition(d) for d in definitions if self._seen(d.schema)}

    def _definition(self, definition: PropertyDefinition) -> dict[str, Any]:
        written = self._schema(definition.schema)
        written["required"] = definition.required and definition.default is None
        return written

    def _seen(self, schema: Schema) -> bool:
        """Whether tosca-parser knows what to do with values of a schema."""
        if schema.type in BUILT_IN_TYPES:
            return schema.type not in _UNSEEN and (schema.entry is None or self._seen(schema.entry))
        data_type = self._topology.data_types.get(schema.type)
        if data_type is None:
            return False
        if data_type.lineage[-1] in BUILT_IN_TYPES:
            return data_type.lineage[-1] not in _UNSEEN
        return bool(data_type.properties)

    def _schema(self, schema: Schema) -> dict[str, Any]:
        type_name = schema.type
        data_type = self._topology.data_types.get(schema.type)
        if data_type is not None:
            type_name = data_type.lineage[-1] if data_type.lineage[-1] in BUILT_IN_TYPES else self._data(data_type)
        written: dict[str, Any] = {"type": type_name}
        if schema.entry is not None:
            written["entry_schema"] = self._schema(schema.entry)
        return written

    def _data(self, data_type: DataType) -> str:
        name = _PREFIX + data_type.name
        if name not in self.data_types:
            self.data_types[name] = {"derived_from": "tosca.datatypes.Root"}
            self.data_types[name]["properties"] = self._definitions(data_type.properties.values())
        return name

    def _values(
        self, values: Mapping[str, Expression], definitions: Mapping[str, PropertyDefinition]
    ) -> dict[str, Any]:
        found = {}
        for name, value in values.items():
            definition = definitions.get(name)
            if definition is None or not self._seen(definition.schema):
                continue
            known = isinstance(value, Literal) and value.value is not None
            found[name] = (
                self._value(value.value, definition.schema) if known and isinstance(value, Literal) else _LATER
            )
        return found

    def _value(self, value: Any, schema: Schema) -> Any:
        """A literal without the fields that tosca-parser is not told about."""
        data_type = self._topology.data_types.get(schema.type)
        if isinstance(value, list):
            return [self._value(item, schema.entry) if schema.entry else copy.deepcopy(item) for item in value]
        if not isinstance(value, dict):
            return value
        if data_type is not None and data_type.properties:
            fields = data_type.properties
            return {
                k: self._value(v, fields[k].schema)
                for k, v in value.items()
                if k in fields and self._seen(fields[k].schema)
            }
        return {k: self._value(v, schema.entry) if schema.entry else copy.deepcopy(v) for k, v in value.items()}


def _filled(**sections: Any) -> dict[str, Any]:
    return {name: value for name, value in sections.items() if value}
