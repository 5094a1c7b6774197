"""Use cases: which words may stand at some place of a command, for a shell that completes them.

Each gives words with a few words about each, the likeliest first; nothing is made or changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator import paths
from orchestrator.app.wiring import Home, topology_of
from orchestrator.model.topology import Topology

Suggestion = tuple[str, str]
_EXECUTIONS = 50


def deployments(home: Home) -> list[Suggestion]:
    """The living deployments."""
    return [(d.name, d.status.value) for d in home.store.deployments()] if _has_state(home) else []


def executions(home: Home) -> list[Suggestion]:
    """The newest executions."""
    if not _has_state(home):
        return []
    from orchestrator.app.executions import list_executions

    found = list_executions(home, limit=_EXECUTIONS)
    return [(s.execution.id, f"{s.execution.workflow} of {s.deployment}: {s.status}") for s in found]


def workflows(home: Home, file: str | None, deployment: str | None, *, runnable: bool) -> list[Suggestion]:
    """The workflows of a topology file or a deployment; those that `orch run` runs, or all."""
    from orchestrator.app.executing import runnable_workflows
    from orchestrator.planning import workflow_names

    found = []
    for topology in _topologies(home, file, deployment):
        names = runnable_workflows(topology) if runnable else workflow_names(topology)
        found += [(name, "declared" if name in topology.workflows else "") for name in names]
    return sorted(found, key=lambda item: not item[1])


def inputs(home: Home, file: str | None, deployment: str | None, workflow: str | None) -> list[Suggestion]:
    """The inputs of a topology and of a workflow of it, as ``NAME=``."""
    from orchestrator.app.inputs import topology_inputs, workflow_inputs

    found = []
    for topology in _topologies(home, file, deployment):
        known = [] if workflow is None else workflow_inputs(topology, workflow)
        known = [*known, *topology_inputs(topology)] if file is not None or workflow is None else known
        found += [(f"{use.name}=", use.description or use.type) for use in known]
    return found


def nodes(home: Home, file: str | None, deployment: str | None, *, ending: str = "") -> list[Suggestion]:
    """The nodes of a topology file or a deployment."""
    return [
        (f"{node.name}{ending}", node.type)
        for topology in _topologies(home, file, deployment)
        for node in topology.node_templates.values()
    ]


def matches(home: Home, file: str | None) -> list[Suggestion]:
    """The abstract nodes of a topology file with the sites they may stand for, as ``NODE=SITE``."""
    from orchestrator.app.placement import abstract_nodes

    found = []
    for topology in _topologies(home, file, None) if file is not None else ():
        for node in abstract_nodes(topology):
            found += [(f"{node}={site}", about) for site, about in sites(home)]
    return found


def steps(home: Home, execution: str | None) -> list[Suggestion]:
    """The steps that do something of an execution; without its id, of the newest."""
    if not _has_state(home):
        return []
    from orchestrator.app.executions import full_id, show_execution, step_states
    from orchestrator.model.plan import StepKind

    details = show_execution(home, full_id(home, execution))
    states = step_states(details)
    return [(s.id, f"{s.title}: {states[s.id]}") for s in details.plan.steps if s.kind is StepKind.OPERATION]


def nodes_of(home: Home, execution: str | None) -> list[Suggestion]:
    """The nodes that an execution works on; without its id, of the newest."""
    if not _has_state(home):
        return []
    from orchestrator.app.executions import full_id, show_execution

    plan = show_execution(home, full_id(home, execution)).plan
    return [(name, "") for name in dict.fromkeys(step.node for step in plan.steps)]


def sites(home: Home) -> list[Suggestion]:
    """The sites."""
    return [(name, site.login_host) for name, site in home.sites().usable.items()]


def profiles(home: Home) -> list[Suggestion]:
    """The user's own profiles, as ``NAME:VERSION``."""
    from orchestrator.app.profiles import list_profiles

    return [(f"{p.name}:{p.version}", "") for p in list_profiles(home.settings).profiles if not p.shipped]


def types(home: Home) -> list[Suggestion]:
    """The node types: by the last parts of their names, and in full."""
    from orchestrator.app.types import list_types

    views = list_types(home.settings)
    short = [(view.name.rpartition(".")[2], view.description) for view in views]
    return [*dict(short).items(), *((view.name, view.description) for view in views)]


def records(home: Home) -> list[Suggestion]:
    """The records of the data catalogue."""
    return [(record.oid, record.title) for record in home.catalogue.list()] if home.settings.home.is_dir() else []


def _has_state(home: Home) -> bool:
    database = home.settings.database
    return not isinstance(database, Path) or database.is_file()


def _topologies(home: Home, file: str | None, deployment: str | None) -> Iterator[Topology]:
    """The topology that is meant; without any word, those of all deployments."""
    if file is not None and deployment is None and paths.exists(Path(file)):
        from orchestrator.app.reading import load

        yield load(home, Path(file))[0]
        return
    found = home.store.deployments() if _has_state(home) else ()
    wanted = deployment or file
    yield from (topology_of(d) for d in found if wanted in (None, d.name))
