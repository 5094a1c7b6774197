"""Runs a command and tells what it cost; the two tools that are compared."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
LIMIT = 600.0
"""Seconds after which a command is given up."""


@dataclass(frozen=True)
class Cost:
    """Wall-clock seconds, processor seconds, and the peak memory of the largest single process of the command."""

    seconds: float
    processor: float
    megabytes: float

    def text(self, memory: bool) -> str:
        """For people."""
        seconds = f"{self.seconds:.2f} s" if self.seconds < 100 else f"{self.seconds:.0f} s"
        seconds += f" ({self.processor:.2f})"
        return f"{seconds}, {self.megabytes:.0f} MB" if memory else seconds


class Failed(Exception):
    """A command that did not do what was asked."""

    def __init__(self, short: str, said: str) -> None:
        super().__init__(f"{short}: {said}")
        self.short = short


@dataclass(frozen=True)
class Tool:
    """A program that reads and deploys TOSCA. ``deploying``: the words of a deployment with two workers."""

    command: tuple[str, ...]
    deploying: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str | Path, cwd: Path, **environment: str) -> Cost:
        """Run a command. Raises Failed."""
        argv = [*self.command, *map(str, words)]
        with (cwd / "said.log").open("w") as said:
            began = time.monotonic()
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **environment},
            )
            status, processor, memory = _wait(process, began)
            seconds = time.monotonic() - began
        if status is None:
            raise Failed(f"> {LIMIT:.0f} s", "given up")
        if status != 0:
            text = (cwd / "said.log").read_text()
            raise Failed(f"failed ({status})", f"{' '.join(argv)}: {text[-800:]}")
        return Cost(seconds, processor, memory / 1024)

    def deploy(self, file: Path, folder: Path) -> Cost:
        """Deploy a topology in a folder that nothing was deployed in."""
        return self.run(*self.deploying, file, cwd=folder, ORCH_HOME=str(folder / "home"))


def _wait(process: subprocess.Popen[bytes], began: float) -> tuple[int | None, float, int]:
    """The exit status (None: given up), processor seconds and peak memory in KiB; ``wait4`` tells them of one child."""
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        if time.monotonic() - began > LIMIT:
            process.kill()
            process.wait()
            return None, 0, 0
        time.sleep(0.002)


def orch_tool(folder: Path) -> Tool:
    """Our own command, on a home of its own."""
    script = Path(sys.executable).with_name("orch")
    command = (str(script),) if script.exists() else (sys.executable, "-m", "orchestrator")
    # an installed package is compiled; the peer, which pip installed, is
    compiled = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment = {"ORCH_HOME": str(folder / "home"), "NO_COLOR": "1", "PYTHONPATH": str(_ROOT), **compiled}
    return Tool(command, ("deploy",), environment)


def xopera_tool(folder: Path) -> Tool:
    """xOpera in a virtual environment of its own, which is made when it is not there."""
    opera = folder / "bin" / "opera"
    if not opera.exists():
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
        for words in (
            [sys.executable, "-m", "venv", str(folder)],
            [*pip, "cython<3", "wheel", "setuptools"],
            [*pip, "--no-build-isolation", "pyyaml==5.4.1"],  # what opera asks for does not build with newer tools
            [*pip, "opera"],
        ):
            subprocess.run(words, check=True)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return Tool((str(opera),), ("deploy", "--workers", "2"), {"PATH": path, "PYTHONPATH": ""})
