"""Use case: read and check a topology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.app.job_script_checks import job_script_problems
from orchestrator.app.plan_checks import address_problems
from orchestrator.app.sources import further_problems, source_of
from orchestrator.app.submission_checks import submission_problems
from orchestrator.app.transfer_targets import shared_targets
from orchestrator.app.wiring import Home
from orchestrator.model.plan import Plan
from orchestrator.model.problems import DocumentError, Problem, Problems, SettingsError, Severity
from orchestrator.model.topology import Topology
from orchestrator.planning import plan_problems, plan_workflow, planning_problems, with_instances
from orchestrator.sites import Site
from orchestrator.tosca.brought import file_problems
from orchestrator.tosca.second_opinion import check_again

SECOND_OPINION_AT_MOST = 1000
"""Node templates up to which tosca-parser is asked by itself: it takes about twice as long as the reading."""


@dataclass(frozen=True)
class Checked:
    """A topology and all that was found about it."""

    topology: Topology | None
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether it can be deployed."""
        return self.topology is not None and not any(p.severity is Severity.ERROR for p in self.problems)


def validate(home: Home, file: Path, second_opinion: bool | None = False) -> Checked:
    """Read a topology or a CSAR and check it whole, its workflows too. Never raises for what the document says.

    With ``second_opinion``, tosca-parser checks it as well; None asks it for topologies of up to
    :data:`SECOND_OPINION_AT_MOST` nodes, because it is slow.
    """
    try:
        source = source_of(home.settings, file)
    except DocumentError as error:
        return Checked(None, tuple(error.problems))
    reading = source.read()
    problems = Problems()
    for problem in (*reading.problems, *further_problems(source, reading)):
        problems.add(problem)
    if reading.topology is not None and not problems.has_errors:
        for problem in _of_whole(home, reading.topology):
            problems.add(problem)
    if reading.topology is not None and not problems.has_errors:
        small = len(reading.topology.node_templates) <= SECOND_OPINION_AT_MOST
        if second_opinion or (second_opinion is None and small):
            check_again(reading.topology, problems)
    return Checked(reading.topology, tuple(problems))


def _of_whole(home: Home, topology: Topology) -> Iterator[Problem]:
    """What is wrong with the workflows, the files and the jobs of a topology that can be read."""
    yield from planning_problems(topology)
    yield from file_problems(topology, home.settings.collections)
    yield from address_problems(topology)
    yield from shared_targets(topology)
    yield from job_script_problems(topology)
    yield from submission_problems(topology, _usable_sites(home, Path(topology.file).resolve().parent))


def _usable_sites(home: Home, folder: Path) -> list[Site]:
    """The sites whose descriptions are right: what is wrong with others is told to whoever uses them."""
    try:
        return list(home.sites(folder).usable.values())
    except SettingsError:
        return []


def load(home: Home, file: Path) -> tuple[Topology, tuple[Problem, ...]]:
    """A topology that can be deployed, and the warnings about it. Raises DocumentError with all its problems."""
    checked = validate(home, file)
    if checked.topology is None or not checked.ok:
        raise DocumentError(list(checked.problems))
    return checked.topology, checked.problems


def plan_of(topology: Topology, workflow: str, instances: Mapping[str, Sequence[str]] | None = None) -> Plan:
    """The plan of a workflow on these instances, by node (default: one of each).

    Raises UserError for an unknown workflow, DocumentError when it cannot be carried out.
    """
    plan = with_instances(plan_workflow(topology, workflow), instances or {})
    problems = plan_problems(plan)
    if any(p.severity is Severity.ERROR for p in problems):
        raise DocumentError(problems)
    return plan
