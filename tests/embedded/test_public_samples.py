"""The public topologies of the eFlows4HPC project, unchanged, on the built-in site."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.orch import Orch, Workflow, wait_for

from orchestrator.services import launcher


@pytest.fixture
def prepared(workflow: Workflow, orch: Orch) -> Workflow:
    """The secrets that the samples name, the record they stage in, and a registry with their program."""
    orch("secrets", "set", "/secret/data/services_secrets/dls", "username", "password", stdin="user\npass-1\n")
    orch("secrets", "set", "services_secrets/image_creation", "user", "password", stdin="user\npass-2\n")
    registry = workflow.folder / "registry"
    (orch.home / "sites.yaml").write_text(
        f"sites:\n  local:\n    services:\n      image_creation:\n        registry: {registry}\n"
    )
    return workflow


def test_minimal_workflow_classic(prepared: Workflow, orch: Orch, samples: Path) -> None:
    said = orch("deploy", samples / "topologies/minimal_workflow_classic.yaml", "--site", "local", "--name", "classic")
    assert "service_url" in said.stdout + said.stderr
    orch("run", "exec_job", *prepared.arguments(user_id="me", vault_id="my-key"))
    prepared.check()
    orch("undeploy")


def test_minimal_workflow_parallel_runs_its_two_jobs_at_the_same_time(
    prepared: Workflow, orch: Orch, samples: Path
) -> None:
    orch("deploy", samples / "topologies/minimal_workflow_parallel.yaml", "--name", "parallel")
    inputs = {"user_id": "me", "vault_id": "my-key", "oid": "text"}
    for cluster, name in (("cluster1", "a"), ("cluster2", "b")):
        inputs[f"{cluster}_input_path"] = str(prepared.staged(name))
        inputs[f"{cluster}_output_path"] = str(prepared.result(name))
    words = [word for key, value in inputs.items() for word in ("-i", f"{key}={value}")]
    holds = [prepared.hold("a"), prepared.hold("b")]
    process = orch.start("run", "exec_job", *words)
    wait_for(lambda: prepared.trace("a") and prepared.trace("b"), "both jobs to run")
    for hold in holds:
        hold.unlink()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0, said
    for name in ("a", "b"):
        prepared.check(name)
    intervals = [_interval(orch, node) for node in ("PyCOMPSJobCluster1", "PyCOMPSJobCluster2")]
    assert max(start for start, _ in intervals) < min(end for _, end in intervals)


def _interval(orch: Orch, node: str) -> tuple[float, float]:
    (folder,) = orch.job_folders(node)
    status = launcher.status(folder)
    assert status.started is not None
    assert status.ended is not None
    return status.started, status.ended
