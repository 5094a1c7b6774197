"""Killed at any moment, nothing is lost and nothing is done twice."""

from __future__ import annotations

import http.server
import signal
import threading
from collections.abc import Iterator

import pytest
from support.orch import TEXT, Orch, Workflow, processes_of, wait_for

from orchestrator.services.catalogue import Catalogue

NODES = ("ImageCreation", "DLSDAGImageTransfer", "StageInData", "PyCOMPSJob", "StageOutData")


def killed(orch: Orch, place: str, *words: str) -> str:
    """Run a command that is killed at a named place; the id of its execution."""
    done = orch(*words, status=-signal.SIGKILL, ORCH_KILL_AT=place)
    assert done.returncode == -signal.SIGKILL
    newest = orch.executions()[0]
    assert newest["status"] == "interrupted"
    return str(newest["id"])


def check_everything_happened_once(workflow: Workflow) -> None:
    orch = workflow.orch
    for node in NODES:
        assert len(orch.job_folders(node)) == 1, node
    workflow.check()
    assert len(list((orch.home / "sites/local/images").glob("*.tar.gz"))) == 1
    assert len([r for r in Catalogue(orch.home / "catalogue").list() if r.source is not None]) == 1
    assert processes_of(orch.home / "runs") == []
    assert list((orch.home / "runs").iterdir()) == []


@pytest.mark.parametrize(
    "place",
    [
        "submit.before:ImageCreation",
        "submit.after:ImageCreation",
        "submit.after:DLSDAGImageTransfer",
        "playbook.event:ImageCreation",
        "job.ended:ImageCreation",
    ],
)
def test_killed_while_deploying(workflow: Workflow, orch: Orch, place: str) -> None:
    execution = killed(orch, place, "deploy", str(workflow.topology))
    orch("executions", "resume", execution)
    assert [d["status"] for d in orch.json("list")] == ["deployed"]
    orch("run", "exec_job", *workflow.arguments())
    check_everything_happened_once(workflow)


@pytest.mark.parametrize(
    "place",
    [
        "submit.before:PyCOMPSJob",
        "playbook.event:PyCOMPSJob",
        "submit.after:PyCOMPSJob",
        "watch.ended:PyCOMPSJob",
        "job.ended:PyCOMPSJob",
        "submit.after:StageOutData",
    ],
)
def test_killed_while_running(deployed: Workflow, orch: Orch, place: str) -> None:
    execution = killed(orch, place, "run", "exec_job", *deployed.arguments())
    orch("executions", "resume", execution)
    check_everything_happened_once(deployed)


@pytest.mark.smoke
def test_killed_while_the_job_runs(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    execution = killed(orch, "watch.running:PyCOMPSJob", "run", "exec_job", *deployed.arguments())
    hold.unlink()
    orch("executions", "resume", execution)
    check_everything_happened_once(deployed)


class _Slow(http.server.BaseHTTPRequestHandler):
    """Serves the text in two halves, the second when it is let go."""

    halfway = threading.Event()
    go_on = threading.Event()

    def do_GET(self) -> None:
        body = TEXT.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        self.halfway.set()
        self.go_on.wait(60)
        self.wfile.write(body[len(body) // 2 :])

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def slow_url() -> Iterator[str]:
    _Slow.halfway.clear()
    _Slow.go_on.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/data.txt"
    _Slow.go_on.set()
    server.shutdown()
    server.server_close()


def test_killed_in_a_transfer(deployed: Workflow, orch: Orch, slow_url: str) -> None:
    orch("catalogue", "add", slow_url, "--oid", "slow")
    process = orch.start("run", "exec_job", *deployed.arguments(oid="slow"))
    assert _Slow.halfway.wait(60)
    process.kill()
    process.communicate()
    assert not (deployed.staged() / "data.txt").exists()
    _Slow.go_on.set()
    orch("executions", "resume", orch.executions()[0]["id"])
    check_everything_happened_once(deployed)
    assert [p.name for p in deployed.staged().iterdir()] == ["data.txt"]


def test_killed_between_two_attempts(deployed: Workflow, orch: Orch) -> None:
    fail = deployed.result() / "fail"
    fail.parent.mkdir(parents=True)
    fail.touch()
    failed = orch("run", "exec_job", *deployed.arguments(), status=1)
    assert "exit code 3" in failed.stdout + failed.stderr
    assert "told to fail" in failed.stdout + failed.stderr
    fail.unlink()
    execution = orch.executions()[0]["id"]
    orch("executions", "resume", execution, status=-signal.SIGKILL, ORCH_KILL_AT="attempt.begun")
    orch("executions", "resume", execution)
    assert len(deployed.trace()) == 2
    assert len(orch.job_folders("PyCOMPSJob")) == 2
    assert len(orch.job_folders("StageInData")) == 1
    assert len(orch.job_folders("StageOutData")) == 1


def test_killed_while_undeploying(deployed: Workflow, orch: Orch) -> None:
    orch("run", "exec_job", *deployed.arguments())
    execution = killed(orch, "states:uninstall", "undeploy")
    refused = orch("undeploy", status=2)
    assert execution in refused.stderr
    orch("executions", "resume", execution)
    assert orch.json("list") == []
    check_everything_happened_once(deployed)


def test_what_a_living_process_carries_out_cannot_be_resumed(deployed: Workflow, orch: Orch) -> None:
    hold = deployed.hold()
    process = orch.start("run", "exec_job", *deployed.arguments())
    wait_for(deployed.trace, "the job to run")
    execution = orch.executions()[0]["id"]
    refused = orch("executions", "resume", execution, status=2)
    assert "living process" in refused.stderr
    hold.unlink()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    done = orch("executions", "resume", execution, status=2)
    assert "nothing to resume" in done.stderr
    check_everything_happened_once(deployed)


def test_killed_while_a_failed_job_is_submitted_again(deployed: Workflow, orch: Orch) -> None:
    in_the_way = orch.home / "sites/local/unpacked"
    in_the_way.write_text("a file where a folder belongs")
    orch("run", "exec_job", *deployed.arguments(), status=1)
    assert len(orch.job_folders("PyCOMPSJob")) == 1
    in_the_way.unlink()
    execution = orch.executions()[0]["id"]
    orch("executions", "resume", execution, status=-signal.SIGKILL, ORCH_KILL_AT="submit.before:PyCOMPSJob")
    orch("executions", "resume", execution)
    assert len(orch.job_folders("PyCOMPSJob")) == 2
    deployed.check()
