"""Which steps a resumed execution does again, and which it takes as done. Pure rules over a plan."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import msgspec

from orchestrator.errors import UserError
from orchestrator.model.jobs import JobState
from orchestrator.model.plan import Plan, PlanStep, StepKind
from orchestrator.model.topology import RUNNABLE, interface_name
from orchestrator.state import JobRecord, Rework


def downstream(plan: Plan, steps: Iterable[str]) -> frozenset[str]:
    """The steps that come after some steps, by whichever edges, without these."""
    after: dict[str, list[str]] = defaultdict(list)
    for edge in plan.edges:
        after[edge.source].append(edge.target)
    begun = set(steps)
    found: set[str] = set()
    waiting = list(begun)
    while waiting:
        for target in after[waiting.pop()]:
            if target not in found:
                found.add(target)
                waiting.append(target)
    return frozenset(found - begun)


def rework_of(plan: Plan, again: Sequence[str], skipped: Collection[str], jobs: Sequence[JobRecord]) -> Rework:
    """What is to be done again and what is to be taken as done, given the ids of steps and the jobs so far."""
    both = set(again) & set(skipped)
    if both:
        raise UserError(
            f"{', '.join(sorted(both))} cannot both be done again and be skipped", hint="name it once: --from or --skip"
        )
    order = [step.id for step in plan.steps]
    below = downstream(plan, again) - set(skipped)
    return Rework(
        again=tuple(again),
        below=tuple(step for step in order if step in below),
        skipped=tuple(step for step in order if step in skipped),
        jobs=tuple(_jobs_anew(plan, set(again), jobs)),
    )


def _jobs_anew(plan: Plan, again: Collection[str], jobs: Sequence[JobRecord]) -> Iterable[JobRecord]:
    """The next submissions of ended jobs that are to be watched again, but are not to be submitted again by a step."""
    submitted = {step.node for step in plan.steps if step.id in again and _is(step, "submit")}
    watched = [step for step in plan.steps if step.id in again and _is(step, "run") and step.node not in submitted]
    for step in watched:
        last = max((job for job in jobs if job.node == step.node), key=lambda job: job.generation, default=None)
        if last is not None and last.state.final:
            yield _next(last)


def _next(job: JobRecord) -> JobRecord:
    generation = job.generation + 1
    token = f"{job.reference.token.rpartition('-')[0]}-{generation}"
    reference = msgspec.structs.replace(job.reference, token=token, id=token)
    return msgspec.structs.replace(
        job,
        generation=generation,
        reference=reference,
        state=JobState.QUEUED,
        detail="",
        seen=False,
        created=time.time(),
        ended=None,
    )


def _is(step: PlanStep, operation: str) -> bool:
    return (
        step.kind is StepKind.OPERATION
        and interface_name(step.interface or "") == RUNNABLE
        and step.operation == operation
        and step.requirement is None
    )
