"""The command line: parsing, help, common options, answers in text and JSON; nothing heavy is started."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from orchestrator.app.inputs import Given, InputUse, read_inputs
from orchestrator.app.inputs_file import inputs_text
from orchestrator.cli import entry
from orchestrator.cli.commands.work import read_matches
from orchestrator.cli.root import COMMANDS, root
from orchestrator.cli.session import Session
from orchestrator.errors import UserError
from orchestrator.model.topology import Schema
from orchestrator.resources import topologies_folder
from orchestrator.tosca.tree import plain_value

EXAMPLE = topologies_folder() / "minimal_workflow" / "topology.yaml"


class Orch:
    """Runs commands in this process on a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"

    def __call__(self, *words: str | Path, status: int = 0, stdin: str | bytes = "") -> Result:
        session = Session({"ORCH_HOME": str(self.home)})

        @click.command(context_settings={"ignore_unknown_options": True})
        @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
        def through(rest: tuple[str, ...]) -> None:
            sys.exit(entry.call(session, rest))

        result = CliRunner().invoke(through, ["--", *map(str, words)], input=stdin)
        assert result.exit_code == status, result.output
        return result

    def json(self, *words: str | Path, status: int = 0) -> Any:
        return json.loads(self(*words, "--json", status=status).stdout)


@pytest.fixture
def orch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orch:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Orch(tmp_path)


