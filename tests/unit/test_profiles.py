"""The shipped TOSCA profiles and the example topology: whole in themselves, and with the names that the public has."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TYPES = ROOT / "tosca_types"
EXAMPLE = ROOT / "topologies" / "minimal_workflow"
RUNNABLE = "tosca.interfaces.node.lifecycle.Runnable"
SECTIONS = (
    "artifact_types",
    "capability_types",
    "data_types",
    "group_types",
    "interface_types",
    "node_types",
    "policy_types",
    "relationship_types",
)
SIMPLE = {
    "string",
    "integer",
    "float",
    "boolean",
    "timestamp",
    "version",
    "range",
    "list",
    "map",
    "scalar-unit.size",
    "scalar-unit.time",
    "scalar-unit.frequency",
}
VERSIONS = {
    "tosca-normative-types": "1.0.0-ALIEN20",
    "alien-base-types": "3.0.0",
    "yorc-types": "1.1.0",
    "eflows4hpc.env": "1.1.0",
    "imagecreation.ansible": "1.3.0",
    "dls.ansible": "1.3.0",
    "org.eflows4hpc.pycompss.plugin": "1.1.0",
    "orch-types": "1.0.0",
}
PLUGIN = "org.eflows4hpc.pycompss.plugin"


def load(path: Path) -> dict[str, Any]:
    """A YAML document; a key that is written twice is an error."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key) for key, _ in node.value]
            assert len(keys) == len(set(keys)), f"{node.start_mark}: a key is there twice"
            return super().construct_mapping(node, deep)

    document = yaml.load(path.read_text(encoding="utf-8"), Loader)
    assert isinstance(document, dict)
    return document


PROFILES = {name: load(TYPES / name / "types.yaml") for name in VERSIONS}


def closure(imports: list[str]) -> set[str]:
    """The profiles that these imports bring."""
    names: set[str] = set()
    for entry in imports:
        name, _, version = entry.partition(":")
        assert version == VERSIONS[name], entry
        names |= {name} | closure(PROFILES[name].get("imports", []))
    return names


def visible(profile: str, section: str) -> dict[str, Any]:
    """The types that a profile may use, its own among them."""
    found: dict[str, Any] = {}
    for name in closure(PROFILES[profile].get("imports", [])) | {profile}:
        found |= PROFILES[name].get(section, {})
    return found


