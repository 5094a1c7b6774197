"""Bad input: exit status 1 or 2, one clear message with place and cause, and nothing that blocks the next command."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import small_file_system
from support.orch import Orch, Workflow

TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
imports:
  - tosca-normative-types:1.0.0-ALIEN20
  - alien-base-types:3.0.0
  - dls.ansible:1.3.0
  - eflows4hpc.env:1.1.0
topology_template:
  node_templates:
    Environment:
      type: eflows4hpc.env.nodes.AbstractEnvironment
    StageIn:
      type: dls.ansible.nodes.DLSDAGStageInData
      properties:
        dag_id: x
{properties}
      requirements:
        - environment: Environment
{requirements}
"""


def topology(folder: Path, properties: str = "", requirements: str = "") -> Path:
    file = folder / "bad.yaml"
    file.write_text(TYPES.format(properties=properties, requirements=requirements))
    return file


def refused(orch: Orch, *words: str | Path, says: str, at: str = "", status: int = 2) -> str:
    """See that a command is refused with one clear message."""
    done = orch(*words, status=status)
    said = done.stderr + done.stdout
    assert re.search(says, said), said
    assert at in said, said
    return said


class TestDocuments:
    def test_unknown_node_type(self, orch: Orch, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text(TYPES.format(properties="", requirements="").replace("DLSDAGStageInData", "DLSDAGStageInDat"))
        refused(orch, "deploy", file, says="DLSDAGStageInDat.*(\n.*)*did you mean", at="bad.yaml:12:13")

    def test_misspelt_property(self, orch: Orch, tmp_path: Path) -> None:
        file = topology(tmp_path, "        taget_path: /x")
        refused(orch, "deploy", file, says="taget_path(.*\n)*.*target_path", at="bad.yaml:15:9")

    def test_a_map_where_a_string_belongs(self, orch: Orch, tmp_path: Path) -> None:
        file = topology(tmp_path, "        target_path: {a: b}")
        refused(orch, "deploy", file, says="target_path.*string", at="bad.yaml:15:22")

    def test_all_problems_at_once(self, orch: Orch, tmp_path: Path) -> None:
        file = topology(tmp_path, "        taget_path: /x\n        oid: [1]")
        said = refused(orch, "deploy", file, says="taget_path")
        assert "bad.yaml:16:14" in said

    def test_import_not_found(self, orch: Orch, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text(
            "tosca_definitions_version: tosca_simple_yaml_1_3\nimports:\n  - no-such-types:1.0\n  - here.yaml\n"
        )
        said = refused(orch, "validate", file, says="no-such-types", at="bad.yaml:3:5")
        assert "bad.yaml:4:5" in said

    def test_yaml_syntax_error(self, orch: Orch, tmp_path: Path) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n  inputs: [a\n  b: c\n")
        refused(orch, "deploy", file, says="(?i)yaml", at="bad.yaml:4:")

    def test_cyclic_requirements(self, orch: Orch, tmp_path: Path) -> None:
        other = (
            "        - dependency: Other\n    Other:\n      type: tosca.nodes.Root\n      requirements:\n"
            "        - dependency: StageIn\n"
        )
        refused(
            orch, "deploy", topology(tmp_path, "", other), says="StageIn -> Other -> StageIn|Other -> StageIn -> Other"
        )

    def test_no_such_file(self, orch: Orch, tmp_path: Path) -> None:
        refused(orch, "deploy", tmp_path / "none.yaml", says="none.yaml")

    def test_a_folder_instead_of_a_file(self, orch: Orch, tmp_path: Path) -> None:
        refused(orch, "deploy", tmp_path, says=str(tmp_path.name))

    def test_binary_rubbish(self, orch: Orch, tmp_path: Path) -> None:
        (tmp_path / "bad.yaml").write_bytes(bytes(range(256)) * 10)
        refused(orch, "validate", tmp_path / "bad.yaml", says="bad.yaml")


class TestRequests:
    def test_missing_required_input(self, deployed: Workflow, orch: Orch) -> None:
        said = refused(orch, "run", "exec_job", "-i", "oid=text", says="staged_in_data_path")
        assert "result_data_path" in said
        assert len(orch.executions()) == 1

    def test_unknown_input(self, deployed: Workflow, orch: Orch) -> None:
        refused(orch, "run", "exec_job", *deployed.arguments(oidd="x"), says="oidd(.*\n)*.*did you mean 'oid'")

    def test_a_wrong_type_in_an_inputs_file(self, deployed: Workflow, orch: Orch, tmp_path: Path) -> None:
        inputs = tmp_path / "inputs.yaml"
        inputs.write_text("oid: text\nstaged_in_data_path: {a: b}\nresult_data_path: /tmp/x\n")
        refused(orch, "run", "exec_job", "--inputs", inputs, says="staged_in_data_path", at="inputs.yaml:2:22")

    def test_unknown_workflow(self, deployed: Workflow, orch: Orch) -> None:
        refused(orch, "run", "exec_jb", says="exec_jb(.*\n)*.*exec_job")

    def test_unknown_site(self, workflow: Workflow, orch: Orch) -> None:
        refused(orch, "deploy", workflow.topology, "--site", "locl", says="locl(.*\n)*.*local")
        assert orch.json("list") == []

    def test_unknown_deployment(self, deployed: Workflow, orch: Orch) -> None:
        refused(orch, "run", "exec_job", "--deployment", "nope", says="nope(.*\n)*.*minimal_workflow")

    def test_a_value_of_a_secret_on_the_command_line(self, orch: Orch) -> None:
        refused(orch, "secrets", "set", "a/b", "key=hunter2", says="command line")
        assert "a/b" not in orch("secrets", "list").stdout


class TestMissingThings:
    def test_missing_secret(self, workflow: Workflow, orch: Orch, samples: Path) -> None:
        file = samples / "topologies/minimal_workflow_classic.yaml"
        said = refused(orch, "deploy", file, says="orch secrets set")
        assert "services_secrets/dls" in said
        assert "minimal_workflow_classic.yaml:" in said
        assert orch.json("list") == []
        orch("secrets", "set", "services_secrets/dls", "username", "password", stdin="u\np\n")
        orch("secrets", "set", "services_secrets/image_creation", "user", "password", stdin="u\np\n")
        orch("--sites", sites_with(workflow), "deploy", file)

    def test_missing_source_file(self, deployed: Workflow, orch: Orch) -> None:
        kept = deployed.text.read_text()
        deployed.text.unlink()
        said = refused(orch, "run", "exec_job", *deployed.arguments(), says="data.txt", status=1)
        assert "StageInData" in said
        deployed.text.write_text(kept)
        orch("executions", "resume", orch.executions()[0]["id"])
        deployed.check()

    def test_a_record_that_is_not_there(self, deployed: Workflow, orch: Orch) -> None:
        refused(orch, "run", "exec_job", *deployed.arguments(oid="nothing"), says="nothing", status=1)

    def test_a_job_that_exits_non_zero(self, deployed: Workflow, orch: Orch) -> None:
        fail = deployed.result() / "fail"
        fail.parent.mkdir(parents=True)
        fail.touch()
        said = refused(orch, "run", "exec_job", *deployed.arguments(), says="exit code 3", status=1)
        assert "told to fail" in said
        assert "PyCOMPSJob" in said
        assert "topology.yaml:" in said
        fail.unlink()
        orch("executions", "resume", orch.executions()[0]["id"])
        assert (deployed.result() / "result.txt").exists()

    def test_a_workflow_that_no_registry_has(self, workflow: Workflow, orch: Orch) -> None:
        registry = workflow.folder / "registry"
        registry.rename(workflow.folder / "elsewhere")
        refused(orch, "deploy", workflow.topology, says="registry", status=1)
        (workflow.folder / "elsewhere").rename(registry)
        orch("deploy", workflow.topology)
        assert [d["status"] for d in orch.json("list")] == ["deployed"]


class _NotFound(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def not_found() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NotFound)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/data.txt"
    server.shutdown()
    server.server_close()


def test_a_record_whose_url_answers_404(deployed: Workflow, orch: Orch, not_found: str) -> None:
    orch("catalogue", "add", not_found, "--oid", "gone")
    said = refused(orch, "run", "exec_job", *deployed.arguments(oid="gone"), says="404", status=1)
    assert not_found in said
    assert not deployed.staged().exists() or list(deployed.staged().iterdir()) == []


class TestFilesInTheWay:
    def test_home(self, orch: Orch) -> None:
        orch.home.write_text("a file")
        refused(orch, "list", says=f"{orch.home}(.*\n)*.*ORCH_HOME")
        orch.home.unlink()
        orch("list")

    def test_target(self, deployed: Workflow, orch: Orch) -> None:
        deployed.staged().parent.mkdir(parents=True)
        deployed.staged().write_text("a file")
        refused(orch, "run", "exec_job", *deployed.arguments(), says=str(deployed.staged()), status=1)
        deployed.staged().unlink()
        orch("executions", "resume", orch.executions()[0]["id"])
        deployed.check()

    def test_bundle(self, workflow: Workflow, orch: Orch) -> None:
        images = orch.home / "sites/local/images"
        images.parent.mkdir(parents=True)
        images.write_text("a file")
        refused(orch, "deploy", workflow.topology, says=str(images), status=1)
        images.unlink()
        orch("deploy", workflow.topology)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little space."""
    with small_file_system(tmp_path / "small", "6m") as folder:
        yield folder


def fill(folder: Path) -> Path:
    """Use all the space that is left."""
    file = folder / "filler"
    with file.open("wb", buffering=0) as out:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    out.write(b"x" * size)
            except OSError:
                continue
    return file


class TestFullDisk:
    def test_home(self, orch: Orch, small_disk: Path, tmp_path: Path) -> None:
        orch.home = small_disk / "home"
        workflow = Workflow(orch)
        orch("deploy", workflow.topology)
        filler = fill(small_disk)
        done = orch("run", "exec_job", *workflow.arguments(), status=None)
        assert done.returncode in (1, 2)
        assert re.search("(?i)full|space", done.stdout + done.stderr), done.stdout + done.stderr
        filler.unlink()
        orch("run", "exec_job", *workflow.arguments("two"))
        workflow.check("two")

    def test_target(self, deployed: Workflow, orch: Orch, small_disk: Path) -> None:
        filler = fill(small_disk)
        inputs = deployed.arguments(staged_in_data_path=str(small_disk / "in"))
        refused(orch, "run", "exec_job", *inputs, says="(?i)space", status=1)
        assert not (small_disk / "in/data.txt").exists()
        filler.unlink()
        orch("executions", "resume", orch.executions()[0]["id"])
        deployed.check()


def sites_with(workflow: Workflow) -> Path:
    """A sites file whose registry is the workflow's."""
    file = workflow.folder / "my-sites.yaml"
    file.write_text("sites: {local: {services: {image_creation: {registry: registry}}}}\n")
    return file
