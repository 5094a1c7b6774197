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

from orchestrator.errors import SiteError, WorkError
from orchestrator.jobs.batch import array_indices, sbatch_words, shell_script
from orchestrator.jobs.pycompss import PROGRAM
from orchestrator.jobs.slurm_states import NEVER, Row, job_number, merged, read_rows, report, seen_tasks
from orchestrator.jobs.submission import BatchOptions, Submission, Submitted
from orchestrator.model.jobs import JobReport, JobState
from orchestrator.services import application
from orchestrator.sites import Connection, Slurm

OUTPUT = "output.log"
TASKS = "tasks"
"""The file with the number of tasks of a job."""

_COLLECTED = ("-name", OUTPUT, "-o", "-name", "compss-*.err", "-o", "-name", "exit")
_COMMAND_SECONDS = 120.0
_OUTPUT_CHUNK = 256 * 1024
_RETRY_SECONDS = 5.0
_UNSEEN_TASKS_SECONDS = 300.0
"""For so long tasks of an array may be seen nowhere; waiting ones that somebody cancels singly never are again."""

_FIND_OR_SUBMIT = r"""
set -u; LC_ALL=C; export LC_ALL
cd -- "$folder" || exit 3
exec 9>lock; command -v flock >/dev/null && flock -w 60 9
if [ -s id ]; then printf 'adopted %s\n' "$(cat id)"; exit; fi
me=$(id -un)
id=$(squeue -h -t all -u "$me" -n "$token" -o %F) || exit 4
[ -n "$id" ] || id=$(sacct -n -P -X -u "$me" --name="$token" -S now-60days -o JobIDRaw 2>/dev/null)
if [ -n "$id" ]; then
  id=$(printf '%s\n' "$id" | head -n 1); printf '%s\n' "${id%%_*}" >id
  printf 'adopted %s\n' "${id%%_*}"; exit
fi
if [ "$by_itself" = 1 ]; then
  said=$("$@") || { code=$?; printf '%s\n' "$said" >&2; exit "$code"; }
  id=$(printf '%s\n' "$said" | grep -oE '[0-9]+' | tail -n 1)
  ln -sf "compss-$id.out" output.log
else
  said=$(sbatch --parsable "$@" job.sh) || exit 5
  id=${said%%;*}
fi
case $id in ''|*[!0-9]*) printf 'no job id in: %s\n' "$said" >&2; exit 5;; esac
printf '%s\n' "$id" >id
printf 'submitted %s\n' "$id"
"""
"""Exit status 4: Slurm does not answer, so that nothing was submitted; 5: it refused the job."""

_STATUS = r"""
LC_ALL=C; export LC_ALL
me=$(id -un)
queue=$(squeue -h -t all -u "$me" -o '%i|%j|%T|%r|%S|' 2>&1); code=$?
printf '@squeue %s\n%s\n' "$code" "$queue"
if [ "$code" = 0 ]; then
  gone=$(printf '%s\n' "$queue" | awk -F'|' -v all="$tokens" '
    BEGIN { n = split(all, t, " "); for (i = 1; i <= n; i++) want[t[i]] = 1 }
    $3 ~ /^(PEND|RUN|CONF|SUSP|REQ|RESV|STOP|SIGN|STAGE|COMPLETING|RESIZ|SPECIAL)/ { delete want[$2] }
    END { for (name in want) { printf "%s%s", comma, name; comma = "," } }')
  if [ -n "$gone" ]; then
    history=$(sacct -n -P -X -u "$me" --name="$gone" -S now-60days -o JobID,JobName,State,Reason,Start,ExitCode 2>&1)
    printf '@sacct %s\n%s\n' "$?" "$history"
    echo '@exit'
    (cd -- "$folder" 2>/dev/null && for t in $(printf '%s\n' "$gone" | tr , ' '); do
      [ ! -s "$t/exit" ] || printf '%s %s\n' "$t" "$(cat "$t/exit")"
    done)
  fi
  if printf '%s\n' "$queue" | awk -F'|' -v all="$tokens" '
    BEGIN { n = split(all, t, " "); for (i = 1; i <= n; i++) want[t[i]] = 1 }
    ($2 in want) && $3 == "PENDING" { found = 1 } END { exit !found }'
  then echo '@waiting'; squeue -h -t PENDING -S -p -o %F 2>/dev/null | awk '!seen[$0]++'; fi
fi
echo '@sizes'
cd -- "$folder" 2>/dev/null && for t in $tokens; do echo "$t/output.log"; done | xargs stat -L -c '%n %s' 2>/dev/null
true
"""

