"""Use cases about documents: what codes mean, what types have, conversion, SARIF, and the pages made from tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.app import documentation
from orchestrator.app.convert import convert
from orchestrator.app.explain import KINDS, explain
from orchestrator.app.sarif import sarif
from orchestrator.app.settings import Settings
from orchestrator.app.types import NodeTypeView, WorkflowInput, find_types, list_types
from orchestrator.errors import StorageError, UserError
from orchestrator.model.problems import DocumentError, Problem, Related, Severity
from orchestrator.model.source import Span
from orchestrator.planning.problems import PlanFault
from orchestrator.tosca import CODES, read_topology

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "home"
    home.mkdir()
    return Settings(home, tmp_path)


# codes


def test_every_code_in_the_source_is_explained() -> None:
    written = {
        code
        for file in (PROJECT / "orchestrator").rglob("*.py")
        for code in re.findall(r'"([TPIE]\d{4})"', file.read_text(encoding="utf-8"))
    }
    assert {fault.value for fault in PlanFault} | set(CODES) <= written
    assert written == set(KINDS), "a new code needs an entry in orchestrator/app/explain.py"
    assert all(kind.title and kind.explanation and kind.remedy for kind in KINDS.values())


@pytest.mark.parametrize("code", ["T0401", "t401", "t0401"])
def test_a_code_is_explained(code: str) -> None:
    assert explain(code).title == "Unknown property"


@pytest.mark.parametrize(("code", "hint"), [("T0410x", "did you mean"), ("", "docs/problems.md"), ("T9", "docs")])
def test_an_unknown_code(code: str, hint: str) -> None:
    with pytest.raises(UserError, match="there is no code") as error:
        explain(code)
    assert hint in (error.value.hint or "")


# pages


def test_the_pages_are_up_to_date() -> None:
    pages = documentation.pages()
    docs = PROJECT / "docs"
    stale = [name for name, text in pages.items() if not (docs / name).is_file() or (docs / name).read_text() != text]
    assert stale == [], "make docs writes them anew"
    assert {f"types/{page.name}" for page in (docs / "types").iterdir()} == {n for n in pages if n.startswith("types/")}


def test_links_between_pages_lead_somewhere() -> None:
    pages = documentation.pages()
    for page, anchor in re.findall(r"\]\(([\w.-]+\.md)#([\w-]+)\)", pages["types/README.md"]):
        headings = re.findall(r"^## (.*)$", pages[f"types/{page}"], re.MULTILINE)
        assert anchor in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


def test_pages_are_written_and_old_ones_removed(tmp_path: Path) -> None:
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "gone.md").touch()
    documentation.write_pages(tmp_path)
    written = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.md")}
    assert written == set(documentation.pages())


# types


def write_profile(settings: Settings, text: str) -> None:
    folder = settings.profiles / "mine"
    folder.mkdir(parents=True)
    (folder / "types.yaml").write_text(text, encoding="utf-8")


def fields(view: NodeTypeView) -> dict[str, Any]:
    return {field.name: field for field in view.properties}


def test_own_and_inherited_are_told_apart(settings: Settings) -> None:
    view = find_types(settings, "dls.ansible.nodes.DLSDAGStageInData")[0]
    assert view.profile == "dls.ansible"
    assert view.lineage == ("dls.ansible.nodes.DLSDAGRun", "org.alien4cloud.nodes.Job", "tosca.nodes.Root")
    found = fields(view)
    assert found["oid"].origin == view.name
    assert found["debug"].origin == "dls.ansible.nodes.DLSDAGRun"
    assert found["debug"].default is False
    assert found["extra_conf"].type == "map of string"
    origins = {requirement.name: requirement.origin for requirement in view.requirements}
    assert origins == {"dependency": "tosca.nodes.Root", "environment": "dls.ansible.nodes.DLSDAGRun"}


def test_workflow_inputs_that_operations_read(settings: Settings) -> None:
    stage_in = find_types(settings, "DLSDAGStageInData")[0]
    submit = next(o for o in stage_in.operations if o.name == "submit")
    assert WorkflowInput("oid", named_by="input_name_for_oid") in submit.reads
    assert submit.inputs["oid_input"] == {"get_input": [{"get_property": ["SELF", "input_name_for_oid"]}]}
    job = find_types(settings, "org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob")[0]
    submit = next(o for o in job.operations if o.name == "submit")
    assert WorkflowInput("num_nodes") in submit.reads
    assert [t.name.rpartition(".")[2] for t in job.data_types if t.fields] == [
        "Environment",
        "SubmissionParams",
        "COMPSsApplication",
        "ContainerOptions",
    ]


def test_types_of_the_user_are_there_too(settings: Settings) -> None:
    write_profile(
        settings,
        """
