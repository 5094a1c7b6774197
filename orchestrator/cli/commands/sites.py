"""``orch sites``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from orchestrator.app.site_checks import check_site, trust_site
from orchestrator.app.site_list import KnownSite, list_sites
from orchestrator.cli import completing
from orchestrator.cli.failures import problems_text
from orchestrator.cli.options import Group
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import table


@click.group(cls=Group)
def sites() -> None:
    """See the sites where things can run: list, check, trust.

    The site `local` is this machine and is always there. Others are described in a file sites.yaml in orch's home,
    beside a topology or in the working folder, or in one that is named with --sites.

    \b
    Examples:
      orch sites list --sites my-sites.yaml --json
      orch sites trust my-cluster
      orch sites check my-cluster --topology topology.yaml
    """


@sites.command("list")
@pass_session
def list_(session: Session) -> int:
    """List the sites where things can run, and which file describes them.

    A site whose description has mistakes is not listed, but its mistakes are told; the exit status is 2 then.

    \b
    Example:
      orch sites list --sites my-sites.yaml
    """
    found = list_sites(session.home)
    status = 2 if found.problems else 0
    if found.problems:
        session.err(problems_text(found.problems, session.error_terminal))
    if session.json:
        session.data([_site_data(known) for known in found.usable])
        return status
    rows = [
        [
            known.site.name,
            known.site.connection.value,
            known.site.login_host,
            known.site.scheduler.value,
            known.site.machine.container_engine,
            known.site.services.image_creation.registry or "beside the topology",
            str(known.catalogue),
            str(known.file) if known.file else "built in",
        ]
        for known in found.usable
    ]
    headers = ["NAME", "CONNECTION", "HOST", "SCHEDULER", "CONTAINERS", "REGISTRY", "CATALOGUE", "DESCRIBED IN"]
    session.out(table(headers, rows, session.terminal, less=["CATALOGUE", "REGISTRY", "CONTAINERS"]))
    return status


@sites.command("check")
@click.argument("name", shell_complete=completing.sites)
@click.option("--topology", type=click.Path(path_type=Path), metavar="FILE", help="See also what this topology needs.")
@click.option("--user", default="", metavar="NAME", help="Who logs in, instead of the site's user.")
@click.option("--key", default="", metavar="ID", help="The key with which, instead of the site's (orch ssh-keys list).")
@pass_session
def check(session: Session, name: str, topology: Path | None, user: str, key: str) -> int:
    """See whether a site is fit for work: login, folder, modules, scheduler, containers, PyCOMPSs, secrets.

    Nothing is left there. The exit status is 0 when all is right, 1 when something is not.

    \b
    Examples:
      orch sites check local
      orch sites check my-cluster --topology topology.yaml
      orch sites check my-cluster --user jane --key 0f3c2a4e-... --json
    """
    found = list(check_site(session.home, name, topology=topology, user=user, key=key))
    wrong = [item for item in found if item.right is False]
    if session.json:
        session.data([{"check": c.name, "right": c.right, "found": c.found, "remedy": c.remedy} for c in found])
        return 1 if wrong else 0
    signs = session.terminal.symbols
    marks = {True: signs.done, False: signs.failed, None: "?"}
    rows = [[marks[item.right], item.name, item.found, item.remedy] for item in found]
    session.out(table(["", "CHECK", "FOUND", "WHAT TO DO"], rows, session.terminal))
    return 1 if wrong else 0


@sites.command("trust")
@click.argument("name", shell_complete=completing.sites)
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def trust(session: Session, name: str, yes: bool) -> int:
    """Trust the host key that a site shows now, after people have compared it with what the site publishes.

    It is written to known_hosts in orch's home, in the place of another one that was there for that host.

    \b
    Examples:
      orch sites trust my-cluster
    """
    host_key, accept = trust_site(session.home, name)
    say = session.err if session.json else session.out
    say(host_key.line)
    say(host_key.fingerprint)
    if not yes and not click.confirm("Is this the key that the site publishes?", err=True):
        say("nothing was changed")
        return 1
    accept()
    if session.json:
        session.data({"host_key": host_key.line, "fingerprint": host_key.fingerprint})
    return 0


def _site_data(known: KnownSite) -> dict[str, Any]:
    site = known.site
    return {
        "name": site.name,
        "connection": site.connection.value,
        "login_host": site.login_host,
        "scheduler": site.scheduler.value,
        "modules": list(site.modules),
        "container_engine": site.machine.container_engine,
        "runcompss": site.pycompss.runcompss,
        "registry": site.services.image_creation.registry,
        "catalogue": str(known.catalogue),
        "file": str(known.file) if known.file else None,
    }
