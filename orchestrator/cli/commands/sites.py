"""``orch sites``."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.app.site_list import KnownSite, list_sites
from orchestrator.cli.options import Group
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import table


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def sites(context: click.Context) -> None:
    """List the sites where things can run.

    The site `local` is this machine and is always there. Others are described in a file sites.yaml in orch's home,
    beside a topology or in the working folder, or in one that is named with --sites.

    \b
    Examples:
      orch sites
      orch sites list --sites my-sites.yaml --json
    """
    if context.invoked_subcommand is None:
        context.invoke(list_)


@sites.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the sites where things can run, and which file describes them.

    \b
    Example:
      orch sites list --sites my-sites.yaml
    """
    found = list_sites(session.home)
    if session.json:
        session.data([_site_data(known) for known in found])
        return
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
        for known in found
    ]
    headers = ["NAME", "CONNECTION", "HOST", "SCHEDULER", "CONTAINERS", "REGISTRY", "CATALOGUE", "DESCRIBED IN"]
    session.out(table(headers, rows, session.terminal))


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
