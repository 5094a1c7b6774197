"""Watching: one query per interval answers for all jobs of a backend, however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.model.jobs import JobReference, JobReport


class JobBackend(Protocol):
    """A job system of one site."""

    name: str

    def reports(self, tokens: Sequence[str]) -> dict[str, JobReport]:
        """What is known of some jobs, asked for at once."""

    def output(self, token: str, offset: int, *, ended: bool) -> tuple[str, int]:
        """New output of a job since an offset, in whole lines unless it ``ended``, and the next offset."""


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
    """Watches jobs of all sites. ``backend_of`` gives the job system of a site; ``interval`` is in seconds.

    To be used from one event loop.
    """

    def __init__(self, backend_of: Callable[[str], JobBackend], interval: float) -> None:
        self._backend_of = backend_of
        self._groups: dict[str, _Group] = {}
        self._interval = interval

    async def wait(
        self,
        reference: JobReference,
        on_output: Callable[[str], None],
        on_report: Callable[[JobReport], None],
    ) -> JobReport:
        """Wait for a job's final state; output and changes of state are handed over as they come. Can be cancelled."""
        group = self._groups.get(reference.site)
        if group is None:
            group = self._groups[reference.site] = _Group(self._backend_of(reference.site))
        loop = asyncio.get_running_loop()
        watched = _Watched(loop.create_future(), on_output, on_report)
        group.jobs[reference.token] = watched
        if group.task is None or group.task.done():
            group.task = loop.create_task(self._poll(group))
        try:
            return await watched.done
        finally:
            group.jobs.pop(reference.token, None)

    async def _poll(self, group: _Group) -> None:
        try:
            while group.jobs:
                jobs = dict(group.jobs)
                reports = await asyncio.to_thread(group.backend.reports, list(jobs))
                for token, watched in jobs.items():
                    await self._handle(group.backend, token, watched, reports[token])
                if group.jobs:
                    await asyncio.sleep(self._interval)
        except Exception as error:
            for watched in group.jobs.values():
                if not watched.done.done():
                    watched.done.set_exception(error)

    async def _handle(self, backend: JobBackend, token: str, watched: _Watched, report: JobReport) -> None:
        while True:
            text, offset = await asyncio.to_thread(backend.output, token, watched.offset, ended=report.state.final)
            if offset == watched.offset:
                break
            watched.offset = offset
            watched.on_output(text)
        if report != watched.last:
            watched.last = report
            watched.on_report(report)
        if report.state.final and not watched.done.done():
            watched.done.set_result(report)
