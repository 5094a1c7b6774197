"""Python, and the packages that orch is built on."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.app.doctor.finding import Found, State

OLDEST_PYTHON = (3, 11)
NEWEST_PYTHON = (3, 14)

NEWEST_TESTED = {
    "alembic": "1.20",
    "ansible-core": "2.21",
    "ansible-runner": "2.4",
    "asyncssh": "2.24",
    "click": "8.5",
    "cryptography": "50.0",
    "dbos": "3.4",
    "google-re2": "1.1",
    "hvac": "2.4",
    "jinja2": "3.1",
    "msgspec": "0.22",
    "networkx": "3.7",
    "packaging": "26.4",
    "platformdirs": "4.14",
    "pyyaml": "6.0",
    "resvg-py": "0.5",
    "rich": "15.0",
    "sqlalchemy": "2.1",
    "sqlean-py": "3.50",
    "tosca-parser": "2.15",
}
"""The newest versions that the test suite ran with; the oldest are the lower bounds in pyproject.toml."""

_AGAIN = "install orch anew in a virtual environment of its own, with `pip install --upgrade`"


def python() -> Found:
    """The Python that runs orch."""
    version = sys.version_info[:2]
    said = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    oldest, newest = (".".join(map(str, bound)) for bound in (OLDEST_PYTHON, NEWEST_PYTHON))
    if version < OLDEST_PYTHON:
        return State.FAULT, f"{said}: too old", f"install orch with Python {oldest} or newer"
    if version > NEWEST_PYTHON:
        return State.NOTE, f"{said}: newer than what orch was tested with ({newest})"
    return State.OK, said


def packages() -> Found:
    """The packages that orch requires: those that are missing or too old, and those that nobody has tried."""
    try:
        own = importlib.metadata.distribution("tosca-orch")
    except importlib.metadata.PackageNotFoundError:
        return State.NOTE, "orch runs from its sources, so it is not known which packages it needs", _AGAIN
    from packaging.requirements import Requirement

    wrong, newer, right = [], [], 0
    foreign = list(_foreign())
    if foreign:
        remedy = "unset PYTHONPATH, or take that folder out of it"
        return State.FAULT, f"orch {own.version}: other packages stand in for its own: {', '.join(foreign)}", remedy
    for text in own.requires or ():
        needed = Requirement(text)
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            there = importlib.metadata.version(needed.name)
        except importlib.metadata.PackageNotFoundError:
            if _normal(needed.name) in WHERE_NEEDED:
                continue
            wrong.append(f"{needed.name} is missing")
            continue
        if not needed.specifier.contains(there, prereleases=True):
            wrong.append(f"{needed.name} {there} does not do ({needed.specifier})")
        elif is_newer(there, NEWEST_TESTED.get(_normal(needed.name))):
            newer.append(f"{needed.name} {there}")
        else:
            right += 1
    said = f"orch {own.version}"
    if wrong:
        return State.FAULT, f"{said}: {', '.join(wrong)}", _AGAIN
    if newer:
        return State.NOTE, f"{said}; newer than tested: {', '.join(newer)}"
    return State.OK, f"{said} and {right} packages that it needs"


def _foreign() -> Iterator[str]:
    """Modules that are imported from elsewhere than where the package is installed that orch requires."""
    for package, module in MODULES.items():
        try:
            home = Path(str(importlib.metadata.distribution(package).locate_file(""))).resolve()
            spec = importlib.util.find_spec(module)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            continue
        if spec is not None and spec.origin and not Path(spec.origin).resolve().is_relative_to(home):
            yield f"{module} of {spec.origin}"


MODULES = {
    "alembic": "alembic",
    "ansible-core": "ansible",
    "ansible-runner": "ansible_runner",
    "asyncssh": "asyncssh",
    "click": "click",
    "cryptography": "cryptography",
    "dbos": "dbos",
    "google-re2": "re2",
    "hvac": "hvac",
    "jinja2": "jinja2",
    "msgspec": "msgspec",
    "networkx": "networkx",
    "packaging": "packaging",
    "platformdirs": "platformdirs",
    "pyyaml": "yaml",
    "resvg-py": "resvg_py",
    "rich": "rich",
    "sqlalchemy": "sqlalchemy",
    "tosca-parser": "toscaparser",
}
"""The modules of packages that orch requires."""

WHERE_NEEDED = frozenset({"sqlean-py"})
"""Packages that are only needed where something else is old; the look at that says so."""


def is_newer(version: str, tested: str | None) -> bool:
    """Whether a version is of a newer series than what was tested; later corrections of the same series are not."""
    if tested is None:
        return False
    return _numbers(version)[:2] > _numbers(tested)


def ansible() -> Found:
    """Whether playbooks can be run, kept ready or plain: a trial is made."""
    version = importlib.metadata.version("ansible-core")
    from orchestrator.ansible import carrier_fault, plain_fault

    fault = carrier_fault()
    if fault is None:
        return State.OK, f"ansible-core {version}, kept ready between playbooks"
    broken = plain_fault()
    if broken is None:
        said = f"plain: each playbook starts ansible-playbook anew, because Ansible cannot be kept ready: {fault}"
        return State.NOTE, said, "where that time matters, install a version of ansible-core from 2.19 to 2.21"
    return State.FAULT, f"playbooks cannot be run: {broken}", f"{_AGAIN}; see `ansible-playbook --version`"


def dbos() -> Found:
    """The library of durable execution."""
    version = importlib.metadata.version("dbos")
    import orchestrator.engine  # noqa: F401 - whether it can be imported at all

    return State.OK, f"dbos {version}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