# The command itself


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its words."""
    context = click.Context(root, info_name="orch")
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", inner) for sub, inner in command.commands.items())


def test_the_list_of_commands_says_what_the_commands_say() -> None:
    context = click.Context(root, info_name="orch")
    for name, lazy in COMMANDS.items():
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name
        first = (command.help or "").split("\n\n")[0]
        assert first.split(",")[0].split(":")[0] in lazy.summary, name


@pytest.mark.parametrize("words", [w for w, c in commands() if not isinstance(c, click.Group)])
def test_every_command_explains_itself_with_examples(orch: Orch, words: str) -> None:
    text = orch(*words.split(), "-h").stdout
    assert text.startswith(f"Usage: orch {words}")
    assert f"  orch {words}" in text.split("Example")[1]
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "\x08" not in text


def test_help_names_every_command_and_the_first_steps(orch: Orch) -> None:
    text = orch("--help").stdout
    for name, lazy in COMMANDS.items():
        assert f"  {name} " in text
        assert lazy.summary.split()[0] in text
    assert "A first minute" in text


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from orchestrator.cli.root import root; root.main(['--help'], standalone_mode=False); "
        "sys.exit(sum(name in sys.modules for name in "
        "('rich', 'msgspec', 'sqlalchemy', 'dbos', 'ansible', 'networkx', 'yaml')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_list_imports_neither_engine_nor_ansible(tmp_path: Path) -> None:
    program = (
        "import sys; from orchestrator.cli.entry import call; from orchestrator.cli.session import Session; "
        f"assert call(Session({{'ORCH_HOME': {str(tmp_path)!r}}}), ['list']) == 0; "
        "sys.exit(sum(name in sys.modules for name in ('rich', 'dbos', 'ansible', 'networkx', 'toscaparser')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version(orch: Orch) -> None:
    said = orch("--version").stdout
    assert said.startswith("orch ")
    assert orch("version").stdout == said
    assert f"orch {orch.json('version')['version']}\n" == said


GROUPS = [words for words, command in commands() if isinstance(command, click.Group)]


@pytest.mark.parametrize("words", ["", *GROUPS])
def test_a_command_of_commands_alone_explains_itself(orch: Orch, words: str) -> None:
    shown = orch(*words.split(), "-h")
    for more in ([], ["--quiet"], ["--json"]):
        alone = orch(*words.split(), *more)
        assert (alone.stdout, alone.stderr) == (shown.stdout, "")
    assert "Commands:" in shown.stdout or "Topologies:" in shown.stdout
    assert not orch.home.exists()


@pytest.mark.parametrize("words", ["", *(words for words, _ in commands())])
def test_help_says_what_minus_h_says(orch: Orch, words: str) -> None:
    assert orch("help", *words.split()).stdout == orch(*words.split(), "-h").stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["help", "lst"], "did you mean `orch list`?"),
        (["help", "executions", "log"], "did you mean `orch executions logs`?"),
        (["help", "list", "more"], "`orch list` has no commands of its own"),
        (["help", "sites", "zzz"], "`orch sites --help` lists the commands"),
        (["sites", "chek"], "did you mean `orch sites check`?"),
        (["lst"], "did you mean `orch list`?"),
        (["frobnicate"], "orch --help"),
        (["deploy"], "FILE"),
        (["run", "x", "--nme", "y"], "--nme"),
        (["graph", "x", "--format", "gif"], "gif"),
        (["executions", "logs", "--level", "loud"], "loud"),
    ],
)
def test_wrong_words_are_refused(orch: Orch, words: list[str], says: str) -> None:
    result = orch(*words, status=2)
    assert says in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stdout == ""
    error = json.loads(orch("--json", *words, status=2).stdout)["error"]
    assert (error["code"], error["exit_status"]) == ("E1001", 2)


def test_common_options_stand_before_and_after(orch: Orch, tmp_path: Path) -> None:
    assert json.loads(orch("--json", "list").stdout) == []
    assert json.loads(orch("list", "--json").stdout) == []
    assert json.loads(orch("executions", "--json", "list").stdout) == []
    assert orch("list").stdout != ""
    assert orch("-q", "list").stdout == orch("list", "--quiet").stdout == ""
    other = tmp_path / "other"
    orch("list", "--home", other)
    assert (other / "state.sqlite").exists()
    orch("list", "--sites", "none.yaml")
    assert "none.yaml" in orch("sites", "list", "--sites", "none.yaml", status=2).stderr


def test_an_error_in_json(orch: Orch) -> None:
    error = orch.json("show", "nothing", status=2)["error"]
    assert "nothing" in error["message"]
    assert error["hint"] == "orch deploy TOPOLOGY"


def test_a_fault_of_orch(orch: Orch, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Session, "home", property(broken))
    said = orch("list", status=1).stderr
    assert "this is a fault of orch" in said
    assert "Traceback" not in said
    assert "Traceback" in orch("--debug", "list", status=1).stderr


@pytest.mark.parametrize(
    "words",
    ["deploy", "run", "undeploy", "scale", "show", "outputs", "plan", "graph", "inputs", "executions list"]
    + [f"executions {name}" for name in ("show", "logs", "resume")],
)
def test_every_command_names_a_deployment_in_the_same_way(orch: Orch, words: str) -> None:
    text = orch(*words.split(), "-h").stdout
    assert "  -d, --deployment NAME  " in text
    assert "--name" not in text
    usage = text.split("\n\n")[0].upper()
    assert "NAME" not in usage
    assert "DEPLOYMENT" not in usage
    if words in ("deploy", "executions list"):
        return
    rest = {"run": ["x"], "scale": ["A=1"]}.get(words, [])
    for option in (["-d", "nope"], ["--deployment=nope"]):
        error = orch.json(*words.split(), *rest, *option, status=2)["error"]
        assert "there is no deployment 'nope'" in error["message"]


def test_the_way_a_deployment_was_named_before_is_understood(orch: Orch) -> None:
    for words in (["show"], ["outputs"], ["undeploy"]):
        assert "no deployment 'nope'" in orch.json(*words, "nope", status=2)["error"]["message"]
        assert "two deployments" in orch.json(*words, "nope", "-d", "other", status=2)["error"]["message"]
    said = orch.json("deploy", EXAMPLE, "--name", "one", "-d", "other", status=2)["error"]["message"]
    assert said == "two deployments are named: 'one' and 'other'"


@pytest.mark.parametrize("words", ["plan", "graph", "inputs"])
def test_a_file_and_a_deployment_exclude_each_other(orch: Orch, words: str) -> None:
    said = orch.json(words, EXAMPLE, "exec_job", "-d", "x", status=2)["error"]["message"]
    assert said.endswith("and --deployment exclude each other")
    assert orch.json(words, status=2)["error"]["message"] == "nothing is deployed"


# Topologies


def test_validate(orch: Orch, tmp_path: Path) -> None:
    assert "is valid: minimal_workflow, 6 nodes, workflows: exec_job" in orch("validate", EXAMPLE).stdout
    bad = tmp_path / "bad.yaml"
    bad.write_text(EXAMPLE.read_text().replace("dag_id: transfer_image", "dagid: transfer_image"))
    said = orch("validate", bad, status=2)
    assert "dagid: transfer_image\n" in said.stderr
    assert "  ^~~~~\n" in said.stderr
    assert said.stderr.splitlines()[-1].endswith(("error", "errors"))
    data = orch.json("validate", bad, status=2)
    assert data["valid"] is False
    assert {"file", "line", "column", "code", "message"} <= set(data["problems"][0])


def test_plan(orch: Orch) -> None:
    lines = orch("plan", EXAMPLE, "exec_job").stdout.splitlines()
    assert lines[0] == "exec_job of minimal_workflow: 6 steps, 6 operations"
    assert lines[1].split() == ["#", "STEP", "AFTER"]
    assert lines[3].split() == ["2", "StageInData:", "Runnable.run", "1"]
    data = orch.json("plan", EXAMPLE, "exec_job")
    assert [s["operation"] for s in data["steps"]] == ["submit", "run"] * 3
    assert len(data["edges"]) == 5
    assert "exec_job" in orch("plan", EXAMPLE, "exec_jb", status=2).stderr
    assert "no file or deployment" in orch("plan", "nothing", status=2).stderr


@pytest.mark.parametrize("words", [(), ("--variables",)])
@pytest.mark.parametrize(
    ("workflow", "given", "code", "says"),
    [
        ("install", "m=medium", "I0004", "must be one of fast, slow"),
        ("go", "n=77", "I0004", "must be in the range 1, 5"),
        ("go", "n=many", "I0003", "'many'"),
        ("go", "nn=1", "I0001", "there is no input 'nn'"),
        ("uninstall", "n=1", "I0001", "there is no input 'n'"),
    ],
)
def test_inputs_of_a_plan_are_checked(
    orch: Orch, tmp_path: Path, words: tuple[str, ...], workflow: str, given: str, code: str, says: str
) -> None:
    topology = tmp_path / "topology.yaml"
    topology.write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n"
        "  inputs: { m: { type: string, constraints: [ valid_values: [ fast, slow ] ] } }\n"
        "  node_templates: { N: { type: tosca.nodes.Root } }\n"
        "  workflows: { go: { inputs: { n: { type: integer, constraints: [ in_range: [ 1, 5 ] ] } } } }\n"
    )
    name, _, value = given.partition("=")
    file = tmp_path / "in.yaml"
    file.write_text(f"{name}: {value}\n")
    orch("plan", topology, workflow, *words)  # none need be given
    for how in (("-i", given), ("--inputs", file)):
        (problem,) = orch.json("plan", topology, workflow, *words, *how, status=2)["error"]["problems"]
        assert problem["code"] == code
        assert says in problem["message"]


def test_graph(orch: Orch, tmp_path: Path) -> None:
    for ending, start in ((".svg", "<"), (".dot", "digraph"), (".mmd", "---")):
        file = tmp_path / f"picture{ending}"
        orch("graph", EXAMPLE, "exec_job", "-o", file)
        assert file.read_text().lstrip().startswith(start)
    assert "flowchart" in orch("graph", EXAMPLE, "--format", "mermaid").stdout
    said = orch("graph", EXAMPLE, "-o", tmp_path / "no" / "folder.svg", status=1).stderr
    assert "folder.svg: the picture cannot be written: No such file or directory" in said
    assert "file, deployment or execution" in orch("graph", "nothing", status=2).stderr


def test_inputs(orch: Orch) -> None:
    text = orch("inputs", EXAMPLE, "exec_job").stdout
    assert text.splitlines()[0].split() == ["NAME", "TYPE", "REQUIRED", "DEFAULT", "DESCRIPTION", "USED", "BY"]
    data = {item["name"]: item for item in orch.json("inputs", EXAMPLE, "exec_job")}
    assert data["oid"]["required"]
    assert data["block_size"]["default"] == 3000
    assert "StageInData.submit" in data["oid"]["used_by"]
    assert "${block_size} in PyCOMPSJob" in data["block_size"]["used_by"]
    assert [item["name"] for item in orch.json("inputs", EXAMPLE)] == ["container_image_transfer_directory"]


def test_an_inputs_file_is_written_once_and_read_again(orch: Orch, tmp_path: Path) -> None:
    file = tmp_path / "inputs.yaml"
    orch("inputs", EXAMPLE, "exec_job", "-o", file)
    given = read_inputs([], file)
    assert _value(given["block_size"]) == 3000
    assert _value(given["user_id"]) == ""
    assert given["oid"].open
    assert "qos" not in given
    file.write_text("mine")
    assert "is there already" in orch("inputs", EXAMPLE, "exec_job", "-o", file, status=2).stderr
    assert file.read_text() == "mine"


def test_an_inputs_file_keeps_any_name_and_value(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "plain": "x",
        "no": "yes",
        "1": "2",
        "a: b": {"deep": ["{{ x }}", None, 1.5]},
        "#": "line\nbreak\x85",
        "empty": [],
    }
    text = "broken\nlines: [\x0b\u2028"
    uses = [InputUse(name, Schema(text), False, value, text, (text,)) for name, value in values.items()]
    file = tmp_path / "inputs.yaml"
    file.write_text(inputs_text(uses, text, text), encoding="utf-8")
    assert {name: _value(given) for name, given in read_inputs([], file).items()} == values


def _value(given: Given) -> Any:
    assert given.tree is not None
    return plain_value(given.tree)


def test_matches() -> None:
    assert read_matches(("A=x", "B=y=z")) == {"A": "x", "B": "y=z"}
    assert read_matches(("A=x", "A=x")) == {"A": "x"}
    for words in (("A",), ("=x",), ("A=",), ("A=x", "A=y")):
        with pytest.raises(UserError, match="--match"):
            read_matches(words)


# Surroundings


def test_sites(orch: Orch, tmp_path: Path) -> None:
    assert "built in" in orch("sites", "list").stdout
    file = tmp_path / "sites.yaml"
    file.write_text("sites: {other: {login_host: there, services: {image_creation: {registry: reg}}}}\n")
    found = {site["name"]: site for site in orch.json("sites", "list", "--sites", file)}
    assert list(found) == ["local", "other"]
    assert found["local"]["file"] is None
    assert found["other"]["file"] == str(file)
    assert found["other"]["registry"] == str(tmp_path / "reg")
    file.write_text("sites: {other: {loginhost: there}}\n")
    assert "sites.yaml:1:17" in orch("sites", "list", "--sites", file, status=2).stderr


def test_catalogue(orch: Orch, tmp_path: Path) -> None:
    data = tmp_path / "data" / "sub"
    data.mkdir(parents=True)
    (data / "a.txt").write_text("abc")
    (tmp_path / "data" / "b.txt").write_text("")
    assert "no records" in orch("catalogue", "list").stdout
    assert orch("catalogue", "add", tmp_path / "data", "--oid", "set", "--title", "Two files").stdout == "set\n"
    record = orch.json("catalogue", "show", "set")
    assert [(f["name"], f["size"]) for f in record["files"]] == [("b.txt", 0), ("sub/a.txt", 3)]
    assert record["files"][1]["checksum"].startswith("sha256:ba7816bf")
    url = "https://example.org/x/tides%20now.nc?v=1"
    orch("catalogue", "add", url, "--oid", "url")
    assert orch.json("catalogue", "show", "url")["files"][0] == {
        "name": "tides now.nc",
        "url": url,
        "location": url,
    }
    orch("catalogue", "add", data / "a.txt", "--oid", "bare", "--no-checksum")
    assert "checksum" not in orch.json("catalogue", "show", "bare")["files"][0]
    assert [r["oid"] for r in orch.json("catalogue", "list")] == ["bare", "set", "url"]
    assert "Two files" in orch("catalogue", "list").stdout
    assert "sub/a.txt" in orch("catalogue", "show", "set").stdout


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("none.txt", "no file none.txt"),
        ("ftp://example.org/x", "cannot be fetched by ftp"),
        ("https://example.org/", "names no file"),
        (".", "holds no file"),
    ],
)
def test_what_is_no_data(orch: Orch, place: str, says: str) -> None:
    assert says in orch("catalogue", "add", place, status=2).stderr
    assert orch.json("catalogue", "list") == []


def test_nothing_is_there_at_first(orch: Orch) -> None:
    for words in (["list"], ["executions", "list"], ["secrets", "list"]):
        assert orch.json(*words) == []
        assert "orch " in orch(*words).stdout
    assert "orch deploy" in orch("executions", "show", status=2).stderr
    assert "orch deploy" in orch("undeploy", status=2).stderr


def test_secrets(orch: Orch) -> None:
    value = "hunter2-c4n4ry"
    said = orch("secrets", "set", "/secret/data/a/b", "user", "password", stdin=f"me\n{value}\n").output
    said += orch("secrets", "list").output
    assert "password, user" in said
    assert orch.json("secrets", "list", "a/b") == [{"path": "a/b", "keys": ["password", "user"]}]
    refused = orch("secrets", "set", "a/b", f"password={value}", status=2)
    assert "command line" in refused.stderr
    assert value not in said + refused.output
    orch("secrets", "delete", "a/b", "user")
    assert orch.json("secrets", "list") == [{"path": "a/b", "keys": ["password"]}]
    orch("secrets", "delete", "a/b")
    assert "there is no secret" in orch("secrets", "delete", "a/b", status=2).stderr
    assert "there is no secret" in orch("secrets", "list", "a/b", status=2).stderr


@pytest.mark.parametrize("ending", ["", ".yaml", ".csar"])
@pytest.mark.parametrize(
    "words",
    [
        ("validate", "{}"),
        ("deploy", "{}"),
        ("deploy", EXAMPLE, "--inputs", "{}"),
        ("run", "exec_job", "--inputs", "{}"),
        ("plan", "{}"),
        ("graph", "{}"),
        ("inputs", "{}"),
        ("convert", "{}"),
        ("package", "{}"),
        ("unpack", "{}"),
        ("lock", "{}"),
        ("sites", "list", "--sites", "{}"),
        ("profiles", "add", "{}"),
        ("catalogue", "add", "{}"),
        ("ssh-keys", "import", "{}"),
        ("secrets", "set", "p", "k=@{}"),
    ],
)
def test_a_file_whose_name_is_too_long_is_not_found(orch: Orch, words: tuple[str | Path, ...], ending: str) -> None:
    name = "x" * 300 + ending
    said = orch(*(word.format(name) if isinstance(word, str) else word for word in words), status=2).stderr
    assert "see that there is space" not in said
    assert "fault of orch" not in said
