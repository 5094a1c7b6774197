"""The shipped TOSCA profiles and the example topology: whole in themselves, and with the names that the public has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from orchestrator.model.topology import NodeType
from orchestrator.tosca import Catalog, read_topology

ROOT = Path(__file__).parents[2]
TYPES = ROOT / "tosca_types"
EXAMPLE = ROOT / "topologies" / "minimal_workflow"
SAMPLES = ROOT.parent / "shared" / "samples" / "eflows4hpc"
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
    "pycomps.ansible": "1.1.0",
    "orch-types": "1.0.0",
    "yorc-slurm-types": "1.1.0",
}
PLUGIN = "org.eflows4hpc.pycompss.plugin"


def load(path: Path) -> dict[str, Any]:
    """A YAML document; a key that is written twice is an error."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
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
        ("pycomps.ansible", "pycomps.ansible.nodes.PyCOMPSJob", "submit_pycompss.yaml"),
        ("yorc-slurm-types", "orch.nodes.SlurmJob", "submit_job.yaml"),
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


@pytest.mark.parametrize("name", VERSIONS)
def test_a_profile_reads_without_problems(name: str) -> None:
    problems = read_topology(TYPES / name / "types.yaml").problems
    assert [str(p) for p in problems if p.code != "T0804"] == []  # not carried out, but part of the profile


NodeTypes = Callable[[str], dict[str, NodeType]]


def node_types(file: Path, catalog: Catalog | None = None) -> dict[str, NodeType]:
    """The node types of a profile by their short names, with what they inherit."""
    topology = read_topology(file, catalog).topology
    assert topology is not None
    own = f"{topology.name}.nodes."
    return {n.removeprefix(own): t for n, t in topology.node_types.items() if n.startswith(own)}


@pytest.fixture(scope="module")
def shipped() -> NodeTypes:
    """Shipped profiles, by name."""
    return cache(lambda profile: node_types(TYPES / profile / "types.yaml"))


