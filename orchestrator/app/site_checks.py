"""Use case: see whether a site is fit for work before work is sent there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.app.placement import abstract_nodes, site_of
from orchestrator.app.reading import load
from orchestrator.app.secret_checks import check_secrets
from orchestrator.app.wiring import Home
from orchestrator.errors import OrchError, SiteError, UserError
from orchestrator.model.expressions import Literal
from orchestrator.model.sizes import size_text
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.sites import Completed, Connection, ConnectionKind, SchedulerKind, Site

if TYPE_CHECKING:
    from orchestrator.sites import HostKey

SLURM_JOB, PYCOMPSS_JOB = "orch.nodes.SlurmJob", "org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob"
_ENGINES = {"singularity": "singularity", "apptainer": "apptainer", "charliecloud": "ch-run"}
_LITTLE_SPACE = 1024 * 1024 * 1024
_FREE = """
while [ ! -d "$p" ] && [ "$p" != / ]; do p=$(dirname -- "$p"); done  # the nearest folder that is there already
[ -w "$p" ] || exit 9
df -Pk -- "$p"
"""
_PATHS = ("target_path", "working_directory")
_ASKED = ("account", "qos", "partition")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: ``right`` is None where it could not be told. ``remedy``: what to do."""

    name: str
    right: bool | None
    found: str
    remedy: str = ""


class _Wrong(Exception):
    """A check has failed, or cannot tell."""

    def __init__(self, found: str, remedy: str = "", *, unknown: bool = False) -> None:
        super().__init__(found)
        self.found, self.remedy, self.unknown = found, remedy, unknown


def find_site(home: Home, name: str, topology: Path | None = None) -> Site:
    """A site by its name; its description may lie beside a topology. Raises UserError."""
    sites = home.sites(*([topology.resolve().parent] if topology else []))
    if name not in sites:
        raise UserError(f"there is no site {name!r}", hint=f"known: {', '.join(sorted(sites))}")
    return sites[name]


def check_site(
    home: Home, name: str, *, topology: Path | None = None, user: str = "", key: str = ""
) -> Iterator[Check]:
    """Look at everything that a site needs, as its own user or another one; with a topology, at what that needs too.

    What cannot be looked at after a failure is left out. Raises UserError, DocumentError before anything is looked at.
    """
    site = find_site(home, name, topology)
    read = load(home, topology)[0] if topology is not None else None
    connection: list[Connection] = []

    def reach() -> str:
        connection.append(home.connections.connection(site, user, key))
        who = connection[0].run(["id", "-un"], repeatable=True).text.strip()
        where = "this machine" if site.connection is ConnectionKind.LOCAL else site.login_host
        return f"{who} on {where}"

    reached = _checked("login", reach)
    yield reached
    if reached.right:
        files = _checked("files", lambda: _files(connection[0]))
        yield files
        for check in _checks(home, site, user, key, connection[0], read, with_files=bool(files.right)):
            yield _checked(*check)
    if read is not None:
        yield _checked("secrets", lambda: _secrets(home, read))


def refusal(home: Home, site: Site, topology: Topology) -> Check | None:
    """The first of the cheap checks that a site does not pass: login, and whether its scheduler takes such jobs."""
    if site.connection is ConnectionKind.LOCAL and site.scheduler is SchedulerKind.LOCAL:
        return None
    connection: list[Connection] = []

    def reach() -> str:
        connection.append(home.connections.connection(site))
        return _ran(connection[0].run(["id", "-un"], repeatable=True))

    checks = [_checked("login", reach)]
    if checks[0].right and site.scheduler is SchedulerKind.SLURM:
        for asked in _combinations(site, topology):
            checks.append(_checked(f"job {' '.join(asked)}".strip(), partial(_accepted, connection[0], asked)))
    return next((check for check in checks if check.right is False), None)


