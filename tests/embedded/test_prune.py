"""`orch prune` removes what is over and nothing else; what is there goes on working."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from support.orch import Orch, Workflow, wait_for

from orchestrator.state import FileOwner, Store

SOURCE = Path(__file__).with_name("resume")


def rows(file: Path, query: str) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute(query).fetchone()[0])


def run(workflow: Workflow, name: str) -> str:
    workflow.orch("run", "exec_job", *workflow.arguments(name))
    return str(workflow.orch.executions()[0]["id"])


def test_what_is_over_goes_and_what_is_read_stays(deployed: Workflow, orch: Orch) -> None:
    first, second = run(deployed, "one"), run(deployed, "two")
    install = orch.executions()[-1]["id"]
    deployed.hold("three")
    living = orch.start("run", "exec_job", *deployed.arguments("three"))
    wait_for(lambda: deployed.trace("three"), "the job to run")
    third = orch.executions()[0]["id"]
    state, durable = orch.home / "state.sqlite", orch.home / "dbos.sqlite"
    outputs = rows(state, "SELECT count(*) FROM outputs")

    dry = orch.json("prune", "--older-than", "0", "--keep", "1", "--dry-run")
    assert set(dry["executions"]) == {first, second}  # the newest one has not ended
    assert len(orch.executions()) == 4
    assert orch.json("prune", "--older-than", "1h")["executions"] == []
    assert orch.json("prune", "--older-than", "0", "--keep", "2", "--dry-run")["executions"] == [first]

    said = orch("prune", "--older-than", "0").stdout
    assert "removed 2 executions, 0 deployments" in said
    assert "freed" in said
    assert [e["id"] for e in orch.executions()] == [third, install]
    left = {folder.name.split("-")[0] for folder in (orch.home / "sites/local/jobs").iterdir()}
    assert left == {third, install}
    for table in ("events", "ledger", "jobs"):
        assert rows(state, f"SELECT count(*) FROM {table} WHERE execution_id IN ('{first}', '{second}')") == 0
    assert rows(durable, f"SELECT count(*) FROM workflow_status WHERE workflow_uuid LIKE '{first}.%'") == 0
    assert rows(durable, f"SELECT count(*) FROM workflow_status WHERE workflow_uuid LIKE '{third}.%'") == 1
    # what the second run left is the newest, but for what the third has left already
    assert 0 < rows(state, "SELECT count(*) FROM outputs") < outputs

    (deployed.result("three") / "hold").unlink()
    living.communicate(timeout=60)
    assert living.returncode == 0
    deployed.check("three")
    run(deployed, "four")
    deployed.check("four")

    orch("undeploy")
    gone = orch.json("prune", "--older-than", "0")
    assert gone["deployments"] == ["minimal_workflow"]
    assert orch.executions() == []
    for table in ("executions", "deployments", "instances", "outputs", "events", "ledger", "jobs"):
        assert rows(state, f"SELECT count(*) FROM {table}") == 0, table
    assert list((orch.home / "sites/local/jobs").iterdir()) == []
    orch("deploy", deployed.topology)


def test_outputs_that_are_read_stay_when_their_execution_goes(orch: Orch, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    shutil.copytree(SOURCE, tmp_path / "topology")
    orch("secrets", "set", "resume", "key", stdin="wanted by an output\n")
    orch("deploy", tmp_path / "topology" / "topology.yaml", "-i", f"folder={traces}")
    orch("run", "beside")
    orch("run", "beside")
    before = orch.json("show")["nodes"]
    orch("prune", "--older-than", "0")
    assert len(orch.executions()) == 1
    assert orch.json("show")["nodes"] == before
    assert "nothing" in str(before)


def test_archives_that_nobody_uses_go(orch: Orch, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    shutil.copytree(SOURCE, tmp_path / "topology")
    orch("package", tmp_path / "topology" / "topology.yaml", "-o", tmp_path / "resume.csar")
    orch("secrets", "set", "resume", "key", stdin="wanted by an output\n")
    orch("deploy", tmp_path / "resume.csar", "-i", f"folder={traces}")
    orch("prune", "--older-than", "0")
    assert len(list((orch.home / "csars").iterdir())) == 1
    orch("run", "beside")
    orch("undeploy")
    orch("prune", "--older-than", "0")
    assert list((orch.home / "csars").iterdir()) == []


def test_a_worker_removes_what_is_older_than_the_retention(orch: Orch, tmp_path: Path) -> None:
    traces = tmp_path / "traces"
    traces.mkdir()
    shutil.copytree(SOURCE, tmp_path / "topology")
    orch("secrets", "set", "resume", "key", stdin="wanted by an output\n")
    orch("deploy", tmp_path / "topology" / "topology.yaml", "-i", f"folder={traces}")
    orch("run", "beside")
    (orch.home / "config.yaml").write_text("retention: soon\n")
    bad = orch("worker", status=2)
    assert "retention: 'soon' is no duration" in bad.stderr
    (orch.home / "config.yaml").write_text("retention: 0s\n")
    worker = orch.start("worker")
    store = Store(orch.home / "state.sqlite", alive=FileOwner(orch.home / "locks").alive)
    wait_for(lambda: len(store.executions()) == 1, "the worker to remove the run")
    assert [e.workflow for e in store.executions()] == ["install"]
    assert worker.stdout is not None
    patience = threading.Timer(60, worker.kill)
    patience.start()
    assert "Ctrl-C stops it" in worker.stdout.readline()
    assert "removed 1 execution" in worker.stdout.readline()
    patience.cancel()
