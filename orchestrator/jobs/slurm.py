"""Jobs of Slurm: submitted once for each token, all watched with one command, cancelled by name.

The token is the job's name: squeue and sacct both know jobs by it, so a job that was submitted by a process that died
is found again. Every call is one command at the site, whose program and data come on its standard input.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import msgspec

from orchestrator.errors import SiteError, WorkError
from orchestrator.jobs.batch import array_indices, sbatch_words, shell_script
from orchestrator.jobs.output_files import OUTPUT
from orchestrator.jobs.pycompss import PROGRAM
from orchestrator.jobs.slurm_scripts import CANCEL, DOWN, FIND_OR_SUBMIT, REMAINS, SETTLED_SECONDS, STATUS, UNKNOWN
from orchestrator.jobs.slurm_states import NEVER, STATES, Row, job_number, merged, read_rows, report, seen_tasks
from orchestrator.jobs.submission import BatchOptions, Submission, Submitted, Unsettled
from orchestrator.model.jobs import JobReport, JobState
from orchestrator.services import application
from orchestrator.sites import Completed, Connection, Slurm

TASKS = "tasks"
"""The file with the number of tasks of a job."""

_COLLECTED = ("-name", OUTPUT, "-o", "-name", "compss-*.err", "-o", "-name", "exit")
_COMMAND_SECONDS = 120.0
_OUTPUT_CHUNK = 256 * 1024
_RETRY_SECONDS = 5.0
_GLANCE_SECONDS = 0.5
"""A wait is broken off that soon, when it is to be."""

_END_SECONDS = 30.0
"""For so long a job that has left the queue is asked for when it was cancelled: accounting may be a little behind."""

_UNSEEN_TASKS_SECONDS = 300.0
"""For so long tasks of an array may be seen nowhere; waiting ones that somebody cancels singly never are again."""


@dataclass
class _Known:
    """What was last known of a job, and since when nothing is."""

    last: JobReport
    unknown_since: float | None = None
    size: int = 0
    tasks: int | None = None
    """Of an array; None when they have not been looked up."""


@dataclass(frozen=True)
class _Answer:
    """What Slurm said of some jobs. ``refused``: what sacct said instead of an answer; then ``history`` is not known.

    ``exits`` are the exit statuses that jobs left, ``unsettled`` those that may appear in the queue yet.
    """

    queue: Mapping[str, Sequence[Row]]
    history: Mapping[str, Sequence[Row]]
    refused: str
    exits: Mapping[str, int]
    unsettled: frozenset[str]
    waiting: Sequence[str]
    sizes: Mapping[str, int]

    @property
    def without_accounting(self) -> bool:
        """Whether the site keeps no history of jobs."""
        return "accounting storage is disabled" in self.refused


@cache
def program_files() -> Mapping[str, Path]:
    """What PyCOMPSs jobs need at a site: relative names and local files."""
    root = Path(application.__file__).parent
    stand_in = sorted(path for path in (root / "standin").rglob("*.py"))
    return {str(path.relative_to(root)): path for path in [root / "application.py", *stand_in]}


@cache
def program_digest() -> str:
    """Changes whenever one of the program's files does."""
    digest = hashlib.sha256()
    for name, path in program_files().items():
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


