"""What people write reaches the work as they meant it, whatever the names; what the work leaves is recorded."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.orch import Orch

SOURCE = Path(__file__).with_name("reader")


def topology(folder: Path, node: str, operation: str) -> Path:
    shutil.copytree(SOURCE, folder)
    file = folder / "topology.yaml"
    text = file.read_text().replace("NAME_OF_NODE", f'"{node}"').replace("NAME_OF_OPERATION", f'"{operation}"')
    file.write_text(text.replace(f'work."{operation}"', f'"work.{operation}"'))
    return file


@pytest.mark.parametrize(
    ("node", "operation"), [("Say", "say"), ("n" * 240, "say"), ("Säger och / talar", "o" * 250), ("..", "a b")]
)
def test_names_and_values_of_any_kind(orch: Orch, tmp_path: Path, node: str, operation: str) -> None:
    file = topology(tmp_path / "topology", node, operation)
    traces = tmp_path / "traces"
    traces.mkdir()
    orch("deploy", file, "-i", f"folder={traces}")
    assert (traces / "work-done.txt").read_text() == "done\n"
    assert orch.json("outputs") == {"mean": "nan", "range": {"low": "-inf", "high": 1.5}}
    inputs = tmp_path / "inputs.yaml"
    inputs.write_text("v: 0755\n")
    orch("run", "say", "--inputs", inputs)
    orch("run", "say", "-i", "v=1.10", "-i", "f=-.inf")
    assert (traces / "said").read_text() == "0755\ninf\n1.10\n-inf\n"


def test_sites_with_names_that_are_paths_are_refused(orch: Orch, tmp_path: Path) -> None:
    folder = tmp_path / "topology"
    folder.mkdir()
    file = folder / "topology.yaml"
    file.write_text(
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        "metadata: { template_name: sites, template_version: 1.0.0, template_author: tests }\n"
        "imports: [ eflows4hpc.env:1.1.0 ]\n"
        "topology_template: { node_templates: { Site: { type: eflows4hpc.env.nodes.AbstractEnvironment } } }\n"
    )
    for name in ("../../outside", str(tmp_path / "absolute"), "-x", "a/b", " ", "\x1b[31mred", "x" * 300):
        written = '"' + name.replace("\x1b", "\\e") + '"'
        (folder / "sites.yaml").write_text(f"sites:\n  ? {written}\n  : {{ jobs: 2 }}\n  good: {{ jobs: 2 }}\n")
        refused = orch("deploy", file, "--name", "bad", f"--site={name}", status=2)
        assert "sites.yaml:2:5" in refused.stderr
        assert "is no name for a site" in refused.stderr
        assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "topology"]
    orch("deploy", file, "--name", "good", "--site", "good")
    assert "is no name for a deployment" in orch("deploy", file, "--name", "", "--site", "good", status=2).stderr
