"""The states of Slurm's jobs, and what its commands say of them (manual pages of squeue, sacct, scontrol, sbatch)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import UserError
from orchestrator.jobs.batch import array_indices
from orchestrator.model.jobs import JobReport, JobState

STATES: Mapping[str, JobState] = {
    "PENDING": JobState.QUEUED,
    "CONFIGURING": JobState.QUEUED,
    "EXPEDITING": JobState.QUEUED,
    "POWER_UP_NODE": JobState.QUEUED,
    "REQUEUED": JobState.QUEUED,
    "REQUEUE_FED": JobState.QUEUED,
    "REQUEUE_HOLD": JobState.QUEUED,
    "RESV_DEL_HOLD": JobState.QUEUED,
    "SPECIAL_EXIT": JobState.QUEUED,  # requeued and held: somebody may release it
    "RUNNING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "UPDATE_DB": JobState.RUNNING,
    "COMPLETED": JobState.COMPLETED,
    "BOOT_FAIL": JobState.FAILED,
    "DEADLINE": JobState.TIMEOUT,
    "FAILED": JobState.FAILED,
    "NODE_FAIL": JobState.FAILED,
    "OUT_OF_MEMORY": JobState.FAILED,
    "PREEMPTED": JobState.FAILED,
    "REVOKED": JobState.FAILED,
    "LAUNCH_FAILED": JobState.FAILED,
    "RECONFIG_FAIL": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMEOUT,
}
"""Every state by the name that squeue and sacct write (JOB STATE CODES)."""

_OTHER_WORDS: Mapping[str, JobState] = {"QUEUED": JobState.QUEUED, "CANCELED": JobState.CANCELLED}
"""What Yorc's playbooks say of jobs besides."""

NEVER = frozenset({"DependencyNeverSatisfied"})
"""Reasons for which a job waits that will not go away: it is cancelled."""

WORST = (JobState.FAILED, JobState.TIMEOUT, JobState.CANCELLED, JobState.COMPLETED)


@dataclass(frozen=True)
class Row:
    """One line of squeue or sacct: a job, or some tasks of an array. ``exit_code`` as ``CODE:SIGNAL``."""

    id: str
    name: str
    state: str
    reason: str = ""
    start: str = ""
    exit_code: str = ""

    @property
    def known(self) -> JobState | None:
        """The state in our words; None for one that is in no table."""
        return state_of(self.state)

    @property
    def tasks(self) -> int:
        """How many tasks of an array it stands for: ``7_[0-9,12%4]`` is eleven."""
        match = re.search(r"_\[(.*?)\]?$", self.id)
        if match is None:
            return 1
        try:
            return len(array_indices(match[1].rstrip("]")))
        except UserError:  # Slurm abbreviates long lists with "..."
            return 1


def state_of(said: str) -> JobState | None:
    """The state that a command or a playbook tells; ``CANCELLED by 1000`` and ``CANCELLED+`` are understood."""
    word = next(iter(said.upper().split()), "").rstrip("+")
    return STATES.get(word) or _OTHER_WORDS.get(word)


def job_number(identifier: str) -> str:
    """The id of the whole job: of ``7_3`` and ``7_[0-9]`` it is ``7``."""
    return re.split(r"[_.+]", identifier, maxsplit=1)[0]


def read_rows(text: str) -> list[Row]:
    """Rows ``id|name|state|reason|start|exit code``, the last three may be missing; other lines are passed over."""
    rows = []
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) >= 3 and fields[0]:
            state, *why = fields[2].split(" ", 1)  # sacct: "CANCELLED by 1000"
            reason = fields[3] if len(fields) > 3 else ""
            more = {"reason": reason or (why[0] if why else "")}
            start, code = [*fields[4:], "", ""][:2]
            rows.append(Row(fields[0], fields[1], state.rstrip("+"), start=start, exit_code=code, **more))
    return rows


def merged(queue: Sequence[Row], history: Sequence[Row]) -> list[Row]:
    """The rows of squeue and sacct together: what is under way is as squeue says, what has ended as sacct says."""
    found = {row.id: row for row in queue}
    for row in history:
        known = found.get(row.id)
        if known is None or (known.known and known.known.final and row.known and row.known.final):
            found[row.id] = row
    if any("_" not in row.id for row in queue):
        # squeue writes 7 for what was left of 7_[1-9] when that was cancelled by name; sacct may still have the list
        return [row for row in found.values() if "_[" not in row.id]
    return list(found.values())


def seen_tasks(rows: Sequence[Row], tasks: int) -> list[tuple[Row, int]]:
    """How many tasks each row stands for; one with the id of the whole array, for those that no other row names."""
    named = sum(row.tasks for row in rows if "_" in row.id)
    left = max(tasks - named, 0) if named else tasks
    return [(row, row.tasks if "_" in row.id else left) for row in rows]


def report(rows: Sequence[Row], position: str = "", tasks: int = 1) -> JobReport:
    """What the rows of one job say together; an array of ``tasks`` has ended when all of them have."""
    if len(rows) == 1 and rows[0].tasks == 1 and tasks == 1:
        return _single(rows[0], position)
    counts: dict[str, int] = {}
    for row, number in seen_tasks(rows, tasks):
        counts[row.state] = counts.get(row.state, 0) + number
    told = ", ".join(f"{count} {state.lower()}" for state, count in sorted(counts.items()) if count)
    states = [row.known for row in rows]
    if any(row.reason in NEVER for row in rows):
        return JobReport(JobState.FAILED, "DependencyNeverSatisfied")
    if JobState.RUNNING in states:
        return JobReport(JobState.RUNNING, told)
    if any(state is None or not state.final for state in states) or sum(counts.values()) < tasks:
        begun = any(state is not None and state.final for state in states)
        return JobReport(JobState.RUNNING if begun else JobState.QUEUED, _joined(told, position))
    worst = next(state for state in WORST if state in states)
    return JobReport(worst, told)


def _single(row: Row, position: str) -> JobReport:
    state = row.known
    if state is None:
        return JobReport(JobState.QUEUED, f"Slurm says {row.state}, which is no state that orch knows")
    if state is JobState.QUEUED:
        if row.reason in NEVER:
            return JobReport(JobState.FAILED, row.reason)
        start = f"expected to start {row.start}" if row.start not in ("", "N/A", "Unknown") else ""
        return JobReport(state, _joined(row.reason if row.reason != "None" else "", position, start))
    if state is JobState.RUNNING:
        return JobReport(state, "" if row.state == "RUNNING" else row.state)
    code, _, signal = row.exit_code.partition(":")
    number = int(code) if code.isdigit() and signal in ("", "0") else None
    if state is JobState.COMPLETED:
        return JobReport(state, "", number or 0)
    by = row.reason if row.reason.startswith("by ") else ""
    details = {"FAILED": _how(number, signal), "TIMEOUT": "its time limit was reached", "CANCELLED": by}
    return JobReport(state, details.get(row.state, row.state), number)


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def _how(code: int | None, signal: str) -> str:
    if signal not in ("", "0"):
        return f"ended by signal {signal}"
    return f"exit code {code}" if code is not None else ""
