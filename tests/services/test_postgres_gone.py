"""PostgreSQL is gone for half a minute in the middle of a run."""

from __future__ import annotations

import time
from pathlib import Path

from support.orch import Workflow, wait_for
from support.postgres import postgres_server
from test_postgres import PostgresOrch

GONE = 30.0


def test_a_run_ends_with_a_clear_message_and_can_be_gone_on_with(tmp_path: Path) -> None:
    """The lock of ownership dies with the connection: others might take over, so the run must not go on by itself."""
    with postgres_server() as server:
        orch = PostgresOrch(tmp_path, server.new_database())
        try:
            workflow = Workflow(orch)
            orch("deploy", workflow.topology)
            hold = workflow.hold()
            process = orch.start("run", "exec_job", *workflow.arguments())
            wait_for(workflow.trace, "the job to run")
            server.stop()
            since = time.monotonic()
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 1, said
            assert "Traceback" not in said
            assert "database" in said
            assert "orch executions resume" in said
            refused = orch("list", status=None)
            assert refused.returncode in (1, 2)
            assert "see that the database server runs" in refused.stderr
            hold.unlink()
            wait_for(lambda: time.monotonic() - since > GONE, "half a minute to go by")
            server.start()
            execution = orch.executions()[0]
            assert execution["status"] == "interrupted"
            orch("executions", "resume", execution["id"])
            assert orch.executions()[0]["status"] == "done"
            workflow.check()
            assert len(orch.job_folders("PyCOMPSJob")) == 1
        finally:
            orch.stop()
