"""A secret that a step made is known to the process that carried the step out; who is given *** later is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.orch import Orch

TOPOLOGY = """\
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: lost, template_version: 1.0.0, template_author: tests }
node_types:
  t.Maker:
    derived_from: tosca.nodes.Root
    attributes: { token: { type: string } }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create:
            inputs: { SECRET: { get_secret: [ made, value ] } }
            implementation: make.sh
            outputs: { TOKEN: [ SELF, token ] }
  t.User:
    derived_from: tosca.nodes.Root
    properties: { folder: { type: string } }
    requirements: [ maker: { capability: tosca.capabilities.Node, relationship: tosca.relationships.DependsOn } ]
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create:
            inputs:
              FOLDER: { get_property: [ SELF, folder ] }
              GIVEN: %s
            implementation: use.sh
topology_template:
  inputs: { folder: { type: string } }
  node_templates:
    Maker: { type: t.Maker }
    User: { type: t.User, properties: { folder: { get_input: folder } }, requirements: [ maker: Maker ] }
"""
READS = {
    "attribute": "{ get_attribute: [ Maker, token ] }",
    "output": "{ get_operation_output: [ Maker, Standard, create, TOKEN ] }",
    "inside of a text": "{ concat: [ 'user:', { get_attribute: [ Maker, token ] } ] }",
}


@pytest.mark.parametrize("read", READS)
def test_a_secret_that_nobody_knows_any_more_is_told(orch: Orch, tmp_path: Path, read: str) -> None:
    (tmp_path / "topology.yaml").write_text(TOPOLOGY % READS[read])
    (tmp_path / "make.sh").write_text('TOKEN="$SECRET-made"\n')
    (tmp_path / "use.sh").write_text('printf %s "$GIVEN" > "$FOLDER/given"\n[ -e "$FOLDER/ready" ] || exit 3\n')
    orch("secrets", "set", "made", "value=@-", stdin="canary")
    before = "user:" if "text" in read else ""
    orch("deploy", tmp_path / "topology.yaml", "-i", f"folder={tmp_path}", status=1)
    assert (tmp_path / "given").read_text() == f"{before}canary-made"  # the same process
    execution = orch.executions()[0]["id"]
    assert "was a secret" not in orch("executions", "logs", execution).stdout
    (tmp_path / "ready").touch()
    said = " ".join(orch("executions", "resume", execution).stdout.split())
    assert (tmp_path / "given").read_text() == f"{before}***"
    what = "the output TOKEN of Maker: " if read == "output" else "the attribute token of Maker was a secret"
    assert what in said
    assert "this step is given *** instead" in said
    said = orch("executions", "resume", execution, "--from", "Maker_create").stdout
    assert (tmp_path / "given").read_text() == f"{before}canary-made"
    assert "was a secret" not in said


def test_what_only_looks_like_one_is_no_secret(orch: Orch, tmp_path: Path) -> None:
    (tmp_path / "topology.yaml").write_text(TOPOLOGY % "{ get_input: folder }")
    (tmp_path / "make.sh").write_text("TOKEN=plain\n")
    (tmp_path / "use.sh").write_text(":\n")
    orch("secrets", "set", "made", "value=@-", stdin="canary")
    orch("deploy", tmp_path / "topology.yaml", "-i", "folder=***")
    assert "was a secret" not in orch("executions", "logs").stdout