def fit_sites(
    home: Home, topology: Topology, matched: Mapping[str, str], sites: Mapping[str, Site], instead: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The sites that take the work: those that are matched, or in the place of one that refuses, one of ``instead``.

    What was changed is told in the second value. Raises SiteError when there is no other that takes it, UserError for
    one of ``instead`` that is not known.
    """
    for name in instead:
        if name not in sites:
            raise UserError(f"there is no site {name!r}", hint=f"known: {', '.join(sorted(sites))}")
    taken: dict[str, str] = {}
    told: list[str] = []
    for name in dict.fromkeys(matched.values()):
        refusals: list[str] = []
        for candidate in dict.fromkeys((name, *instead)):
            wrong = refusal(home, sites[candidate], topology)
            if wrong is None:
                taken[name] = candidate
                break
            refusals.append(f"site {candidate!r} does not take the work ({wrong.name}): {wrong.found}")
            remedy = wrong.remedy
        else:
            raise SiteError(
                "; ".join(refusals),
                hint=f"{remedy + '; ' if remedy else ''}`orch sites check {name}` tells more; --or-site names another",
            )
        told += [f"{refused}; {taken[name]!r} is taken" for refused in refusals[-1:]]
    return {node: taken[name] for node, name in matched.items()}, tuple(told)


def trust_site(home: Home, name: str) -> tuple[HostKey, Callable[[], None]]:
    """The key that the host of a site shows now, and what makes it trusted. Raises UserError, SiteError."""
    from orchestrator.sites.ssh import fetch_host_key, trust  # heavy: only where it is used

    site = find_site(home, name)
    if site.connection is not ConnectionKind.SSH:
        raise UserError(f"site {name!r} is not reached by SSH, so there is nobody to trust")
    settings = home.connections.settings(site)
    found = fetch_host_key(settings)
    return found, lambda: trust(home.settings.known_hosts, found)


def _checked(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except _Wrong as wrong:
        return Check(name, None if wrong.unknown else False, wrong.found, wrong.remedy)
    except OrchError as error:
        return Check(name, False, error.message, error.hint or "")


def _checks(
    home: Home,
    site: Site,
    user: str,
    key: str,
    connection: Connection,
    topology: Topology | None,
    *,
    with_files: bool,
) -> Iterator[tuple[str, Callable[[], str]]]:
    if with_files:
        yield "folder", lambda: _folder(connection, home.connections.folder(site, user, key))
    for path in _paths(topology, site):
        yield f"space at {path}", partial(_space, connection, path)
    if site.modules:
        yield "modules", lambda: _modules(site, connection)
    if site.scheduler is SchedulerKind.SLURM:
        yield "scheduler", lambda: _scheduler(connection)
        for asked in _combinations(site, topology):
            words = " ".join(asked)
            name = f"job {words}" if words else "job"
            yield name, partial(_accepted, connection, asked)
    if site.machine.container_engine in _ENGINES:
        yield "container engine", lambda: _engine(site, connection)
    yield "PyCOMPSs", lambda: _pycompss(site, connection)


def _ran(done: Completed, remedy: str = "") -> str:
    if done.exit_status:
        raise _Wrong(done.error_text or f"exit status {done.exit_status}", remedy)
    return done.text.strip()


def _files(connection: Connection) -> str:
    """Whether files can be brought there; where SFTP is disturbed, the error tells by what, and what to do."""
    there = connection.home()
    if not connection.exists(there):
        raise _Wrong(f"the home folder {there} is not there for SFTP", "see ChrootDirectory in its sshd_config")
    return f"can be brought; the home folder is {there}"


def _folder(connection: Connection, folder: str) -> str:
    probe = f"{folder}/.check"
    connection.write(probe, b"orch\n")
    if connection.read(probe) != b"orch\n":
        raise _Wrong(f"{folder} does not keep what is written")
    connection.run(["rm", "-f", probe], repeatable=True)
    return f"{folder}: {_space(connection, folder)}"


def _space(connection: Connection, path: str) -> str:
    done = connection.run_script(f"p={shlex.quote(path)}\n{_FREE}", repeatable=True)
    if done.exit_status == 9:
        raise _Wrong("cannot be written", "name another folder, or have its permissions changed")
    fields = _ran(done).splitlines()[-1].split()
    free = int(fields[3]) * 1024
    if free < _LITTLE_SPACE:
        raise _Wrong(f"{size_text(free)} free", "make room, or name another folder", unknown=free > 0)
    return f"{size_text(free)} free"


def _modules(site: Site, connection: Connection) -> str:
    done = connection.run(["module", "load", *site.modules], login_shell=True, repeatable=True)
    said = done.error_text
    if done.exit_status or re.search(r"not found|unknown|error", said, re.IGNORECASE):
        told = " ".join(said.split())[:200] or "module load failed"
        raise _Wrong(f"{', '.join(site.modules)}: {told}", "see `module avail` there; mend `modules`")
    return ", ".join(site.modules)


def _scheduler(connection: Connection) -> str:
    version = _ran(connection.run(["sinfo", "--version"], repeatable=True), "see that Slurm's commands are on PATH")
    down = "see whether slurmctld runs there"
    partitions = _ran(connection.run(["sinfo", "-h", "-o", "%P %a %D"], repeatable=True), down).splitlines()
    names = ", ".join(line.split()[0] for line in partitions if line)
    return f"{version}; partitions: {names}"


def _combinations(site: Site, topology: Topology | None) -> list[tuple[str, ...]]:
    """What jobs ask the scheduler for, each combination once."""
    of_site = {name: getattr(site.slurm, name) for name in _ASKED}
    found = []
    for node in _batch_nodes(topology):
        own = {**of_site, **{name: value for name, value in _literals(node).items() if value}}
        found.append(tuple(f"--{name}={value}" for name, value in own.items() if value))
    return list(dict.fromkeys(found or [tuple(f"--{n}={v}" for n, v in of_site.items() if v)]))


def _batch_nodes(topology: Topology | None) -> list[NodeTemplate]:
    nodes = topology.node_templates.values() if topology else ()
    return [node for node in nodes if {SLURM_JOB, PYCOMPSS_JOB} & set(node.lineage)]


def _literals(node: NodeTemplate) -> dict[str, str]:
    found = {}
    for name in _ASKED:
        expression = node.properties.get(name)
        if isinstance(expression, Literal) and isinstance(expression.value, str) and "$" not in expression.value:
            found[name] = expression.value
    parameters = node.properties.get("submission_params")
    if isinstance(parameters, Literal) and isinstance(parameters.value, dict) and parameters.value.get("qos"):
        found["qos"] = str(parameters.value["qos"])
    return found


def _accepted(connection: Connection, asked: Sequence[str]) -> str:
    words = ["sbatch", "--test-only", "--job-name=orch-check", *asked, "--wrap=true"]
    done = connection.run(words, repeatable=True)
    said = " ".join(done.error_text.split())
    if done.exit_status:
        raise _Wrong(said, "see `sacctmgr show assoc user=$USER` and `sinfo` there; mend slurm: in sites.yaml")
    return said.removeprefix("sbatch: ")


def _engine(site: Site, connection: Connection) -> str:
    command = _ENGINES[site.machine.container_engine]
    done = connection.run(["which", command], login_shell=True, repeatable=True)
    if done.exit_status:
        raise _Wrong(f"there is no {command}", "add its module to `modules`, or mend machine.container_engine")
    return done.text.strip().splitlines()[-1]


def _pycompss(site: Site, connection: Connection) -> str:
    enqueue = site.pycompss.enqueue
    if enqueue:
        modules = f"module load {shlex.join(site.modules)} >/dev/null\n" if site.modules else ""
        text = f"{modules}type -P -- {shlex.quote(enqueue)}"
        done = connection.run_script(text, login_shell=True, repeatable=True)
        if done.exit_status:
            raise _Wrong(
                f"there is no {enqueue}", "add the module that brings it to `modules`, or mend pycompss.enqueue"
            )
        return done.text.strip().splitlines()[-1]
    python = site.pycompss.python
    done = connection.run([python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"], repeatable=True)
    version = _ran(done, "name the Python of the site: pycompss.python")
    if tuple(int(part) for part in version.split(".")[:2]) < (3, 7):
        raise _Wrong(f"{python} is {version}", "name a Python of 3.7 or newer: pycompss.python")
    return f"no COMPSs is named (pycompss.enqueue): {python} {version} runs programs with orch's stand-in"


def _paths(topology: Topology | None, site: Site) -> list[str]:
    """The folders of the site that the topology names."""
    if topology is None:
        return []
    nodes = abstract_nodes(topology)
    matches = dict.fromkeys(nodes, site.name)
    found = []
    for node in topology.node_templates.values():
        for name in _PATHS:
            expression = node.properties.get(name)
            value = expression.value if isinstance(expression, Literal) else None
            if isinstance(value, str) and value.startswith("/") and site_of(topology, matches, node.name) == site.name:
                found.append(value)
    return list(dict.fromkeys(found))


def _secrets(home: Home, topology: Topology) -> str:
    check_secrets(topology, home.secrets)
    return "all that the topology names are there"
