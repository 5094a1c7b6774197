"""Where operations run: on this machine, or by ssh on the machine that a node is hosted on."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedded.test_hostile_inputs import files_with, sampled_arguments
from support.orch import Orch
from support.sshd import SshServer, ssh_server

TOPOLOGY = Path(__file__).with_name("hosts") / "topology.yaml"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "sshd") as started:
        yield started


@pytest.fixture
def folder(orch: Orch, tmp_path: Path, server: SshServer) -> Path:
    """Where operations leave their traces."""
    traces = tmp_path / "traces"
    traces.mkdir()
    orch("secrets", "set", "machine", "key=@-", stdin=server.user_key)
    return traces


def inputs(folder: Path, server: SshServer, **more: str) -> list[str]:
    values = {
        "folder": str(folder),
        "port": str(server.port),
        "user": getpass.getuser(),
        "host_key": server.host_key,
        "python": sys.executable,
        **more,
    }
    return [word for name, value in values.items() for word in ("-i", f"{name}={value}")]


@pytest.mark.smoke
def test_a_node_is_worked_on_at_its_host(orch: Orch, folder: Path, server: SshServer, tmp_path: Path) -> None:
    with sampled_arguments() as seen:
        said = orch("deploy", TOPOLOGY, *inputs(folder, server)).stdout
    said += orch("executions", "logs", "--level", "debug").stdout
    port = str(server.port)
    assert (folder / "created").read_text() == f"{port}/Machine/Program_0/some notes/deep/some notes"
    shown = {node["name"]: node["attributes"] for node in orch.json("show")["nodes"]}
    words = shown["Program"]["where"].split("/.orch-operations/")
    assert len(words) == 4
    there = Path(shown["Program"]["where"].split("//", maxsplit=1)[0])
    assert not there.exists(), "what was copied there is removed"
    configured = (folder / "configured").read_text().splitlines()
    assert configured[:2] == [port, "some notes"]
    assert ".orch-operations" in configured[2]
    assert (folder / "started").read_text() == f"here {TOPOLOGY.parent / 'files/notes.txt'}"
    assert (folder / "peer").read_text() == "Machine Program_0 Elsewhere_0 Elsewhere_0"
    line = server.user_key.splitlines()[1]
    assert line not in said
    assert not [text for text in seen if line in text]
    assert list(files_with(orch.home, line)) == []


def test_the_plan_tells_the_host_of_each_step(orch: Orch, folder: Path, server: SshServer) -> None:
    steps = orch.json("plan", TOPOLOGY, "--variables", *inputs(folder, server))
    hosts = {step["step"]: step["host"] for step in steps}
    machine = f"{getpass.getuser()}@127.0.0.1:{server.port}"
    assert [host for step, host in hosts.items() if "create" in step or "configure" in step] == [machine] * 2
    assert hosts["Program_start"] == "ORCHESTRATOR"


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"port": "1"}, ["Machine", "127.0.0.1:1) cannot be reached", "Connection refused"]),
        ({"host_key": ""}, ["cannot be reached", "Host key verification failed", "ssh-keyscan", "known_hosts"]),
        ({"user": ""}, ["Machine: the endpoint says no user"]),
        ({"user": "-oProxyCommand=touch PWNED"}, ["is no user of an endpoint"]),
        ({"address": "-oProxyCommand=touch"}, ["is no ip_address of an endpoint"]),
        ({"address": ""}, ["not the orchestrator's"]),
    ],
    ids=["closed", "unknown key", "no user", "hostile user", "hostile address", "no address"],
)
def test_what_is_wrong_with_a_host_is_told(
    orch: Orch, folder: Path, server: SshServer, wrong: dict[str, str], expected: list[str]
) -> None:
    done = orch("deploy", TOPOLOGY, *inputs(folder, server, **wrong), status=None)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    for text in expected:
        assert text in said
    assert not (folder / "created").exists()
    assert not list(folder.parent.rglob("PWNED"))
