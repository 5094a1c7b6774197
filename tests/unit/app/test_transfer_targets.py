"""Downloads that write the same file are named before one of them is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.reading import validate
from orchestrator.app.settings import read_settings
from orchestrator.app.wiring import Home
from orchestrator.model.problems import Problem, Severity
from orchestrator.tosca import codes

HEAD = """
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ eflows4hpc.env:1.1.0, dls.ansible:1.3.0 ]
topology_template:
  inputs: { place: { type: string, default: /tmp/x } }
  node_templates:
    One: { type: eflows4hpc.env.nodes.AbstractEnvironment }
    Two: { type: eflows4hpc.env.nodes.AbstractEnvironment }
"""
A, B = "http://a.example/a.txt", "http://b.example/b.txt"


def found(tmp_path: Path, *nodes: tuple[str, str, str]) -> list[Problem]:
    """What is said of downloads, each its environment, URL and target."""
    text = HEAD
    for number, (environment, url, target) in enumerate(nodes):
        text += f"    Get{number}:\n      type: dls.ansible.nodes.HTTP2SSH\n      properties:\n        url: {url}\n"
        text += f"        target_path: {target}\n      requirements: [ environment: {environment} ]\n"
    (tmp_path / "t.yaml").write_text(text)
    checked = validate(Home(read_settings({"ORCH_HOME": str(tmp_path / "home")})), tmp_path / "t.yaml")
    assert checked.ok, checked.problems
    return [problem for problem in checked.problems if problem.code == codes.SHARED_TARGET]


def test_the_same_file_is_named_with_both_places(tmp_path: Path) -> None:
    (problem,) = found(tmp_path, ("One", A, "/tmp/file"), ("One", B, "/tmp/file"))
    assert problem.severity is Severity.WARNING
    assert problem.message.startswith("Get1 and Get0 both write the file /tmp/file")
    assert problem.span is not None
    assert problem.span.line == 19
    assert [related.span.line for related in problem.related] == [13]
    assert "end the path with /" in str(problem.hint)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("/tmp/file", "/tmp/./x/../file"),
        ("/tmp/a.txt", "/tmp/"),
        ("~/file", "~/file"),
    ],
)
def test_other_ways_to_write_the_same_file(tmp_path: Path, first: str, second: str) -> None:
    assert len(found(tmp_path, ("One", B, first), ("One", A, second))) == 1


@pytest.mark.parametrize(
    "nodes",
    [
        [("One", A, "/tmp/file"), ("Two", B, "/tmp/file")],
        [("One", A, "/tmp/file"), ("One", A, "/tmp/file")],
        [("One", A, "/tmp/d/"), ("One", B, "/tmp/d/")],
        [("One", A, "{ get_input: place }"), ("One", B, "{ get_input: place }")],
        [("One", "{ get_input: place }", "/tmp/d/"), ("One", B, "/tmp/d/")],
    ],
    ids=["other machines", "one source", "one folder", "inputs", "a name that an input says"],
)
def test_what_is_no_mistake_or_not_certain(tmp_path: Path, nodes: list[tuple[str, str, str]]) -> None:
    assert found(tmp_path, *nodes) == []


def test_three_to_one_file(tmp_path: Path) -> None:
    nodes = [("One", url, "/tmp/file") for url in (A, B, f"{A}.gz")]
    assert len(found(tmp_path, *nodes)) == 2


def stage_ins(tmp_path: Path, *nodes: tuple[str, str, str]) -> list[Problem]:
    """What is said of records, each its environment, id and target."""
    text = HEAD
    for number, (environment, record, target) in enumerate(nodes):
        text += f"    In{number}:\n      type: dls.ansible.nodes.DLSDAGStageInData\n      properties:\n"
        text += "        dag_id: stage_in\n" + (f"        oid: {record}\n" if record else "")
        text += f"        target_path: {target}\n      requirements: [ environment: {environment} ]\n"
    (tmp_path / "t.yaml").write_text(text)
    checked = validate(Home(read_settings({"ORCH_HOME": str(tmp_path / "home")})), tmp_path / "t.yaml")
    assert checked.ok, checked.problems
    return [problem for problem in checked.problems if problem.code == codes.SHARED_TARGET]


@pytest.mark.parametrize("second", ["/tmp/d", "/tmp/d/", "/tmp/x/../d", "//tmp/./d"])
def test_two_records_in_one_folder(tmp_path: Path, second: str) -> None:
    (problem,) = stage_ins(tmp_path, ("One", "a", "/tmp/d"), ("One", "b", second))
    assert problem.severity is Severity.WARNING
    assert problem.message.startswith("In1 and In0 both bring a record into the folder /tmp/d:")
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (21, 9)
    assert [related.span.line for related in problem.related] == [14]


@pytest.mark.parametrize(
    "nodes",
    [
        [("One", "a", "/tmp/d"), ("Two", "b", "/tmp/d")],
        [("One", "a", "/tmp/d"), ("One", "a", "/tmp/d/")],
        [("One", "a", "/tmp/d"), ("One", "b", "/tmp/d/e")],
        [("One", "a", "{ get_input: place }"), ("One", "b", "{ get_input: place }")],
        [("One", "", "/tmp/d"), ("One", "", "/tmp/d")],
    ],
    ids=["other machines", "one record", "a folder inside", "inputs", "records that inputs name"],
)
def test_records_that_are_no_mistake_or_not_certain(tmp_path: Path, nodes: list[tuple[str, str, str]]) -> None:
    assert stage_ins(tmp_path, *nodes) == []
