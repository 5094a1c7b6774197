"""Twelve hundred jobs at once: however many they are, Slurm is asked with one command per interval."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.cluster import Cluster
from support.orch import wait_for

from orchestrator.jobs import BatchOptions, SlurmJobs, Submission, Watcher
from orchestrator.model.jobs import JobReference, JobReport, JobState
from orchestrator.model.values import Secret
from orchestrator.sites import Slurm, SshSettings
from orchestrator.sites.ssh import SshConnection

SINGLE, TASKS = 200, 1000
INTERVAL = 2.0


@pytest.fixture
def jobs(cluster: Cluster) -> Iterator[SlurmJobs]:
    settings = SshSettings(cluster.host, cluster.user, cluster.port, known_hosts=(cluster.known_hosts,), site="bed")
    connection = SshConnection(settings, Secret(cluster.key))
    yield SlurmJobs(connection, "bed", f"{connection.home()}/.orch", Slurm(interval=INTERVAL, patience=300))
    cluster.slurm("scancel", "--user", cluster.user)
    connection.close()


def test_one_command_per_interval(jobs: SlurmJobs, cluster: Cluster) -> None:
    run = uuid.uuid4().hex[:8]
    singles = [f"m{run}-{number}" for number in range(SINGLE)]
    held = BatchOptions(memory="50M", extra=("hold",))

    def submit(token: str, options: BatchOptions = held) -> str:
        return jobs.submit(token, Submission(argv=("true",), files={}, options=options)).id

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(submit, singles))
    assert len(set(numbers)) == SINGLE
    array = f"m{run}-array"
    submit(array, BatchOptions(memory="50M", array=f"0-{TASKS - 1}", extra=("hold",)))
    tokens = [*singles, array]

    async def watch() -> tuple[list[JobReport], int, float]:
        seen: dict[str, JobState] = {}
        watcher = Watcher(lambda _: jobs)
        waiting = []
        for token in tokens:
            reference = JobReference(site="bed", backend="slurm", token=token, id="")

            def said(report: JobReport, token: str = token) -> None:
                seen[token] = report.state

            waiting.append(asyncio.ensure_future(watcher.wait(reference, lambda _: None, said)))
        while len(seen) < len(tokens):
            await asyncio.sleep(0.05)
        before, began = cluster.sessions(), time.monotonic()
        await asyncio.sleep(4 * INTERVAL)
        asked, took = cluster.sessions() - before, time.monotonic() - began
        assert set(seen.values()) == {JobState.QUEUED}
        # one of them ends well, the others are taken away
        await asyncio.to_thread(cluster.slurm, "scontrol", "release", numbers[0])
        await asyncio.wait_for(waiting[0], 60)
        await asyncio.to_thread(cluster.slurm, "scancel", "--user", cluster.user)
        return await asyncio.wait_for(asyncio.gather(*waiting), 90), asked, took

    reports, asked, took = asyncio.run(watch())
    assert 1 <= asked <= took / INTERVAL + 1, f"{asked} commands in {took:.1f} s"
    assert reports[0].state is JobState.COMPLETED
    assert {report.state for report in reports[1:]} == {JobState.CANCELLED}
    assert f"{TASKS} cancelled" in reports[-1].detail
    wait_for(lambda: not cluster.slurm("squeue", "-h", "-u", cluster.user), "the empty queue")
