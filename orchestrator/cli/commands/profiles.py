"""``orch profiles``."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.app.profiles import add_profile, list_profiles, remove_profile
from orchestrator.cli import completing
from orchestrator.cli.failures import problem_data, problems_text
from orchestrator.cli.options import Group
from orchestrator.cli.session import Session, pass_session
from orchestrator.cli.text import table


@click.group(cls=Group)
def profiles() -> None:
    """Keep TOSCA profiles: list, add, remove.

    Topologies import profiles by NAME:VERSION. Some ship with orch; your own lie in the folder `profiles` of orch's
    home, as folders or CSARs, in as many versions as you like. An import takes the version it names, else the nearest.

    \b
    Examples:
      orch profiles list
      orch profiles add my-types-1.0.0.csar
      orch profiles remove my-types:1.0.0
    """


@profiles.command("list")
@pass_session
def list_(session: Session) -> None:
    """List the profiles that topologies can import.

    \b
    Example:
      orch profiles list --json
    """
    found = list_profiles(session.home.settings)
    if session.json:
        session.data(
            {
                "profiles": [
                    {
                        "name": profile.name,
                        "version": profile.version,
                        "shipped": profile.shipped,
                        "place": str(profile.source or profile.file),
                    }
                    for profile in found.profiles
                ],
                "problems": [problem_data(problem) for problem in found.broken],
            }
        )
        return
    ordered = sorted(found.profiles, key=lambda p: (p.name, p.shipped))
    rows = [[p.name, p.version, "ships with orch" if p.shipped else str(p.source or p.file)] for p in ordered]
    session.out(table(["PROFILE", "VERSION", "PLACE"], rows, session.terminal))
    if found.broken:
        session.err(problems_text(found.broken, session.error_terminal))


@profiles.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="FILE.csar|FOLDER")
@pass_session
def add(session: Session, source: Path) -> None:
    """Put a profile into your catalog; of a folder, a package is made.

    \b
    Examples:
      orch profiles add my-types-1.0.0.csar
      orch profiles add my-types/
    """
    profile = add_profile(session.home.settings, source)
    if session.json:
        session.data({"name": profile.name, "version": profile.version, "place": str(profile.source)})
        return
    session.note(f"topologies can import {profile.name}:{profile.version} now")


@profiles.command()
@click.argument("profile", metavar="NAME:VERSION", shell_complete=completing.profiles)
@pass_session
def remove(session: Session, profile: str) -> None:
    """Take a profile out of your catalog. What is deployed is not touched.

    \b
    Example:
      orch profiles remove my-types:1.0.0
    """
    removed = remove_profile(session.home.settings, profile)
    if session.json:
        session.data({"removed": [str(path) for path in removed]})
        return
    for path in removed:
        session.note(f"removed {path}")