def definitions(section: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Profile, name and definition of every type of a section."""
    for profile, document in PROFILES.items():
        for name, definition in document.get(section, {}).items():
            yield profile, name, definition


def inherited(name: str, key: str) -> dict[str, Any]:
    """The entries of ``key`` (a map) of a node type and its ancestors."""
    everything = {n: d for _, n, d in definitions("node_types")}
    found: dict[str, Any] = {}
    ancestor: str | None = name
    while ancestor:
        entries = everything[ancestor].get(key, {})
        if isinstance(entries, list):
            entries = {k: v for entry in entries for k, v in entry.items()}
        found = {**entries, **found}
        ancestor = everything[ancestor].get("derived_from")
    return found


def calls(value: Any) -> Iterator[tuple[str, Any]]:
    """Every ``{function: arguments}`` in a value."""
    if isinstance(value, dict):
        for key, argument in value.items():
            yield key, argument
            yield from calls(argument)
    elif isinstance(value, list):
        for item in value:
            yield from calls(item)


def test_every_folder_is_a_profile_of_its_name_and_version() -> None:
    assert {p.name for p in TYPES.iterdir() if p.is_dir()} == set(VERSIONS)
    for name, document in PROFILES.items():
        assert document["metadata"]["template_name"] == name
        assert document["metadata"]["template_version"] == VERSIONS[name]
        assert document["description"]


def test_no_type_is_defined_twice() -> None:
    for section in SECTIONS:
        names = [name for _, name, _ in definitions(section)]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("section", SECTIONS)
def test_every_type_says_what_it_is_and_where_it_comes_from(section: str) -> None:
    for profile, name, definition in definitions(section):
        assert definition.get("description"), f"{profile}: {name} has no description"
        parent = definition.get("derived_from")
        if parent is None:
            assert name.endswith(".Root"), name
        else:
            assert parent in visible(profile, section) or (section == "data_types" and parent in SIMPLE), (name, parent)


def test_every_property_has_a_known_type_and_a_description() -> None:
    for section in SECTIONS:
        for profile, name, definition in definitions(section):
            known = SIMPLE | set(visible(profile, "data_types"))
            for key, schema in definition.get("properties", {}).items():
                assert schema.get("description"), f"{name}.{key} has no description"
                assert schema["type"] in known, (name, key)
                assert schema.get("entry_schema", {"type": "string"})["type"] in known, (name, key)
                assert ("entry_schema" in schema) is (schema["type"] in ("list", "map")), (name, key)


def test_requirements_and_capabilities_name_known_types() -> None:
    for profile, name, definition in definitions("node_types"):
        for requirement in definition.get("requirements", []):
            ((_, entry),) = requirement.items()
            assert entry["capability"] in visible(profile, "capability_types"), (name, entry)
            assert entry.get("node", "tosca.nodes.Root") in visible(profile, "node_types"), (name, entry)
            relationship = entry.get("relationship", "tosca.relationships.Root")
            assert relationship in visible(profile, "relationship_types"), (name, entry)
        for capability in definition.get("capabilities", {}).values():
            assert capability["type"] in visible(profile, "capability_types"), (name, capability)


def test_operations_read_what_the_type_has() -> None:
    for _, name, definition in definitions("node_types"):
        properties, requirements = inherited(name, "properties"), inherited(name, "requirements")
        for function, arguments in calls(definition.get("interfaces", {})):
            if function == "get_property":
                entity, key = arguments
                assert entity == "SELF"
                assert key in properties, (name, key)
            if function == "get_attribute":
                assert arguments[0] == "REQ_TARGET"
                assert arguments[1] in requirements, (name, arguments)


def test_jobs_are_watched_by_the_orchestrator_and_have_their_playbooks_named() -> None:
    for profile, name, expected in (
        ("imagecreation.ansible", "imagecreation.ansible.nodes.ImageCreation", "submit_imagecreation.yaml"),
        ("dls.ansible", "dls.ansible.nodes.DLSDAGRun", "submit_dag.yaml"),
        (PLUGIN, f"{PLUGIN}.nodes.PyCOMPSJob", "submit_pycompss.yaml"),
    ):
        runnable = PROFILES[profile]["node_types"][name]["interfaces"][RUNNABLE]
        assert runnable["run"]["implementation"] == {"file": "job", "type": "orch.artifacts.JobWatch"}
        assert runnable["cancel"] == {"implementation": "cancel_job.yaml"}
        assert runnable["submit"]["implementation"] == expected
        assert "orch-types" in closure(PROFILES[profile]["imports"])


def test_every_named_playbook_is_there() -> None:
    for profile, name, definition in definitions("node_types"):
        for key, value in calls(definition.get("interfaces", {})):
            file = value.get("file") if isinstance(value, dict) else value
            watched = isinstance(value, dict) and value.get("type") == "orch.artifacts.JobWatch"
            if key == "implementation" and not watched:
                assert (ROOT / "playbooks" / profile / file).is_file(), (name, file)


COMMON = {
    "submit_tasks",
    "dls_api_url",
    "dls_api_url_from_env",
    "dls_api_username",
    "dls_api_password",
    "dag_id",
    "debug_logs",
    "conf",
}
HOST = {"host", "host_from_env", "port", "login", "vault_id", "login_input", "vault_id_input"}


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("DLSDAGRun", {"login", "vault_id", "login_input", "vault_id_input"}),
        ("DLSDAGStageInData", HOST | {"oid", "oid_input", "target_path", "target_path_input"}),
        (
            "DLSDAGStageOutData",
            HOST | {"mid", "mid_input", "source_path", "source_path_input", "register", "register_input"},
        ),
        (
            "DLSDAGImageTransfer",
            HOST
            | {"builded_file_name_start", "builded_file_name_run", "image_builder_url", "target_path"}
            | {"image_builder_vault_secret_path", "image_id", "image_id_input", "target_path_input"},
        ),
    ],
)
def test_transfers_keep_their_public_inputs(name: str, inputs: set[str]) -> None:
    interfaces = PROFILES["dls.ansible"]["node_types"][f"dls.ansible.nodes.{name}"]["interfaces"]
    assert set(interfaces[RUNNABLE]["inputs"]) == COMMON
    assert set(interfaces[RUNNABLE]["submit"]["inputs"]) == inputs
    assert set(interfaces["Standard"]["inputs"]) == COMMON | {"run_in_standard_mode"}
    started = {i for i in inputs if not i.endswith("_input")}
    assert set(interfaces["Standard"]["start"]["inputs"]) == started


def test_pycompss_job_has_both_spellings_and_its_inputs() -> None:
    types = PROFILES[PLUGIN]["node_types"]
    job = types[f"{PLUGIN}.nodes.PyCOMPSJob"]
    assert set(types[f"{PLUGIN}.nodes.PyCOMPSsJob"]) == {"derived_from", "description"}
    inputs = job["interfaces"][RUNNABLE]["submit"]["inputs"]
    assert set(inputs) >= {"environment", "submission_params", "application", "keep_environment", "num_nodes_input"}
    assert inputs["image_file_path_start"] == {"get_attribute": ["REQ_TARGET", "img_transfer", "image_file_path_start"]}
    transfer = PROFILES["dls.ansible"]["node_types"]["dls.ansible.nodes.DLSDAGImageTransfer"]
    assert {"image_file_path_start", "image_file_path_submit"} <= set(transfer["attributes"])


def test_credentials_and_services_are_the_sites_business() -> None:
    run = PROFILES["dls.ansible"]["node_types"]["dls.ansible.nodes.DLSDAGRun"]["properties"]
    image = PROFILES["imagecreation.ansible"]["node_types"]["imagecreation.ansible.nodes.ImageCreation"]["properties"]
    for properties, keys in (
        (run, ("dls_api_url", "dls_api_username", "dls_api_password")),
        (image, ("service_url", "username", "password")),
    ):
        assert [properties[key]["required"] for key in keys] == [False] * 3


def test_example_topology_names_what_is_there() -> None:
    topology = load(EXAMPLE / "topology.yaml")
    template = topology["topology_template"]
    assert topology["metadata"]["template_name"] == "minimal_workflow"
    profiles = closure(topology["imports"])
    types = {name: d for profile, name, d in definitions("node_types") if profile in profiles}
    nodes = template["node_templates"]
    assert set(nodes) == {
        "ImageCreation",
        "DLSDAGImageTransfer",
        "StageInData",
        "PyCOMPSJob",
        "StageOutData",
        "AbstractEnvironment",
    }
    for node in nodes.values():
        assert node["type"] in types
        assert set(node.get("properties", {})) <= set(inherited(node["type"], "properties"))
        for requirement in node.get("requirements", []):
            ((name, target),) = requirement.items()
            assert name in inherited(node["type"], "requirements")
            assert target in nodes
    workflow = template["workflows"]["exec_job"]
    assert {s["target"] for s in workflow["steps"].values()} == {"StageInData", "PyCOMPSJob", "StageOutData"}
    assert {n for s in workflow["steps"].values() for n in s.get("on_success", [])} <= set(workflow["steps"])


def test_example_inputs_are_those_without_a_default() -> None:
    workflow = load(EXAMPLE / "topology.yaml")["topology_template"]["workflows"]["exec_job"]
    needed = {name for name, definition in workflow["inputs"].items() if "default" not in definition}
    assert set(load(EXAMPLE / "inputs.yaml")) == needed


def test_example_registry_has_the_program_that_the_topology_runs() -> None:
    properties = load(EXAMPLE / "topology.yaml")["topology_template"]["node_templates"]
    image = properties["ImageCreation"]["properties"]
    step = EXAMPLE / "registry" / image["workflow"] / image["step_id"]
    assert load(step / "eflows4hpc.yaml") == {"spack": {"specs": ["compss"]}}
    command = properties["PyCOMPSJob"]["properties"]["application"]["command"]
    assert (step.parent / command.lstrip("/")).is_file()


def script(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a script of the example with the stand-in."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "orchestrator" / "services" / "standin")}
    return subprocess.run(
        [sys.executable, *map(str, words)], env=environment, capture_output=True, text=True, check=False
    )


PROGRAM = EXAMPLE / "registry" / "minimal_workflow" / "wordcount" / "src" / "wordcount_blocks.py"


def test_example_counts_a_real_text_right(tmp_path: Path) -> None:
    text, again, result = (
        tmp_path / "data" / "data.txt",
        tmp_path / "again.txt",
        tmp_path / "new" / "dir" / "result.txt",
    )
    for target in (text, again):
        assert script(EXAMPLE / "make_text.py", target).returncode == 0
    assert text.read_bytes() == again.read_bytes()
    assert text.stat().st_size >= 1_000_000
    counted = script(PROGRAM, text, result, "3000")
    assert counted.returncode == 0, counted.stderr
    assert script(EXAMPLE / "count_words.py", text, result).returncode == 0
    assert script(EXAMPLE / "count_words.py", text).stdout.splitlines() == result.read_text().splitlines()[:10]
    result.write_text(result.read_text().replace(" ", " 1", 1))
    wrong = script(EXAMPLE / "count_words.py", text, result)
    assert (wrong.returncode, "expected" in wrong.stdout) == (1, True)


@pytest.mark.parametrize("size", ["1", "2", "1000"])
def test_example_orders_its_result_whatever_the_blocks(tmp_path: Path, size: str) -> None:
    (tmp_path / "text").write_bytes("b a B_c a1 Straße\nSTRASSE c2b ½ 漢字 it's\n\n".encode() + b"\xff z")
    assert script(PROGRAM, tmp_path / "text", tmp_path / "result", size).returncode == 0
    lines = (tmp_path / "result").read_text().splitlines()
    assert lines[:4] == ["b 3", "a 2", "c 2", "strasse 2"]
    assert lines[4:] == sorted(lines[4:])
    assert script(EXAMPLE / "count_words.py", tmp_path / "text", tmp_path / "result").returncode == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result", "text"]


@pytest.mark.parametrize(
    "words", [[], ["no-such-file", "result", "3000"], ["text", "result", "0"], ["text", "result", "x"]]
)
def test_example_program_refuses_bad_arguments(tmp_path: Path, words: list[str]) -> None:
    done = script(PROGRAM, *(tmp_path / w if not w.isalnum() or w in ("result", "text") else w for w in words))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_licence_is_the_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
