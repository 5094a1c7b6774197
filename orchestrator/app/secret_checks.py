"""Whether the secrets that a topology names are there: seen before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable
from orchestrator.model.expressions import Call, Expression, Function, Literal, calls, evaluate, secret_key
from orchestrator.model.folding import expressions_of
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.model.values import Value
from orchestrator.secrets import SecretStore

_TOLD_BEFORE = frozenset((Function.GET_INPUT, Function.GET_PROPERTY, Function.CONCAT, Function.JOIN, Function.TOKEN))


def check_secrets(topology: Topology, secrets: SecretStore, inputs: Mapping[str, Value] | None = None) -> None:
    """Look every secret up that the topology names. Raises SecretError that tells all that are missing.

    Names that are made from ``inputs`` and properties are looked up, too; what is made from other values is not known
    before its step runs. Raises SecretError at once when the store itself does not answer, or refuses.
    """
    missing: dict[tuple[str, str], list[str]] = {}
    problem: SecretError | None = None
    seen: set[tuple[str, str]] = set()
    for path, key, user in _named(topology, inputs or {}):
        if (path, key) in seen and (path, key) not in missing:
            continue
        seen.add((path, key))
        try:
            secrets.get(path, key)
        except (SecretStoreUnavailable, SecretAccessError) as error:
            raise type(error)(f"{error.message}; {user} wants a secret of it", hint=error.hint) from error
        except SecretError as error:
            problem = error
            users = missing.setdefault((path, key), [])
            if user not in users:
                users.append(user)
    if len(missing) == 1 and problem is not None:
        (users,) = missing.values()
        raise SecretError(f"{problem.message}; it is wanted by {', '.join(users)}", hint=problem.hint)
    if missing:
        lines = [f"  {path} {key}: wanted by {', '.join(users)}" for (path, key), users in missing.items()]
        paths: dict[str, list[str]] = {}
        for path, name in missing:
            paths.setdefault(path, []).append(name)
        remedy = "; ".join(f"orch secrets set {path} {' '.join(keys)}" for path, keys in paths.items())
        raise SecretError("secrets are missing:\n" + "\n".join(lines), hint=remedy)


def _named(topology: Topology, inputs: Mapping[str, Value]) -> Iterator[tuple[str, str, str]]:
    """Path, key and user of every secret whose name can be told."""
    for expression, user, node, _ in expressions_of(topology):
        for call in calls(expression):
            if call.function is Function.GET_SECRET and call.arguments:
                told = _told(call, inputs, topology.node_templates.get(node))
                if told is not None:
                    yield *told, f"{user} ({call.span})" if call.span else user


def _told(call: Call, inputs: Mapping[str, Value], node: NodeTemplate | None) -> tuple[str, str] | None:
    lookup = _Known(inputs, node)
    try:
        words = [evaluate(argument, lookup) for argument in call.arguments if _is_told(argument)]
    except (LookupError, ValueError):
        return None
    if len(words) != len(call.arguments):
        return None
    return str(words[0]), secret_key(words[1]) if len(words) > 1 else "value"


def _is_told(expression: Expression) -> bool:
    return isinstance(expression, Literal) or all(call.function in _TOLD_BEFORE for call in calls(expression))


class _Known:
    """What can be looked up before anything runs; all else is a LookupError."""

    def __init__(self, inputs: Mapping[str, Value], node: NodeTemplate | None, depth: int = 0) -> None:
        self._inputs = inputs
        self._node = node
        self._depth = depth

    def input(self, path: list[Value]) -> Value:
        """An input that is given or has a default."""
        if len(path) != 1 or self._inputs.get(str(path[0])) is None:
            raise LookupError(path)
        return self._inputs[str(path[0])]

    def property(self, entity: str, path: list[Value]) -> Value:
        """A property of the node itself."""
        if entity != "SELF" or self._node is None or len(path) != 1 or self._depth > len(self._node.properties):
            raise LookupError(entity)
        expression = self._node.properties[str(path[0])]
        if not _is_told(expression):
            raise LookupError(entity)
        return evaluate(expression, _Known(self._inputs, self._node, self._depth + 1))

    def attribute(self, entity: str, path: list[Value]) -> Value:
        """Never known before."""
        raise LookupError(entity)

    def operation_output(self, entity: str, interface: str, operation: str, name: str) -> Value:
        """Never known before."""
        raise LookupError(entity)

    def secret(self, path: str, key: str | None) -> Value:
        """Not looked up inside of another name."""
        raise LookupError(path)

    def artifact(self, entity: str, name: str) -> Value:
        """Never part of a name."""
        raise LookupError(entity)

    def nodes_of_type(self, type_name: str) -> Value:
        """Never part of a name."""
        raise LookupError(type_name)