class SlurmJobs:
    """The jobs of one user at one site. ``folder``: where they have their folders there, absolute.

    Implements :class:`orchestrator.jobs.watching.JobBackend`. Everything may take as long as the site does to answer:
    call it from threads.
    """

    name = "slurm"

    def __init__(
        self,
        connection: Connection,
        site: str,
        folder: str,
        settings: Slurm,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._site = site
        self._folder = folder
        self._settings = settings
        self.interval = settings.interval
        self.patience = settings.patience
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._prepared: set[str] = set()
        self._silent_since: float | None = None

    # --- submission

    def submit(self, token: str, submission: Submission) -> Submitted:
        """Have the job run, once: one that bears the token already is taken for it.

        Raises WorkError with what the scheduler said when it refuses the job, Unsettled when it is not known whether
        it took it, SiteError when the site cannot be prepared.
        """
        options = self._with_defaults(submission.options or BatchOptions())
        words = list(submission.argv) if submission.by_itself else self._sbatch(token, options)
        tasks = len(array_indices(options.array)) if options.array else 1
        if token not in self._prepared:
            self._prepare(token, submission, options.array, tasks)
            self._prepared.add(token)
        prolog = _by_itself(submission) if submission.by_itself else ""
        by_itself = "1" if submission.by_itself else "0"
        given = {"folder": f"{self._jobs}/{token}", "token": token, "by_itself": by_itself}
        answer = self._asked(token, prolog + FIND_OR_SUBMIT, given, words, login_shell=submission.by_itself)
        self._prepared.discard(token)
        word, _, identifier = answer.partition(" ")
        self._known[token] = _Known(JobReport(JobState.QUEUED), tasks=tasks)
        return Submitted(identifier.strip(), word == "adopted")

    def _prepare(self, token: str, submission: Submission, array: str, tasks: int) -> None:
        """Bring the files of a job."""
        folder = f"{self._jobs}/{token}"
        for name, text in submission.files.items():
            self._connection.write(f"{folder}/{name}", text.encode("utf-8", "surrogateescape"))
        if not submission.by_itself:
            script = shell_script(
                submission.argv,
                directory=submission.directory,
                modules=submission.modules,
                sources=submission.sources,
                environment=submission.environment,
                heading=submission.heading,
                record=not array,
            )
            self._connection.write(f"{folder}/job.sh", script.encode("utf-8", "surrogateescape"), 0o700)
        self._connection.write(f"{folder}/{TASKS}", str(tasks).encode())
        if submission.with_program:
            self._provide_program(folder)

    def _sbatch(self, token: str, options: BatchOptions) -> list[str]:
        folder = f"{self._jobs}/{token}"
        output = f"{folder}/{OUTPUT}".replace("%", "%%")
        ours = [f"--job-name={token}", f"--chdir={folder}", f"--output={output}", "--open-mode=append"]
        return [*sbatch_words(options), *ours]

    def _with_defaults(self, options: BatchOptions) -> BatchOptions:
        site = self._settings
        return replace(
            options,
            account=options.account or site.account,
            qos=options.qos or site.qos,
            partition=options.partition or site.partition,
            extra=(*site.extra, *options.extra),
        )

    def _provide_program(self, folder: str) -> None:
        """The program of PyCOMPSs jobs, brought once for all jobs, and a link to it in the job's folder."""
        place = f"{self._folder}/programs/{program_digest()}"
        if not self._connection.exists(f"{place}/complete"):
            for name, path in program_files().items():
                self._connection.write(f"{place}/{name}", path.read_bytes(), 0o644)
            self._connection.write(f"{place}/complete", b"")
        done = self._connection.run(["ln", "-sfn", place, f"{folder}/{PROGRAM}"], repeatable=True)
        if done.exit_status:
            raise SiteError(f"site {self._site!r}: {folder} cannot be written: {done.error_text}")

    def _asked(
        self, token: str, program: str, given: Mapping[str, str], words: Sequence[str], *, login_shell: bool
    ) -> str:
        """The answer of a submission."""
        try:
            done = self._run(program, {**given, "settled": str(SETTLED_SECONDS)}, words, login_shell=login_shell)
            status, why = done.exit_status, done.error_text or done.text.strip()
        except SiteError as error:
            status, why = UNKNOWN, error.message
        if status == 0:
            return done.text.strip().splitlines()[-1]
        if status not in (DOWN, UNKNOWN):
            self._prepared.discard(token)
            raise WorkError(f"site {self._site!r} refused the job: {why}")
        told = "Slurm does not answer" if status == DOWN else "it is not known whether Slurm took the job"
        raise Unsettled(
            f"site {self._site!r}: {told}: {why}",
            hint=f"see what `squeue --me --name={token}` says there; `orch executions resume` looks for the job again "
            "before it submits anything, `orch executions cancel` ends it",
        )

    def _run(
        self, program: str, given: Mapping[str, str], words: Sequence[str] = (), *, login_shell: bool = False
    ) -> Completed:
        """Run one of our shell programs at the site."""
        text = _assigned(given) + (f"set -- {shlex.join(words)}\n" if words else "") + program
        # modules are there in login shells only
        return self._connection.run_script(text, login_shell=login_shell, timeout=_COMMAND_SECONDS, repeatable=True)

    # --- watching

    def reports(self, tokens: Sequence[str]) -> dict[str, JobReport]:
        """What is known of some jobs, asked for with one command.

        Raises SiteError when the site has not answered for longer than its ``patience``.
        """
        known = {token: self._known.setdefault(token, _Known(JobReport(JobState.QUEUED))) for token in tokens}
        try:
            answer = self._look(tokens)
        except SiteError as error:
            return self._silent(known, error.message)
        self._silent_since = None
        for token, size in answer.sizes.items():
            if token in known:
                known[token].size = size
        found = {}
        for token, entry in known.items():
            found[token] = self._seen(token, entry, answer)
            entry.last = msgspec.structs.replace(found[token], lost="")
        return found

    def _look(self, tokens: Sequence[str]) -> _Answer:
        """What Slurm says of some jobs. Raises SiteError when squeue cannot be asked."""
        given = {"folder": self._jobs, "tokens": " ".join(tokens), "settled": str(SETTLED_SECONDS)}
        living = " ".join(name for name, state in STATES.items() if not state.final)
        done = self._run(STATUS, {**given, "living": living})
        sections = _sections(done.text)
        code, queue = sections.get("squeue", ("", ""))
        if code != "0":
            raise SiteError(f"Slurm does not answer: {(queue or done.error_text).strip()[:200]}")
        return _answer(queue, sections)

    def _seen(self, token: str, entry: _Known, answer: _Answer) -> JobReport:
        queue, history = answer.queue.get(token, []), answer.history.get(token, [])
        rows = merged([_still_there(row) for row in queue], history)
        # neither has left the queue and ended, nor is in it: accounting is behind, or has lost its end
        behind = not queue and bool(rows) and not any(row.known and row.known.final for row in rows)
        number = answer.exits.get(token)
        if rows and not behind and all(row.known is not None for row in rows):
            tasks = self._tasks(token, entry, rows)
            found = report(rows, _position(rows, answer.waiting), tasks)
            if not found.state.final and all(row.known and row.known.final for row in rows):
                return self._without_the_rest(entry, rows, tasks, found, answer.refused)
            entry.unknown_since = None
            if any(row.reason in NEVER for row in rows):
                with contextlib.suppress(SiteError):
                    self._end(token)
            if found.state is JobState.FAILED and found.exit_code is None and number:
                return JobReport(found.state, found.detail or f"exit code {number}", number)
            return found
        if number is not None and not queue:
            entry.unknown_since = None
            return _by_exit(number)
        now = self._clock()
        entry.unknown_since = now if entry.unknown_since is None else entry.unknown_since
        strange = next((row.state for row in rows if row.known is None), "")
        why = f"Slurm says {strange}, which is no known state" if strange else answer.refused
        last = entry.last
        if behind:
            why = f"squeue does not know the job any more, sacct says that it is {rows[0].state}"
            last = report(rows, tasks=self._tasks(token, entry, rows))
        waited = now - entry.unknown_since >= self._settings.patience and token not in answer.unsettled
        if why or not waited:
            return JobReport(last.state, why, last.exit_code, last.results, lost=why if waited else "")
        return JobReport(JobState.VANISHED, "neither squeue nor sacct knows it")

    def _without_the_rest(
        self, entry: _Known, rows: Sequence[Row], tasks: int, found: JobReport, refused: str
    ) -> JobReport:
        """An array of which all that is seen has ended, and some is not seen: sacct is behind, or never had it."""
        now = self._clock()
        entry.unknown_since = now if entry.unknown_since is None else entry.unknown_since
        patience = self._settings.patience
        if now - entry.unknown_since < (patience if refused else min(patience, _UNSEEN_TASKS_SECONDS)):
            return msgspec.structs.replace(found, detail=f"{found.detail}, {refused}") if refused else found
        if refused:
            return msgspec.structs.replace(found, lost=refused)
        seen = sum(number for _, number in seen_tasks(rows, tasks))
        worst = report(rows, tasks=seen).state
        state = JobState.VANISHED if worst is JobState.COMPLETED else worst
        return JobReport(state, f"{found.detail}, {tasks - seen} that neither squeue nor sacct knows")

    def _tasks(self, token: str, entry: _Known, rows: Sequence[Row]) -> int:
        if entry.tasks is None:
            told = self._connection.read(f"{self._jobs}/{token}/{TASKS}") if any("_" in row.id for row in rows) else b""
            entry.tasks = int(told) if told.isdigit() else 1
        return entry.tasks

    def _silent(self, known: Mapping[str, _Known], why: str) -> dict[str, JobReport]:
        """The last that was known, while the site does not answer."""
        now = self._clock()
        self._silent_since = now if self._silent_since is None else self._silent_since
        if now - self._silent_since > self._settings.patience:
            raise SiteError(
                f"site {self._site!r} has not answered for {now - self._silent_since:.0f} s: {why}",
                hint="jobs go on there; when it answers again: `orch executions resume`",
            )
        return {token: msgspec.structs.replace(entry.last, detail=why) for token, entry in known.items()}

    def output(self, token: str, offset: int, *, ended: bool) -> tuple[str, int]:
        """What a job has written since ``offset`` (bytes), in whole lines unless it ``ended``; and the next offset."""
        entry = self._known.get(token)
        if not ended and (entry is None or entry.size <= offset):
            return "", offset
        try:
            chunk = self._connection.read(f"{self._jobs}/{token}/{OUTPUT}", offset, _OUTPUT_CHUNK)
        except SiteError:
            return "", offset
        partial = not ended and len(chunk) < _OUTPUT_CHUNK
        whole = chunk.rfind(b"\n") + 1 if partial else len(chunk)
        return chunk[:whole].decode(errors="replace"), offset + whole

    # --- the end

    def cancel(self, token: str) -> JobReport:
        """End a job, wait until it has ended, and tell how: one that was over before is as it ended then.

        Raises SiteError when it cannot be ended, or when it is not to be told how it ended: then it may live.
        """
        self._end(token)
        deadline = self._clock() + _END_SECONDS
        while True:
            try:
                answer = self._look([token])
            except SiteError as error:
                raise SiteError(f"site {self._site!r}: {error.message}") from error
            found = self._ended(token, answer)
            if found is not None:
                return found
            if self._clock() > deadline:
                break
            time.sleep(_GLANCE_SECONDS)
        if answer.refused and not answer.without_accounting:
            raise SiteError(
                f"site {self._site!r}: the job {token} has left the queue, and how it ended is not known: "
                f"{answer.refused}",
                hint="cancel it again when sacct answers there",
            )
        return JobReport(JobState.CANCELLED, "neither squeue nor sacct knows it")

    def _ended(self, token: str, answer: _Answer) -> JobReport | None:
        """How a job that is not under way any more has ended; None while that is not known."""
        queue, history = answer.queue.get(token, []), answer.history.get(token, [])
        number = answer.exits.get(token)
        rows = merged(queue, history)
        if rows and all(row.known and row.known.final for row in rows):
            entry = self._known.setdefault(token, _Known(JobReport(JobState.QUEUED)))
            tasks = self._tasks(token, entry, rows)
            # waiting tasks of an array that were cancelled may be seen nowhere
            found = report(rows, tasks=min(tasks, sum(count for _, count in seen_tasks(rows, tasks))))
            return found if found.state.final else None
        if number is not None and not queue:
            return _by_exit(number)
        return None

    def _end(self, token: str) -> None:
        """Have scancel end a job, and wait until it has left the queue. Raises SiteError."""
        given = {"folder": f"{self._jobs}/{token}", "token": token, "settled": str(SETTLED_SECONDS)}
        deadline = self._clock() + SETTLED_SECONDS + _END_SECONDS
        while True:
            done = self._run(CANCEL, given)
            if done.exit_status != UNKNOWN or self._clock() > deadline:
                break
            time.sleep(_RETRY_SECONDS)
        if done.exit_status == REMAINS:
            raise SiteError(f"site {self._site!r}: the job {token} is still {done.error_text} after scancel")
        if done.exit_status:
            raise SiteError(
                f"site {self._site!r}: the job {token} could not be cancelled: {done.error_text}",
                hint=f"log in there and see: squeue --me --name={token}",
            )

    def collect(self, token: str, folder: Path) -> None:
        """Bring the output files of a job, and its exit status, into a folder of this machine. Raises SiteError."""
        place = f"{self._jobs}/{token}"
        words = ["find", "-L", place, "-maxdepth", "1", "-type", "f", "(", *_COLLECTED, ")", "-printf", "%f\\0"]
        done = self._connection.run(words, repeatable=True)
        for name in filter(None, done.text.split("\0")):
            self._connection.get(f"{place}/{name}", folder / name)

    def where(self, token: str) -> str:
        """The folder of a job at the site."""
        return f"{self._jobs}/{token}"

    @property
    def _jobs(self) -> str:
        return f"{self._folder}/jobs"


def _still_there(row: Row) -> Row:
    """A row of squeue; a job that had to make room and is still in the queue may be run again."""
    return replace(row, state="REQUEUED", reason="PREEMPTED") if row.state == "PREEMPTED" else row


def _by_exit(number: int) -> JobReport:
    """The end of a job that left its exit status."""
    state = JobState.FAILED if number else JobState.COMPLETED
    return JobReport(state, f"exit code {number}" if number else "", number)


def _by_itself(submission: Submission) -> str:
    """What comes before a command that submits by itself: modules and environment, as a job script has them."""
    lines = [f"module load {shlex.join(submission.modules)} >/dev/null || exit 1"] if submission.modules else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in submission.environment.items()]
    return "".join(line + "\n" for line in lines)


