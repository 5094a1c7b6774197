"""``orch convert``, ``orch types``, ``orch explain`` and the formats of ``orch validate``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import entry
from orchestrator.cli.session import Session

ALIEN = """
tosca_definitions_version: alien_dsl_2_0_0
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Root, requirements: [ { after: { type_requirement: dependency, node: a } } ] }
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "alien.yaml"
    file.write_text(ALIEN)
    return file


def orch(*words: str | Path, status: int = 0) -> Result:
    session = Session({"ORCH_HOME": str(Path.cwd() / "home")})

    @click.command(context_settings={"ignore_unknown_options": True})
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
    def through(rest: tuple[str, ...]) -> None:
        sys.exit(entry.call(session, rest))

    result = CliRunner().invoke(through, ["--", *map(str, words)])
    assert result.exit_code == status, result.output
    return result


def test_convert(file: Path) -> None:
    answer = orch("convert", file)
    assert answer.stdout.startswith("tosca_definitions_version: tosca_simple_yaml_1_3\n")
    assert "assignment" in answer.stderr
    assert "alien.yaml:6:" in answer.stderr
    written = orch("convert", "alien.yaml", "-o", "new.yaml", "--json")
    data = json.loads(written.stdout)
    assert data["text"] == Path("new.yaml").read_text() == answer.stdout
    assert data["remarks"][0]["fate"] == "extension"
    assert "there already" in orch("convert", file, "-o", "new.yaml", status=2).stderr
    assert "not written in the dialect" in orch("convert", file, "--to", "alien_dsl_2_0_0", status=2).stderr


def test_types(file: Path) -> None:
    assert "dls.ansible.nodes.HTTP2SSH" in orch("types").stdout
    shown = orch("types", "HTTP2SSH").stdout
    assert "url (named by input_name_for_url)" in shown
    assert json.loads(orch("types", "HTTP2SSH", "--json").stdout)["name"] == "dls.ansible.nodes.HTTP2SSH"
    assert orch("types", "HTTP2SSH", "--markdown").stdout.startswith("## dls.ansible.nodes.HTTP2SSH\n")
    assert "did you mean 'dls.ansible.nodes.HTTP2SSH'?" in orch("types", "HTTPSSH", status=2).stderr


def test_explain(file: Path) -> None:
    assert orch("explain", "T0401").stdout.startswith("T0401: Unknown property\n")
    assert json.loads(orch("explain", "T0401", "--json").stdout)["code"] == "T0401"
    assert "P0002" in orch("explain").stdout
    assert "no code" in orch("explain", "T9999", status=2).stderr


def test_formats_of_validate(file: Path) -> None:
    file.write_text(ALIEN.replace("node: a", "node: c"))
    log = json.loads(orch("validate", "alien.yaml", "--format", "sarif", status=2).stdout)
    (result,) = log["runs"][0]["results"]
    assert result["ruleId"] == "T0502"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "alien.yaml"
    assert json.loads(orch("validate", file, "--format", "json", status=2).stdout)["valid"] is False
    assert "[T0502]" in orch("validate", file, "--format", "text", status=2).stderr
