"""What is checked before anything is touched."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.errors import SecretAccessError, SecretError, SecretStoreUnavailable
from orchestrator.model.expressions import Expression, Function, Literal, calls, secret_key
from orchestrator.model.topology import Topology
from orchestrator.secrets import SecretStore
from orchestrator.sites import SchedulerKind, Site

_OF_THE_SITE = ("service_url", "target_host", "dls_api_url", "image_builder_url")


def check_secrets(topology: Topology, secrets: SecretStore) -> None:
    """Look every secret up that the topology names. Raises SecretError that tells all that are missing.

    Raises it at once when the store itself does not answer, or refuses.
    """
    missing: dict[tuple[str, str], list[str]] = {}
    problem: SecretError | None = None
    for node in topology.node_templates.values():
        expressions: list[Expression] = list(node.properties.values())
        for capability in node.capabilities.values():
            expressions.extend(capability.properties.values())
        for expression in expressions:
            for call in calls(expression):
                if call.function is not Function.GET_SECRET:
                    continue
                words = [a.value for a in call.arguments if isinstance(a, Literal)]
                if len(words) != 2:
                    continue
                key = (str(words[0]), secret_key(words[1]))
                try:
                    secrets.get(*key)
                except (SecretStoreUnavailable, SecretAccessError) as error:
                    user = f"{node.name} ({call.span})" if call.span else node.name
                    raise type(error)(f"{error.message}; {user} wants a secret of it", hint=error.hint) from error
                except SecretError as error:
                    problem = error
                    missing.setdefault(key, []).append(f"{node.name} ({call.span})" if call.span else node.name)
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


def ignored_services(topology: Topology, sites: Mapping[str, Site]) -> str | None:
    """A warning that names the services of the topology that the site does not use; None when there is none."""
    if not any(site.scheduler is SchedulerKind.LOCAL for site in sites.values()):
        return None
    found = [
        f"{node.name}.{name}"
        for node in topology.node_templates.values()
        for name in _OF_THE_SITE
        if f"properties.{name}" in node.spans and name in node.properties
    ]
    if not found:
        return None
    names = ", ".join(sorted({site.name for site in sites.values()}))
    return f"site {names} uses its own services: {', '.join(found)} of the topology are ignored"
