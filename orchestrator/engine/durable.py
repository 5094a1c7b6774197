"""The one place that talks to dbos: its launch, and the one durable function."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from dbos import DBOS, DBOSClient, DBOSConfig, SetWorkflowID

from orchestrator.engine.attempt import Durable
from orchestrator.errors import StorageError
from orchestrator.model.values import Secret
from orchestrator.state import DURABLE, open_durable_database, unusable

# Set by hand: the default is a hash of the code, and any edit would strand every waiting execution.
APPLICATION_VERSION = "1"

_CONNECTIONS = 10
"""Of one process: a PostgreSQL server admits about a hundred from all processes together."""

_THREADS = 32
"""For all that blocks: playbooks, the databases. Without a limit, a thousand executions make hundreds of threads."""

_AT_ONCE = 500
"""How many workflows are deleted at once."""

CarryOut = Callable[[str, int, "DbosJournal"], Awaitable[str]]
_carry_out: CarryOut | None = None
_launched: Path | Secret | None = None
_first = True


class _Database(TypedDict):
    system_database_url: str
    system_database_engine: NotRequired[Any]


class DbosJournal:
    """The steps of the dbos workflow that is running."""

    async def first(self, function: Callable[[], Awaitable[object]]) -> object:
        """Run the workflow's first step."""
        return await self.reserve("begin")(function)

    def reserve(self, name: str) -> Durable:
        """Reserve the next step of the workflow."""
        reservation = DBOS.reserve_step()

        async def run(function: Callable[[], Awaitable[object]]) -> object:
            failed: asyncio.Future[object] = asyncio.get_running_loop().create_future()

            async def step() -> Any:
                try:
                    return await function()
                except Exception as error:
                    # nothing is known of the step then; what dbos recorded of it, every later process would be given
                    failed.set_exception(error)
                    return await forever()

            task = asyncio.ensure_future(reservation.run_async({"name": name}, step))
            await asyncio.wait({task, failed}, return_when=asyncio.FIRST_COMPLETED)
            return failed.result() if failed.done() else task.result()

        return run


@DBOS.workflow(name="orch.attempt")
async def _attempt(execution_id: str, attempt: int) -> str:
    assert _carry_out is not None
    return await _carry_out(execution_id, attempt, DbosJournal())


def launch(database: Path | Secret, executor_id: str, carry_out: CarryOut, dequeue_interval: float) -> None:
    """Start dbos in this process, listening to a queue of its own only.

    ``database``: a SQLite file, or the URL of a PostgreSQL database. Raises StorageError when it cannot be used,
    ConfigurationError when the SQLite that is there is too old.
    """
    global _carry_out, _launched
    _carry_out, _launched = carry_out, database
    for name in ("dbos", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config: DBOSConfig = {
        "name": "orch",
        "application_version": APPLICATION_VERSION,
        "executor_id": executor_id,
        "sys_db_pool_size": _CONNECTIONS,
        "max_executor_threads": _THREADS,
        "log_level": "CRITICAL",
        "console_log_level": "CRITICAL",
    }
    chosen = _database(database)
    config["system_database_url"] = chosen["system_database_url"]
    config["system_database_engine"] = chosen.get("system_database_engine")
    with _translated(database):
        DBOS(config=config)
        DBOS.listen_queues([_queue(executor_id)])
        DBOS.launch()
        DBOS.register_queue(_queue(executor_id), polling_interval_sec=dequeue_interval)


def _database(database: Path | Secret) -> _Database:
    """How dbos and its client are told which database to use."""
    if isinstance(database, Secret):
        return {"system_database_url": database.reveal()}
    engine = open_durable_database(database, _CONNECTIONS)
    return {"system_database_url": f"sqlite:///{database}", "system_database_engine": engine}


def begin(executor_id: str, execution_id: str, attempt: int) -> None:
    """Have this process carry an attempt out, or go on with it when a dead process began it.

    Raises StorageError when that cannot be written down.
    """
    with _translated(_launched):
        if is_begun(execution_id, attempt) is None:
            with SetWorkflowID(workflow_id(execution_id, attempt)):
                if _is_first():
                    DBOS.start_workflow(_attempt, execution_id, attempt)
                else:
                    DBOS.enqueue_workflow(_queue(executor_id), _attempt, execution_id, attempt)
        else:
            DBOS.resume_workflow(workflow_id(execution_id, attempt), queue_name=_queue(executor_id))


def _is_first() -> bool:
    """Whether this is asked for the first time.

    dbos looks at a new queue a second after its launch, too long for a command that carries out one execution; what is
    started without the queue keeps a thread of dbos waiting, too much for a worker that carries out a thousand.
    """
    global _first
    was, _first = _first, False
    return was


def is_begun(execution_id: str, attempt: int) -> bool | None:
    """Whether an attempt was begun and has not ended; None when dbos has never heard of it."""
    with _translated(_launched):
        status = DBOS.get_workflow_status(workflow_id(execution_id, attempt))
    return None if status is None else status.status in ("PENDING", "ENQUEUED")


def delete(database: Path | Secret, attempts: Mapping[str, int]) -> None:
    """Remove what the database keeps of executions, given how many attempts each had. Raises StorageError."""
    ids = [workflow_id(execution, n + 1) for execution, count in attempts.items() for n in range(count)]
    with _translated(database):
        client = DBOSClient(**_database(database), retry_connection_errors=False)
        try:
            for start in range(0, len(ids), _AT_ONCE):
                client.delete_workflows(ids[start : start + _AT_ONCE])
        finally:
            client.destroy()


def of_database(error: BaseException) -> bool:
    """Whether an error comes from a database: SQLAlchemy's have what the driver said as ``orig``."""
    return getattr(error, "orig", None) is not None or isinstance(error, OSError)


def workflow_id(execution_id: str, attempt: int) -> str:
    """The dbos workflow of an attempt."""
    return f"{execution_id}.{attempt}"


@contextmanager
def _translated(database: Path | Secret | None) -> Iterator[None]:
    """Whatever dbos raises here comes from its database."""
    assert database is not None
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        said = getattr(error, "orig", None) or error
        raise unusable(DURABLE, database, str(said)) from error


def _queue(executor_id: str) -> str:
    return f"orch-{executor_id}"


def forever() -> asyncio.Future[None]:
    """Something that never ends: for work that must not end in this process any more."""
    return asyncio.get_running_loop().create_future()
