"""Carries the executions of a crash test out, each to its end, and gathers what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from crash.grounds import Ground, Local
from crash.processes import arguments_of, commands_with, family, kill, line, processes_with, send
from crash.scenario import ACTS, JOBS, Act, Kind, Move, Scenario, scenarios
from crash.traces import JOB, Harm, Step, Traces, falsely_said, repeated_jobs, steps_of, untrue
from crash.workers import Worker, Workers

ROOT = Path(__file__).resolve().parent.parent.parent
WORKLOAD = Path(__file__).with_name("workload")
SILENCE = 120.0
"""Seconds without a word after which a command counts as hanging; all alone, a step takes one or two."""
COMMAND_LIMIT = 900.0
"""Seconds after which it does, whatever it says."""
LAST_MOVES = 6
"""Undisturbed commands after which an execution that has not ended counts as lost."""
SETTLING = 60.0
"""Seconds in which the processes of an execution that has ended must be gone."""
PATIENCE = 600.0
"""Seconds in which workers, killed again and again, must bring an execution to an end."""
_MOMENT = 60.0
"""Seconds in which the moment that an act waits for must come; it is left out otherwise."""
_AT_ONCE = 0.3
"""A move with a smaller ``choice`` does not wait until something was done."""
_EXECUTION = re.compile(r"\(execution ([0-9a-f]{12})\)")
_BAD_SIGNS = ("Traceback (most recent call last)", "cannot go on", "this is a fault of orch")
T = TypeVar("T")


class Wrong(Enum):
    """What must never happen."""

    LOST = "lost"
    UNTRUE = "falsely said"
    TWICE = "doubled"
    HANG = "hangs"
    ORPHAN = "orphans"
    FAULT = "faults"


@dataclass
class Tally:
    """The figures of a crash test."""

    executions: int = 0
    acts: Counter[Act] = field(default_factory=Counter)
    again: int = 0
    """Jobs that were run again after one that had ended well, which was harmed or cancelled at its end."""
    slowest: float = 0.0
    wrong: list[tuple[Wrong, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, kind: Wrong, token: str, what: str) -> None:
        """Note something that is wrong, once."""
        with self.lock:
            if (kind, f"{token}: {what}") not in self.wrong:
                self.wrong.append((kind, f"{token}: {what}"))

    def acted(self, act: Act = Act.KILL) -> None:
        """Count what was done."""
        with self.lock:
            self.acts[act] += 1

    def took(self, seconds: float) -> None:
        """Remember the longest that a command took."""
        with self.lock:
            self.slowest = max(self.slowest, seconds)

    def line(self) -> str:
        """The figures in words."""
        counts = [f"{sum(k is kind for k, _ in self.wrong)} {kind.value}" for kind in Wrong]
        done = f"{self.executions} executions, {self.acts.total()} acts of violence"
        again = f"{self.again} run again after what was done to a job that had ended well"
        return ", ".join([done, *counts, again, f"the slowest command {self.slowest:.0f} s"])

    def by_act(self) -> str:
        """How often each act was done."""
        return "; ".join(f"{act.value}: {self.acts[act]}" for act in Act if self.acts[act])


@dataclass(frozen=True)
class Crash:
    """A crash test: where it takes place, and how.

    ``workers``: how many workers carry out what the commands only queue; 0: the commands do it themselves.
    ``database``: the URL of a PostgreSQL database instead of files in the home. ``disk``: the file system that the home
    is on, when it may be filled. ``acts``, ``only``: see :func:`crash.scenario.scenarios`.
    """

    folder: Path
    say: Callable[[str], None]
    lanes: int = 2
    workers: int = 0
    database: str | None = None
    ground: Ground = field(default_factory=Local)
    acts: tuple[Act, ...] = ACTS
    only: Kind | None = None
    disk: Path | None = None
    tally: Tally = field(default_factory=Tally)
    marks: dict[str, str] = field(default_factory=dict)
    """Which trace each execution leaves."""

    @property
    def home(self) -> Path:
        """The home of the orch that is killed."""
        return (self.disk or self.folder) / "home"

    @property
    def work(self) -> Path:
        """Where the workload is, and leaves its traces."""
        return self.folder / "workload"

    def run(self, seed: int, count: int) -> Tally:
        """Carry out the first executions of a seed."""
        shutil.copytree(WORKLOAD, self.work)
        for name in ("traces", "fail", "jobs"):
            (self.work / name).mkdir()
        self.home.mkdir()
        site = self.ground.prepare(self.home, self.data)
        self.orch("deploy", self.work / "topology.yaml", "--name", "main", "-i", f"folder={self.work}", *site)
        groups: dict[int, list[Scenario]] = {}
        for scenario in scenarios(seed, count, self.acts, self.only):
            groups.setdefault(scenario.number, []).append(scenario)
        workers = Workers(self.workers, seed, self._worker, self.tally.acted) if self.workers else None
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

    def start(self, *words: str | Path, **environment: str) -> Command:
        """Start a command."""
        return Command([str(word) for word in words], self.environment(**environment), self.folder)

    def orch(self, *words: str | Path) -> str:
        """What an undisturbed command says. Raises RuntimeError when it fails."""
        command = self.start(*words)
        status, said = command.end()
        self.tally.took(command.seconds)
        if status != 0:
            raise RuntimeError(f"orch {' '.join(map(str, words))} ended with {status}:\n{said}")
        return said

    def data(self, *words: str | Path) -> Any:
        """What an undisturbed command answers with --json."""
        return json.loads(self.orch("--json", *words))

    def show(self, execution: str) -> dict[str, Any]:
        """An execution with its steps and jobs."""
        shown: dict[str, Any] = self.data("executions", "show", execution)
        return shown

    # --- executions

    def _group(self, group: list[Scenario]) -> None:
        for scenario in group:
            began = time.monotonic()
            passage = Passage(self, scenario)
            try:
                passage.carry_out()
            except TimeoutError as error:
                passage.wrong(Wrong.HANG, str(error))
            except (RuntimeError, OSError, ValueError, KeyError) as error:
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
        kill(left)


class Command:
    """An orch that runs."""

    def __init__(self, words: list[str], environment: dict[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            cwd=folder,
            process_group=0,
        )
        self.words = " ".join(words)
        self.pid = self._process.pid
        self._began = time.monotonic()
        self._lines: list[str] = []
        self._heard = self._began
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for text in self._process.stdout or ():
            self._lines.append(text)
            self._heard = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it runs."""
        return time.monotonic() - self._began

    @property
    def execution(self) -> str | None:
        """The execution that it has said to begin."""
        found = _EXECUTION.search("".join(list(self._lines)))
        return found[1] if found else None

    def runs(self, seconds: float = 0.0) -> bool:
        """Whether it still runs after so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def end(self) -> tuple[int, str]:
        """Its exit status and what it says; what it started may hold its output open for longer.

        Raises TimeoutError when it does not end in time: then it is killed.
        """
        while self.runs(1.0):
            silent = time.monotonic() - self._heard
            if silent > SILENCE or self.seconds > COMMAND_LIMIT:
                self._process.kill()
                self._process.wait()
                said = "".join(list(self._lines))[-500:]
                raise TimeoutError(
                    f"orch {self.words} had not ended after {self.seconds:.0f} s, {silent:.0f} s silent: {said}"
                )
        self._reader.join(2)
        return self._process.returncode, "".join(list(self._lines))


class Passage:
    """One execution on its way to its end."""

    def __init__(self, crash: Crash, scenario: Scenario) -> None:
        self.crash = crash
        self.scenario = scenario
        self.log: list[str] = []
        self.execution: str | None = None
        self.cancelled = False
        self.asked: float | None = None
        """When a cancel was asked for in the move that is made."""
        self.struck: set[str] = set()
        self.shown: dict[str, Any] = {}
        self.harmed = False
        """Whether a step may have failed that would not have by itself."""
        self.harms: list[Harm] = []
        self.begun: dict[str, int] = {}
        self._file.touch()
        self._file.chmod(0o666)  # jobs of a cluster are those of another user
        for node in (*scenario.fails, *scenario.always):
            self._marker(node).touch()

    def wrong(self, kind: Wrong, what: str) -> None:
        """Note something that is wrong."""
        self.crash.tally.add(kind, f"{self.scenario.token} ({self.execution})", what)
        self.crash.say(f"WRONG {self.scenario.token} ({self.execution}): {kind.value}: {what}")
        self.log.append(f"WRONG: {what}")

    def carry_out(self) -> None:
        """Disturb the execution as planned, then see it through, then check it."""
        for move in (*self.scenario.moves, *[Move()] * LAST_MOVES):
            status = self._move(move)
            if self.asked is not None:
                self.harms.append(Harm(self.asked, time.time()))
                self.asked = None
            status = self._look() if status is None else status
            self.log.append(status)
            if status == "done":
                break
            if status == "failed":
                for node in self.scenario.fails:
                    self._marker(node).unlink(missing_ok=True)
        else:
            self.wrong(Wrong.LOST, f"it is {status} after {LAST_MOVES} undisturbed commands")
            return
        self._check_end()

    # --- what is done to it

    def _move(self, move: Move) -> str | None:
        """Give one command, disturbed as planned; the status afterwards, if it was looked up."""
        words = self._words()
        match move.act:
            case Act.PLACE | Act.LATE:
                self._give(words, lambda command: None, move, ORCH_KILL_AT=move.place or "")
            case Act.ORPHAN | Act.TWINS if move.place is not None:
                self._give(words, lambda command: None, move, ORCH_KILL_AT=move.place)
            case Act.KILL | Act.ORPHAN | Act.TWINS:
                self._give(words, self._after(move, lambda command: kill([command.pid])), move)
            case Act.FAMILY:
                self._give(words, self._after(move, lambda command: kill(family(command.pid))), move)
            case Act.TERM:
                self._give(words, self._after(move, lambda command: send(signal.SIGTERM, [command.pid])), move)
            case Act.STOP:
                self._give(words, self._after(move, lambda command: self._stop(command, move)), move)
            case Act.CANCEL | Act.CANCELLER:
                self._give(words, lambda command: self._cancel(command, move), move)
            case Act.WARM | Act.ANSIBLE:
                self._give(words, lambda command: self._strike_ansible(command, move), move)
            case Act.PLAIN:
                plain = os.pathsep.join([str(ROOT), str(self.crash.work / "plain")])
                self._give(words, lambda command: self._strike_ansible(command, move), move, PYTHONPATH=plain)
            case Act.PROGRAM | Act.SUPERVISOR | Act.FOLDER:
                self._give(words, lambda command: self._strike_job(command, move), move)
            case Act.DISK:
                self._fill_disk(words, move)
            case Act.NOTHING:
                self._give(words, lambda command: None, move)
        if self.crash.workers:
            return self._await_workers()
        if move.act in (Act.ORPHAN, Act.TWINS, Act.LATE):
            return self._go_on(move)
        return None

    def _did(self, move: Move, more: str = "") -> None:
        """Note that an act was done."""
        self.log.append(f"{move}{more}")
        self.crash.tally.acted(move.act)

    def _words(self) -> list[str]:
        """The command that begins the execution, or goes on with it."""
        if self.execution is not None:
            return ["executions", "resume", self.execution]
        scenario = self.scenario
        inputs = ["-i", f"mark={scenario.token}", "-i", f"seconds={scenario.seconds}"]
        topology = str(self.crash.work / "topology.yaml")
        later = ["--detach"] if self.crash.workers else []
        if scenario.kind is Kind.INSTALL:
            folder = ["-i", f"folder={self.crash.work}"]
            return ["deploy", topology, "--name", scenario.token, *folder, *inputs, *later]
        if scenario.kind is Kind.UNINSTALL:
            return ["undeploy", scenario.token, *later]
        return ["run", scenario.kind.value, "--deployment", "main", *inputs, *later]

    def _give(self, words: list[str], strike: Callable[[Command], None], move: Move, **environment: str) -> None:
        """Give a command, strike, and see it through."""
        command = self.crash.start(*words, **environment)
        strike(command)
        self._see_through(command, move)

    def _after(self, move: Move, strike: Callable[[Command], None]) -> Callable[[Command], None]:
        """The strike some time after the start, or after something was done, unless the command has ended by then."""

        def wait(command: Command) -> None:
            if move.choice > _AT_ONCE:
                self._await_lines(command, int(4 * move.choice))
            if command.runs(move.delay / 4 if move.choice > _AT_ONCE else 0.5 + move.delay):
                strike(command)
                self._did(move)

        return wait

    def _stop(self, command: Command, move: Move) -> None:
        send(signal.SIGSTOP, [command.pid])
        time.sleep(0.5 + 2 * move.choice)
        send(signal.SIGCONT, [command.pid])

    def _await(self, command: Command, what: Callable[[], T | None]) -> T | None:
        """What there is to strike at; None when the command has ended before, or it does not come."""
        deadline = time.monotonic() + _MOMENT
        while not (found := what()):
            if time.monotonic() > deadline or (not self.crash.workers and not command.runs()):
                return None
            time.sleep(0.02)
        return found

    def _await_lines(self, command: Command, count: int) -> bool:
        """Wait until more than so many words of the work have come; whether they have."""
        lines = len(self._traces().lines) + count
        return self._await(command, lambda: len(self._traces().lines) > lines or None) is not None

    def _cancel(self, command: Command, move: Move) -> None:
        """Cancel the execution from another process, as soon as something of it has begun."""
        if not self._await_lines(command, int(4 * move.choice)):
            return
        self.execution = self.execution or command.execution or self._find()
        if self.execution is None:
            return
        time.sleep(move.delay / 4)
        strike = move.act is Act.CANCELLER
        self._ask_to_cancel(kill_after=0.3 + 2 * move.choice if strike else None)
        self._did(move)

    def _ask_to_cancel(self, kill_after: float | None = None) -> None:
        assert self.execution is not None
        self.cancelled = True
        self.asked = self.asked or time.time()
        words = ["executions", "cancel", self.execution]
        command = self.crash.start(*words)
        if kill_after is not None and command.runs(kill_after):
            kill([command.pid])
        self._see_through(command, Move(Act.KILL if kill_after is not None else Act.NOTHING))

    def _strike_ansible(self, command: Command, move: Move) -> None:
        """Kill the warm Ansible, or one of the processes between it (or orch) and a script that runs."""
        script = self._await(command, lambda: commands_with("work.sh", f" {self.scenario.token} "))
        if not script:
            return
        time.sleep(move.delay)
        chain = line(script[0])
        above = [n for n, pid in enumerate(chain) if _is_orch(pid) or _is_warm(pid)]
        if not above:
            return
        warm = chain[above[0]]
        if move.act is Act.WARM:
            struck = [warm] if _is_warm(warm) else []
        else:
            struck = [chain[int(move.choice * above[0])]] if above[0] else []
        if struck:
            self.harmed = True
            what = arguments_of(struck[0])[:60]
            kill(struck)
            self._did(move, f" at {what!r}")

    def _strike_job(self, command: Command, move: Move) -> None:
        token = self._await(command, self._running_job)
        if token is None:
            return
        time.sleep(move.delay)
        ground = self.crash.ground
        processes = ground.supervisor(token) if move.act is Act.SUPERVISOR else ground.program(token)
        if not processes or token != self._running_job():
            return
        self.harmed = True
        self.struck.add(token)
        began = time.time()
        if move.act is Act.FOLDER:
            ground.remove_folder(token)
        else:
            kill(processes)
        self.harms.append(Harm(began, time.time(), frozenset([token])))
        self._did(move)

    def _running_job(self) -> str | None:
        """The token of the native job whose program runs."""
        traces = self._traces()
        over = self.struck | {run.name for word in ("end", "fail") for run in traces.of(word, "Native", JOB)}
        over |= {job["token"] for job in self.shown.get("jobs", ()) if job["state"] in _FINAL}
        return next((run.name for run in traces.of("begin", "Native", JOB) if run.name not in over), None)

    def _fill_disk(self, words: list[str], move: Move) -> None:
        """Have a command meet a full disk: some time after it began, mostly when something was done already."""
        assert self.crash.disk is not None
        filler = self.crash.disk / "filler"
        command = self.crash.start(*words)
        if move.choice > _AT_ONCE:
            self._await_lines(command, int(8 * move.choice))
        if command.runs(move.delay / 4):
            self.harmed = True
            _fill(filler)
            self._did(move)
        try:
            self._see_through(command, move)
        finally:
            filler.unlink(missing_ok=True)

    def _go_on(self, move: Move) -> str:
        """What comes after the death of the owner."""
        status = self._look()
        if status != "interrupted":
            return status
        if move.act is Act.TWINS:
            words = self._words()
            both = [self.crash.start(*words), self.crash.start(*words)]
            for command in both:
                # one of them is refused: it may have come too late, or the other one may have been first
                self._see_through(command, Move(), also=(2,))
        elif move.act is Act.ORPHAN or self._has_completed():
            self._ask_to_cancel()
        else:
            return status
        self._did(move)
        return self._look()

    def _has_completed(self) -> bool:
        """Whether the native job has ended well; waits for its end."""
        deadline = time.monotonic() + _MOMENT
        while time.monotonic() < deadline:
            over = [run.name for word in ("end", "fail") for run in self._traces().of(word, "Native", JOB)]
            if self._running_job() is None and all(map(self.crash.ground.has_ended, over)):
                time.sleep(self.crash.ground.slack)
                return bool(self._traces().of("end", "Native", JOB))
            time.sleep(0.05)
        return False

    def _await_workers(self) -> str:
        """The status when the workers have brought the execution to an end."""
        deadline = time.monotonic() + PATIENCE
        while (status := self._look()) not in ("nothing", "done", "failed", "cancelled"):
            if time.monotonic() > deadline:
                self.wrong(Wrong.LOST, f"it is {status} after {PATIENCE} s, though there are workers")
                return status
            time.sleep(1)
        return status

    def _see_through(self, command: Command, move: Move, also: tuple[int, ...] = ()) -> None:
        """Wait for a command to end, and check what it says. ``also``: exit statuses that are right, too."""
        name = command.words.removeprefix("executions ").partition(" ")[0]
        code, said = command.end()
        self.crash.tally.took(command.seconds)
        self.execution = self.execution or command.execution
        self.log.append(f"{name} {code}")
        if code == -signal.SIGKILL and move.act in _DEADLY:
            if move.place is not None and move.act is Act.PLACE:
                self._did(move)
            return
        right = {0, 1, *also, *((128 + signal.SIGTERM, -signal.SIGTERM) if move.act is Act.TERM else ())}
        if name == "cancel" or self.asked is not None:
            right.add(2)  # there may be nothing to cancel by then, or to resume
        # on a full disk modules of Ansible break down, and the databases cannot be written
        signs = _BAD_SIGNS[-1:] if move.act is Act.DISK else _BAD_SIGNS
        signs = tuple(sign for sign in signs if sign in said)
        if signs or code not in right:
            self.wrong(Wrong.FAULT, f"{name} ended with {code}: {said[-1500:].strip()}")

    # --- what became of it

    def _find(self) -> str | None:
        """The execution that the first command has stored, if it came that far."""
        scenario = self.scenario
        for entry in self.crash.data("executions", "list"):
            if entry["workflow"] != scenario.kind.value:
                continue
            if entry["deployment"] == scenario.token:
                return str(entry["id"])
            if entry["deployment"] == "main" and scenario.kind in (Kind.BRANCHES, Kind.JOBS, Kind.HANDLED):
                if entry["id"] not in self.crash.marks:
                    self.crash.marks[entry["id"]] = str(self.crash.show(entry["id"])["inputs"]["mark"])
                if self.crash.marks[entry["id"]] == scenario.token:
                    return str(entry["id"])
        return None

    def _look(self) -> str:
        """The status now; and see that what is recorded is true, and was not done again."""
        self.execution = self.execution or self._find()
        if self.execution is None:
            return "nothing"
        shown = self.crash.show(self.execution)
        traces, slack = self._traces(), self.crash.ground.slack
        harms = [*self.harms, *([Harm(self.asked, time.time())] if self.asked is not None else ())]
        steps = steps_of(shown)
        for what in (*untrue(steps, traces), *falsely_said(shown["jobs"], traces, harms, slack), *self._untold(shown)):
            self.wrong(Wrong.UNTRUE, what)
        for what in (*traces.overlapping(), *traces.doubled_jobs(), *repeated_jobs(traces, harms, slack)):
            self.wrong(Wrong.TWICE, what)
        self._check_repeated(steps, traces)
        self.shown = shown
        return str(shown["status"])

    def _untold(self, shown: dict[str, Any]) -> list[str]:
        """Why an execution cannot be what it is said to be, and causes that are not told."""
        status, failure = shown["status"], shown["failure"]
        if status == "cancelled" and not self.cancelled:
            return ["it is said to be cancelled, and nobody has cancelled it"]
        if status != "failed":
            return []
        if not failure or not failure["message"] or not failure["node"]:
            return [f"it has failed, and the cause is not told: {failure}"]
        failed = {run.node for word, run in self._traces().lines if word == "fail"}
        if failure["node"] not in failed and not self.harmed:
            return [
                f"it is said to have failed by {failure['node']}, of which nothing has failed: {failure['message']}"
            ]
        return []

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
        traces = self._traces()
        again = repeated_jobs(traces, (), 0.0)
        with self.crash.tally.lock:
            self.crash.tally.again += len(again)
        self.log += [f"note: {what}" for what in again]
        for node in self.scenario.expected:
            mine = [step for step in steps_of(self.shown) if step.node == node]
            if not mine or any(step.state != "done" for step in mine):
                states = ", ".join(f"{step.id} {step.state}" for step in mine)
                self.wrong(Wrong.LOST, f"the execution is done, but {node} is not ({states})")
        for node in set(JOBS) & set(self.scenario.expected):
            if not traces.of("end", node, JOB):
                self.wrong(Wrong.UNTRUE, f"no job of {node} has ended well")
        for job in self.shown["jobs"]:
            if job["state"] not in _FINAL:
                self.wrong(Wrong.UNTRUE, f"the execution is done, but its job {job['token']} is {job['state']}")
        if self.scenario.kind in (Kind.INSTALL, Kind.UNINSTALL):
            self._check_deployment()
        for left in self.crash.ground.living(self.execution):
            self.wrong(Wrong.ORPHAN, f"job {left} is left")
        self.crash._check_processes(self.scenario.token, self.execution)

    def _check_deployment(self) -> None:
        """What is deployed is listed as such, and what is not is not."""
        found = {entry["name"]: entry["status"] for entry in self.crash.data("list")}
        wanted = "deployed" if self.scenario.kind is Kind.INSTALL else None
        if found.get(self.scenario.token) != wanted:
            self.wrong(Wrong.UNTRUE, f"after {self.scenario.kind.value} it is {found.get(self.scenario.token)}")

    @property
    def _file(self) -> Path:
        return self.crash.work / "traces" / self.scenario.token

    def _traces(self) -> Traces:
        return Traces.read(self._file)

    def _marker(self, node: str) -> Path:
        return self.crash.work / "fail" / f"{self.scenario.token}-{node}"


_DEADLY = (Act.KILL, Act.FAMILY, Act.PLACE, Act.ORPHAN, Act.TWINS, Act.LATE)
_FINAL = ("completed", "failed", "cancelled", "timeout", "vanished")


def _is_warm(pid: int) -> bool:
    return "/warm.py " in arguments_of(pid)


def _is_orch(pid: int) -> bool:
    return "-m orchestrator" in arguments_of(pid)


def _fill(file: Path) -> None:
    """Take all the room that there is."""
    with file.open("wb", buffering=0) as filler:
        for size in (65536, 512):
            try:
                while True:
                    filler.write(b"\0" * size)
            except OSError:
                continue
