"""What SlurmJobs makes of a site's answers: recorded ones, and the silence that a test cluster takes minutes for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.errors import SiteError, WorkError
from orchestrator.jobs import SlurmJobs, Submission, Unsettled
from orchestrator.jobs.slurm_states import STATES
from orchestrator.model.jobs import JobReport, JobState
from orchestrator.sites import Completed, Slurm
from orchestrator.sites.connection import Say

PATIENCE = 100.0
DOWN = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
NO_ACCOUNTS = "Slurm accounting storage is disabled"


@dataclass
class Replay:
    """A connection to a site whose answers are known; what it is asked is kept. An error is raised as an answer."""

    answers: list[str | SiteError | Completed] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        login_shell: bool = False,
        timeout: float = 60.0,
        repeatable: bool = False,
    ) -> Completed:
        return self._next(stdin.decode())

    def run_script(
        self, text: str, *, login_shell: bool = False, timeout: float = 60.0, repeatable: bool = False
    ) -> Completed:
        return self._next(text)

    def _next(self, asked: str) -> Completed:
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, SiteError):
            raise answer
        return answer if isinstance(answer, Completed) else Completed(0, answer.encode(), b"")

    def home(self) -> str:
        return "/home/jane"

    def write(self, path: str, content: bytes, mode: int = 0o600) -> None:
        self.files[path] = content

    def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        return self.files.get(path, b"")[offset : None if limit is None else offset + limit]

    def put(self, local: Path, remote: str, say: Say | None = None) -> None:
        self.files[remote] = local.read_bytes()

    def get(self, remote: str, local: Path, say: Say | None = None) -> None:
        local.write_bytes(self.files[remote])

    def exists(self, path: str) -> bool:
        return path in self.files

    def close(self) -> None:
        self.files.clear()


class Bed:
    """One job, ``t``, at a site that answers as it is told, and a clock that is set by hand."""

    def __init__(self, tasks: int = 1) -> None:
        self.now = 0.0
        self.site = Replay(files={"/home/jane/.orch/jobs/t/tasks": str(tasks).encode()})
        settings = Slurm(interval=1, patience=PATIENCE)
        self.jobs = SlurmJobs(self.site, "bed", "/home/jane/.orch", settings, clock=lambda: self.now)

    def sees(self, answer: str | SiteError, at: float | None = None) -> JobReport:
        """What is reported of the job after an answer, given at a time."""
        self.now = self.now if at is None else at
        self.site.answers.append(answer)
        return self.jobs.reports(["t"])["t"]


@pytest.fixture
def bed() -> Bed:
    return Bed()


def told(
    queue: str = "",
    history: str | None = None,
    *,
    exits: str = "",
    waiting: str = "",
    accounts: int = 0,
) -> str:
    """An answer of the status command: rows of squeue, and of sacct when a job has left the queue."""
    text = f"@squeue 0\n{queue}\n"
    if history is not None:
        text += f"@sacct {accounts}\n{history}\n@exit\n{exits}\n"
    if waiting:
        text += f"@waiting\n{waiting}\n"
    return text + "@sizes\n"


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_state_is_reported_as_the_table_says(bed: Bed, state: str) -> None:
    expected = STATES[state]
    answer = told("", f"7|t|{state}||Unknown|0:0") if expected.final else told(f"7|t|{state}|None|N/A|")
    assert bed.sees(answer).state is expected


def test_a_job_that_had_to_make_room_may_run_again_while_it_is_queued(bed: Bed) -> None:
    assert bed.sees(told("7|t|PREEMPTED|None|N/A|", "")).state is JobState.QUEUED
    assert bed.sees(told("", "7|t|PREEMPTED||Unknown|0:15")).state is JobState.FAILED


def test_the_place_in_the_queue_the_reason_and_the_expected_start(bed: Bed) -> None:
    report = bed.sees(told("7|t|PENDING|Priority|2026-01-01T10:00:00|", waiting="3\n7\n9"))
    assert report.detail == "Priority, 2 of 3 in the queue, expected to start 2026-01-01T10:00:00"


class TestStrangeStates:
    def test_one_that_nobody_knows_is_said_and_waited_for(self, bed: Bed) -> None:
        assert bed.sees(told("7|t|RUNNING|None||")).state is JobState.RUNNING
        report = bed.sees(told("7|t|ENTANGLED|None||", ""), at=10)
        assert (report.state, report.detail) == (JobState.RUNNING, "Slurm says ENTANGLED, which is no known state")
        assert bed.sees(told("7|t|ENTANGLED|None||", ""), at=10 + PATIENCE - 1).state is JobState.RUNNING

    def test_after_the_patience_it_is_lost_for_it_may_live(self, bed: Bed) -> None:
        bed.sees(told("7|t|ENTANGLED|None||", ""), at=10)
        report = bed.sees(told("7|t|ENTANGLED|None||", ""), at=10 + PATIENCE)
        assert not report.state.final
        assert "ENTANGLED" in report.lost

    def test_a_known_state_in_between_begins_the_patience_anew(self, bed: Bed) -> None:
        bed.sees(told("7|t|ENTANGLED|None||", ""), at=0)
        bed.sees(told("7|t|RUNNING|None||"), at=50)
        assert bed.sees(told("7|t|ENTANGLED|None||", ""), at=PATIENCE + 10).state is JobState.RUNNING


class TestLag:
    def test_neither_squeue_nor_sacct_has_it_yet(self, bed: Bed) -> None:
        bed.sees(told("7|t|RUNNING|None||"))
        assert bed.sees(told("", ""), at=5).state is JobState.RUNNING
        assert bed.sees(told("", "7|t|COMPLETED||2026-01-01T00:00:00|0:0"), at=8).state is JobState.COMPLETED

    def test_sacct_is_behind_squeue(self, bed: Bed) -> None:
        assert bed.sees(told("7|t|COMPLETED|None||", "7|t|RUNNING||2026-01-01T00:00:00|0:0")).state.final
        assert bed.sees(told("", "7|t|RUNNING||2026-01-01T00:00:00|0:0")).state is JobState.RUNNING

    def test_sacct_that_never_hears_of_the_end(self, bed: Bed) -> None:
        lagging = told("", "7|t|RUNNING||2026-01-01T00:00:00|0:0")
        assert not bed.sees(lagging, at=0).lost
        report = bed.sees(lagging, at=PATIENCE)
        assert (report.state, report.lost) == (
            JobState.RUNNING,
            "squeue does not know the job any more, sacct says that it is RUNNING",
        )
        assert bed.sees(told("", "7|t|COMPLETED|||0:0"), at=PATIENCE + 1).state is JobState.COMPLETED

    def test_what_neither_knows_for_long_has_vanished(self, bed: Bed) -> None:
        bed.sees(told("", ""), at=0)
        assert bed.sees(told("", ""), at=PATIENCE - 1).state is JobState.QUEUED
        assert bed.sees(told("", ""), at=PATIENCE).state is JobState.VANISHED


class TestWithoutAccounting:
    @pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (3, JobState.FAILED)])
    def test_the_exit_status_that_the_job_left_decides(self, bed: Bed, code: int, state: JobState) -> None:
        bed.sees(told("7|t|RUNNING|None||"))
        report = bed.sees(told("", NO_ACCOUNTS, accounts=1, exits=f"t {code}"))
        assert (report.state, report.exit_code) == (state, code)

    @pytest.mark.parametrize(
        ("words", "status"),
        [
            (NO_ACCOUNTS, 1),
            ("sacct: error: Too wide of a date range in query", 1),
            ("sacct: error: Problem talking to the database: Connection refused", 1),
            ("sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection", 0),
            ("", 127),
        ],
    )
    def test_what_sacct_refuses_is_no_answer(self, bed: Bed, words: str, status: int) -> None:
        bed.sees(told("7|t|RUNNING|None||"))
        report = bed.sees(told("", words, accounts=status), at=1)
        assert (report.state, report.lost) == (JobState.RUNNING, "")
        assert (words or "exit status 127") in report.detail
        report = bed.sees(told("", words, accounts=status), at=1 + PATIENCE)
        assert report.state is JobState.RUNNING
        assert (words or "exit status 127") in report.lost
        assert bed.sees(told("", "7|t|COMPLETED|||0:0"), at=2 + PATIENCE).state is JobState.COMPLETED

    def test_a_part_of_an_array_is_not_all_of_it_either(self) -> None:
        bed = Bed(tasks=2)
        queue = "7_0|t|COMPLETED|None||"
        assert not bed.sees(told(queue, NO_ACCOUNTS, accounts=1), at=0).lost
        report = bed.sees(told(queue, NO_ACCOUNTS, accounts=1), at=PATIENCE)
        assert not report.state.final
        assert NO_ACCOUNTS in report.lost

    def test_the_exit_status_of_a_failure_that_sacct_does_not_tell(self, bed: Bed) -> None:
        report = bed.sees(told("7|t|FAILED|NonZeroExitCode||", NO_ACCOUNTS, accounts=1, exits="t 3"))
        assert (report.state, report.exit_code) == (JobState.FAILED, 3)


class TestArrays:
    def test_a_part_in_sacct_is_not_the_end(self) -> None:
        bed = Bed(tasks=4)
        report = bed.sees(told("", "7_0|t|COMPLETED|||0:0\n7_1|t|COMPLETED|||0:0"))
        assert report.state is JobState.RUNNING
        rows = "\n".join(f"7_{i}|t|COMPLETED|||0:0" for i in range(4))
        assert bed.sees(told("", rows)).state is JobState.COMPLETED

    def test_tasks_that_wait_are_one_row(self) -> None:
        bed = Bed(tasks=15)
        queue = "7_[2-11,14%4]|t|PENDING|JobArrayTaskLimit|N/A|\n7_0|t|RUNNING|None||\n7_1|t|COMPLETED|None||"
        assert bed.sees(told(queue)).detail == "1 completed, 11 pending, 1 running"

    def test_a_list_that_slurm_cuts_short_does_not_end_it(self) -> None:
        bed = Bed(tasks=300)
        queue = "7_[1,3,5,7,9,11,...]|t|PENDING|Resources|N/A|\n7_0|t|COMPLETED|None||"
        assert bed.sees(told(queue)).state is JobState.RUNNING

    def test_the_worst_of_its_tasks_counts(self) -> None:
        bed = Bed(tasks=3)
        report = bed.sees(told("", "7_0|t|COMPLETED|||0:0\n7_1|t|FAILED|||1:0\n7_2|t|TIMEOUT|||0:0"))
        assert (report.state, report.detail) == (JobState.FAILED, "1 completed, 1 failed, 1 timeout")

    def test_what_was_left_of_it_was_cancelled_by_name(self) -> None:
        """Then squeue writes the id of the whole array, while sacct is behind or has never heard of those tasks."""
        bed = Bed(tasks=5)
        report = bed.sees(told("9|t|CANCELLED|JobHeldUser||", "9_[0-4]|t|PENDING||Unknown|0:0"))
        assert report.state is JobState.CANCELLED
        bed = Bed(tasks=5)
        queue = "9|t|CANCELLED|JobArrayTaskLimit||\n9_0|t|RUNNING|None||"
        assert bed.sees(told(queue)).state is JobState.RUNNING
        report = bed.sees(told(queue.replace("RUNNING", "COMPLETED"), "9_0|t|COMPLETED|||0:0"))
        assert (report.state, report.detail) == (JobState.CANCELLED, "4 cancelled, 1 completed")

    def test_a_waiting_task_that_was_cancelled_singly_is_seen_nowhere(self) -> None:
        bed, rows = Bed(tasks=3), "9_0|t|COMPLETED|||0:0\n9_1|t|COMPLETED|||0:0"
        assert bed.sees(told("", rows), at=0).state is JobState.RUNNING
        assert bed.sees(told("", rows), at=PATIENCE - 1).state is JobState.RUNNING
        report = bed.sees(told("", rows), at=PATIENCE)
        assert report.state is JobState.VANISHED
        assert report.detail == "2 completed, 1 that neither squeue nor sacct knows"

    def test_the_number_of_tasks_is_read_from_the_site_by_another_process(self) -> None:
        bed = Bed(tasks=2)
        assert not bed.sees(told("", "7_0|t|COMPLETED|||0:0")).state.final


class TestSilence:
    def test_slurm_that_does_not_answer_keeps_the_last_state(self, bed: Bed) -> None:
        bed.sees(told("7|t|RUNNING|None||"))
        report = bed.sees(f"@squeue 1\n{DOWN}\n@sizes\n", at=10)
        assert report.state is JobState.RUNNING
        assert "Unable to contact slurm controller" in report.detail

    def test_a_site_that_is_silent_for_longer_than_its_patience(self, bed: Bed) -> None:
        bed.sees(told("7|t|RUNNING|None||"))
        assert bed.sees(SiteError("no route"), at=10).state is JobState.RUNNING
        assert bed.sees(SiteError("no route"), at=10 + PATIENCE).state is JobState.RUNNING
        with pytest.raises(SiteError, match="has not answered for 101 s: no route") as caught:
            bed.sees(SiteError("no route"), at=11 + PATIENCE)
        assert "orch executions resume" in str(caught.value.hint)

    def test_an_answer_in_between_begins_the_patience_anew(self, bed: Bed) -> None:
        bed.sees(SiteError("no route"), at=0)
        bed.sees(told("7|t|RUNNING|None||"), at=50)
        assert bed.sees(SiteError("no route"), at=PATIENCE + 10).state is JobState.RUNNING

    @pytest.mark.parametrize("answer", ["", "Welcome to the site!\n", "\n@sizes\n"])
    def test_an_answer_without_sense_is_silence(self, bed: Bed, answer: str) -> None:
        bed.sees(told("7|t|RUNNING|None||"))
        assert bed.sees(answer).state is JobState.RUNNING

    def test_what_a_profile_says_first_does_no_harm(self, bed: Bed) -> None:
        assert bed.sees("Welcome!\n" + told("7|t|RUNNING|None||")).state is JobState.RUNNING


def test_a_dependency_that_never_comes_is_cancelled_and_has_failed(bed: Bed) -> None:
    bed.site.answers += [told("7|t|PENDING|DependencyNeverSatisfied|N/A|"), Completed(0, b"", b"")]
    report = bed.jobs.reports(["t"])["t"]
    assert (report.state, report.detail) == (JobState.FAILED, "DependencyNeverSatisfied")
    assert "scancel" in bed.site.asked[-1]


class TestSubmission:
    JOB = Submission(argv=("true",), files={})

    def test_what_the_scheduler_says_when_it_refuses(self, bed: Bed) -> None:
        bed.site.answers.append(Completed(5, b"", b"sbatch: error: Invalid qos specification\n"))
        with pytest.raises(WorkError, match="site 'bed' refused the job: sbatch: error: Invalid qos"):
            bed.jobs.submit("t", self.JOB)

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (
                Completed(7, b"", b"sbatch: error: Socket timed out"),
                "not known whether Slurm took the job: .*timed out",
            ),
            (SiteError("sh took longer than 120 s"), "not known whether Slurm took the job: sh took longer"),
            (Completed(4, b"", DOWN.encode()), "Slurm does not answer: .*Unable to contact"),
        ],
    )
    def test_an_unknown_outcome_is_no_refusal(self, bed: Bed, answer: Completed | SiteError, told: str) -> None:
        bed.site.answers.append(answer)
        with pytest.raises(Unsettled, match=told) as caught:
            bed.jobs.submit("t", self.JOB)
        assert "orch executions resume" in str(caught.value.hint)
        bed.site.files.clear()  # what was brought is not brought again
        bed.site.answers.append("adopted 9")
        assert bed.jobs.submit("t", self.JOB).adopted
        assert not bed.site.files

    @pytest.mark.parametrize(("word", "adopted"), [("submitted", False), ("adopted", True)])
    def test_the_id_comes_last(self, bed: Bed, word: str, adopted: bool) -> None:
        bed.site.answers.append(f"sbatch: a word of the site\n{word} 4242\n")
        submitted = bed.jobs.submit("t", self.JOB)
        assert (submitted.id, submitted.adopted) == ("4242", adopted)
