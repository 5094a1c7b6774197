"""The minimal workflow from a topology to a result, through the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.orch import TEXT, Orch, Workflow, wait_for

from orchestrator.services.catalogue import Catalogue


@pytest.mark.smoke
def test_deploy_run_undeploy(workflow: Workflow, orch: Orch) -> None:
    orch("deploy", workflow.topology)
    assert [d["status"] for d in orch.json("list")] == ["deployed"]
    orch("run", "exec_job", *workflow.arguments())
    workflow.check()
    assert [(e["workflow"], e["status"]) for e in orch.executions()] == [("exec_job", "done"), ("install", "done")]
    orch("undeploy")
    assert orch.json("list") == []


def test_the_result_is_stored_in_the_catalogue_with_its_source(deployed: Workflow, orch: Orch) -> None:
    orch("run", "exec_job", *deployed.arguments())
    execution = orch.executions()[0]["id"]
    records = [r for r in Catalogue(orch.home / "catalogue").list() if r.source is not None]
    assert [(r.source.execution, r.published) for r in records if r.source] == [(execution, False)]
    names = {f.name for f in records[0].files}
    assert "result.txt" in names


def test_a_result_is_published_when_register_says_so(deployed: Workflow, orch: Orch) -> None:
    orch("run", "exec_job", *deployed.arguments(register="true"))
    assert [r.published for r in Catalogue(orch.home / "catalogue").list() if r.source] == [True]


def test_the_log_says_how_the_program_was_run_and_what_it_printed(deployed: Workflow, orch: Orch) -> None:
    orch("run", "exec_job", *deployed.arguments())
    logs = orch("executions", "logs").stdout
    assert "pycompss" in logs
    assert "counting" in logs


def test_two_runs_at_once_give_two_right_results(deployed: Workflow, orch: Orch) -> None:
    other = "one two two three three three\n" * 50
    file = deployed.folder / "other" / "data.txt"
    file.parent.mkdir()
    file.write_text(other)
    orch("catalogue", "add", file, "--oid", "other")
    holds = [deployed.hold("a"), deployed.hold("b")]
    first = orch.start("run", "exec_job", *deployed.arguments("a"))
    second = orch.start("run", "exec_job", *deployed.arguments("b", oid="other"))
    wait_for(lambda: deployed.trace("a") and deployed.trace("b"), "both programs to run at the same time")
    for hold in holds:
        hold.unlink()
    for process in (first, second):
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    deployed.check("a", TEXT)
    deployed.check("b", other)


@pytest.mark.smoke
def test_plan_graph_and_inputs_of_the_example(deployed: Workflow, orch: Orch, tmp_path: Path) -> None:
    plan = orch("plan", deployed.topology, "exec_job").stdout
    assert "PyCOMPSJob" in plan
    assert "Runnable.submit" in plan
    picture = tmp_path / "graph.svg"
    orch("graph", deployed.topology, "-o", picture)
    assert picture.read_text().lstrip().startswith("<")
    assert "ImageCreation" in picture.read_text()
    assert "digraph" in orch("graph", deployed.topology, "exec_job", "--format", "dot").stdout
    names = {item["name"] for item in orch.json("inputs", deployed.topology, "exec_job")}
    assert {"oid", "staged_in_data_path", "result_data_path"} <= names
    ready = tmp_path / "ready.yaml"
    orch("inputs", deployed.topology, "exec_job", "-o", ready)
    assert "oid" in ready.read_text()


def test_a_plan_shows_every_variable_and_where_it_comes_from(workflow: Workflow, orch: Orch, samples: Path) -> None:
    said = orch.json("plan", workflow.topology, "exec_job", "--variables", "-i", "oid=my-text")
    submit = next(step for step in said if step["step"] == "stage_in")
    assert submit["implementation"].endswith("submit_dag.yaml")
    assert submit["variables"]["oid_input"] == {
        "value": "my-text",
        "from": "get_input: [get_property: [SELF, input_name_for_oid]]",
    }
    assert submit["variables"]["oid"]["from"] == "input of the workflow"
    assert submit["variables"]["port"]["from"] == "a constant"
    classic = samples / "topologies/minimal_workflow_classic.yaml"
    assert "dls" in orch("plan", classic, "exec_job", "--variables").stdout  # a missing secret is told, and no more
    orch("secrets", "set", "services_secrets/dls", "username", "password", stdin="user\nhunter2\n")
    orch("secrets", "set", "services_secrets/image_creation", "user", "password", stdin="user\nhunter2\n")
    shown = orch("plan", classic, "exec_job", "--variables").stdout
    assert "hunter2" not in shown
    assert "***" in shown