_CANCEL = r"""
LC_ALL=C; export LC_ALL
me=$(id -un)
scancel -u "$me" -n "$token" || exit 4
turns=0
while [ "$turns" -lt 60 ]; do
  left=$(squeue -h -u "$me" -n "$token" -o %T) || exit 4
  [ -n "$left" ] || exit 0
  turns=$((turns + 1)); sleep 0.5
done
printf '%s\n' "$left" | head -n 1 >&2
exit 6
"""


@dataclass
class _Known:
    """What was last known of a job, and since when nothing is."""

    last: JobReport
    unknown_since: float | None = None
    size: int = 0
    tasks: int | None = None
    """Of an array; None when they have not been looked up."""


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
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._silent_since: float | None = None

    # --- submission

    def submit(self, token: str, submission: Submission) -> Submitted:
        """Have the job run, once: one that bears the token already is taken for it.

        Raises WorkError with what the scheduler said when it refuses the job, SiteError when it cannot be asked.
        """
        folder = f"{self._jobs}/{token}"
        options = self._with_defaults(submission.options or BatchOptions())
        words = list(submission.argv) if submission.by_itself else self._sbatch(token, options)
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
                record=not options.array,
            )
            self._connection.write(f"{folder}/job.sh", script.encode("utf-8", "surrogateescape"), 0o700)
        tasks = len(array_indices(options.array)) if options.array else 1
        self._connection.write(f"{folder}/{TASKS}", str(tasks).encode())
        if submission.with_program:
            self._provide_program(folder)
        given = {"folder": folder, "token": token, "by_itself": "1" if submission.by_itself else "0"}
        prolog = _by_itself(submission) if submission.by_itself else ""
        done = self._asked(prolog + _FIND_OR_SUBMIT, given, words, login_shell=submission.by_itself)
        word, _, identifier = done.partition(" ")
        self._known[token] = _Known(JobReport(JobState.QUEUED), tasks=tasks)
        return Submitted(identifier.strip(), word == "adopted")

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

    def _asked(self, program: str, given: Mapping[str, str], words: Sequence[str], *, login_shell: bool = False) -> str:
        """Run a submission; it is repeated while Slurm does not answer, for it finds what it submitted before."""
        text = _assigned(given) + f"set -- {shlex.join(words)}\n" + program
        deadline = self._clock() + min(self._settings.patience, 600.0)
        while True:
            # modules are there in login shells only
            done = self._connection.run_script(text, login_shell=login_shell, timeout=_COMMAND_SECONDS, repeatable=True)
            if done.exit_status == 0:
                return done.text.strip().splitlines()[-1]
            if done.exit_status != 4:
                raise WorkError(f"site {self._site!r} refused the job: {done.error_text or done.text.strip()}")
            if self._clock() > deadline:
                raise SiteError(
                    f"site {self._site!r}: Slurm does not answer: {done.error_text}",
                    hint="see whether slurmctld runs there, then `orch executions resume`",
                )
            time.sleep(_RETRY_SECONDS)

    # --- watching

    def reports(self, tokens: Sequence[str]) -> dict[str, JobReport]:
        """What is known of some jobs, asked for with one command.

        Raises SiteError when the site has not answered for longer than its ``patience``.
        """
        given = {"folder": self._jobs, "tokens": " ".join(tokens)}
        known = {token: self._known.setdefault(token, _Known(JobReport(JobState.QUEUED))) for token in tokens}
        try:
            text = _assigned(given) + _STATUS
            done = self._connection.run_script(text, timeout=_COMMAND_SECONDS, repeatable=True)
        except SiteError as error:
            return self._silent(known, error.message)
        sections = _sections(done.text)
        code, queue = sections.get("squeue", ("", ""))
        if code != "0":
            return self._silent(known, f"Slurm does not answer: {(queue or done.error_text).strip()[:200]}")
        self._silent_since = None
        self._see_sizes(known, sections.get("sizes", ("", ""))[1])
        rows = _by_name(read_rows(queue))
        history = _by_name(read_rows(sections["sacct"][1])) if sections.get("sacct", ("1", ""))[0] == "0" else {}
        exits = dict(line.split(" ", 1) for line in sections.get("exit", ("", ""))[1].splitlines() if " " in line)
        waiting = sections.get("waiting", ("", ""))[1].split()
        found = {}
        for token, entry in known.items():
            entry.last = self._seen(token, entry, rows.get(token, []), history.get(token, []), exits, waiting)
            found[token] = entry.last
        return found

    def _seen(
        self,
        token: str,
        entry: _Known,
        queue: Sequence[Row],
        history: Sequence[Row],
        exits: Mapping[str, str],
        waiting: Sequence[str],
    ) -> JobReport:
        rows = merged([_still_there(row) for row in queue], history)
        number = int(code) if (code := exits.get(token, "").strip()).isdigit() else None
        if rows and all(row.known is not None for row in rows):
            tasks = self._tasks(token, entry, rows)
            found = report(rows, _position(rows, waiting), tasks)
            if not found.state.final and all(row.known and row.known.final for row in rows):
                return self._without_the_rest(entry, rows, tasks, found)
            entry.unknown_since = None
            if any(row.reason in NEVER for row in rows):
                with contextlib.suppress(SiteError):
                    self.cancel(token)
            if found.state is JobState.FAILED and found.exit_code is None and number:
                return JobReport(found.state, found.detail or f"exit code {number}", number)
            return found
        if not rows and number is not None:
            entry.unknown_since = None
            state = JobState.FAILED if number else JobState.COMPLETED
            return JobReport(state, f"exit code {number}" if number else "", number)
        now = self._clock()
        entry.unknown_since = now if entry.unknown_since is None else entry.unknown_since
        strange = next((row.state for row in rows if row.known is None), "")
        if now - entry.unknown_since < self._settings.patience:
            return replace_detail(entry.last, f"Slurm says {strange}, which is no known state" if strange else "")
        if strange:
            return JobReport(JobState.FAILED, f"Slurm says {strange}, which is no state that orch knows")
        return JobReport(JobState.VANISHED, "neither squeue nor sacct knows it")

    def _without_the_rest(self, entry: _Known, rows: Sequence[Row], tasks: int, found: JobReport) -> JobReport:
        """An array of which all that is seen has ended, and some is not seen: sacct is behind, or never had it."""
        now = self._clock()
        entry.unknown_since = now if entry.unknown_since is None else entry.unknown_since
        if now - entry.unknown_since < min(self._settings.patience, _UNSEEN_TASKS_SECONDS):
            return found
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
        return {token: replace_detail(entry.last, why) for token, entry in known.items()}

    def _see_sizes(self, known: Mapping[str, _Known], text: str) -> None:
        for line in text.splitlines():
            path, _, size = line.rpartition(" ")
            token = path.partition("/")[0]
            if token in known and size.isdigit():
                known[token].size = int(size)

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

    def cancel(self, token: str) -> None:
        """End a job and wait until it has ended; one that has ended, or never was, is left alone. Raises SiteError."""
        text = _assigned({"token": token}) + _CANCEL
        done = self._connection.run_script(text, timeout=_COMMAND_SECONDS, repeatable=True)
        if done.exit_status == 6:
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

    @property
    def _jobs(self) -> str:
        return f"{self._folder}/jobs"


def _still_there(row: Row) -> Row:
    """A row of squeue; a job that had to make room and is still in the queue may be run again."""
    return replace(row, state="REQUEUED", reason="PREEMPTED") if row.state == "PREEMPTED" else row


def replace_detail(last: JobReport, detail: str) -> JobReport:
    """The same state, for another reason."""
    return JobReport(last.state, detail, last.exit_code, last.results)


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


def _by_name(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return found


def _position(rows: Sequence[Row], waiting: Sequence[str]) -> str:
    numbers = [job_number(row.id) for row in rows if row.state == "PENDING"]
    places = [waiting.index(number) + 1 for number in numbers if number in waiting]
    return f"{min(places)} of {len(waiting)} in the queue" if places else ""
