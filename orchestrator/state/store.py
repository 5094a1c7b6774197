"""The store: every read and write of the orchestrator's own records."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from orchestrator.errors import StorageError, UserError
from orchestrator.model.decoding import from_json
from orchestrator.model.jobs import JobReference, JobState
from orchestrator.model.values import Secret, Value
from orchestrator.state import tables as t
from orchestrator.state.databases import insert_of, open_database, translated, unusable
from orchestrator.state.reading import is_of_another, may_only_read, open_for_reading
from orchestrator.state.records import (
    CancelRequest,
    Deployment,
    DeploymentStatus,
    Event,
    EventFilter,
    Execution,
    ExecutionStatus,
    Failure,
    JobRecord,
    LedgerEntry,
    Process,
    Rework,
    StepStatus,
    Unfinished,
    WantedPlace,
    WorkedOn,
)
from orchestrator.state.schema import Alive, bring_up_to_date, is_current

T = TypeVar("T")
ERROR = "error"
"""The state of an instance of which an operation failed."""

_AT_ONCE = 500
"""How many values a query names."""
_PLACES_LOCK = int.from_bytes(b"orchplac", signed=True)
"""The advisory lock under which places are counted on PostgreSQL."""


def _dump(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _load(text: str | None, kind: Any = Any) -> Any:
    return None if text is None else from_json(text, kind)


class Store:
    """All records of one home. Safe to be used from several threads and, on the same database, several processes.

    Raises StorageError when the database cannot be read or written.
    """

    def __init__(self, database: Path | Secret, *, alive: Alive = lambda owner: owner is not None) -> None:
        """``database``: a SQLite file, or the URL of a PostgreSQL database. ``alive`` tells whether an owner lives.

        Raises ConfigurationError when the URL is wrong.
        """
        self._database = database
        self._engine = self._reading = open_database(database)
        if isinstance(database, Path) and is_of_another(database):
            self._reading = open_for_reading(database)
        self._sqlite = self._engine.dialect.name == "sqlite"
        self._insert = insert_of(self._engine)
        self.host = socket.gethostname()
        with self._read() as connection:
            current = is_current(connection)
        if not current:
            with self._write() as connection:
                bring_up_to_date(connection, alive)

    # --- connections

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with translated(self._reading), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        if isinstance(self._database, Path) and may_only_read(self._database):
            raise unusable("the state database", self._database, "attempt to write a readonly database")
        with translated(self._engine), self._engine.begin() as connection:
            if self._sqlite:
                # pysqlite begins late and shared; take the write lock now, so that two writers wait instead of failing
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    def _upsert(self, connection: sa.Connection, table: sa.Table, key: dict[str, Any], values: dict[str, Any]) -> None:
        make = self._insert
        statement = make(table).values(**key, **values)
        columns = list(key)
        if values:
            connection.execute(statement.on_conflict_do_update(index_elements=columns, set_=values))
        else:
            connection.execute(statement.on_conflict_do_nothing(index_elements=columns))

    def _upsert_many(
        self, connection: sa.Connection, table: sa.Table, key: Sequence[str], rows: Sequence[dict[str, Any]]
    ) -> None:
        """Insert or change rows of the same columns with one statement: for thousands, that is several times faster."""
        statement = self._insert(table)
        changed = {column: statement.excluded[column] for column in rows[0] if column not in key}
        connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=changed), list(rows))

    # --- deployments

    def add_deployment(self, deployment: Deployment) -> None:
        """Store a new deployment. Raises UserError when a living one has its name."""
        try:
            with self._write() as connection:
                connection.execute(sa.insert(t.deployments).values(**_deployment_row(deployment)))
        except sa.exc.IntegrityError as error:
            raise UserError(f"a deployment named {deployment.name!r} exists already") from error

    def replace_deployment(self, deployment: Deployment) -> None:
        """Store a deployment over the one with its id."""
        row = _deployment_row(deployment)
        with self._write() as connection:
            connection.execute(sa.update(t.deployments).where(t.deployments.c.id == deployment.id).values(**row))

    def set_deployment_status(self, deployment_id: str, status: DeploymentStatus) -> None:
        """Record where a deployment is in its life."""
        with self._write() as connection:
            connection.execute(
                sa.update(t.deployments)
                .where(t.deployments.c.id == deployment_id)
                .values(status=status.value, updated=time.time())
            )

    def deployments(self, *, all_: bool = False) -> list[Deployment]:
        """The living deployments, oldest first; with ``all_`` the undeployed ones too."""
        query = sa.select(t.deployments).order_by(t.deployments.c.created)
        if not all_:
            query = query.where(t.deployments.c.status != DeploymentStatus.UNDEPLOYED.value)
        with self._read() as connection:
            return [_deployment(row) for row in connection.execute(query)]

    def deployment(self, deployment_id: str) -> Deployment:
        """A deployment by its id. Raises UserError when there is none."""
        with self._read() as connection:
            row = connection.execute(sa.select(t.deployments).where(t.deployments.c.id == deployment_id)).first()
        if row is None:
            raise UserError(f"there is no deployment with the id {deployment_id!r}")
        return _deployment(row)

    # --- instances

    def node_states(self, deployment_id: str) -> dict[str, dict[str, str]]:
        """The states of a deployment's instances, by node and instance."""
        query = sa.select(t.instances).where(t.instances.c.deployment_id == deployment_id)
        states: dict[str, dict[str, str]] = {}
        with self._read() as connection:
            for row in connection.execute(query):
                states.setdefault(row.node, {})[row.instance] = row.state
        return states

    def instances_of(self, deployment_id: str, node: str | None = None) -> dict[str, tuple[str, ...]]:
        """The ids of the instances that are not deleted, by node, in their order; of one node only when it is given."""
        was = t.instances.c
        query = sa.select(was.node, was.instance).where(was.deployment_id == deployment_id, was.state != "deleted")
        if node is not None:
            query = query.where(was.node == node)
        found: dict[str, list[str]] = {}
        with self._read() as connection:
            for row in connection.execute(query):
                found.setdefault(row.node, []).append(row.instance)
        return {name: tuple(sorted(ids, key=lambda i: (len(i), i))) for name, ids in found.items()}

    def forget_instances(self, deployment_id: str, gone: Iterable[tuple[str, str]]) -> None:
        """Remove instances, given as (node, instance), with their states, attributes and outputs."""
        with self._write() as connection:
            for node, instance in gone:
                for table in (t.instances, t.attributes, t.outputs):
                    was = table.c
                    its = (was.deployment_id == deployment_id, was.node == node, was.instance == instance)
                    connection.execute(sa.delete(table).where(*its))

    def put_attributes(self, deployment_id: str, node: str, instance: str, values: Mapping[str, Value]) -> None:
        """Store attributes of an instance; one of a capability has the name ``capability.attribute``."""
        now = time.time()
        with self._write() as connection:
            for name, value in values.items():
                key = {"deployment_id": deployment_id, "node": node, "instance": instance, "name": name}
                self._upsert(connection, t.attributes, key, {"value": _dump(value), "updated": now})

    def attributes(self, deployment_id: str) -> dict[tuple[str, str], dict[str, Value]]:
        """The attributes that were stored for a deployment's instances, by node and instance."""
        query = sa.select(t.attributes).where(t.attributes.c.deployment_id == deployment_id)
        found: dict[tuple[str, str], dict[str, Value]] = {}
        with self._read() as connection:
            for row in connection.execute(query):
                found.setdefault((row.node, row.instance), {})[row.name] = _load(row.value)
        return found

    def attribute(self, deployment_id: str, node: str, instance: str, name: str) -> Value:
        """An attribute that was stored for an instance; None when there is none."""
        was = t.attributes.c
        query = sa.select(was.value).where(
            was.deployment_id == deployment_id, was.node == node, was.instance == instance, was.name == name
        )
        with self._read() as connection:
            return _load(connection.execute(query).scalar_one_or_none())

    # --- executions

    def add_execution(self, execution: Execution) -> None:
        """Store a new execution."""
        with self._write() as connection:
            connection.execute(
                sa.insert(t.executions).values(
                    id=execution.id,
                    deployment_id=execution.deployment_id,
                    workflow=execution.workflow,
                    status=execution.status.value,
                    attempt=execution.attempt,
                    inputs=_dump(execution.inputs),
                    plan=execution.plan,
                    owner=execution.owner,
                    cancel_requested=execution.cancel_requested,
                    created=execution.created,
                    started=execution.started,
                    ended=execution.ended,
                    failure=None,
                )
            )

    def execution(self, execution_id: str) -> Execution:
        """An execution by its id or an unambiguous beginning of it. Raises UserError."""
        begins = t.executions.c.id.startswith(execution_id, autoescape=True)
        # the one of this very id comes first
        query = sa.select(t.executions).where(begins).order_by(sa.func.length(t.executions.c.id)).limit(2)
        with self._read() as connection:
            rows = connection.execute(query).all()
        if len(rows) == 1 or (rows and rows[0].id == execution_id):
            return _execution(rows[0])
        if rows:
            raise UserError(f"{execution_id!r} is the beginning of several executions", hint="give more of the id")
        raise UserError(f"there is no execution {execution_id!r}", hint="see `orch executions list`")

    def executions(self, deployment_id: str | None = None, *, limit: int | None = None) -> list[Execution]:
        """The executions, newest first."""
        query = sa.select(t.executions).order_by(t.executions.c.created.desc())
        if deployment_id is not None:
            query = query.where(t.executions.c.deployment_id == deployment_id)
        if limit is not None:
            query = query.limit(limit)
        with self._read() as connection:
            return [_execution(row) for row in connection.execute(query)]

    def claim(
        self,
        execution: Execution,
        owner: str,
        attempt: int,
        exclusive: Collection[str] = (),
        rework: Rework | None = None,
    ) -> bool:
        """Record that a process carries an execution out from now on; a new attempt may begin with some ``rework``.

        False when it is no longer as it was read, because another process was faster; or when it has to wait:
        executions of the workflows ``exclusive`` and others of the same deployment exclude each other, and what is
        queued is taken in the order in which it was made. What is taken over goes on whatever others do.
        """
        was = t.executions.c
        conditions = [
            was.id == execution.id,
            was.status == execution.status.value,
            was.attempt == execution.attempt,
            was.owner.is_(None) if execution.owner is None else was.owner == execution.owner,
        ]
        if execution.status is not ExecutionStatus.RUNNING:
            conditions.append(~_hindrances(exclusive).exists())
        with self._write() as connection:
            # two claims for one deployment must not pass each other by: PostgreSQL would let both see nothing
            deployment = sa.select(t.deployments.c.id).where(t.deployments.c.id == execution.deployment_id)
            connection.execute(deployment.with_for_update())
            result = connection.execute(
                sa.update(t.executions)
                .where(*conditions)
                .values(
                    status=ExecutionStatus.RUNNING.value,
                    owner=owner,
                    attempt=attempt,
                    started=sa.func.coalesce(was.started, time.time()),
                    ended=None,
                    failure=None,
                )
            )
            if result.rowcount == 1 and attempt != execution.attempt:
                self._rework(connection, execution.id, attempt, rework or Rework())
        return result.rowcount == 1

    def _rework(self, connection: sa.Connection, execution_id: str, attempt: int, rework: Rework) -> None:
        """What a new attempt changes in the ledger: the cancels of single steps belong to the attempt before it."""
        was = t.ledger.c
        of_execution = sa.update(t.ledger).where(was.execution_id == execution_id)
        connection.execute(of_execution.where(was.cancel_requested.is_not(None)).values(cancel_requested=None))
        done, skipped = StepStatus.DONE.value, StepStatus.SKIPPED.value
        # what was under way when its process was left may have submitted a job
        redone = [done, skipped, StepStatus.STALE.value, StepStatus.RUNNING.value]
        for step in rework.again:
            named = of_execution.where(was.step == step, was.status.in_(redone))
            connection.execute(named.values(status=StepStatus.STALE.value, fingerprint=None))
        for step in rework.below:
            behind = of_execution.where(was.step == step, was.status == done)
            connection.execute(behind.values(status=StepStatus.STALE.value))
        now = time.time()
        told = {"status": skipped, "attempt": attempt, "started": now, "ended": now}
        for step in rework.skipped:
            key = {"execution_id": execution_id, "step": step}
            self._upsert(connection, t.ledger, key, {**told, "failure": None, "fingerprint": None})
        for job in rework.jobs:
            self._put_job(connection, job)

    def hindrance(self, execution: Execution, exclusive: Collection[str]) -> Execution | None:
        """An execution for which another one has to wait before it may be claimed, if there is one."""
        with self._read() as connection:
            found = connection.execute(
                sa.select(_hindrances(exclusive).limit(1).scalar_subquery()).where(t.executions.c.id == execution.id)
            ).scalar_one_or_none()
        return self.execution(found) if found is not None else None

    def claimable(self, exclusive: Collection[str], limit: int) -> list[Execution]:
        """The executions that are queued for whoever comes, and need not wait; oldest first."""
        query = (
            sa.select(t.executions)
            .where(
                t.executions.c.status == ExecutionStatus.QUEUED.value,
                t.executions.c.owner.is_(None),
                ~_hindrances(exclusive).exists(),
            )
            .order_by(t.executions.c.created)
            .limit(limit)
        )
        with self._read() as connection:
            return [_execution(row) for row in connection.execute(query)]

    def queued(self) -> int:
        """How many executions are queued for whoever comes."""
        query = sa.select(sa.func.count()).where(
            t.executions.c.status == ExecutionStatus.QUEUED.value, t.executions.c.owner.is_(None)
        )
        with self._read() as connection:
            return int(connection.execute(query).scalar_one())

    def unfinished(self) -> list[Unfinished]:
        """The executions that have an owner and have not ended, oldest first."""
        was = t.executions.c
        query = (
            sa.select(was.id, was.owner)
            .where(
                was.status.in_([ExecutionStatus.QUEUED.value, ExecutionStatus.RUNNING.value]), was.owner.is_not(None)
            )
            .order_by(was.created)
        )
        with self._read() as connection:
            return [Unfinished(row.id, row.owner) for row in connection.execute(query)]

    def withdraw(self, execution: Execution) -> bool:
        """Forget an execution that was never begun; False when it is not as it was read any more."""
        was = t.executions.c
        with self._write() as connection:
            result = connection.execute(
                sa.delete(t.executions).where(
                    was.id == execution.id,
                    was.status == ExecutionStatus.QUEUED.value,
                    was.owner.is_(None) if execution.owner is None else was.owner == execution.owner,
                )
            )
        return result.rowcount == 1

    def end_queued(self, execution: Execution, status: ExecutionStatus, deployment: DeploymentStatus | None) -> bool:
        """End an execution that is queued for whoever comes, before anybody takes it; False when somebody has."""
        was = t.executions.c
        now = time.time()
        with self._write() as connection:
            result = connection.execute(
                sa.update(t.executions)
                .where(was.id == execution.id, was.status == ExecutionStatus.QUEUED.value, was.owner.is_(None))
                .values(status=status.value, ended=now, cancel_requested=None)
            )
            if result.rowcount == 1 and deployment is not None:
                connection.execute(
                    sa.update(t.deployments)
                    .where(t.deployments.c.id == execution.deployment_id)
                    .values(status=deployment.value, updated=now)
                )
        return result.rowcount == 1

    def end_execution(
        self,
        execution: Execution,
        status: ExecutionStatus,
        failure: Failure | None,
        deployment_status: DeploymentStatus | None,
        outputs: Mapping[str, Value] | None = None,
    ) -> None:
        """Record how an execution ended, what became of its deployment by it, and the outputs of its workflow."""
        now = time.time()
        ended = {
            "status": status.value,
            "ended": now,
            "failure": _dump(failure) if failure else None,
            "cancel_requested": None,
            "outputs": _dump(outputs) if outputs is not None else None,
        }
        with self._write() as connection:
            connection.execute(sa.update(t.executions).where(t.executions.c.id == execution.id).values(**ended))
            connection.execute(sa.delete(t.places).where(t.places.c.execution_id == execution.id))
            if deployment_status is not None:
                connection.execute(
                    sa.update(t.deployments)
                    .where(t.deployments.c.id == execution.deployment_id)
                    .values(status=deployment_status.value, updated=now)
                )

    def request_cancel(self, execution_id: str) -> None:
        """Ask whoever owns an execution to cancel it."""
        with self._write() as connection:
            connection.execute(
                sa.update(t.executions)
                .where(t.executions.c.id == execution_id, t.executions.c.ended.is_(None))
                .values(cancel_requested=time.time())
            )

    def cancel_requested(self, execution_id: str) -> bool:
        """Whether somebody asked to cancel an execution."""
        query = sa.select(t.executions.c.cancel_requested).where(t.executions.c.id == execution_id)
        with self._read() as connection:
            return connection.execute(query).scalar_one_or_none() is not None

    def request_step_cancel(self, execution: Execution, step: str) -> bool:
        """Ask whoever owns an execution to cancel one step; False when that has ended already in this attempt.

        A step that has not begun is cancelled by that.
        """
        now = time.time()
        was = t.ledger.c
        with self._write() as connection:
            row = connection.execute(
                sa.select(t.ledger).where(was.execution_id == execution.id, was.step == step).with_for_update()
            ).first()
            entry = _ledger_entry(row) if row else None
            begun = entry is not None and entry.attempt == execution.attempt
            if entry and (entry.status.settled or (begun and entry.status is not StepStatus.RUNNING)):
                return False
            make = self._insert
            key = {"execution_id": execution.id, "step": step}
            cancelled = {"status": StepStatus.CANCELLED.value, "attempt": execution.attempt}
            asked = {"cancel_requested": now}
            statement = make(t.ledger).values(**key, **cancelled, started=now, ended=now, **asked)
            connection.execute(statement.on_conflict_do_update(index_elements=list(key), set_=asked))
        return True

    def cancel_requests(self, executions: Sequence[str]) -> list[CancelRequest]:
        """What somebody asked to cancel of some executions: as a whole, or single steps."""
        found: list[CancelRequest] = []
        with self._read() as connection:
            for start in range(0, len(executions), _AT_ONCE):
                some = executions[start : start + _AT_ONCE]
                whole = sa.select(t.executions.c.id).where(
                    t.executions.c.id.in_(some), t.executions.c.cancel_requested.is_not(None)
                )
                found += [CancelRequest(row.id, None) for row in connection.execute(whole)]
                single = sa.select(t.ledger.c.execution_id, t.ledger.c.step).where(
                    t.ledger.c.execution_id.in_(some), t.ledger.c.cancel_requested.is_not(None)
                )
                found += [CancelRequest(row.execution_id, row.step) for row in connection.execute(single)]
        return found

    # --- ledger

    def begin_step(self, execution_id: str, step: str, attempt: int) -> None:
        """Record that a step has started."""
        with self._write() as connection:
            self._upsert(
                connection,
                t.ledger,
                {"execution_id": execution_id, "step": step},
                {
                    "status": StepStatus.RUNNING.value,
                    "attempt": attempt,
                    "started": time.time(),
                    "ended": None,
                    "failure": None,
                    "fingerprint": None,
                },
            )

    def end_step(
        self,
        execution_id: str,
        step: str,
        status: StepStatus,
        failure: Failure | None = None,
        fingerprint: str | None = None,
        *,
        worked_on: WorkedOn | None = None,
    ) -> None:
        """Record how a step ended, and the fingerprint of what it was done with.

        The instances that it worked on are in the state ``error`` after a failure, and have left that after a success.
        """
        ended = {"status": status.value, "ended": time.time(), "fingerprint": fingerprint}
        with self._write() as connection:
            connection.execute(
                sa.update(t.ledger)
                .where(t.ledger.c.execution_id == execution_id, t.ledger.c.step == step)
                .values(failure=_dump(failure) if failure else None, **ended)
            )
            if worked_on is not None and status is StepStatus.FAILED:
                self._put_in_error(connection, worked_on)
            if worked_on is not None and status is StepStatus.DONE:
                self._bring_back(connection, worked_on)

    def _put_in_error(self, connection: sa.Connection, worked_on: WorkedOn) -> None:
        was = t.instances.c
        now = time.time()
        for instance in worked_on.instances:
            key = {"deployment_id": worked_on.deployment_id, "node": worked_on.node, "instance": instance}
            fresh = self._insert(t.instances).values(**key, state=ERROR, updated=now, before=None)
            before = sa.case((was.state == ERROR, was.before), else_=was.state)
            changed = {"state": ERROR, "updated": now, "before": before}
            connection.execute(fresh.on_conflict_do_update(index_elements=list(key), set_=changed))

    def _bring_back(self, connection: sa.Connection, worked_on: WorkedOn) -> None:
        was = t.instances.c
        failed = (
            was.deployment_id == worked_on.deployment_id,
            was.node == worked_on.node,
            was.instance.in_(worked_on.instances),
            was.state == ERROR,
        )
        # what had no state before has none again
        connection.execute(sa.delete(t.instances).where(*failed, was.before.is_(None)))
        back = {"state": was.before, "before": None, "updated": time.time()}
        connection.execute(sa.update(t.instances).where(*failed).values(**back))

    def keep_step(self, execution_id: str, step: str, attempt: int) -> None:
        """Record that a step which might have been done again stays as it was done."""
        was = t.ledger.c
        with self._write() as connection:
            connection.execute(
                sa.update(t.ledger)
                .where(was.execution_id == execution_id, was.step == step, was.status == StepStatus.STALE.value)
                .values(status=StepStatus.DONE.value, attempt=attempt)
            )

    def record_states(self, execution: Execution, steps: Sequence[tuple[str, str, Sequence[str], str]]) -> None:
        """Record steps that set states, and the states: (step, node, instances, state), in one transaction."""
        if not steps:
            return
        now = time.time()
        done = {"status": StepStatus.DONE.value, "attempt": execution.attempt, "started": now, "ended": now}
        with self._write() as connection:
            states = {(node, instance): state for _, node, instances, state in steps for instance in instances}
            key = {"deployment_id": execution.deployment_id, "updated": now}
            rows = [{**key, "node": n, "instance": i, "state": s, "before": None} for (n, i), s in states.items()]
            if rows:
                self._upsert_many(connection, t.instances, ("deployment_id", "node", "instance"), rows)
            entries = [{"execution_id": execution.id, "step": step, **done} for step, *_ in steps]
            self._upsert_many(connection, t.ledger, ("execution_id", "step"), entries)

    def ledger(self, execution_id: str) -> dict[str, LedgerEntry]:
        """What is known of an execution's steps, by step."""
        query = sa.select(t.ledger).where(t.ledger.c.execution_id == execution_id)
        with self._read() as connection:
            return {row.step: _ledger_entry(row) for row in connection.execute(query)}

    def ledger_entry(self, execution_id: str, step: str) -> LedgerEntry | None:
        """What is known of one step."""
        query = sa.select(t.ledger).where(t.ledger.c.execution_id == execution_id, t.ledger.c.step == step)
        with self._read() as connection:
            row = connection.execute(query).first()
        return _ledger_entry(row) if row else None

    # --- jobs

    def put_job(self, job: JobRecord) -> None:
        """Store a job, or what is newly known of it."""
        with self._write() as connection:
            self._put_job(connection, job)

    def _put_job(self, connection: sa.Connection, job: JobRecord) -> None:
        key = {"execution_id": job.execution_id, "node": job.node, "generation": job.generation}
        values = {
            "step": job.step,
            "reference": _dump(job.reference),
            "state": job.state.value,
            "detail": job.detail,
            "seen": job.seen,
            "created": job.created,
            "ended": job.ended,
        }
        self._upsert(connection, t.jobs, key, values)

    def jobs(self, execution_id: str) -> list[JobRecord]:
        """The jobs of an execution, oldest first."""
        query = sa.select(t.jobs).where(t.jobs.c.execution_id == execution_id).order_by(t.jobs.c.created)
        with self._read() as connection:
            return [_job(row) for row in connection.execute(query)]

    # --- places for jobs

    def take_places(self, wanted: Sequence[WantedPlace]) -> list[WantedPlace]:
        """Take those of the wanted places that are free, first come first served; what is held already is had again.

        A place counts as long as its execution has not ended, whether its process lives or not.
        """
        with self._read() as connection:
            if not _to_give(wanted, self._occupied(connection, wanted)):
                return []
        now = time.time()
        with self._write() as connection:
            if not self._sqlite:
                # two that count at the same time would pass each other by
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PLACES_LOCK)))
            connection.execute(sa.delete(t.places).where(~_under_way(t.places.c.execution_id)))
            given = _to_give(wanted, self._occupied(connection, wanted))
            for place in given:
                self._hold_place(connection, place, now)
        return given

    def occupy_place(self, place: WantedPlace) -> None:
        """Take a place whatever the limit is."""
        with self._write() as connection:
            self._hold_place(connection, place, time.time())

    def give_back_place(self, site: str, token: str) -> None:
        """Give a place back, if it is held."""
        with self._write() as connection:
            connection.execute(sa.delete(t.places).where(t.places.c.site == site, t.places.c.token == token))

    def places(self) -> list[tuple[str, str, str]]:
        """The places that are held: (site, token, execution), the oldest first."""
        was = t.places.c
        query = sa.select(was.site, was.token, was.execution_id).order_by(was.taken)
        with self._read() as connection:
            return [(row.site, row.token, row.execution_id) for row in connection.execute(query)]

    def _occupied(self, connection: sa.Connection, wanted: Sequence[WantedPlace]) -> dict[str, set[str]]:
        """The tokens that hold places at the sites of the wanted ones."""
        was = t.places.c
        sites = sorted({place.site for place in wanted})
        query = sa.select(was.site, was.token).where(was.site.in_(sites), _under_way(was.execution_id))
        held: dict[str, set[str]] = {site: set() for site in sites}
        for row in connection.execute(query):
            held[row.site].add(row.token)
        return held

    def _hold_place(self, connection: sa.Connection, place: WantedPlace, now: float) -> None:
        key = {"site": place.site, "token": place.token}
        self._upsert(connection, t.places, key, {"execution_id": place.execution_id, "taken": now})

    # --- outputs of operations

    def put_outputs(
        self,
        deployment_id: str,
        execution_id: str,
        node: str,
        instance: str,
        operation: tuple[str, str],
        values: Mapping[str, Value],
    ) -> None:
        """Store what an operation (interface, name) left."""
        now = time.time()
        with self._write() as connection:
            for name, value in values.items():
                key = {
                    "deployment_id": deployment_id,
                    "execution_id": execution_id,
                    "node": node,
                    "instance": instance,
                    "interface": operation[0].lower(),
                    "operation": operation[1].lower(),
                    "name": name,
                }
                self._upsert(connection, t.outputs, key, {"value": _dump(value), "updated": now})

    def output(
        self, deployment_id: str, execution_id: str | None, node: str, instance: str, key: tuple[str, str, str]
    ) -> Value:
        """An output (interface, operation, name): the one of this execution if there is, else the newest; else None."""
        interface, operation, name = key
        query = (
            sa.select(t.outputs.c.value)
            .where(
                t.outputs.c.deployment_id == deployment_id,
                t.outputs.c.node == node,
                t.outputs.c.instance == instance,
                t.outputs.c.interface == interface.lower(),
                t.outputs.c.operation == operation.lower(),
                t.outputs.c.name == name,
            )
            .order_by(sa.case((t.outputs.c.execution_id == (execution_id or ""), 0), else_=1))
            .order_by(t.outputs.c.updated.desc())
            .limit(1)
        )
        with self._read() as connection:
            return _load(connection.execute(query).scalar_one_or_none())

    # --- events

    def add_events(self, events: Sequence[Event]) -> None:
        """Append events (their ids are given by the store)."""
        if not events:
            return
        rows = [
            {
                "execution_id": e.execution_id,
                "time": e.time,
                "kind": e.kind,
                "level": e.level,
                "step": e.step,
                "node": e.node,
                "instance": e.instance,
                "text": _storable(e.text),
                "data": _dump(e.data) if e.data is not None else None,
            }
            for e in events
        ]
        try:
            with self._write() as connection:
                connection.execute(sa.insert(t.events), rows)
        except sa.exc.IntegrityError as error:  # nothing of an event can clash, so the database itself refuses it
            raise StorageError(f"the state database cannot be used: {error.orig}") from error

    def events(
        self,
        execution_id: str,
        after: int = 0,
        limit: int | None = None,
        *,
        wanted: EventFilter | None = None,
        newest: int | None = None,
    ) -> list[Event]:
        """The events of an execution with an id above ``after``, in order: those wanted, at most the ``newest`` N."""
        was = t.events.c
        query = sa.select(t.events).where(was.execution_id == execution_id, was.id > after, *_conditions(wanted))
        query = query.order_by(was.id if newest is None else was.id.desc())
        if newest is not None or limit is not None:
            query = query.limit(newest if newest is not None else limit)
        with self._read() as connection:
            found = [_event(row) for row in connection.execute(query)]
        return found if newest is None else found[::-1]

    def last_event(self, execution_id: str) -> int:
        """The id of the newest event of an execution; 0 when there is none."""
        query = sa.select(sa.func.max(t.events.c.id)).where(t.events.c.execution_id == execution_id)
        with self._read() as connection:
            return int(connection.execute(query).scalar() or 0)

    # --- processes

    def add_process(self, execution_id: str, pid: int, start_time: float) -> None:
        """Record a process of this machine that works for an execution and may outlive the orchestrator."""
        key = {"host": self.host, "pid": pid, "start_time": start_time}
        with self._write() as connection:
            self._upsert(connection, t.processes, key, {"execution_id": execution_id})

    def remove_process(self, pid: int, start_time: float, host: str | None = None) -> None:
        """Forget a process that has ended; of this machine, when no ``host`` is given."""
        was = t.processes.c
        with self._write() as connection:
            connection.execute(
                sa.delete(t.processes).where(
                    was.host == (host or self.host), was.pid == pid, was.start_time == start_time
                )
            )

    def processes(self, execution_id: str) -> list[Process]:
        """The processes recorded for an execution, on all machines."""
        query = sa.select(t.processes).where(t.processes.c.execution_id == execution_id)
        with self._read() as connection:
            return [Process(row.host, row.pid, row.start_time) for row in connection.execute(query)]


