"""The real orch, as its users start it, on a home of its own; and the minimal workflow to try it on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "topologies" / "minimal_workflow"
PROGRAM = ROOT / "tests" / "embedded" / "held_wordcount.py"
INSTALLED = os.environ.get("ORCH_TEST_PYTHON")
"""The Python of an installed orch that is to be tried instead of this checkout's (see `make matrix`)."""
PYTHON = INSTALLED or sys.executable
LIMIT = 120.0
TEXT = "the quick brown fox jumps over the lazy dog\nthe end of the tale\n" * 400


def wait_for(condition: Callable[[], Any], what: str, limit: float = LIMIT) -> Any:
    """The first true answer of a condition; a failure when it takes too long."""
    deadline = time.monotonic() + limit
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {limit} s in vain for {what}"
        threading.Event().wait(0.02)


class Orch:
    """One home and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.started: list[subprocess.Popen[str]] = []

    def environment(self, **more: str) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORCH_", "COLUMNS"))}
        environment |= {} if INSTALLED else {"PYTHONPATH": str(ROOT)}
        return {**environment, "ORCH_HOME": str(self.home), "NO_COLOR": "1", **more}

    def __call__(
        self, *words: str | Path, status: int | None = 0, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end and see that it ends with a status (None: any)."""
        done = subprocess.run(
            [PYTHON, "-m", "orchestrator", *map(str, words)],
            input=stdin,
            capture_output=True,
            text=True,
            env=self.environment(**environment),
            cwd=self.folder,
            timeout=LIMIT,
        )
        said = done.stdout + done.stderr
        assert "Traceback (most recent call last)" not in said, said
        assert status is None or done.returncode == status, f"{words} ended with {done.returncode}:\n{said}"
        return done

    def start(self, *words: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start a command in the background, in a process group of its own, as a terminal does."""
        process = subprocess.Popen(
            [PYTHON, "-m", "orchestrator", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(**environment),
            cwd=self.folder,
            process_group=0,
        )
        self.started.append(process)
        return process

    def json(self, *words: str | Path) -> Any:
        """What a command answers with --json."""
        return json.loads(self("--json", *words).stdout)

    def executions(self) -> list[dict[str, Any]]:
        """All executions, newest first."""
        found: list[dict[str, Any]] = self.json("executions", "list")
        return found

    def job_folders(self, node: str) -> list[Path]:
        """The folders of the jobs that a node has submitted."""
        return sorted((self.home / "sites/local/jobs").glob(f"*-{node}-*"))

    def stop(self) -> None:
        """End what is left running, jobs included."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
        for pid in processes_of(self.home):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def processes_of(folder: Path) -> list[int]:
    """Processes that have to do with a folder: it is in their arguments, or they are at work in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace")
            at = os.readlink(entry / "cwd")
        except OSError:
            continue
        if str(folder) in words or at.startswith(str(folder)):
            found.append(int(entry.name))
    return found


class Workflow:
    """The minimal workflow on a small text, with a program that can be held and counts how often it has run."""

    def __init__(self, orch: Orch) -> None:
        self.orch = orch
        self.folder = orch.folder / "workflow"
        self.folder.mkdir(parents=True)
        self.topology = self.folder / "topology.yaml"
        shutil.copy(EXAMPLE / "topology.yaml", self.topology)
        step = self.folder / "registry" / "minimal_workflow" / "wordcount"
        (step / "src").mkdir(parents=True)
        shutil.copy(EXAMPLE / "registry/minimal_workflow/wordcount/eflows4hpc.yaml", step)
        shutil.copy(PROGRAM, step / "src" / "wordcount_blocks.py")
        self.text = self.folder / "data.txt"
        self.text.write_text(TEXT)
        orch("catalogue", "add", self.text, "--oid", "text")

    def arguments(self, name: str = "one", **more: str) -> list[str]:
        """The inputs of a run whose files lie under a name."""
        inputs = {
            "oid": "text",
            "staged_in_data_path": str(self.staged(name)),
            "result_data_path": str(self.result(name)),
            **more,
        }
        return [word for key, value in inputs.items() for word in ("-i", f"{key}={value}")]

    def staged(self, name: str = "one") -> Path:
        return self.folder / name / "in"

    def result(self, name: str = "one") -> Path:
        return self.folder / name / "out"

    def hold(self, name: str = "one") -> Path:
        """Make the program of a run wait until the returned file is removed."""
        file = self.result(name) / "hold"
        file.parent.mkdir(parents=True)
        file.touch()
        return file

    def trace(self, name: str = "one") -> list[str]:
        """A line for every time that the program of a run was started."""
        file = self.result(name) / "trace"
        return file.read_text().splitlines() if file.exists() else []

    def check(self, name: str = "one", text: str = TEXT) -> None:
        """See that a run's result is right, and that its program ran once."""
        lines = (self.result(name) / "result.txt").read_text().splitlines()
        counted = {word: int(count) for word, count in (line.split() for line in lines)}
        assert counted == dict(Counter(text.split()))
        assert len(self.trace(name)) == 1
