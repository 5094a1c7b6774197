"""Sites of a real cluster through the command line: trust, pre-flight, placement, the demonstration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.cluster import Cluster
from support.orch import Orch, Workflow

ROOT = Path(__file__).parents[2]
GONE = """
  gone:
    connection: ssh
    login_host: 127.0.0.1
    port: 1
    user: nobody
    key: me at the bed
    scheduler: slurm
"""


@pytest.fixture
def site(orch: Orch, cluster: Cluster) -> str:
    """A description of the cluster, and the key of its user, which is named by its name."""
    text = f"""
sites:
  bed:
    connection: ssh
    login_host: {cluster.host}
    port: {cluster.port}
    user: {cluster.user}
    key: me at the bed
    scheduler: slurm
    slurm: {{ interval: 1 }}
    services: {{ image_creation: {{ registry: {orch.folder}/workflow/registry }} }}
  local:
    services: {{ image_creation: {{ registry: {orch.folder}/workflow/registry }} }}
"""
    orch.home.mkdir(exist_ok=True)
    (orch.home / "sites.yaml").write_text(text + GONE)
    orch("ssh-keys", "import", "-", "--name", "me at the bed", stdin=cluster.key)
    return "bed"


def test_a_host_is_trusted_once_and_told_of_before(orch: Orch, site: str, cluster: Cluster) -> None:
    before = orch("--json", "sites", "check", site, status=1).stdout
    assert "is not known" in before
    assert "orch sites trust bed" in before
    said = orch("sites", "trust", site, "--yes").stdout
    known = subprocess.run(["ssh-keygen", "-lf", cluster.known_hosts], capture_output=True, text=True, check=True)
    assert said.splitlines()[1] in known.stdout
    answer = orch.json("sites", "trust", site, "--yes")
    assert [answer["host_key"], answer["fingerprint"]] == said.splitlines()
    checks = {check["check"]: check for check in orch.json("sites", "check", site)}
    assert {name for name, check in checks.items() if not check["right"]} == set()
    assert {"login", "folder", "scheduler", "job", "PyCOMPSs"} <= set(checks)


def test_what_is_wrong_with_a_site_is_said_with_what_to_do(orch: Orch, site: str, workflow: Workflow) -> None:
    orch("sites", "trust", site, "--yes")
    text = (orch.home / "sites.yaml").read_text()
    (orch.home / "sites.yaml").write_text(
        text.replace(
            "slurm: { interval: 1 }", "slurm: { interval: 1, qos: no-such-qos }\n    modules: [ no-such-module ]"
        )
    )
    said = orch("sites", "check", site, "--topology", workflow.topology, status=1).stdout
    assert "no-such-module" in said
    assert "mend `modules`" in said
    refused = orch("--json", "sites", "check", site, status=1).stdout
    assert "Invalid qos specification" in refused
    refused = orch("deploy", workflow.topology, "--site", "gone", status=1).stderr
    assert "refuses connections" in refused
    assert orch.json("list") == []


def test_another_site_takes_the_place_of_one_that_refuses(orch: Orch, site: str, workflow: Workflow) -> None:
    orch("sites", "trust", site, "--yes")
    said = orch("deploy", workflow.topology, "--site", "gone", "--or-site", site)
    assert "'bed' is taken" in said.stderr
    assert orch.json("show", "minimal_workflow")["matches"] == {"AbstractEnvironment": "bed"}


def test_two_environments_at_two_sites(
    orch: Orch, site: str, workflow: Workflow, cluster: Cluster, samples: Path
) -> None:
    orch("sites", "trust", site, "--yes")
    orch("secrets", "set", "/secret/data/services_secrets/dls", "username", "password", stdin="user\npass-1\n")
    orch("secrets", "set", "services_secrets/image_creation", "user", "password", stdin="user\npass-2\n")
    topology = samples / "topologies/minimal_workflow_parallel.yaml"
    orch(
        "deploy",
        topology,
        "--name",
        "two",
        "--match",
        f"Cluster1Environment={site}",
        "--match",
        "Cluster2Environment=local",
    )
    there = f"{cluster.home}/{orch.folder.name}"
    inputs = {
        "user_id": cluster.user,
        "vault_id": "me at the bed",
        "oid": "text",
        "cluster1_input_path": f"{there}/in",
        "cluster1_output_path": f"{there}/out",
        "cluster2_input_path": str(workflow.staged("b")),
        "cluster2_output_path": str(workflow.result("b")),
    }
    orch("run", "exec_job", *[word for key, value in inputs.items() for word in ("-i", f"{key}={value}")])
    workflow.check("b")
    assert Path(there, "out", "result.txt").read_text() == (workflow.result("b") / "result.txt").read_text()


def test_the_demonstration(tmp_path: Path, cluster: Cluster) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DEMO": str(tmp_path / "demo"),
        "CLUSTER_STATE": str(cluster.state),
        "VAULT_PORT": "18219",
    }
    script = ROOT / "topologies" / "minimal_workflow" / "demo-cluster.sh"
    try:
        done = subprocess.run(
            ["bash", str(script)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    finally:
        cluster.up()  # it takes the cluster down at its end
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is right:") == 2
    assert "none found below" in done.stdout
