"""An empty database and every older one reach today's schema; a newer one is refused."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.store_contract import deployment, execution

from orchestrator import state
from orchestrator.errors import StorageError
from orchestrator.state import Store, tables

MIGRATIONS = Path(state.__file__).parent / "migrations"
VERSION_1 = """
CREATE TABLE orch_schema (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE deployments (id VARCHAR(32) NOT NULL, name VARCHAR(200) NOT NULL, status VARCHAR(20) NOT NULL,
  source TEXT NOT NULL, topology BLOB NOT NULL, inputs TEXT NOT NULL, matches TEXT NOT NULL, site_files TEXT NOT NULL,
  created FLOAT NOT NULL, updated FLOAT NOT NULL, PRIMARY KEY (id));
CREATE UNIQUE INDEX deployments_living_name ON deployments (name) WHERE status != 'undeployed';
CREATE TABLE instances (deployment_id VARCHAR(32) NOT NULL, node VARCHAR(200) NOT NULL, instance VARCHAR(20) NOT NULL,
  state VARCHAR(50) NOT NULL, updated FLOAT NOT NULL, PRIMARY KEY (deployment_id, node, instance));
CREATE TABLE executions (id VARCHAR(32) NOT NULL, deployment_id VARCHAR(32) NOT NULL, workflow VARCHAR(200) NOT NULL,
  status VARCHAR(20) NOT NULL, attempt INTEGER NOT NULL, inputs TEXT NOT NULL, plan BLOB NOT NULL, owner VARCHAR(64),
  cancel_requested FLOAT, created FLOAT NOT NULL, started FLOAT, ended FLOAT, failure TEXT, PRIMARY KEY (id));
CREATE INDEX ix_executions_status ON executions (status);
CREATE INDEX ix_executions_deployment_id ON executions (deployment_id);
CREATE TABLE ledger (execution_id VARCHAR(32) NOT NULL, step VARCHAR(250) NOT NULL, status VARCHAR(20) NOT NULL,
  attempt INTEGER NOT NULL, started FLOAT NOT NULL, ended FLOAT, failure TEXT, PRIMARY KEY (execution_id, step));
CREATE TABLE jobs (execution_id VARCHAR(32) NOT NULL, node VARCHAR(200) NOT NULL, generation INTEGER NOT NULL,
  step VARCHAR(250) NOT NULL, reference TEXT NOT NULL, state VARCHAR(20) NOT NULL, detail TEXT NOT NULL,
  seen BOOLEAN NOT NULL, created FLOAT NOT NULL, ended FLOAT, PRIMARY KEY (execution_id, node, generation));
CREATE TABLE outputs (deployment_id VARCHAR(32) NOT NULL, execution_id VARCHAR(32) NOT NULL, node VARCHAR(200) NOT NULL,
  instance VARCHAR(20) NOT NULL, interface VARCHAR(200) NOT NULL, operation VARCHAR(200) NOT NULL,
  name VARCHAR(200) NOT NULL, value TEXT NOT NULL, updated FLOAT NOT NULL,
  PRIMARY KEY (deployment_id, execution_id, node, instance, interface, operation, name));
CREATE TABLE events (id INTEGER NOT NULL, execution_id VARCHAR(32) NOT NULL, time FLOAT NOT NULL,
  kind VARCHAR(20) NOT NULL, level VARCHAR(10) NOT NULL, step VARCHAR(250), node VARCHAR(200), text TEXT NOT NULL,
  data TEXT, PRIMARY KEY (id));
CREATE INDEX ix_events_execution_id ON events (execution_id);
CREATE TABLE processes (execution_id VARCHAR(32) NOT NULL, pid INTEGER NOT NULL, start_time FLOAT NOT NULL,
  PRIMARY KEY (pid, start_time));
CREATE INDEX ix_processes_execution_id ON processes (execution_id);
INSERT INTO orch_schema VALUES (1);
INSERT INTO deployments VALUES ('d1', 'n', 'deploying', '/t.yaml', x'7b7d', '{"a":[1]}', '{"E":"local"}',
  '["/s.yaml"]', 1.0, 1.0);
INSERT INTO executions VALUES ('e1', 'd1', 'install', 'running', 1, '{"x":"y"}', x'7b7d', 'one', NULL, 1.0, 2.0, NULL,
  NULL);
INSERT INTO processes VALUES ('e1', 7, 70.0);
"""
"""As the first version made it."""


def script_directory() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def old(file: Path) -> Path:
    with sqlite3.connect(file) as connection:
        connection.executescript(VERSION_1)
    connection.close()
    return file


def revision(file: Path) -> str | None:
    with sa.create_engine(f"sqlite:///{file}").connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def columns(file: Path) -> dict[str, set[tuple[str, str, bool, bool]]]:
    """What every table is made of: names, kinds of types, whether null and in the key."""
    inspector = sa.inspect(sa.create_engine(f"sqlite:///{file}"))
    return {
        table: {
            (c["name"], _kind(c["type"]), bool(c["nullable"]), bool(c["primary_key"]))
            for c in inspector.get_columns(table)
        }
        for table in inspector.get_table_names()
    }


def _kind(type_: sa.types.TypeEngine[object]) -> str:
    return "text" if isinstance(type_, sa.String) else type(type_).__name__


def indexes(file: Path) -> set[tuple[str, str | None]]:
    inspector = sa.inspect(sa.create_engine(f"sqlite:///{file}"))
    return {(t, index["name"]) for t in inspector.get_table_names() for index in inspector.get_indexes(t)}


def test_the_head_that_the_tables_name_is_the_newest_revision() -> None:
    assert script_directory().get_current_head() == tables.HEAD


def test_an_empty_database_has_the_newest_schema(file: Path) -> None:
    assert Store(file).deployments() == []
    assert revision(file) == tables.HEAD


def test_an_old_database_is_migrated_and_keeps_what_it_held(old: Path, tmp_path: Path) -> None:
    store = Store(old, alive=lambda owner: False)
    assert revision(old) == tables.HEAD
    assert store.deployments() == [deployment()]
    kept = store.execution("e1")
    assert (kept.owner, kept.inputs) == ("one", execution().inputs)
    assert [(p.host, p.pid) for p in store.processes("e1")] == [(socket.gethostname(), 7)]
    new = tmp_path / "new.sqlite"
    Store(new)
    assert columns(old) == columns(new)
    assert indexes(old) == indexes(new)
    Store(old)


def test_an_old_database_in_use_is_left_alone(old: Path) -> None:
    before = columns(old)
    with pytest.raises(StorageError, match="older orch, which is carrying executions out: e1"):
        Store(old, alive=lambda owner: owner == "one")
    assert columns(old) == before


def test_a_newer_database_is_refused(file: Path) -> None:
    Store(file)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    with pytest.raises(StorageError, match="version 0999, newer than this orch"):
        Store(file)


def test_alembic_is_imported_only_for_a_migration(old: Path, file: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from orchestrator.state import Store\n"
        "Store(pathlib.Path(sys.argv[1]), alive=lambda owner: False); print('alembic' in sys.modules)"
    )

    def imported(database: Path) -> str:
        words = [sys.executable, "-c", code, str(database)]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()

    assert imported(tmp_path / "new.sqlite") == "False"
    assert imported(old) == "True"
    assert imported(old) == "False"
