"""The public sample documents, unchanged, against their own profiles and against the shipped ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.expressions import Call, Function, Literal
from orchestrator.model.problems import Problems, Severity
from orchestrator.model.topology import CallOperation, SetState, Topology
from orchestrator.tosca import Catalog, read_topology
from orchestrator.tosca.dialects import translate
from orchestrator.tosca.imports import Document
from orchestrator.tosca.tree import plain_value
from orchestrator.tosca.yaml_reader import parse

TOPOLOGIES = ["minimal_workflow_classic", "minimal_workflow_parallel", "pillar_I_non_intrusive", "rom_pillar_I"]
PROFILES = [
    "types/dls.ansible.yml",
    "types/eflows4hpc.env.yml",
    "types/imagecreation.ansible.yml",
    "types/org.eflows4hpc.pycompss.plugin.yml",
    "types/pycomps.ansible.yml",
    "profiles/alien-base-types.yml",
    "profiles/tosca-normative-types.yml",
    "profiles/yorc-types.yml",
]


def classic(samples: Path, catalog: Catalog) -> Topology:
    topology = read_topology(samples / "topologies" / "minimal_workflow_classic.yaml", catalog).topology
    assert topology is not None
    return topology


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_topology_reads_without_errors(name: str, samples: Path, sample_catalog: Catalog) -> None:
    reading = read_topology(samples / "topologies" / f"{name}.yaml", sample_catalog)
    assert [str(p) for p in reading.problems if p.severity is Severity.ERROR] == []
    assert {p.code for p in reading.problems} <= {"T0203", "T0308"}  # other versions; playbooks are not in the samples
    assert reading.topology is not None
    assert "exec_job" in reading.topology.workflows or "rom_computation" in reading.topology.workflows


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_reads_without_errors(name: str, samples: Path, sample_catalog: Catalog) -> None:
    reading = read_topology(samples / name, sample_catalog)
    assert [str(p) for p in reading.problems if p.severity is Severity.ERROR] == []


@pytest.mark.parametrize("name", TOPOLOGIES[:2])
def test_the_minimal_topologies_read_against_the_shipped_profiles(name: str, samples: Path) -> None:
    reading = read_topology(samples / "topologies" / f"{name}.yaml")
    assert [str(p) for p in reading.problems if p.severity is Severity.ERROR] == []


def test_the_classic_topology(samples: Path, sample_catalog: Catalog) -> None:
    topology = classic(samples, sample_catalog)
    assert topology.name == "eflows4hpc.topologies.MinimalWorkflow"
    assert topology.version == "2.0.0-SNAPSHOT"
    assert list(topology.node_templates) == [
        "AbstractEnvironment",
        "DLSDAGImageTransfer",
        "ImageCreation",
        "StageInData",
        "PyCOMPSJob",
        "StageOutData",
    ]
    assert topology.node_templates["AbstractEnvironment"].abstract
    transfer = topology.node_templates["DLSDAGImageTransfer"]
    assert transfer.lineage[1:] == (
        "dls.ansible.nodes.DLSDAGRun",
        "org.alien4cloud.nodes.Job",
        "tosca.nodes.Root",
    )
    assert [(r.name, r.requirement, r.target, r.capability) for r in transfer.relationships] == [
        ("dependsOnImageCreationFeature", "dependency", "ImageCreation", "feature"),
        ("dependsOnAbstractEnvironmentExec_env", "environment", "AbstractEnvironment", "exec_env"),
    ]
    assert transfer.relationships[0].lineage == ("tosca.relationships.DependsOn", "tosca.relationships.Root")


def test_values_of_the_classic_topology(samples: Path, sample_catalog: Catalog) -> None:
    job = classic(samples, sample_catalog).node_templates["PyCOMPSJob"]
    application = job.properties["application"]
    assert isinstance(application, Literal)
    assert application.value["arguments"][2] == "3000"  # a scalar where a string is expected
    assert application.value["container_opts"]["container_image"] == ""  # a default of the data type
    submission = job.properties["submission_params"]
    assert isinstance(submission, Literal)
    assert submission.value["num_nodes"] == 1
    assert job.properties["keep_environment"] == Literal(False, job.properties["keep_environment"].span)


def test_functions_of_the_classic_topology(samples: Path, sample_catalog: Catalog) -> None:
    topology = classic(samples, sample_catalog)
    username = topology.node_templates["StageInData"].properties["dls_api_username"]
    assert isinstance(username, Call)
    assert username.function is Function.GET_SECRET
    assert [a.value for a in username.arguments if isinstance(a, Literal)] == [
        "/secret/data/services_secrets/dls",
        "data=username",
    ]
    submit = topology.node_templates["StageInData"].operation("tosca.interfaces.node.lifecycle.Runnable", "submit")
    assert submit is not None
    oid = submit.inputs["oid_input"]
    assert isinstance(oid, Call)
    assert oid.function is Function.GET_INPUT
    assert isinstance(oid.arguments[0], Call)
    host = submit.inputs["host_from_env"]
    assert isinstance(host, Call)
    assert host.arguments[0].value == "REQ_TARGET"  # type: ignore[union-attr]


def test_inputs_of_the_interface_reach_inherited_operations(samples: Path, sample_catalog: Catalog) -> None:
    stage_in = classic(samples, sample_catalog).node_templates["StageInData"]
    run = stage_in.operation("Runnable", "run")
    submit = stage_in.operation("Runnable", "submit")
    assert run is not None
    assert submit is not None
    assert run.implementation is not None  # declared on DLSDAGRun only
    assert run.implementation.file == "playbooks/monitor_dag.yaml"
    assert run.inputs["submit_tasks"] == submit.inputs["submit_tasks"]
    assert isinstance(run.inputs["submit_tasks"], Literal)
    assert run.inputs["submit_tasks"].value == "submit_dag_stagein_data.yaml"
    assert "oid" not in run.inputs


def test_the_workflow_of_the_classic_topology(samples: Path, sample_catalog: Catalog) -> None:
    workflow = classic(samples, sample_catalog).workflows["exec_job"]
    assert len(workflow.steps) == 18
    assert workflow.inputs["oid"].required
    step = workflow.steps["PyCOMPSJob_submit"]
    assert step.operation_host == "ORCHESTRATOR"
    assert [type(a) for a in step.activities] == [CallOperation]
    assert step.activities[0].interface == "Runnable"  # type: ignore[union-attr]
    assert step.on_success == ("PyCOMPSJob_submitted",)
    state = workflow.steps["PyCOMPSJob_submitted"].activities[0]
    assert isinstance(state, SetState)
    assert state.state == "submitted"
    assert step.span is not None
    assert (step.span.line, step.span.column) == (252, 9)


def test_old_generation_uses_hidden_functions(samples: Path, sample_catalog: Catalog) -> None:
    topology = read_topology(samples / "types" / "pycomps.ansible.yml", sample_catalog).topology
    assert topology is not None
    submit = topology.node_types["pycomps.ansible.nodes.PyCOMPSJob"].interfaces["Runnable"].operations["submit"]
    key = submit.inputs["key"]
    assert isinstance(key, Call)
    assert key.function is Function.GET_SECRET
    assert isinstance(key.arguments[0], Call)
    assert key.arguments[0].function is Function.CONCAT


@pytest.mark.parametrize("name", [*(f"topologies/{name}.yaml" for name in TOPOLOGIES), *PROFILES])
def test_translating_a_dialect_twice_changes_nothing_more(name: str, samples: Path) -> None:
    problems = Problems()
    root = parse((samples / name).read_text(), name, problems)
    assert root is not None
    document = Document(samples / name, name, root)
    translate(document, problems)
    once = plain_value(document.root)
    translate(document, problems)
    assert plain_value(document.root) == once
    assert len(problems) == 0