tosca_definitions_version: tosca_simple_yaml_1_3
metadata: { template_name: mine, template_version: 2.0.0 }
node_types:
  mine.Base:
    derived_from: tosca.nodes.Root
    properties: { size: { type: integer, default: 3, constraints: [ { in_range: [ 1, 4 ] } ] } }
  mine.Thing:
    derived_from: mine.Base
    properties: { size: { default: 4 } }
""",
    )
    view = find_types(settings, "Thing")[0]
    assert (view.name, view.profile, view.version) == ("mine.Thing", "mine", "2.0.0")
    size = fields(view)["size"]
    assert (size.default, size.origin, size.constraints) == (4, "mine.Thing", ({"in_range": [1, 4]},))
    names = [view.name for view in list_types(settings)]
    assert {"mine.Base", "tosca.nodes.Compute"} <= set(names)


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        ("DLSDAGStageInDatta", "there is no node type", "DLSDAGStageInData"),
        ("nodes.HTTPSSH", "there is no node type", "nodes.HTTP2SSH"),
        ("PyCOMPJob", "there is no node type", "PyCOMPSJob"),
        ("odes.Compute", "there is no node type", "nodes.Compute"),
        ("zzzzz", "there is no node type", "orch types"),
    ],
)
def test_a_name_that_no_type_has(settings: Settings, name: str, says: str, hint: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        find_types(settings, name)
    assert hint in (error.value.hint or "")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tosca.nodes.Compute", {"tosca.nodes.Compute"}),
        ("Compute", {"tosca.nodes.Compute", "tosca.nodes.Abstract.Compute", "yorc.nodes.Compute"}),
        ("network.Port", {"tosca.nodes.network.Port"}),
        ("HTTP2ssh", {"dls.ansible.nodes.HTTP2SSH"}),
        ("PyCOMPSsJob", {"org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSsJob"}),
        ("PyCOMPSJob", {"org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob", "pycomps.ansible.nodes.PyCOMPSJob"}),
        ("plugin.nodes.PyCOMPSJob", {"org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob"}),
    ],
)
def test_a_short_name_stands_for_all_types_that_end_with_it(settings: Settings, name: str, found: set[str]) -> None:
    assert {view.name for view in find_types(settings, name)} == found


# conversion

ALIEN = """
tosca_definitions_version: alien_dsl_2_0_0
topology_template:
  node_templates:
    a: { type: tosca.nodes.Root }
    b: { type: tosca.nodes.Root, requirements: [ { after: { type_requirement: dependency, node: a } } ] }