@pytest.fixture(scope="module")
def public(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> NodeTypes:
    """Public profiles, by name."""
    folder = tmp_path_factory.mktemp("catalog")
    for file in [*(samples / "types").glob("*.yml"), *(samples / "profiles").glob("*.yml")]:
        (folder / file.stem).mkdir()
        shutil.copy(file, folder / file.stem / "types.yaml")
    catalog = Catalog([folder], shipped=False)
    return cache(lambda profile: node_types(folder / profile / "types.yaml", catalog))


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
LOGIN = {"login", "vault_id", "login_input", "vault_id_input"}
HOST = LOGIN | {"host", "host_from_env", "port"}
END = ("path", "path_input", "host", "host_from_env", "port", "login", "login_input", "vault_id", "vault_id_input")
ENDS = {f"{end}_{name}" for end in ("source", "target") for name in END}
TRANSFERS = {
    "DLSDAGRun": ("submit_dag_generic", LOGIN),
    "DLSDAGStageInData": ("submit_dag_stagein_data", HOST | {"oid", "oid_input", "target_path", "target_path_input"}),
    "DLSDAGWebdavStageInData": (
        "submit_dag_webdav_stagein_data",
        HOST | {"oid", "oid_input", "target_path", "target_path_input", "force"},
    ),
    "HTTP2SSH": (
        "submit_dag_http2ssh_data",
        HOST | {"url", "url_input", "target_path", "target_path_input", "force"},
    ),
    "GIT2SSH": (
        "submit_dag_git2ssh_data",
        HOST | {"git_url", "git_url_input", "git_repo", "git_repo_input", "target_path", "target_path_input"},
    ),
    "SSH2SSH": ("submit_dag_ssh2ssh_data", LOGIN | ENDS),
    "DLSDAGWebdavStageOutData": (
        "submit_dag_webdav_stageout_data",
        HOST | {"oid", "oid_input", "source_path", "source_path_input"},
    ),
    "DLSDAGModelUpload": ("submit_dag_mlflow_upload", HOST | {"location", "location_input", "subfolder"}),
    "DLSDAGModelSearchUpload": (
        "submit_dag_model_search_upload",
        HOST | {"location", "location_input", "experiment", "experiment_input"},
    ),
    "DLSDAGModelStageIn": (
        "submit_dag_model_stagein",
        HOST | {"location", "location_input", "experiment", "experiment_input"} | {"model_path", "model_path_input"},
    ),
    "DLSDAGStageOutData": (
        "submit_dag_stageout_data",
        HOST | {"mid", "mid_input", "source_path", "source_path_input", "register", "register_input"},
    ),
    "DLSDAGImageTransfer": (
        "submit_dag_image_transfer",
        HOST
        | {"builded_file_name_start", "builded_file_name_run", "image_builder_url", "target_path"}
        | {"image_builder_vault_secret_path", "image_id", "image_id_input", "target_path_input"},
    ),
}


def test_every_transfer_is_told_what_the_public_one_is_told(shipped: NodeTypes) -> None:
    types = shipped("dls.ansible")
    assert set(types) == set(TRANSFERS)
    for name, (tasks, inputs) in TRANSFERS.items():
        submit = types[name].interfaces["Runnable"].operations["submit"]
        start = types[name].interfaces["Standard"].operations["start"]
        assert set(submit.inputs) == COMMON | inputs, name
        started = {i for i in inputs if not i.endswith("_input")}
        assert set(start.inputs) == COMMON | started | {"run_in_standard_mode"}, name
        for operation, file in ((submit, "submit_dag.yaml"), (start, "start_in_standard_mode.yaml")):
            assert builtin(operation.inputs["submit_tasks"])["value"] == f"{tasks}.yaml", name
            assert operation.implementation is not None
            assert operation.implementation.file == file, name


def builtin(value: Any) -> Any:
    """A part of the model without its places and the words that explain it."""
    if isinstance(value, msgspec.Struct):
        return builtin(msgspec.to_builtins(value, enc_hook=str))
    if isinstance(value, dict):
        return {k: builtin(v) for k, v in value.items() if k not in ("span", "description")}
    return [builtin(item) for item in value] if isinstance(value, list | tuple) else value


def facts(node_type: NodeType) -> dict[str, Any]:
    """What a topology can rely on in a node type, flat: a path to a value."""
    found: dict[str, Any] = {"lineage": list(node_type.lineage)}
    for section in ("properties", "attributes", "requirements", "capabilities"):
        found |= {f"{section}.{name}": builtin(entry) for name, entry in getattr(node_type, section).items()}
    for interface, operation in (("Standard", "start"), ("Runnable", "submit"), ("Runnable", "run")):
        inputs = node_type.interfaces[interface].operations[operation].inputs
        found |= {f"{operation}.{name}": builtin(value) for name, value in inputs.items()}
    return found


SITES_BUSINESS = {"properties.dls_api_username", "properties.dls_api_password"}
# The public tasks for plain stage-in, which its submit names, would not pass "force" on.
DIFFERENT = {"DLSDAGWebdavStageInData": {"submit.submit_tasks", "run.submit_tasks"}}


@pytest.mark.parametrize("name", TRANSFERS)
def test_a_transfer_is_that_of_the_public_profile(name: str, shipped: NodeTypes, public: NodeTypes) -> None:
    assert set(public("dls.ansible")) == set(TRANSFERS)
    ours, theirs = facts(shipped("dls.ansible")[name]), facts(public("dls.ansible")[name])
    different = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    assert different == SITES_BUSINESS | DIFFERENT.get(name, set())


def test_first_pycompss_job_is_that_of_the_public_profile_without_the_key(
    shipped: NodeTypes, public: NodeTypes
) -> None:
    ours, theirs = (facts(types("pycomps.ansible")["PyCOMPSJob"]) for types in (shipped, public))
    different = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    image = {"submit.transferred_container_image", "submit.transferred_container_image_submit"}
    assert different == image | {f"{operation}.{i}" for operation in ("submit", "run") for i in ("key", "vault_id")}
    assert not [key for key in ours if key.endswith(".key")]


def test_first_pycompss_job_reads_no_secret_and_images_that_are_there(shipped: NodeTypes) -> None:
    runnable = PROFILES["pycomps.ansible"]["node_types"]["pycomps.ansible.nodes.PyCOMPSJob"]["interfaces"][RUNNABLE]
    made = list(calls(runnable))
    assert not [function for function, _ in made if "secret" in function]
    assert runnable["inputs"]["vault_id"] == {"get_input": "vault_id"}
    images = [arguments[2] for function, arguments in made if function == "get_attribute"]
    assert images == ["image_file_path_start", "image_file_path_submit"]
    assert set(images) <= set(shipped("dls.ansible")["DLSDAGImageTransfer"].attributes)


TOPOLOGIES = ("minimal_workflow_classic", "minimal_workflow_parallel", "pillar_I_non_intrusive", "rom_pillar_I")


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_public_topologies_are_valid(name: str, samples: Path) -> None:
    reading = read_topology(samples / "topologies" / f"{name}.yaml")
    assert reading.topology is not None
    assert [str(p) for p in reading.problems if p.code != "T0203"] == []  # T0203: another version of a profile is taken


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
