"""What is looked at, in the order in which it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.app.doctor import clock, databases, home, programs, services, software
from orchestrator.app.doctor.finding import LIMIT, Check, Finding, State, carried_out, findings
from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from orchestrator.app.settings import Settings


@dataclass
class _Base:
    """What the settings say: the home, and all of them unless they are wrong."""

    folder: Path | None = None
    settings: Settings | None = None
    made: bool = False
    """Whether the home was not there before."""


def examine(
    environment: Mapping[str, str], named_home: Path | None = None, sites_file: Path | None = None
) -> list[Finding]:
    """Look at everything. Never raises; makes the home if it is not there, and leaves nothing else behind."""
    base = _Base()
    # with a limit of its own: even to look for the home may never end
    first = findings([("configuration", partial(_settings, base, environment, named_home, sites_file))], LIMIT / 2)
    if base.folder is None or (base.settings is None and not any(item.name == "configuration" for item in first)):
        return first + findings(_machine(environment))
    return first + findings([*_machine(environment), *_of_home(base), *_around(base.settings)])


def _settings(
    base: _Base, environment: Mapping[str, str], named: Path | None, sites_file: Path | None
) -> list[Finding]:
    from orchestrator.app.settings import home_folder, make_home, read_settings

    def read() -> tuple[State, str]:
        base.settings = read_settings(environment, home=named, sites_file=sites_file)
        file = folder / "config.yaml"
        return State.OK, str(file) if file.exists() else f"the defaults; {file} is not there"

    folder = home_folder(environment, named)
    base.made = not folder.exists()
    try:
        make_home(folder)
    except ConfigurationError as error:
        return [Finding("home", State.FAULT, error.message, error.hint or "")]
    base.folder = folder
    return carried_out("configuration", read)


def _machine(environment: Mapping[str, str]) -> list[Check]:
    return [
        ("python", software.python),
        ("packages", software.packages),
        ("ansible", software.ansible),
        ("dbos", software.dbos),
        ("programs", lambda: programs.programs(environment)),
        ("time zone", lambda: clock.time_zone(environment)),
        ("temporary files", lambda: home.temporary(environment)),
    ]


def _of_home(base: _Base) -> list[Check]:
    from orchestrator.app.settings import Settings as Defaults

    folder = base.folder
    assert folder is not None
    used = base.settings or Defaults(folder, folder)
    return [
        ("home", lambda: home.owner(folder, base.made)),
        ("space", lambda: home.space(folder)),
        ("file system", lambda: home.file_system(folder)),
        ("files of runs", lambda: home.runs(used)),
        ("clock", lambda: clock.file_times(folder)),
        ("sqlite", lambda: databases.sqlite(used)),
        ("database", lambda: databases.state(used)),
    ]


def _around(settings: Settings | None) -> list[Check]:
    if settings is None:
        unknown = (State.NOTE, "not looked at, because the configuration is wrong", "mend the configuration first")
        return [("secrets", lambda: unknown), ("sites", lambda: unknown)]
    return [("secrets", lambda: services.secrets(settings)), ("sites", lambda: services.sites(settings))]
