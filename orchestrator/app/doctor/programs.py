"""Programs that orch calls: which are there, and what is not possible without those that are not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping

from orchestrator.app.doctor.finding import Finding, State

_SECONDS = 10

_VERSION = ["--version"]
_SINGLE = {
    "bash": (
        _VERSION,
        State.WARNING,
        "scripts as operations, and workflows that run on this machine",
        "install bash",
    ),
    "ssh": (
        ["-V"],
        State.WARNING,
        "operations on other machines, whose playbooks go over it",
        "install OpenSSH's client (Debian: apt-get install openssh-client)",
    ),
    "git": (
        _VERSION,
        State.NOTE,
        "registries of workflows that are git repositories",
        "install git where they are wanted",
    ),
}
_ENGINES = ("singularity", "apptainer", "ch-run", "buildah")
_COMPSS = ("runcompss", "enqueue_compss")


def programs(environment: Mapping[str, str]) -> Iterator[Finding]:
    """One finding for each kind of program."""
    path = environment.get("PATH")
    for name, (words, state, purpose, remedy) in _SINGLE.items():
        where = shutil.which(name, path=path)
        if where is None:
            yield Finding(name, state, f"it is not on PATH; it is needed for {purpose}", remedy)
        else:
            yield _tried(name, where, words)
    engines = [where for name in _ENGINES if (where := shutil.which(name, path=path))]
    if engines:
        yield _all_tried("container engines", engines)
    else:
        said = f"none of {', '.join(_ENGINES)} is on PATH: programs run without containers on this machine"
        yield Finding("container engines", State.NOTE, said, "install one where containers are wanted here")
    compss = [where for name in _COMPSS if (where := shutil.which(name, path=path))]
    if compss:
        yield _all_tried("compss", compss)
    else:
        said = "there is no runcompss on PATH: PyCOMPSs programs run here with orch's stand-in, one task after another"
        yield Finding("compss", State.NOTE, said, "install COMPSs, or load its module, where speed is wanted here")


def _all_tried(name: str, programs: list[str]) -> Finding:
    """The first of some programs of a kind that cannot be run, else all."""
    tried = [_tried(name, where, _VERSION) for where in programs]
    return next((one for one in tried if one.state is not State.OK), Finding(name, State.OK, ", ".join(programs)))


def _tried(name: str, where: str, words: list[str]) -> Finding:
    try:
        done = subprocess.run(
            [where, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not end"
        return Finding(name, State.WARNING, f"{where} cannot be run: {reason}", f"mend it, or install {name} anew")
    lines = (done.stdout or done.stderr).splitlines()
    if done.returncode:
        said = f"{where} fails (exit status {done.returncode}): {lines[-1] if lines else 'it says nothing'}"
        return Finding(name, State.WARNING, said, f"mend it, or install {name} anew")
    return Finding(name, State.OK, f"{lines[0] if lines else ''} at {where}".strip())
