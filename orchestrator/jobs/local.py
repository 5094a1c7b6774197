"""Jobs of our own launcher on this machine: their states are read from their folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.jobs.output_files import OUTPUT
from orchestrator.model.jobs import JobReport, JobState
from orchestrator.model.numbers import carried_whole
from orchestrator.services import launcher

_STATES: Mapping[str, JobState] = {
    "QUEUED": JobState.QUEUED,
    "RUNNING": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "VANISHED": JobState.VANISHED,
    "UNKNOWN_TOKEN": JobState.VANISHED,
}
_OUTPUT_CHUNK = 256 * 1024


class LocalJobs:
    """The launcher's folders under one root."""

    name = "launcher"
    interval = 0.2

    def __init__(self, root: Path) -> None:
        self._root = root

    def reports(self, tokens: Sequence[str]) -> dict[str, JobReport]:
        """What is known of some jobs."""
        return {token: self._report(token) for token in tokens}

    def _report(self, token: str) -> JobReport:
        status = launcher.status(self._root / token)
        state = _STATES[status.state]
        result = carried_whole(status.result) if isinstance(status.result, dict) else {}
        return JobReport(state, status.detail, status.exit_code, result if state is JobState.COMPLETED else {})

    def output(self, token: str, offset: int, *, ended: bool) -> tuple[str, int]:
        """What a job has written since ``offset`` (bytes), in whole lines unless it ``ended``; and the next offset."""
        try:
            with (self._root / token / OUTPUT).open("rb") as file:
                file.seek(offset)
                chunk = file.read(_OUTPUT_CHUNK)
        except OSError:
            return "", offset
        partial = not ended and len(chunk) < _OUTPUT_CHUNK
        whole = chunk.rfind(b"\n") + 1 if partial else len(chunk)
        return chunk[:whole].decode(errors="replace"), offset + whole