"""


def test_a_topology_is_converted(settings: Settings, tmp_path: Path) -> None:
    file, output = tmp_path / "a.yaml", tmp_path / "b.yaml"
    file.write_text(ALIEN)
    made = convert(settings, file, output=output)
    assert output.read_text() == made.text
    assert read_topology(output).problems == ()
    assert [remark.message.split(",")[0] for remark in made.remarks] == ["assignment"]
    with pytest.raises(UserError, match="is there already"):
        convert(settings, file, output=output)
    with pytest.raises(StorageError, match="cannot be written"):
        convert(settings, file, output=tmp_path / "no" / "b.yaml")


@pytest.mark.parametrize(
    ("dialect", "says"), [("alien_dsl_2_0_0", "not written in"), ("tosca_simple_yaml_1_33", "not known")]
)
def test_only_the_newest_dialect_is_written(settings: Settings, tmp_path: Path, dialect: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        convert(settings, tmp_path / "a.yaml", to=dialect)


def test_a_document_with_errors_is_not_converted(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(ALIEN.replace("node: a", "node: c"))
    with pytest.raises(DocumentError) as error:
        convert(settings, file, output=tmp_path / "b.yaml")
    assert [p.code for p in error.value.problems] == ["T0502"]
    assert not (tmp_path / "b.yaml").exists()


# SARIF


def check(value: Any, *required: str, optional: str = "") -> None:
    assert isinstance(value, dict)
    assert set(required) <= value.keys() <= set(required) | set(optional.split())


def check_location(location: dict[str, Any], *more: str) -> None:
    """A location (SARIF 2.1.0 section 3.28) with a region of text (section 3.30)."""
    check(location, "physicalLocation", *more)
    physical = location["physicalLocation"]
    check(physical, "artifactLocation", "region")
    check(physical["artifactLocation"], "uri", optional="uriBaseId")
    region = physical["region"]
    check(region, "startLine", "startColumn", optional="endLine endColumn")
    assert all(isinstance(number, int) and number >= 1 for number in region.values())
    if "endLine" in region:
        assert (region["endLine"], region["endColumn"]) >= (region["startLine"], region["startColumn"])


def check_log(log: dict[str, Any]) -> dict[str, Any]:
    """What the JSON schema of SARIF 2.1.0 asks of the parts that are used (sections 3.13 to 3.49)."""
    check(log, "$schema", "version", "runs")
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    check(run, "tool", "results", "columnKind", "originalUriBaseIds")
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    driver = run["tool"]["driver"]
    check(driver, "name", "rules", optional="version")
    for rule in driver["rules"]:
        check(rule, "id", optional="name shortDescription fullDescription help")
        assert re.fullmatch(r"[A-Z]\d{4}", rule["id"])
    for result in run["results"]:
        check(result, "message", "ruleId", "ruleIndex", "level", optional="locations relatedLocations")
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        for location in result.get("locations", ()):
            check_location(location)
        for location in result.get("relatedLocations", ()):
            check_location(location, "id", "message")
    for base in run["originalUriBaseIds"].values():
        assert base["uri"].endswith("/")
    return run  # type: ignore[no-any-return]


def test_problems_as_sarif(tmp_path: Path) -> None:
    inside = Span(str(tmp_path / "a folder" / "ü.yaml"), 3, 5, 3, 9)
    outside = Span("/other/b.yaml", 7, 1, 7, 1)
    problems = [
        Problem("T0401", Severity.ERROR, "no such property", inside, "did you mean 'x'?", (Related("here", outside),)),
        Problem("T0203", Severity.WARNING, "other version", Span("c.yaml", 1, 1, 2, 3)),
        Problem("T0401", Severity.ERROR, "again", None),
        Problem("X9999", Severity.ERROR, "of the future", None),
    ]
    log = sarif(problems, "1.2.3", tmp_path)
    assert json.loads(json.dumps(log)) == log
    run = check_log(log)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["T0401", "T0203", "X9999"]
    assert rules[0]["name"] == "UnknownProperty"
    assert "orch types NAME" in rules[0]["help"]["text"]
    first, second, third, _ = run["results"]
    assert first["message"]["text"] == "no such property. Hint: did you mean 'x'?"
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20folder/%C3%BC.yaml", "uriBaseId": "ROOT"}
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}
    related = first["relatedLocations"][0]["physicalLocation"]
    assert related == {
        "artifactLocation": {"uri": "file:///other/b.yaml"},
        "region": {"startLine": 7, "startColumn": 1},
    }
    assert second["level"] == "warning"
    assert second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "c.yaml"
    assert "locations" not in third
    assert run["originalUriBaseIds"]["ROOT"]["uri"] == f"{tmp_path.as_uri()}/"


def test_sarif_of_no_problems(tmp_path: Path) -> None:
    run = check_log(sarif([], "", tmp_path))
    assert run["results"] == []
    assert "version" not in run["tool"]["driver"]