def _hindrances(exclusive: Collection[str]) -> sa.Select[tuple[str]]:
    """The ids of the executions for which an execution of the enclosing query has to wait."""
    mine, other = t.executions.c, t.executions.alias("other")
    its = other.c
    earlier = sa.and_(its.status == ExecutionStatus.QUEUED.value, its.created < mine.created)
    return (
        sa.select(its.id)
        .where(
            its.deployment_id == mine.deployment_id,
            its.id != mine.id,
            sa.or_(its.status == ExecutionStatus.RUNNING.value, earlier),
            sa.or_(mine.workflow.in_(exclusive), its.workflow.in_(exclusive)),
        )
        .correlate(t.executions)
    )


def _conditions(wanted: EventFilter | None) -> list[sa.ColumnElement[bool]]:
    """What makes an event one of those wanted."""
    if wanted is None:
        return []
    was = t.events.c
    sets = ((was.step, wanted.steps), (was.node, wanted.nodes), (was.level, wanted.levels), (was.kind, wanted.kinds))
    found: list[sa.ColumnElement[bool]] = [column.in_(values) for column, values in sets if values]
    return found + ([was.time >= wanted.since] if wanted.since is not None else [])


def _under_way(execution_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an execution is known and has not ended."""
    final = [status.value for status in ExecutionStatus if status.final]
    return sa.exists().where(t.executions.c.id == execution_id, t.executions.c.status.not_in(final))


def _to_give(wanted: Sequence[WantedPlace], held: Mapping[str, set[str]]) -> list[WantedPlace]:
    """The wanted places that can be had besides those that are held."""
    tokens = {site: set(of_site) for site, of_site in held.items()}
    given = []
    for place in wanted:
        of_site = tokens[place.site]
        if place.token in of_site or len(of_site) < place.limit:
            of_site.add(place.token)
            given.append(place)
    return given


def _storable(text: str) -> str:
    """What both databases take as text: no NUL, no half characters."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _deployment_row(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "name": deployment.name,
        "status": deployment.status.value,
        "source": deployment.source,
        "topology": deployment.topology,
        "inputs": _dump(deployment.inputs),
        "matches": _dump(deployment.matches),
        "site_files": _dump(deployment.site_files),
        "created": deployment.created,
        "updated": deployment.updated,
    }


