"""Watching many jobs at once, on the real launcher."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from orchestrator.jobs import LocalJobs, Watcher
from orchestrator.model.jobs import JobReference, JobReport, JobState
from orchestrator.services import launcher

LINES = 40_000  # more than is read at once
PROGRAM = f"import sys\nfor n in range({LINES}): print(sys.argv[1], n)"


def test_all_output_of_all_jobs_is_handed_over_before_their_ends(tmp_path: Path) -> None:
    tokens = ["a", "b", "c"]
    for token in tokens:
        job = {"token": token, "argv": [sys.executable, "-c", PROGRAM, token], "env": {}, "files": {}}
        launcher.submit(tmp_path, job)
    output: dict[str, str] = dict.fromkeys(tokens, "")
    states: dict[str, list[JobState]] = {token: [] for token in tokens}
    read_at_end: dict[str, int] = {}

    async def watch(watcher: Watcher, token: str) -> JobReport:
        def on_output(text: str) -> None:
            output[token] += text

        def on_report(report: JobReport) -> None:
            states[token].append(report.state)
            read_at_end[token] = len(output[token])

        return await watcher.wait(
            JobReference(site="local", backend="launcher", token=token, id=token), on_output, on_report
        )

    async def all_() -> list[JobReport]:
        watcher = Watcher(lambda _: LocalJobs(tmp_path))
        return await asyncio.wait_for(asyncio.gather(*(watch(watcher, token) for token in tokens)), 120)

    reports = asyncio.run(all_())
    assert [report.state for report in reports] == [JobState.COMPLETED] * len(tokens)
    for token in tokens:
        assert output[token] == "".join(f"{token} {n}\n" for n in range(LINES))
        assert states[token][-1] is JobState.COMPLETED
        assert len(set(states[token])) == len(states[token])
        assert read_at_end[token] == len(output[token])
