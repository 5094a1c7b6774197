"""Carries the executions of a crash test out, each to its end, and gathers what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from crash.scenario import JOBS, Blow, Kill, Kind, Move, Scenario, scenarios
from crash.traces import JOB, Step, Traces, family, processes_with, steps_of, untrue
from crash.workers import Worker, Workers

ROOT = Path(__file__).resolve().parent.parent.parent
WORKLOAD = Path(__file__).with_name("workload")
COMMAND_LIMIT = 300.0
"""Seconds after which a command counts as hanging."""
LAST_MOVES = 6
"""Undisturbed commands after which an execution that has not ended counts as lost."""
SETTLING = 60.0
"""Seconds in which the processes of an execution that has ended must be gone."""
PATIENCE = 600.0
"""Seconds in which workers, killed again and again, must bring an execution to an end."""
_BAD_SIGNS = ("Traceback (most recent call last)", "cannot go on", "this is a fault of orch")


class Wrong(Enum):
    """What must never happen."""

    LOST = "lost"
    UNTRUE = "wrongly done"
    TWICE = "twice"
    ORPHAN = "orphans"
    FAULT = "faults"


@dataclass
class Tally:
    """The figures of a crash test."""

    executions: int = 0
    kills: int = 0
    wrong: list[tuple[Wrong, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: Wrong, token: str, what: str) -> None:
        """Note something that is wrong, once."""
        with self.lock:
            if (kind, f"{token}: {what}") not in self.wrong:
                self.wrong.append((kind, f"{token}: {what}"))

    def killed(self) -> None:
        """Count a kill."""
        with self.lock:
            self.kills += 1

    def line(self) -> str:
        """The figures in words."""
        counts = [f"{sum(k is kind for k, _ in self.wrong)} {kind.value}" for kind in Wrong]
        return ", ".join([f"{self.executions} executions", f"{self.kills} kills", *counts])


@dataclass(frozen=True)
class Crash:
    """A crash test: where it takes place, and how.

    ``workers``: how many workers carry out what the commands only queue; 0: the commands do it themselves.
    ``database``: the URL of a PostgreSQL database instead of files in the home.
    """

    folder: Path
    say: Callable[[str], None]
    lanes: int = 2
    workers: int = 0
    database: str | None = None
    tally: Tally = field(default_factory=Tally)

    @property
    def home(self) -> Path:
        """The home of the orch that is killed."""
        return self.folder / "home"

    @property
    def work(self) -> Path:
        """Where the workload is, and leaves its traces."""
        return self.folder / "workload"

    def run(self, seed: int, count: int) -> Tally:
        """Carry out the first executions of a seed."""
        shutil.copytree(WORKLOAD, self.work)
        for name in ("traces", "fail", "jobs"):
            (self.work / name).mkdir()
        self.orch("deploy", self.work / "topology.yaml", "--name", "main", "-i", f"folder={self.work}")
        groups: dict[int, list[Scenario]] = {}
        for scenario in scenarios(seed, count):
            groups.setdefault(scenario.number, []).append(scenario)
        workers = Workers(self.workers, seed, self._worker, self.tally.killed) if self.workers else None
        try:
            with ThreadPoolExecutor(self.lanes) as pool:
                for done in [pool.submit(self._group, group) for group in groups.values()]:
                    done.result()
        finally:
            statuses = workers.stop() if workers else []
        if any(status not in (128 + signal.SIGTERM, 0) for status in statuses):
            self.tally.add(Wrong.FAULT, "the end", f"the workers ended with {statuses} when they were asked to stop")
        try:
            self.orch("undeploy", "main")
        except RuntimeError as error:
            self.tally.add(Wrong.LOST, "the end", str(error))
        self._check_processes("the end", str(self.home))
        for left in sorted((self.home / "runs").iterdir()):
            self.tally.add(Wrong.ORPHAN, "the end", f"the private folder {left.name} was left behind")
        return self.tally

    # --- commands

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a command."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("ORCH_", "COLUMNS"))}
        environment |= {"ORCH_HOME": str(self.home), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}
        return environment | ({"ORCH_DATABASE": self.database} if self.database else {})

    def _worker(self, environment: dict[str, str]) -> Worker:
        number, name = tempfile.mkstemp(prefix="worker-", suffix=".log", dir=self.folder)
        with os.fdopen(number, "w") as log:
            words = [sys.executable, "-m", "orchestrator", "worker", "--jobs", "4"]
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                env=self.environment(**environment),
                cwd=self.folder,
                process_group=0,
            )
        return Worker(process, Path(name))

    def start(self, *words: str | Path, **environment: str) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment(**environment),
            cwd=self.folder,
            process_group=0,
        )

    def orch(self, *words: str | Path) -> str:
        """What an undisturbed command says. Raises RuntimeError when it fails."""
        process = self.start(*words)
        said, _ = process.communicate(timeout=COMMAND_LIMIT)
        if process.returncode != 0:
            raise RuntimeError(f"orch {' '.join(map(str, words))} ended with {process.returncode}:\n{said}")
        return said

    def show(self, execution: str) -> dict[str, Any]:
        """An execution with its steps and jobs."""
        shown: dict[str, Any] = json.loads(self.orch("--json", "executions", "show", execution))
        return shown

    # --- executions

    def _group(self, group: list[Scenario]) -> None:
        for scenario in group:
            began = time.monotonic()
            passage = Passage(self, scenario)
            try:
                passage.carry_out()
            except (RuntimeError, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
                passage.wrong(Wrong.FAULT, f"{type(error).__name__}: {error}")
            with self.tally.lock:
                self.tally.executions += 1
                number = self.tally.executions
            took = time.monotonic() - began
            log = "; ".join(passage.log)
            self.say(f"[{number}] {scenario.token} {scenario.kind.value} {took:.0f} s: {log}")

    def _check_processes(self, token: str, *words: str) -> None:
        deadline = time.monotonic() + SETTLING
        while (left := processes_with(*words)) and time.monotonic() < deadline:
            time.sleep(0.2)
        for pid, arguments in left.items():
            self.tally.add(Wrong.ORPHAN, token, f"process {pid} is left: {arguments}")
            os.kill(pid, signal.SIGKILL)


class Passage:
    """One execution on its way to its end."""

    def __init__(self, crash: Crash, scenario: Scenario) -> None:
        self.crash = crash
        self.scenario = scenario
        self.log: list[str] = []
        self.execution: str | None = None
        self.cancels = 0
        self.harmed = 0
        self.begun: dict[str, int] = {}
        for node in (*scenario.fails, *scenario.always):
            self._marker(node).touch()

    def wrong(self, kind: Wrong, what: str) -> None:
        """Note something that is wrong."""
        self.crash.tally.add(kind, f"{self.scenario.token} ({self.execution})", what)
        self.crash.say(f"WRONG {self.scenario.token} ({self.execution}): {kind.value}: {what}")
        self.log.append(f"WRONG: {what}")

    def carry_out(self) -> None:
        """Disturb the execution as planned, then see it through, then check it."""
        status = "nothing"
        for move in (*self.scenario.moves, *[Move()] * LAST_MOVES):
            status = self._move(move, status)
            if status == "done":
                break
            if status == "failed":
                for node in self.scenario.fails:
                    self._marker(node).unlink(missing_ok=True)
        else:
            self.wrong(Wrong.LOST, f"it is {status} after {LAST_MOVES} undisturbed commands")
            return
        self._check_end()

    def _move(self, move: Move, status: str) -> str:
        """Give one command, disturbed as planned; the status afterwards."""
        if self.execution is None:
            words = self._first_words()
        else:
            cancels = move.cancels and status == "interrupted"
            self.cancels += cancels
            words = ["executions", "cancel" if cancels else "resume", self.execution]
        if self.crash.workers and "executions" not in words:
            words.append("--detach")
        canceller = None
        process = self._start(words, move.kill)
        if move.cancelled_after is not None:
            canceller = threading.Thread(target=self._cancel, args=(process, move))
            canceller.start()
        other = self._start(words, None) if move.doubled and self.execution is not None else None
        # of two, one is refused: it may have come too late, or the other one may have been first
        also = () if other is None else (2,)
        self._see_through(process, words, move.kill, also)
        if other is not None:
            self._see_through(other, words, None, also)
        if canceller is not None:
            canceller.join()
        return self._look() if not self.crash.workers else self._await_workers()

    def _await_workers(self) -> str:
        """The status when the workers have brought the execution to an end."""
        deadline = time.monotonic() + PATIENCE
        while (status := self._look()) not in ("nothing", "done", "failed", "cancelled"):
            if time.monotonic() > deadline:
                self.wrong(Wrong.LOST, f"it is {status} after {PATIENCE} s, though there are workers")
                return status
            time.sleep(1)
        self.log.append(status)
        return status

    def _first_words(self) -> list[str]:
        scenario = self.scenario
        inputs = ["-i", f"mark={scenario.token}", "-i", f"seconds={scenario.seconds}"]
        topology = str(self.crash.work / "topology.yaml")
        if scenario.kind is Kind.INSTALL:
            folder = ["-i", f"folder={self.crash.work}"]
            return ["deploy", topology, "--name", scenario.token, *folder, *inputs]
        if scenario.kind is Kind.UNINSTALL:
            return ["undeploy", scenario.token]
        return ["run", scenario.kind.value, "--deployment", "main", *inputs]

    def _start(self, words: list[str], kill: Kill | None) -> subprocess.Popen[str]:
        place = {"ORCH_KILL_AT": kill.place} if kill is not None and kill.place is not None else {}
        return self.crash.start(*words, **place)

    def _see_through(
        self, process: subprocess.Popen[str], words: list[str], kill: Kill | None, also: tuple[int, ...] = ()
    ) -> str:
        """Wait for a command to end, with the blow that falls when its time has come; what it said.

        ``also``: exit statuses that are right, too.
        """
        command = words[1] if words[0] == "executions" else words[0]
        if kill is not None and kill.seconds is not None:
            try:
                process.wait(kill.seconds)
            except subprocess.TimeoutExpired:
                self._strike(process, kill)
        said = self._said(process, command)
        if process.returncode == -signal.SIGKILL and kill is not None:
            self.crash.tally.killed()
            self.log.append(f"{command} killed at {kill}")
        else:
            self.log.append(f"{command} {process.returncode}")
            told = (128 + signal.SIGTERM,) if kill is not None and kill.blow is Blow.TERM else ()
            self._check_words(command, process.returncode, said, (*also, *told))
        return said

    def _strike(self, process: subprocess.Popen[str], kill: Kill) -> None:
        """Let a blow fall."""
        if kill.blow is not Blow.KILL:
            self.crash.tally.killed()
            self.log.append(f"{kill.blow.value} at {kill}")
        match kill.blow:
            case Blow.KILL:
                _signal(signal.SIGKILL, *(family(process.pid) if kill.family else [process.pid]))
            case Blow.TERM:
                _signal(signal.SIGTERM, process.pid)
            case Blow.STOP:
                _signal(signal.SIGSTOP, process.pid)
                time.sleep(kill.seconds or 1.0)
                _signal(signal.SIGCONT, process.pid)
            case Blow.CHILDREN:
                _signal(signal.SIGKILL, *family(process.pid)[1:])
            case Blow.JOB | Blow.FOLDER:
                self._strike_job(kill.blow)

    def _strike_job(self, blow: Blow) -> None:
        execution = self.execution or self._find()
        if execution is None:
            return
        self.harmed += 1
        if blow is Blow.JOB:
            _signal(signal.SIGKILL, *processes_with(f"ORCH_LAUNCHER_JOB={self._jobs()}/{execution}-"))
        else:
            for folder in self._jobs().glob(f"{execution}-*"):
                shutil.rmtree(folder, ignore_errors=True)

    def _jobs(self) -> Path:
        return self.crash.home / "sites" / "local" / "jobs"

    def _said(self, process: subprocess.Popen[str], command: str) -> str:
        """What a command says until it ends; what it started may hold its output open for longer."""
        assert process.stdout is not None
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()), daemon=True)
        reader.start()
        try:
            process.wait(COMMAND_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.wrong(Wrong.LOST, f"{command} did not end within {COMMAND_LIMIT} s")
        reader.join(2)
        return "".join(lines)

    def _check_words(self, command: str, code: int, said: str, also: tuple[int, ...] = ()) -> None:
        found = [sign for sign in _BAD_SIGNS if sign in said]
        if found or code not in (*((0, 1, 2) if command == "cancel" else (0, 1)), *also):
            self.wrong(Wrong.FAULT, f"{command} ended with {code}: {said[-1500:].strip()}")

    def _cancel(self, process: subprocess.Popen[str], move: Move) -> None:
        """Cancel the execution from another process, when there is something to cancel by then."""
        assert move.cancelled_after is not None
        time.sleep(move.cancelled_after)
        execution = self.execution or self._find()
        if execution is None:
            return
        self.cancels += 1
        words = ["executions", "cancel", execution]
        self._see_through(self._start(words, move.kill_canceller), words, move.kill_canceller)

    # --- what became of it

    def _find(self) -> str | None:
        """The execution that the first command has stored, if it came that far."""
        listed = json.loads(self.crash.orch("--json", "executions", "list"))
        scenario = self.scenario
        for entry in listed:
            if entry["workflow"] != scenario.kind.value:
                continue
            if entry["deployment"] == scenario.token:
                return str(entry["id"])
            if entry["deployment"] == "main" and scenario.kind in (Kind.BRANCHES, Kind.JOBS, Kind.HANDLED):
                if entry["id"] not in _tokens:
                    _tokens[entry["id"]] = str(self.crash.show(entry["id"])["inputs"]["mark"])
                if _tokens[entry["id"]] == scenario.token:
                    return str(entry["id"])
        return None

    def _look(self) -> str:
        """The status now; and see that what is recorded is true, and was not done again."""
        self.execution = self.execution or self._find()
        if self.execution is None:
            return "nothing"
        shown = self.crash.show(self.execution)
        traces = self._traces()
        steps = steps_of(shown)
        for what in untrue(steps, traces):
            self.wrong(Wrong.UNTRUE, what)
        for what in (*traces.overlapping(), *traces.doubled_jobs()):
            self.wrong(Wrong.TWICE, what)
        self._check_repeated(steps, traces)
        return str(shown["status"])

    def _check_repeated(self, steps: list[Step], traces: Traces) -> None:
        """What was done is not done again; only a clean-up is, when what it clears up after fails again."""
        for step in steps:
            if step.key[1] == JOB or step.node == "Cleanup":
                continue
            count = len(traces.of("begin", *step.key))
            if count > self.begun.get(step.id, count):
                self.wrong(Wrong.TWICE, f"step {step.id} was done, and was carried out again")
            if step.state == "done":
                self.begun[step.id] = count

    def _check_end(self) -> None:
        assert self.execution is not None
        shown = self.crash.show(self.execution)
        traces = self._traces()
        steps = steps_of(shown)
        for node in self.scenario.expected:
            mine = [step for step in steps if step.node == node]
            if not mine or any(step.state != "done" for step in mine):
                states = ", ".join(f"{step.id} {step.state}" for step in mine)
                self.wrong(Wrong.LOST, f"the execution is done, but {node} is not ({states})")
        for node in set(JOBS) & set(self.scenario.expected):
            ends = len(traces.of("end", node, JOB))
            if ends < 1:
                self.wrong(Wrong.UNTRUE, f"no job of {node} has ended well")
            if ends > 1 + self.cancels + self.harmed:
                self.wrong(Wrong.TWICE, f"{ends} jobs of {node} have ended well")
            elif ends > 1:
                self.log.append(f"note: {ends} jobs of {node} have ended well, {self.cancels} cancels")
        self.crash._check_processes(self.scenario.token, self.execution)

    def _traces(self) -> Traces:
        return Traces.read(self.crash.work / "traces" / self.scenario.token)

    def _marker(self, node: str) -> Path:
        return self.crash.work / "fail" / f"{self.scenario.token}-{node}"


def _signal(number: int, *pids: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


_tokens: dict[str, str] = {}
