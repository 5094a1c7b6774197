"""Jobs on a real Slurm, reached by SSH: their ends, what is refused, outages, and how often Slurm is asked."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

import pytest
from support.cluster import Cluster
from support.orch import wait_for

from orchestrator.errors import SiteError, WorkError
from orchestrator.jobs import BatchOptions, SlurmJobs, Submission
from orchestrator.model.jobs import JobReport, JobState
from orchestrator.model.values import Secret
from orchestrator.sites import Slurm, SshSettings
from orchestrator.sites.ssh import SshConnection

ONE = BatchOptions(memory="50M", tasks=1)


def connect(cluster: Cluster) -> SshConnection:
    settings = SshSettings(
        cluster.host, cluster.user, cluster.port, known_hosts=(cluster.known_hosts,), ride_out=60, site="bed"
    )
    return SshConnection(settings, Secret(cluster.key))


@pytest.fixture(scope="session")
def connection(cluster: Cluster) -> Iterator[SshConnection]:
    opened = connect(cluster)
    yield opened
    opened.close()


@pytest.fixture
def jobs(connection: SshConnection) -> SlurmJobs:
    return scheduler(connection)


def scheduler(connection: SshConnection, patience: float = 300.0) -> SlurmJobs:
    return SlurmJobs(connection, "bed", f"{connection.home()}/.orch", Slurm(interval=1.0, patience=patience))


def token() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


def submit(jobs: SlurmJobs, *words: str, options: BatchOptions = ONE) -> tuple[str, str]:
    name = token()
    submitted = jobs.submit(name, Submission(argv=words, files={}, options=options))
    assert not submitted.adopted
    return name, submitted.id


def reach(jobs: SlurmJobs, name: str, *states: JobState, limit: float = 60.0) -> JobReport:
    """The first report of one of the states; any other end of the job is a failure."""
    report = jobs.reports([name])[name]
    deadline = time.monotonic() + limit
    while report.state not in states:
        assert not report.state.final, report
        assert time.monotonic() < deadline, f"waited {limit} s in vain: {report}"
        time.sleep(0.3)
        report = jobs.reports([name])[name]
    return report


class TestEnds:
    def test_completed_with_its_output(self, jobs: SlurmJobs) -> None:
        name, _ = submit(jobs, "echo", "it's $(touch x); done")
        assert reach(jobs, name, JobState.COMPLETED).exit_code == 0
        assert jobs.output(name, 0, ended=True)[0] == "it's $(touch x); done\n"

    def test_failed_with_its_exit_code(self, jobs: SlurmJobs) -> None:
        name, _ = submit(jobs, "/bin/sh", "-c", "echo oops >&2; exit 3")
        assert reach(jobs, name, JobState.FAILED).exit_code == 3
        assert jobs.output(name, 0, ended=True)[0] == "oops\n"

    def test_cancelled(self, jobs: SlurmJobs) -> None:
        name, _ = submit(jobs, "sleep", "300")
        reach(jobs, name, JobState.RUNNING)
        assert jobs.cancel(name).state is JobState.CANCELLED
        reach(jobs, name, JobState.CANCELLED)
        assert jobs.cancel(name).state is JobState.CANCELLED

    @pytest.mark.parametrize(("code", "state"), [(0, JobState.COMPLETED), (3, JobState.FAILED)])
    def test_one_that_is_cancelled_when_it_is_over(self, connection: SshConnection, code: int, state: JobState) -> None:
        name, _ = submit(scheduler(connection), "/bin/sh", "-c", f"exit {code}")
        reach(scheduler(connection), name, state)
        assert scheduler(connection).cancel(name).state is state

    def test_an_array_that_is_cancelled_when_it_is_over(self, jobs: SlurmJobs) -> None:
        name, _ = submit(jobs, "true", options=BatchOptions(memory="50M", array="0-2"))
        reach(jobs, name, JobState.COMPLETED)
        assert jobs.cancel(name).state is JobState.COMPLETED

    def test_one_that_was_never_submitted(self, jobs: SlurmJobs) -> None:
        assert jobs.cancel(token()).state is JobState.CANCELLED

    def test_a_dependency_that_never_comes(self, jobs: SlurmJobs, cluster: Cluster) -> None:
        first, number = submit(jobs, "false")
        reach(jobs, first, JobState.FAILED)
        options = BatchOptions(memory="50M", dependency=f"afterok:{number}")
        name, _ = submit(jobs, "true", options=options)
        assert reach(jobs, name, JobState.FAILED, limit=90).detail == "DependencyNeverSatisfied"
        assert not cluster.slurm("squeue", "-h", "-n", name)

    def test_an_array_has_ended_when_all_of_it_has(self, jobs: SlurmJobs) -> None:
        script = 'test "$SLURM_ARRAY_TASK_ID" != 2'
        name, _ = submit(jobs, "/bin/sh", "-c", script, options=BatchOptions(memory="50M", array="0-4"))
        assert reach(jobs, name, JobState.FAILED).detail == "4 completed, 1 failed"

    def test_an_array_is_cancelled_when_a_part_of_it_runs(self, jobs: SlurmJobs) -> None:
        name, _ = submit(jobs, "sleep", "300", options=BatchOptions(memory="50M", array="0-4%1"))
        reach(jobs, name, JobState.RUNNING)
        jobs.cancel(name)
        assert reach(jobs, name, JobState.CANCELLED).detail == "5 cancelled"

    def test_a_lost_node(self, jobs: SlurmJobs, cluster: Cluster) -> None:
        options = BatchOptions(memory="50M", extra=("no-requeue", "nodelist=hpcnode3"))
        name, _ = submit(jobs, "sleep", "300", options=options)
        reach(jobs, name, JobState.RUNNING)
        cluster.stop("slurmd-hpcnode3")
        try:
            cluster.slurm("scontrol", "update", "NodeName=hpcnode3", "State=DOWN", "Reason=test")
            assert reach(jobs, name, JobState.FAILED).detail == "NODE_FAIL"
        finally:
            cluster.up()


class TestSubmission:
    def test_a_job_with_the_token_is_taken_for_it(self, jobs: SlurmJobs, connection: SshConnection) -> None:
        name, number = submit(jobs, "sleep", "300")
        again = scheduler(connection)
        told = again.submit(name, Submission(argv=("sleep", "300"), files={}, options=ONE))
        assert (told.id, told.adopted) == (number, True)
        # as if the process had died between sbatch and the note of its answer
        connection.run(["rm", f"{connection.home()}/.orch/jobs/{name}/id"])
        told = again.submit(name, Submission(argv=("sleep", "300"), files={}, options=ONE))
        assert (told.id, told.adopted) == (number, True)
        jobs.cancel(name)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (BatchOptions(qos="nope"), "qos"),
            (BatchOptions(partition="nope"), "partition"),
            (BatchOptions(account="nope"), "account"),
            (BatchOptions(nodes=99), "More processors requested"),
        ],
        ids=["qos", "partition", "account", "nodes"],
    )
    def test_what_sbatch_refuses_is_shown(self, jobs: SlurmJobs, options: BatchOptions, said: str) -> None:
        with pytest.raises(WorkError, match=f"refused the job: .*{said}"):
            jobs.submit(token(), Submission(argv=("true",), files={}, options=options))

    def test_why_a_job_waits(self, jobs: SlurmJobs) -> None:
        name, _ = submit(jobs, "true", options=BatchOptions(memory="50M", extra=("begin=now+1hour",)))
        wait_for(lambda: "BeginTime" in jobs.reports([name])[name].detail, "the reason")
        assert jobs.reports([name])[name].state is JobState.QUEUED
        jobs.cancel(name)


class TestOutages:
    def test_slurm_is_down_for_a_while(self, jobs: SlurmJobs, connection: SshConnection, cluster: Cluster) -> None:
        name, _ = submit(jobs, "sleep", "5")
        reach(jobs, name, JobState.RUNNING)
        cluster.stop("slurmctld")
        try:
            report = jobs.reports([name])[name]
            assert report.state is JobState.RUNNING
            assert "does not answer" in report.detail
            impatient = scheduler(connection, patience=0.1)
            impatient.reports([name])
            with pytest.raises(SiteError, match="has not answered"):
                impatient.reports([name])
        finally:
            cluster.up()
        assert reach(jobs, name, JobState.COMPLETED).exit_code == 0

    def test_the_login_node_is_away_for_a_while(self, cluster: Cluster) -> None:
        opened = connect(cluster)
        jobs = scheduler(opened)
        name, _ = submit(jobs, "sleep", "2")
        cluster.stop("sshd")
        opened.close()
        cluster.up()
        assert reach(jobs, name, JobState.COMPLETED).exit_code == 0
        opened.close()

    def test_a_job_that_nobody_knows_has_vanished(self, connection: SshConnection) -> None:
        jobs, name = scheduler(connection, patience=0.1), token()
        assert jobs.reports([name])[name].state is JobState.QUEUED
        wait_for(lambda: jobs.reports([name])[name].state is JobState.VANISHED, "the verdict")


def test_one_command_answers_for_all_jobs(jobs: SlurmJobs, cluster: Cluster) -> None:
    names = [submit(jobs, "sleep", "30")[0] for _ in range(5)]
    before = cluster.sessions()
    assert set(jobs.reports(names)) == set(names)
    wait_for(lambda: cluster.sessions() > before, "sshd's log")
    assert cluster.sessions() == before + 1
    for name in names:
        jobs.cancel(name)
