"""Everything that is kept in PostgreSQL, on a real server: the store, ownership, durable executions, workers."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.limits import PlacesContract, a_place_outlives_its_worker, two_workers_keep_the_limit
from support.orch import Orch, Workflow, wait_for
from support.postgres import PASSWORD, Server, postgres_server
from support.store_contract import StoreContract, deployment

from orchestrator.app.settings import read_settings
from orchestrator.errors import ConfigurationError, StorageError
from orchestrator.model.values import Secret
from orchestrator.state import AdvisoryOwner, Store, tables


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def url(server: Server) -> str:
    return server.new_database()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may stop."""
    with postgres_server() as running:
        yield running


class TestPostgresStore(StoreContract):
    @pytest.fixture
    def open_store(self, url: str) -> Callable[[], Store]:
        return lambda: Store(Secret(url))


class TestPostgresPlaces(PlacesContract):
    @pytest.fixture
    def open_store(self, url: str) -> Callable[[], Store]:
        return lambda: Store(Secret(url))


class TestSchema:
    def test_it_is_one_of_our_own(self, url: str, server: Server) -> None:
        Store(Secret(url)).add_deployment(deployment())
        found = server.query(
            url, "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tablename = 'deployments'"
        )
        assert found == ["orch.deployments"]
        assert server.query(url, "SELECT version_num FROM orch.alembic_version") == [tables.HEAD]

    def test_a_newer_one_is_refused(self, url: str, server: Server) -> None:
        Store(Secret(url))
        server.query(url, "UPDATE orch.alembic_version SET version_num = '0999' RETURNING 1")
        with pytest.raises(StorageError, match="version 0999, newer than this orch"):
            Store(Secret(url))

    def test_an_older_one_is_migrated(self, url: str, server: Server) -> None:
        code = (
            "import sys, sqlalchemy as sa; from alembic import command; from alembic.config import Config\n"
            "from orchestrator.model.values import Secret; from orchestrator.state.databases import open_database\n"
            "engine = open_database(Secret(sys.argv[1]))\n"
            "with engine.begin() as connection:\n"
            "    connection.execute(sa.text('CREATE SCHEMA orch'))\n"
            "    config = Config(); config.set_main_option('script_location', sys.argv[2])\n"
            "    config.attributes['connection'] = connection; command.upgrade(config, '0001')\n"
        )
        migrations = Path(sys.modules[Store.__module__].__file__ or "").parent / "migrations"
        subprocess.run([sys.executable, "-c", code, url, str(migrations)], check=True)
        Store(Secret(url))
        assert server.query(url, "SELECT version_num FROM orch.alembic_version") == [tables.HEAD]
        fresh = server.new_database()
        Store(Secret(fresh))
        columns = (
            "SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable"
            " FROM information_schema.columns WHERE table_schema = 'orch' ORDER BY 1"
        )
        assert server.query(url, columns) == server.query(fresh, columns)
        indexes = (
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'orch' AND tablename <> 'alembic_version' ORDER BY 1"
        )
        assert [_without_name(i) for i in server.query(url, indexes)] == [
            _without_name(i) for i in server.query(fresh, indexes)
        ]

    def test_many_may_open_an_empty_database_at_once(self, url: str) -> None:
        code = (
            "import sys; from orchestrator.state import Store; from orchestrator.model.values import Secret\n"
            "sys.stdin.read(); Store(Secret(sys.argv[1]))"
        )
        words = [sys.executable, "-c", code, url]
        opening = [subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        said = [process.communicate()[1] for process in opening]
        assert [process.returncode for process in opening] == [0] * 4, said


def _without_name(index: str) -> str:
    """The definition of an index without its name: those of keys are named by whoever makes the table."""
    return index.partition(" ON ")[2]


class TestOwner:
    def test_a_living_owner_is_alive(self, url: str) -> None:
        owner, other = AdvisoryOwner(Secret(url)), AdvisoryOwner(Secret(url))
        owner.claim()
        owner.claim()
        assert owner.alive(owner.executor_id)
        assert owner.held()
        assert other.alive(owner.executor_id)
        assert other.acquire(owner.executor_id) is None
        owner.release()
        assert not other.alive(owner.executor_id)
        assert not other.alive(None)
        assert not other.alive("never-seen")

    def test_a_dead_owners_lock_is_had_by_one(self, url: str) -> None:
        one, two = AdvisoryOwner(Secret(url)), AdvisoryOwner(Secret(url))
        lock = one.acquire("dead")
        assert lock is not None
        assert one.acquire("dead") is None
        assert two.acquire("dead") is None
        lock.release()
        assert two.acquire("dead") is not None

    def test_a_killed_process_gives_its_lock_up(self, url: str) -> None:
        code = (
            "import sys; from orchestrator.state import AdvisoryOwner; from orchestrator.model.values import Secret\n"
            "o = AdvisoryOwner(Secret(sys.argv[1]), 'w'); o.claim(); print(o.executor_id, flush=True); sys.stdin.read()"
        )
        words = [sys.executable, "-c", code, url]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        assert process.stdout is not None
        executor_id = process.stdout.readline().strip()
        assert executor_id.startswith("w-")
        owner = AdvisoryOwner(Secret(url))
        assert owner.alive(executor_id)
        process.kill()
        process.wait()
        wait_for(lambda: not owner.alive(executor_id), "the server to release the lock", 10)

    def test_who_loses_the_connection_knows_and_takes_nothing_any_more(self, own_server: Server) -> None:
        url = own_server.new_database()
        owner = AdvisoryOwner(Secret(url))
        owner.claim()
        told: list[float] = []
        owner.watch(lambda: told.append(time.monotonic()))
        own_server.stop()
        own_server.start()
        wait_for(lambda: told, "the loss to be told", 10)
        assert not owner.held()
        with pytest.raises(StorageError, match="lock was lost"):
            owner.acquire("other")
        assert not AdvisoryOwner(Secret(url)).alive(owner.executor_id)


class TestSettings:
    def test_the_url_comes_from_the_environment_or_the_configuration_file(self, tmp_path: Path, url: str) -> None:
        (tmp_path / "config.yaml").write_text(f"database: {url}\n")
        for environment in ({}, {"ORCH_DATABASE": url}):
            settings = read_settings({"ORCH_HOME": str(tmp_path), **environment})
            assert PASSWORD not in repr(settings)
            assert url not in repr(settings)
            assert isinstance(settings.database, Secret)
            assert Store(settings.database).deployments() == []

    def test_what_is_no_setting_is_refused_at_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "config.yaml").write_text("database: x\ndatabse: y\n")
        with pytest.raises(ConfigurationError, match=r"config.yaml:2:1: error: 'databse' is no setting"):
            read_settings({"ORCH_HOME": str(tmp_path)})

    @pytest.mark.parametrize("bad", [f"postgresql://orch:{PASSWORD}@h/d", "mysql://u:hidden@h/d", "postgresql://h"])
    def test_a_url_that_is_none_is_refused_and_not_shown(self, bad: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            Store(Secret(bad))
        assert "a!b" not in str(caught.value)
        assert "hidden" not in str(caught.value)

    def test_a_server_that_lets_nobody_in_is_a_clear_error_without_the_password(self, url: str) -> None:
        with pytest.raises(StorageError, match="password authentication failed") as caught:
            Store(Secret(url.replace("%5D22@", "%5D23@")))
        assert "%5D23" not in str(caught.value)
        assert "]23" not in str(caught.value)
        assert "database server" in (caught.value.hint or "")


class PostgresOrch(Orch):
    """The commands on a home whose database is a PostgreSQL server's."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder)
        self.url = url

    def environment(self, **more: str) -> dict[str, str]:
        return super().environment(ORCH_DATABASE=self.url, **more)

    @property
    def store(self) -> Store:
        return Store(Secret(self.url))

    def wait_until_ended(self, *ids: str) -> None:
        store = self.store
        wait_for(lambda: all(store.execution(i).status.final for i in ids), f"the end of {ids}")


@pytest.fixture
def orch(tmp_path: Path, url: str) -> Iterator[PostgresOrch]:
    runner = PostgresOrch(tmp_path, url)
    yield runner
    runner.stop()


def test_a_worker_deploys_and_runs_and_another_replaces_it(orch: PostgresOrch, server: Server) -> None:
    workflow = Workflow(orch)
    deploying = orch("deploy", workflow.topology, "--detach").stdout.strip()
    first = orch.start("worker", "--name", "first")
    orch.wait_until_ended(deploying)
    assert [d["status"] for d in orch.json("list")] == ["deployed"]
    hold = workflow.hold()
    run = orch("run", "exec_job", *workflow.arguments(), "--detach").stdout.strip()
    wait_for(workflow.trace, "the job to run")
    assert PASSWORD not in Path(f"/proc/{first.pid}/cmdline").read_text()
    second = orch.start("worker", "--name", "second")
    assert second.stdout is not None
    assert "Ctrl-C stops it" in second.stdout.readline()
    first.kill()
    first.communicate()
    died = time.monotonic()
    store = orch.store
    wait_for(lambda: (store.execution(run).owner or "").startswith("second-"), "the other worker to take over")
    assert time.monotonic() - died < 10
    hold.unlink()
    orch.wait_until_ended(run)
    workflow.check()
    assert len(orch.job_folders("PyCOMPSJob")) == 1
    second.send_signal(signal.SIGTERM)
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 128 + signal.SIGTERM, said
    assert not (orch.home / "state.sqlite").exists()
    assert not (orch.home / "dbos.sqlite").exists()
    assert server.query(orch.url, "SELECT count(*) > 0 FROM dbos.workflow_status") == ["t"]
    for place in (p for p in orch.home.rglob("*") if p.is_file()):
        assert PASSWORD.encode() not in place.read_bytes(), place


def test_two_workers_keep_the_limit_of_a_site(orch: PostgresOrch) -> None:
    two_workers_keep_the_limit(orch, lambda: orch.store, 2)


def test_a_place_at_a_site_outlives_its_worker(orch: PostgresOrch) -> None:
    a_place_outlives_its_worker(orch, lambda: orch.store)


def test_processes_of_another_machine_are_left_and_told(orch: PostgresOrch) -> None:
    workflow = Workflow(orch)
    orch("deploy", workflow.topology)
    hold = workflow.hold()
    run = orch("run", "exec_job", *workflow.arguments(), "--detach").stdout.strip()
    first = orch.start("worker")
    wait_for(workflow.trace, "the job to run")
    first.kill()
    first.communicate()
    store = orch.store
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        store.host = "far-away"
        store.add_process(run, bystander.pid, 1.0)
        hold.unlink()
        orch.start("worker")
        orch.wait_until_ended(run)
        told = [event.text for event in store.events(run) if "far-away" in event.text]
        assert len(told) == 1
        assert socket.gethostname() in told[0]
        assert str(bystander.pid) in told[0]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    workflow.check()


def test_a_worker_whose_database_goes_away_ends_and_another_goes_on(tmp_path: Path, own_server: Server) -> None:
    orch = PostgresOrch(tmp_path, own_server.new_database())
    try:
        workflow = Workflow(orch)
        orch("deploy", workflow.topology)
        hold = workflow.hold()
        run = orch("run", "exec_job", *workflow.arguments(), "--detach").stdout.strip()
        first = orch.start("worker")
        wait_for(workflow.trace, "the job to run")
        own_server.stop()
        said, _ = first.communicate(timeout=60)
        assert first.returncode == 1, said
        assert "error: the" in said
        assert "database" in said
        own_server.start()
        orch.start("worker")
        hold.unlink()
        orch.wait_until_ended(run)
        workflow.check()
        assert len(orch.job_folders("PyCOMPSJob")) == 1
    finally:
        orch.stop()
