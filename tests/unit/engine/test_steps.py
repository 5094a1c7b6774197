"""Steps with jobs, on a real store: a scheduler and playbooks that say what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.store_contract import execution

from orchestrator.engine import steps
from orchestrator.engine.events import EventWriter
from orchestrator.engine.parts import EngineSettings, ExecutionParts
from orchestrator.engine.steps import StepRunner
from orchestrator.errors import SiteError, UserError, WorkError
from orchestrator.jobs import ExecutionSlots, JobBackend, SiteSlots, Submission, Submitted, Unsettled, Watcher
from orchestrator.model.expressions import Literal
from orchestrator.model.jobs import JobReference, JobReport, JobState
from orchestrator.model.plan import Outcome, Plan, PlanStep, StepKind, StepPolicy
from orchestrator.operations import JOB_ID, JOB_STATUS, OperationCall, OperationResult, Operations
from orchestrator.state import EventFilter, Failure, JobRecord, StepStatus, Store

SUBMIT = PlanStep("submit", StepKind.OPERATION, "Job", "Runnable", "submit")
RUN = PlanStep("run", StepKind.OPERATION, "Job", "Runnable", "run")
TOKEN = "e1-Job-1"
Answer = Submitted | Exception


@dataclass
class Queue:
    """The queue of a site, as it answers; what it was asked to do is kept."""

    name: str = "slurm"
    interval: float = 0.01
    patience: float = 1000.0
    submissions: list[Answer] = field(default_factory=lambda: [Submitted("7", adopted=False)])
    looks: list[JobReport] = field(default_factory=lambda: [JobReport(JobState.COMPLETED)])
    cancelled: JobReport | Exception = field(default_factory=lambda: JobReport(JobState.CANCELLED))
    asked: list[str] = field(default_factory=list)

    def submit(self, token: str, submission: Submission) -> Submitted:
        self.asked.append(f"submit {token}")
        answer = self.submissions.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def reports(self, tokens: Sequence[str]) -> dict[str, JobReport]:
        report = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return dict.fromkeys(tokens, report)

    def output(self, token: str, offset: int, *, ended: bool) -> tuple[str, int]:
        return "", offset

    def cancel(self, token: str) -> JobReport:
        self.asked.append(f"cancel {token}")
        if isinstance(self.cancelled, Exception):
            raise self.cancelled
        return self.cancelled

    def where(self, token: str) -> str:
        return f"/site/jobs/{token}"

    def collect(self, token: str, folder: Path) -> None:
        return


@dataclass
class Playbooks:
    """What the operations of a node with its own playbooks say, by operation, the last again and again."""

    says: dict[str, list[Mapping[str, Any] | Failure]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    wanted: tuple[str, ...] = ()
    properties: Mapping[str, Literal] = field(default_factory=dict)

    @property
    def kept(self) -> Any:
        """Where secret outputs would be kept: here there are none."""
        return SimpleNamespace(keep_outputs=lambda *_: None, keep_attributes=lambda *_: None)

    def resolve(self, call: OperationCall) -> Any:
        node = SimpleNamespace(name=call.node, properties=self.properties)
        return SimpleNamespace(
            call=call,
            node=node,
            inputs={},
            rounds=(),
            implementation=SimpleNamespace(path=None),
            lost=(),
            relationship=None,
            instances=("0",),
            outputs=self.wanted if call.operation == "run" else (),
        )

    def run(self, resolved: Any, **how: Any) -> OperationResult:
        operation = resolved.call.operation
        self.ran.append(operation)
        answers = self.says[operation]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return OperationResult({}, answer) if isinstance(answer, Failure) else OperationResult(answer)

    def attributes_of(self, resolved: Any, found: Any) -> list[Any]:
        return []


class Bench:
    """An execution with one job: by a queue, or by playbooks where ``queue`` is None."""

    def __init__(self, folder: Path, queue: Queue | None, playbooks: Playbooks | None = None) -> None:
        self.store = Store(folder / "state.sqlite")
        self.store.add_execution(execution())
        self.queue, self.playbooks = queue, playbooks or Playbooks()
        self.folder = folder
        self.prepared: Callable[[], Submission] = lambda: Submission(argv=("true",), files={})
        backend = "slurm" if queue else "playbook"
        self.parts = ExecutionParts(
            execution=execution(),
            plan=Plan("go", (SUBMIT, RUN)),
            operations=cast(Operations, self.playbooks),
            kind_of=lambda node: (lambda inputs, context: self.prepared()) if queue else None,
            reference=lambda node, token: JobReference("bed", backend, token, token),
            scheduler=lambda reference: queue,
            job_folder=lambda reference: folder / "jobs" / reference.token,
            job_context=lambda node, token: cast(Any, SimpleNamespace(node=node)),
            job_variables=lambda node: {},
            slots=ExecutionSlots(SiteSlots(self.store), "e1", lambda site: None),
        )

    def carry_out(self, *todo: PlanStep, attempt: int = 1) -> list[Outcome]:
        async def all_() -> list[Outcome]:
            runner = self.runner()
            return [await runner.carry_out(step, attempt) for step in todo]

        return asyncio.run(asyncio.wait_for(all_(), 60))

    def cancel(self) -> list[str]:
        return asyncio.run(asyncio.wait_for(self.runner().cancel_jobs(), 60))

    def runner(self) -> StepRunner:
        self.events = EventWriter(self.store, lambda error: None)
        settings = EngineSettings(self.folder / "dbos.sqlite", (self.folder,), foreign_poll_interval=0.01)
        watcher = Watcher(lambda reference: cast(JobBackend, self.queue))
        return StepRunner(self.parts, self.store, self.events, watcher, settings, asyncio.Semaphore(1))

    def jobs(self) -> list[JobRecord]:
        return self.store.jobs("e1")

    def failure(self, step: str) -> Failure:
        entry = self.store.ledger_entry("e1", step)
        assert entry is not None
        assert entry.failure is not None
        return entry.failure

    def said(self) -> list[str]:
        self.events.flush()
        return [event.text for event in self.store.events("e1", wanted=EventFilter(kinds=("job",)))]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_SETTLING_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
class TestSubmission:
    @pytest.mark.parametrize("adopted", [True, False])
    def test_an_unknown_outcome_is_asked_for_until_it_is_known(self, tmp_path: Path, adopted: bool) -> None:
        unknown = Unsettled("it is not known whether Slurm took the job: timed out")
        queue = Queue(submissions=[unknown, unknown, unknown, Submitted("7", adopted)])
        bench = Bench(tmp_path, queue)
        assert bench.carry_out(SUBMIT, RUN) == [Outcome.SUCCESS] * 2
        assert queue.asked == [f"submit {TOKEN}"] * 4
        assert bench.said()[0] == "it is not known whether Slurm took the job: timed out; it is looked for"
        assert [(job.reference.id, job.state) for job in bench.jobs()] == [("7", JobState.COMPLETED)]

    def test_when_patience_ends_the_job_is_not_given_up(self, tmp_path: Path) -> None:
        queue = Queue(submissions=[Unsettled("it is not known", hint="resume")], patience=0.0)
        bench = Bench(tmp_path, queue)
        assert bench.carry_out(SUBMIT) == [Outcome.FAILURE]
        assert [(job.state, job.seen) for job in bench.jobs()] == [(JobState.QUEUED, False)]
        queue.submissions = [Submitted("7", adopted=True)]
        assert bench.carry_out(SUBMIT, RUN, attempt=2) == [Outcome.SUCCESS] * 2
        assert queue.asked == [f"submit {TOKEN}"] * 2

    @pytest.mark.parametrize("refusal", [WorkError("Invalid qos"), UserError("the option 'clusters=big'")])
    def test_what_is_refused_leaves_no_living_job(self, tmp_path: Path, refusal: Exception) -> None:
        bench = Bench(tmp_path, Queue(submissions=[refusal, Submitted("7", adopted=False)]))
        assert bench.carry_out(SUBMIT) == [Outcome.FAILURE]
        assert [(job.state, job.detail) for job in bench.jobs()] == [(JobState.FAILED, "it was not submitted")]
        assert bench.carry_out(SUBMIT, RUN, attempt=2) == [Outcome.SUCCESS] * 2
        assert [(job.generation, job.state) for job in bench.jobs()] == [(1, JobState.COMPLETED)]

    def test_what_cannot_be_prepared_leaves_none_at_all(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, Queue())

        def prepared() -> Submission:
            raise WorkError("there is neither a script nor a command")

        bench.prepared = prepared
        assert bench.carry_out(SUBMIT) == [Outcome.FAILURE]
        assert bench.jobs() == []

    def test_a_site_that_cannot_be_reached_leaves_it_open(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, Queue(submissions=[SiteError("no route")]))
        assert bench.carry_out(SUBMIT) == [Outcome.FAILURE]
        assert [job.state for job in bench.jobs()] == [JobState.QUEUED]


class TestEnd:
    def test_a_job_of_which_nothing_can_be_known_is_not_over(self, tmp_path: Path) -> None:
        lost = JobReport(JobState.RUNNING, "sacct: too wide", lost="sacct: too wide")
        bench = Bench(tmp_path, Queue(looks=[JobReport(JobState.RUNNING), lost]))
        assert bench.carry_out(SUBMIT, RUN) == [Outcome.SUCCESS, Outcome.FAILURE]
        assert "sacct: too wide" in bench.failure("run").message
        assert [job.state for job in bench.jobs()] == [JobState.QUEUED]
        assert bench.queue is not None
        bench.queue.looks = [JobReport(JobState.COMPLETED)]
        assert bench.carry_out(RUN, attempt=2) == [Outcome.SUCCESS]
        assert bench.queue.asked == [f"submit {TOKEN}"]

    def test_the_message_names_all_the_output_and_shows_the_end_of_the_errors(self, tmp_path: Path) -> None:
        folder = tmp_path / "jobs" / TOKEN
        bench = Bench(tmp_path, Queue(looks=[JobReport(JobState.FAILED, exit_code=1)]))
        assert bench.carry_out(SUBMIT, RUN)[1] is Outcome.FAILURE
        assert bench.failure("run").message.endswith(f"all its output: /site/jobs/{TOKEN} at site bed")
        folder.mkdir(parents=True)
        (folder / "output.log").write_text("begun\n")
        (folder / "compss-7.err").write_text("".join(f"line {n}\n" for n in range(100)) + "no singularity\n")
        bench.queue.submissions = [Submitted("8", adopted=False)] if bench.queue else []
        (folder.with_name("e1-Job-2")).symlink_to(folder)
        assert bench.carry_out(RUN, attempt=2) == [Outcome.FAILURE]
        failure = bench.failure("run")
        other = folder.with_name("e1-Job-2")
        assert failure.message.endswith(f"all its output: {other / 'output.log'}, {other / 'compss-7.err'}")
        assert failure.output.endswith("no singularity")
        assert "line 0\n" not in failure.output
        bench.events.flush()
        assert any("line 0\n" in event.text for event in bench.store.events("e1"))


class TestCancel:
    @pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.TIMEOUT])
    def test_what_was_over_is_as_it_ended(self, tmp_path: Path, state: JobState) -> None:
        bench = Bench(tmp_path, Queue(cancelled=JobReport(state, "so it ended")))
        bench.carry_out(SUBMIT)
        assert bench.cancel() == []
        assert [(job.state, job.detail) for job in bench.jobs()] == [(state, "so it ended")]

    def test_a_completed_job_is_not_submitted_again(self, tmp_path: Path) -> None:
        """Not even when it was not written down that it was submitted: the queue has it under its token."""
        queue = Queue(
            submissions=[SiteError("gone"), Submitted("7", adopted=True)], cancelled=JobReport(JobState.COMPLETED)
        )
        bench = Bench(tmp_path, queue)
        bench.carry_out(SUBMIT)
        assert bench.cancel() == []
        assert bench.carry_out(SUBMIT, RUN, attempt=2) == [Outcome.SUCCESS] * 2
        assert queue.asked == [f"submit {TOKEN}", f"cancel {TOKEN}", f"submit {TOKEN}"]

    def test_what_cannot_be_told_is_left_and_named(self, tmp_path: Path) -> None:
        bench = Bench(tmp_path, Queue(cancelled=SiteError("sacct does not answer")))
        bench.carry_out(SUBMIT)
        assert bench.cancel() == ["Job: job 7 could not be cancelled: sacct does not answer"]
        assert [job.state for job in bench.jobs()] == [JobState.QUEUED]


def status(word: str, **outputs: str) -> dict[str, str]:
    return {JOB_STATUS: word, **outputs}


class TestPolled:
    def test_time_that_is_over_is_not_overshot(self, tmp_path: Path) -> None:
        """The interval is an hour: who waited for it would never come back."""
        says = {"submit": [{JOB_ID: "9"}], "run": [status("RUNNING")], "cancel": [{}]}
        playbooks = Playbooks(cast(Any, says), properties={"monitoring_time_interval": Literal("1h")})
        bench = Bench(tmp_path, None, playbooks)
        limited = PlanStep("run", StepKind.OPERATION, "Job", "Runnable", "run", policy=StepPolicy(timeout=0.3))
        assert bench.carry_out(SUBMIT, limited) == [Outcome.SUCCESS, Outcome.FAILURE]
        assert bench.failure("run").message == "Job: the job took longer than 0.3 s, it was cancelled"
        assert [job.state for job in bench.jobs()] == [JobState.TIMEOUT]

    def test_so_it_is_without_a_job_in_the_store(self, tmp_path: Path) -> None:
        playbooks = Playbooks({"run": [status("RUNNING")]}, properties={"monitoring_time_interval": Literal("1h")})
        bench = Bench(tmp_path, None, playbooks)
        limited = PlanStep("run", StepKind.OPERATION, "Job", "Runnable", "run", policy=StepPolicy(timeout=0.3))
        assert bench.carry_out(limited) == [Outcome.FAILURE]
        assert bench.failure("run").message == "Job: the job took longer than 0.3 s"

    @pytest.mark.parametrize(("word", "state"), [("COMPLETED", JobState.COMPLETED), ("FAILED", JobState.FAILED)])
    def test_one_that_is_over_is_not_cancelled(self, tmp_path: Path, word: str, state: JobState) -> None:
        playbooks = Playbooks({"submit": [{JOB_ID: "9"}], "run": [status(word)], "cancel": [Failure("no such job")]})
        bench = Bench(tmp_path, None, playbooks)
        bench.carry_out(SUBMIT)
        assert bench.cancel() == []
        assert [job.state for job in bench.jobs()] == [state]
        assert "cancel" not in playbooks.ran

    def test_one_that_ends_while_it_is_cancelled(self, tmp_path: Path) -> None:
        says = {"submit": [{JOB_ID: "9"}], "run": [status("RUNNING"), status("COMPLETED")]}
        playbooks = Playbooks({**cast(Any, says), "cancel": [Failure("no such job")]})
        bench = Bench(tmp_path, None, playbooks)
        bench.carry_out(SUBMIT)
        assert bench.cancel() == []
        assert [job.state for job in bench.jobs()] == [JobState.COMPLETED]

    @pytest.mark.parametrize("said", [status("RUNNING"), status(""), Failure("down")])
    def test_one_whose_cancel_fails_may_go_on(self, tmp_path: Path, said: Any) -> None:
        playbooks = Playbooks({"submit": [{JOB_ID: "9"}], "run": [said], "cancel": [Failure("no", output="a\nb\n")]})
        bench = Bench(tmp_path, None, playbooks)
        bench.carry_out(SUBMIT)
        assert bench.cancel() == ["Job: job 9 could not be cancelled: no: b"]
        assert [job.state for job in bench.jobs()] == [JobState.QUEUED]

    def test_a_failed_submission_leaves_no_living_job(self, tmp_path: Path) -> None:
        playbooks = Playbooks({"submit": [Failure("no"), {}, {JOB_ID: "9"}], "run": [status("COMPLETED")]})
        bench = Bench(tmp_path, None, playbooks)
        for attempt in (1, 2):
            assert bench.carry_out(SUBMIT, attempt=attempt) == [Outcome.FAILURE]
            assert [job.state for job in bench.jobs()] == [JobState.FAILED]
        assert bench.carry_out(SUBMIT, RUN, attempt=3) == [Outcome.SUCCESS] * 2
        assert [job.reference.token for job in bench.jobs()] == [TOKEN]

    def test_one_whose_submission_was_broken_off_is_asked_for_by_its_token(self, tmp_path: Path) -> None:
        playbooks = Playbooks({"submit": [{JOB_ID: TOKEN}], "run": [status("COMPLETED")], "cancel": [{}]})
        bench = Bench(tmp_path, None, playbooks)
        reference = JobReference("bed", "launcher", TOKEN, TOKEN)
        bench.store.put_job(JobRecord("e1", "Job", 1, "submit", reference, JobState.QUEUED, "", False, 1.0, None))
        assert bench.cancel() == []
        assert [job.state for job in bench.jobs()] == [JobState.COMPLETED]
        assert bench.carry_out(SUBMIT, RUN, attempt=2) == [Outcome.SUCCESS] * 2
        assert [job.reference.token for job in bench.jobs()] == [TOKEN]

    def test_it_is_done_only_with_all_wanted_outputs(self, tmp_path: Path) -> None:
        says = [status("RUNNING"), status("COMPLETED", size="3"), status("COMPLETED", size="3", sum="9")]
        playbooks = Playbooks({"submit": [{JOB_ID: "9"}], "run": cast(Any, says)}, wanted=(JOB_STATUS, "size", "sum"))
        bench = Bench(tmp_path, None, playbooks)
        assert bench.carry_out(SUBMIT, RUN) == [Outcome.SUCCESS, Outcome.FAILURE]
        assert "has left no sum, which is wanted" in bench.failure("run").message
        assert bench.carry_out(RUN, attempt=2) == [Outcome.SUCCESS]
        assert playbooks.ran.count("submit") == 1
        entry = bench.store.ledger_entry("e1", "run")
        assert entry is not None
        assert entry.status is StepStatus.DONE


def test_a_watched_job_is_done_only_with_all_wanted_outputs(tmp_path: Path) -> None:
    queue = Queue(looks=[JobReport(JobState.COMPLETED, results={"size": 3})])
    bench = Bench(tmp_path, queue, Playbooks(wanted=("size", "sum")))
    assert bench.carry_out(SUBMIT, RUN) == [Outcome.SUCCESS, Outcome.FAILURE]
    assert bench.failure("run").message.startswith("Job: the job has completed, but has left no sum")
    queue.looks = [JobReport(JobState.COMPLETED, results={"size": 3, "sum": 9})]
    assert bench.carry_out(RUN, attempt=2) == [Outcome.SUCCESS]
    assert queue.asked == [f"submit {TOKEN}"]
