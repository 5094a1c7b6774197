"""Whether the secrets that a topology names are there: seen before anything is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.app.foresight import UNKNOWN, foretold, is_known
from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable
from orchestrator.model.expressions import Call, Function, Literal, calls, secret_key
from orchestrator.model.folding import expressions_of
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.model.values import Value
from orchestrator.secrets import SecretStore


def check_secrets(
    topology: Topology, secrets: SecretStore, inputs: Mapping[str, Value] | None = None, *, of_run: bool = False
) -> None:
    """Look every secret up that the topology names. Raises SecretError that tells all that are missing.

    Names that are made from ``inputs`` and properties are looked up, too; what is made from other values is not known
    before its step runs. ``of_run``: the inputs are those of a workflow, too; else an input that a workflow takes may
    get another value there. Raises SecretError at once when the store itself does not answer, or refuses.
    """
    missing: dict[tuple[str, str], list[str]] = {}
    problem: SecretError | None = None
    seen: set[tuple[str, str]] = set()
    given_later = () if of_run else set(_inputs_of_workflows(topology))
    given = {name: value for name, value in (inputs or {}).items() if name not in given_later}
    known = {**dict.fromkeys((*topology.inputs, *_inputs_of_workflows(topology)), UNKNOWN), **given}
    for path, key, user in _named(topology, known):
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


def _inputs_of_workflows(topology: Topology) -> Iterator[str]:
    return (name for workflow in topology.workflows.values() for name in workflow.inputs)


def _named(topology: Topology, inputs: Mapping[str, Value]) -> Iterator[tuple[str, str, str]]:
    """Path, key and user of every secret whose name can be told."""
    for expression, user, node, _ in expressions_of(topology):
        for call in calls(expression):
            if call.function is Function.GET_SECRET and call.arguments:
                told = _told(call, topology, inputs, topology.node_templates.get(node))
                if told is not None:
                    yield *told, f"{user} ({call.span})" if call.span else user


def _told(
    call: Call, topology: Topology, inputs: Mapping[str, Value], node: NodeTemplate | None
) -> tuple[str, str] | None:
    words = [
        argument.value if isinstance(argument, Literal) else foretold(argument, topology, node, inputs)
        for argument in call.arguments
    ]
    if None in words or not is_known(words):
        return None
    return str(words[0]), secret_key(words[1]) if len(words) > 1 else "value"