def _deployment(row: Any) -> Deployment:
    return Deployment(
        id=row.id,
        name=row.name,
        status=DeploymentStatus(row.status),
        source=row.source,
        topology=row.topology,
        inputs=_load(row.inputs),
        matches=_load(row.matches),
        site_files=tuple(_load(row.site_files)),
        created=row.created,
        updated=row.updated,
    )


def _execution(row: Any) -> Execution:
    return Execution(
        id=row.id,
        deployment_id=row.deployment_id,
        workflow=row.workflow,
        status=ExecutionStatus(row.status),
        attempt=row.attempt,
        inputs=_load(row.inputs),
        plan=row.plan,
        owner=row.owner,
        cancel_requested=row.cancel_requested,
        created=row.created,
        started=row.started,
        ended=row.ended,
        failure=_load(row.failure, Failure),
        outputs=_load(row.outputs),
    )


def _ledger_entry(row: Any) -> LedgerEntry:
    return LedgerEntry(
        execution_id=row.execution_id,
        step=row.step,
        status=StepStatus(row.status),
        attempt=row.attempt,
        started=row.started,
        ended=row.ended,
        failure=_load(row.failure, Failure),
        fingerprint=row.fingerprint,
        cancel_requested=row.cancel_requested,
    )


def _job(row: Any) -> JobRecord:
    return JobRecord(
        execution_id=row.execution_id,
        node=row.node,
        generation=row.generation,
        step=row.step,
        reference=_load(row.reference, JobReference),
        state=JobState(row.state),
        detail=row.detail,
        seen=row.seen,
        created=row.created,
        ended=row.ended,
    )


def _event(row: Any) -> Event:
    return Event(
        id=row.id,
        execution_id=row.execution_id,
        time=row.time,
        kind=row.kind,
        level=row.level,
        text=row.text,
        step=row.step,
        node=row.node,
        data=_load(row.data),
        instance=row.instance,
    )
