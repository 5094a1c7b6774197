"""What shells complete: on a home with two deployments and an execution, on files, and where nothing is right."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.shell_completion import ShellComplete

from orchestrator.app.reading import load
from orchestrator.app.settings import read_settings
from orchestrator.app.wiring import Home
from orchestrator.cli.completing import SHELLS, script
from orchestrator.cli.root import COMMANDS, root
from orchestrator.cli.session import Session
from orchestrator.planning import plan_workflow
from orchestrator.resources import topologies_folder
from orchestrator.state import Deployment, DeploymentStatus, Execution, ExecutionStatus

EXAMPLE = topologies_folder() / "minimal_workflow" / "topology.yaml"


def completed(home: Path, *words: str, incomplete: str = "", **environment: str) -> list[str]:
    """The words that a shell would offer behind some others."""
    session = Session({"ORCH_HOME": str(home), **environment})
    session.completing = True
    found = ShellComplete(root, {"obj": session}, "orch", "_ORCH_COMPLETE").get_completions(list(words), incomplete)
    return [item.value for item in found if item.type == "plain"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the deployments `first` and `second` of the example, and an execution of the second."""
    monkeypatch.chdir(tmp_path)
    made = Home(read_settings({"ORCH_HOME": str(tmp_path / "home")}))
    topology, _ = load(made, EXAMPLE)
    now = time.time()
    for number, name in enumerate(("first", "second")):
        made.store.add_deployment(
            Deployment(
                id=f"d{number}",
                name=name,
                status=DeploymentStatus.DEPLOYED,
                source=str(EXAMPLE),
                topology=msgspec.json.encode(topology),
                inputs={},
                matches={},
                site_files=(),
                created=now,
                updated=now,
            )
        )
    plan = plan_workflow(topology, "exec_job")
    made.store.add_execution(
        Execution(
            "e1f2",
            "d1",
            "exec_job",
            ExecutionStatus.DONE,
            1,
            {},
            msgspec.json.encode(plan),
            None,
            None,
            now,
            now,
            now,
            None,
        )
    )
    (tmp_path / "sites.yaml").write_text("sites: {bed: {login_host: there}}\n")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("words", "incomplete", "found"),
    [
        ([], "exec", ["executions"]),
        (["executions"], "lo", ["logs"]),
        (["run"], "", ["exec_job", "start", "stop", "run", "cancel"]),
        (["run", "exec_job", "-d"], "", ["first", "second"]),
        (["run", "exec_job", "--deployment"], "s", ["second"]),
        (["run", "exec_job", "-i"], "re", ["result_data_path=", "register="]),
        (["run", "exec_job", "-d", "first", "-i"], "oi", ["oid="]),
        (["show"], "f", ["first"]),
        (["undeploy", "-d"], "f", ["first"]),
        (["plan", "-d", "first"], "exec", ["exec_job"]),
        (["plan", str(EXAMPLE)], "unin", ["uninstall"]),
        (["inputs", str(EXAMPLE)], "e", ["exec_job"]),
        (["executions", "show"], "", ["e1f2"]),
        (["executions", "logs", "-d"], "", ["first", "second"]),
        (["executions", "logs", "e1f2", "--step"], "stage_i", ["stage_in", "stage_in.2"]),
        (["executions", "logs", "--node"], "Py", ["PyCOMPSJob"]),
        (["executions", "resume", "e1", "--from"], "stage_o", ["stage_out", "stage_out.2"]),
        (["executions", "cancel"], "e", ["e1f2"]),
        (["graph"], "e", ["e1f2"]),
        (["deploy", str(EXAMPLE), "--site"], "", ["local", "bed"]),
        (["deploy", str(EXAMPLE), "--match"], "", ["AbstractEnvironment=local", "AbstractEnvironment=bed"]),
        (["deploy", str(EXAMPLE), "--continue-on-error"], "Sta", ["StageInData", "StageOutData"]),
        (["run", "exec_job", "--retries"], "Py", ["PyCOMPSJob="]),
        (["sites", "check"], "b", ["bed"]),
        (["types"], "HTTP", ["HTTP2SSH"]),
        (["types"], "dls.ansible.nodes.HTTP", ["dls.ansible.nodes.HTTP2SSH"]),
    ],
)
def test_words_are_completed(home: Path, words: list[str], incomplete: str, found: list[str]) -> None:
    assert completed(home, *words, incomplete=incomplete) == found


def test_the_home_that_is_named_counts(home: Path, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    assert completed(tmp_path / "none", "--home", str(home), "show") == ["first", "second"]
    assert completed(home, "--home", other, "show") == []
    assert not Path(other).exists()


BROKEN: list[dict[str, Any]] = [
    {"state.sqlite": "this is no database"},
    {"config.yaml": "retention: [1"},
    {"config.yaml": "nonsense: 1"},
    {"sites.yaml": "sites: {a: {nonsense: 1}}"},
    {},
]


@pytest.mark.parametrize("files", BROKEN)
@pytest.mark.parametrize(
    "words", [["show"], ["executions", "show"], ["executions", "logs", "--step"], ["sites", "check"], ["run"]]
)
def test_nothing_is_said_and_nothing_made_where_something_is_wrong(
    tmp_path: Path, files: dict[str, str], words: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    if files:
        home.mkdir()
    for name, text in files.items():
        (home / name).write_text(text)
    before = sorted(tmp_path.rglob("*"))
    assert set(completed(home, *words)) <= {"local"}
    assert sorted(tmp_path.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_a_broken_topology_completes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text("tosca_definitions_version: [")
    assert completed(tmp_path / "home", "plan", str(file)) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_for_every_shell(shell: str) -> None:
    assert f"_ORCH_COMPLETE={shell}_complete" in script(root, shell)


def test_commands_are_told_with_what_they_do(tmp_path: Path) -> None:
    session = Session({"ORCH_HOME": str(tmp_path)})
    found = ShellComplete(root, {"obj": session}, "orch", "_ORCH_COMPLETE").get_completions([], "")
    assert [item.value for item in found] == list(COMMANDS)
    assert all(item.help for item in found)
