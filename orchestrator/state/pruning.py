"""Removing what is over from the store."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from orchestrator.state import tables as t
from orchestrator.state.records import Deployment, DeploymentStatus, Execution, ExecutionStatus
from orchestrator.state.store import Store

_FINAL = [status.value for status in ExecutionStatus if status.final]
_OF_EXECUTION = (t.events, t.ledger, t.jobs, t.processes, t.places)
_OF_DEPLOYMENT = (t.instances, t.attributes, t.outputs)


class Pruning:
    """Removes ended executions and deployments that are gone. Raises StorageError as the store does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ended_before(self, moment: float) -> list[Execution]:
        """The executions that had ended by then (seconds since the epoch), newest first."""
        was = t.executions.c
        query = sa.select(was.id).where(was.status.in_(_FINAL), was.ended < moment).order_by(was.created.desc())
        with self._store._read() as connection:
            found = [row.id for row in connection.execute(query)]
        return [self._store.execution(execution_id) for execution_id in found]

    def in_use(self, execution: Execution) -> bool:
        """Whether outputs that a living deployment still reads name something of an execution, as files of its jobs."""
        was = t.outputs.c
        query = sa.select(t.outputs).where(
            was.deployment_id == execution.deployment_id,
            was.value.contains(execution.id, autoescape=True),
            ~_newer(),
        )
        with self._store._read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def remove_execution(self, execution: Execution) -> bool:
        """Remove an ended execution and all that belongs to it but the outputs that are the newest of their kind.

        False when it is not as it was read any more: somebody goes on with it.
        """
        was = t.executions.c
        with self._store._write() as connection:
            result = connection.execute(
                sa.delete(t.executions).where(
                    was.id == execution.id, was.status.in_(_FINAL), was.attempt == execution.attempt
                )
            )
            if result.rowcount != 1:
                return False
            for table in _OF_EXECUTION:
                connection.execute(sa.delete(table).where(table.c.execution_id == execution.id))
            connection.execute(sa.delete(t.outputs).where(t.outputs.c.execution_id == execution.id, _newer()))
        return True

    def remove_deployment(self, deployment: Deployment) -> bool:
        """Remove an undeployed deployment of which no execution is left, and all that belongs to it."""
        was = t.deployments.c
        executions = sa.select(t.executions.c.id).where(t.executions.c.deployment_id == deployment.id)
        with self._store._write() as connection:
            result = connection.execute(
                sa.delete(t.deployments).where(
                    was.id == deployment.id, was.status == DeploymentStatus.UNDEPLOYED.value, ~executions.exists()
                )
            )
            if result.rowcount != 1:
                return False
            for table in _OF_DEPLOYMENT:
                connection.execute(sa.delete(table).where(table.c.deployment_id == deployment.id))
        return True


def _newer() -> sa.ColumnElement[bool]:
    """Whether another execution has left a newer output of the same kind than that of the enclosing query."""
    other = t.outputs.alias("newer")
    names: Collection[str] = ("deployment_id", "node", "instance", "interface", "operation", "name")
    same: list[Any] = [other.c[name] == t.outputs.c[name] for name in names]
    later = sa.or_(
        other.c.updated > t.outputs.c.updated,
        sa.and_(other.c.updated == t.outputs.c.updated, other.c.execution_id > t.outputs.c.execution_id),
    )
    return sa.select(other.c.name).where(*same, later).correlate(t.outputs).exists()
