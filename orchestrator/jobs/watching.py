"""Watching: one query per interval answers for all jobs of a backend, however many there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orchestrator.errors import SiteError
from orchestrator.jobs.submission import Submission, Submitted
from orchestrator.model.jobs import JobReference, JobReport


class JobBackend(Protocol):
    """A job system of one site."""

    name: str
    interval: float
    """Seconds between two looks at its jobs."""

    def reports(self, tokens: Sequence[str]) -> dict[str, JobReport]:
        """What is known of some jobs, asked for at once; a job of which nothing can be known any more is ``lost``."""

    def output(self, token: str, offset: int, *, ended: bool) -> tuple[str, int]:
        """New output of a job since an offset, in whole lines unless it ``ended``, and the next offset."""


class Scheduler(JobBackend, Protocol):
    """The queue of a site, asked directly. Raises SiteError when it is out of reach.

    What fits PBS or LSF as well as Slurm: jobs have a token of ours as their name, by which they are found again.
    """

    patience: float
    """Seconds for which a site may be out of reach, or an outcome unknown, before that is a failure."""

    def submit(self, token: str, submission: Submission) -> Submitted:
        """Have a job run; one that bears the token already is taken for it.

        Raises WorkError only for what the queue refused for certain; Unsettled when that is not known: then the next
        call looks for the job before it submits anything.
        """

    def cancel(self, token: str) -> JobReport:
        """End a job and tell how it ended; one that was over already is as it ended then."""

    def where(self, token: str) -> str:
        """The folder of a job at the site."""

    def collect(self, token: str, folder: Path) -> None:
        """Bring what a job has written to its standard output and error into a folder of this machine."""


_SHARE = 9
"""A turn of looking at jobs is followed by a pause of at least this many times its length, up to a limit."""

_LONGEST_PAUSE = 10.0
"""Seconds: a turn that an outage made long is not followed by an even longer time of knowing nothing."""

News = dict[str, tuple[str, int]]
"""By token: new output of a job, and the offset at its end."""


@dataclass
class _Watched:
    done: asyncio.Future[JobReport]
    on_output: Callable[[str], None]
    on_report: Callable[[JobReport], None]
    offset: int = 0
    last: JobReport | None = None


@dataclass
class _Group:
    backend: JobBackend
    jobs: dict[str, _Watched] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Watcher:
    """Watches jobs of all sites. ``backend_of`` gives the job system that has a job: one for each site and user.

    To be used from one event loop.
    """

    def __init__(self, backend_of: Callable[[JobReference], JobBackend]) -> None:
        self._backend_of = backend_of
        self._groups: dict[tuple[str, ...], _Group] = {}

    async def wait(
        self,
        reference: JobReference,
        on_output: Callable[[str], None],
        on_report: Callable[[JobReport], None],
    ) -> JobReport:
        """Wait for a job's final state; output and changes of state are handed over as they come. Can be cancelled.

        Raises SiteError when it cannot be known any more how the job is.
        """
        owner = (reference.site, reference.backend, reference.user, reference.key)
        group = self._groups.get(owner)
        if group is None:
            # meanwhile another one may have been quicker
            group = self._groups.setdefault(owner, _Group(await asyncio.to_thread(self._backend_of, reference)))
        loop = asyncio.get_running_loop()
        watched = _Watched(loop.create_future(), on_output, on_report)
        group.jobs[reference.token] = watched
        if group.task is None or group.task.done():
            group.task = loop.create_task(self._poll(group))
        try:
            return await watched.done
        finally:
            group.jobs.pop(reference.token, None)

    async def look(self, reference: JobReference) -> JobReport:
        """What is known of a job now."""

        def look() -> JobReport:
            return self._backend_of(reference).reports([reference.token])[reference.token]

        return await asyncio.to_thread(look)

    async def _poll(self, group: _Group) -> None:
        try:
            while group.jobs:
                jobs = dict(group.jobs)
                began = time.monotonic()
                reports = await asyncio.to_thread(group.backend.reports, list(jobs))
                await self._hand_over_output(group.backend, jobs, reports)
                for token, watched in jobs.items():
                    try:
                        _tell(watched, reports[token])
                    except Exception as error:  # of whoever listens: no affair of the other jobs
                        if not watched.done.done():
                            watched.done.set_exception(error)
                if group.jobs:
                    # thousands of jobs must not keep the process busy with looking at them
                    pause = min(_SHARE * (time.monotonic() - began), _LONGEST_PAUSE)
                    await asyncio.sleep(max(group.backend.interval, pause))
        except Exception as error:
            for watched in group.jobs.values():
                if not watched.done.done():
                    watched.done.set_exception(error)

    async def _hand_over_output(
        self, backend: JobBackend, jobs: Mapping[str, _Watched], reports: Mapping[str, JobReport]
    ) -> None:
        """Hand over all that the jobs have written by now."""
        left = dict(jobs)
        while left:
            asked = {token: (watched.offset, reports[token].state.final) for token, watched in left.items()}
            news = await asyncio.to_thread(_news, backend, asked)
            for token, (text, offset) in news.items():
                left[token].offset = offset
                left[token].on_output(text)
            left = {token: left[token] for token in news}


def _news(backend: JobBackend, asked: Mapping[str, tuple[int, bool]]) -> News:
    """The output of jobs that have written since the offset to which they were read."""
    found = {token: backend.output(token, offset, ended=ended) for token, (offset, ended) in asked.items()}
    return {token: (text, offset) for token, (text, offset) in found.items() if offset != asked[token][0]}


def _tell(watched: _Watched, report: JobReport) -> None:
    if report != watched.last:
        watched.last = report
        watched.on_report(report)
    if watched.done.done():
        return
    if report.lost:
        watched.done.set_exception(
            SiteError(
                f"it is not known how the job is: {report.lost}",
                hint="it is not submitted again; when the site can tell: `orch executions resume`, or cancel it",
            )
        )
    elif report.state.final:
        watched.done.set_result(report)
