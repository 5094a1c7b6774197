"""Outputs and attributes that are secrets: stored as ``***``, and known in full only to the process that got them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace

from orchestrator.model.topology import interface_name
from orchestrator.model.values import Secret, Value, masked, secrets_in
from orchestrator.operations.lookup import Surroundings

_MASK = masked(Secret(""))
_lost: ContextVar[dict[str, None] | None] = ContextVar("lost", default=None)


@contextmanager
def noting_lost() -> Iterator[dict[str, None]]:
    """Gives the secrets that are read meanwhile and that nobody knows any more, each in a few words."""
    found: dict[str, None] = {}
    token = _lost.set(found)
    try:
        yield found
    finally:
        _lost.reset(token)


class KeptSecrets:
    """Gives the secrets among what operations left to the operations that come after them."""

    def __init__(self) -> None:
        self._outputs: dict[tuple[str, str, str, str, str], Value] = {}
        self._attributes: dict[tuple[str, str, str], Value] = {}

    def keep_outputs(self, node: str, instance: str, operation: tuple[str, str], values: Mapping[str, Value]) -> None:
        """Keep those outputs of an operation (interface, name) that have a secret in them."""
        for name, value in values.items():
            if secrets_in(value):
                self._outputs[node, instance, *_operation(*operation), name] = value

    def keep_attributes(self, node: str, instance: str, values: Mapping[str, Value]) -> None:
        """Keep those attributes that have a secret in them."""
        for name, value in values.items():
            if secrets_in(value):
                self._attributes[node, instance, name] = value

    def added_to(self, around: Surroundings) -> Surroundings:
        """The surroundings with what is kept in the place of ``***``, as long as nobody has stored anything else."""

        def output_of(node: str, instance: str, key: tuple[str, str, str]) -> Value:
            kept = self._outputs.get((node, instance, *_operation(key[0], key[1]), key[2]))
            what = f"the output {key[2]} of {node}: {interface_name(key[0])}.{key[1]}"
            return _unless_another(kept, around.output_of(node, instance, key), what)

        def attribute_of(node: str, instance: str, name: str) -> Value:
            kept = self._attributes.get((node, instance, name))
            return _unless_another(kept, around.attribute_of(node, instance, name), f"the attribute {name} of {node}")

        return replace(around, output_of=output_of, attribute_of=attribute_of)


def _unless_another(kept: Value, stored: Value, what: str) -> Value:
    if kept is not None and masked(kept) == stored:
        return kept
    lost = _lost.get()
    if lost is not None and _is_masked(stored):
        lost[what] = None
    return stored


def _is_masked(value: Value) -> bool:
    """Whether there was a secret in what is stored."""
    if isinstance(value, Mapping):
        return any(_is_masked(item) for item in value.values())
    return any(_is_masked(item) for item in value) if isinstance(value, list) else bool(value == _MASK)


def _operation(interface: str, operation: str) -> tuple[str, str]:
    return interface_name(interface).lower(), operation.lower()