def _assigned(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def _sections(text: str) -> dict[str, tuple[str, str]]:
    """The parts of an answer: by name, the word after it and the lines below it."""
    found: dict[str, tuple[str, str]] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if line.startswith("@"):
            name, _, word = line[1:].strip().partition(" ")
            found[name] = (word, "")
        elif name:
            found[name] = (found[name][0], found[name][1] + line)
    return found


def _answer(queue: str, sections: Mapping[str, tuple[str, str]]) -> _Answer:
    code, history = sections.get("sacct", ("0", ""))
    complaint = next((line for line in history.splitlines() if line.startswith("sacct: error")), "")
    refused = ""
    if code != "0" or complaint:
        refused = f"sacct does not answer: {(complaint or history).strip()[:200] or f'exit status {code}'}"
    exits = dict(line.split(" ", 1) for line in sections.get("exit", ("", ""))[1].splitlines() if " " in line)
    sizes = (line.rpartition(" ") for line in sections.get("sizes", ("", ""))[1].splitlines())
    return _Answer(
        queue=_by_name(read_rows(queue)),
        history=_by_name(read_rows(history)) if code == "0" else {},
        refused=refused,
        exits={token: int(text) for token, text in exits.items() if text.strip().isdigit()},
        unsettled=frozenset(sections.get("asked", ("", ""))[1].split()),
        waiting=sections.get("waiting", ("", ""))[1].split(),
        sizes={path.partition("/")[0]: int(size) for path, _, size in sizes if size.isdigit()},
    )


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found


def _position(rows: Sequence[Row], waiting: Sequence[str]) -> str:
    numbers = [job_number(row.id) for row in rows if row.state == "PENDING"]
    places = [waiting.index(number) + 1 for number in numbers if number in waiting]
    return f"{min(places)} of {len(waiting)} in the queue" if places else ""
