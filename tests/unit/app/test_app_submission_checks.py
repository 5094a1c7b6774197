"""What jobs would be refused for is told before anything runs; what only a run brings is no mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.job_script_checks import job_script_problems
from orchestrator.app.submission_checks import refuse_impossible_jobs, submission_problems
from orchestrator.errors import OrchError, SiteError
from orchestrator.model.problems import Severity
from orchestrator.model.topology import Topology
from orchestrator.sites import Site
from orchestrator.tosca import read_text

LOCAL = Site(name="local")
SUBMIT_AND_RUN = "[ call_operation: Runnable.submit, call_operation: Runnable.run ]"


def topology(node: str, *, inputs: str = "", workflow_inputs: str = "", activities: str = SUBMIT_AND_RUN) -> Topology:
    text = f"""
tosca_definitions_version: tosca_simple_yaml_1_3
imports: [ eflows4hpc.env:1.1.0, dls.ansible:1.3.0, yorc-slurm-types:1.1.0, org.eflows4hpc.pycompss.plugin:1.1.0 ]
topology_template:
  inputs: {{ {inputs} }}
  node_templates:
    J: {node}
  workflows:
    w:
      inputs: {{ {workflow_inputs} }}
      steps: {{ s: {{ target: J, activities: {activities} }} }}
"""
    found = read_text(text, "t.yaml", Path("/nowhere"))
    assert found.topology is not None
    assert not found.has_errors, found.problems
    return found.topology


def slurm(properties: str) -> str:
    return f"{{ type: orch.nodes.SlurmJob, properties: {{ {properties} }} }}"


def told(described: Topology) -> list[tuple[str, Severity]]:
    return [(problem.message, problem.severity) for problem in submission_problems(described, [LOCAL])]


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (slurm(""), "J: there is neither a script nor a command"),
        (slurm('command: echo, arguments: [ "${datadir}" ]'), "'${datadir}' uses ${datadir}, which is no input"),
        (slurm('command: echo, environment: { A: "${nobody}" }'), "uses ${nobody}"),
        (slurm('command: echo, container_image: i, container_options: "--flag=\'x"'), "container_options"),
    ],
)
def test_what_is_certain_is_an_error(node: str, message: str) -> None:
    ((said, severity),) = told(topology(node, workflow_inputs="data_dir: { type: string }"))
    assert message in said
    assert severity is Severity.ERROR


@pytest.mark.parametrize(
    ("node", "more"),
    [
        (slurm('command: "${program}", arguments: [ "${data}/x", "${SLURM_JOB_ID}" ]'), {}),
        (slurm("command: { get_input: program }, time: { get_input: data }"), {}),
        (slurm("command: echo, nodes: { get_input: count }, array: { get_input: data }"), {}),
        (slurm("command: { concat: [ { get_input: data }, /x ] }, mem_per_node: { get_input: data }"), {}),
        (slurm("command: echo, arguments: { get_input: words }"), {}),
        (
            slurm("arguments: [ a ]"),
            {"activities": "[ call_operation: { operation: Runnable.submit, inputs: { command: echo } } ]"},
        ),
        ("{ type: dls.ansible.nodes.HTTP2SSH, properties: { url: { get_input: data }, target_path: /tmp/x } }", {}),
    ],
)
def test_what_only_a_run_brings_is_no_mistake(node: str, more: dict[str, str]) -> None:
    described = topology(
        node,
        inputs="count: { type: integer, default: 2 }, words: { type: list, entry_schema: string, default: [] }",
        workflow_inputs="program: { type: string }, data: { type: string, required: false }",
        **more,
    )
    assert told(described) == []


def test_a_mistake_beside_something_unknown_is_told() -> None:
    described = topology(
        slurm('command: echo, nodes: { get_input: count }, arguments: [ x ], environment: { E: "${nobody}" }'),
        workflow_inputs="count: { type: integer }",
    )
    ((said, _),) = told(described)
    assert "uses ${nobody}" in said


def test_what_is_missing_unless_an_undeclared_input_is_given_is_a_warning() -> None:
    described = topology("{ type: dls.ansible.nodes.HTTP2SSH, properties: { target_path: /tmp/x } }")
    assert told(described) == [("J: no URL is given", Severity.WARNING)]
    with pytest.raises(OrchError, match="no URL is given"):
        refuse_impossible_jobs(described, "w", {}, {})
    refuse_impossible_jobs(described, "w", {}, {"url": "http://x/y"})


def test_what_no_site_can_serve_is_a_warning_and_refused_at_the_site() -> None:
    described = topology("{ type: dls.ansible.nodes.DLSDAGRun, properties: { dag_id: any } }")
    ((said, severity),) = told(described)
    assert "no service that runs the DAG 'any'" in said
    assert severity is Severity.WARNING
    with pytest.raises(SiteError, match="no service that runs the DAG"):
        refuse_impossible_jobs(described, "w", {}, {})
    refuse_impossible_jobs(described, "install", {}, {})


def test_only_the_jobs_of_the_workflow_are_refused() -> None:
    described = topology(slurm(""))
    refuse_impossible_jobs(described, "install", {}, {})
    with pytest.raises(OrchError, match="neither a script nor a command"):
        refuse_impossible_jobs(described, "w", {}, {})


@pytest.mark.parametrize(
    ("activities", "codes"),
    [
        ("[ call_operation: Runnable.run ]", ["T0709"]),
        ("[ call_operation: { operation: tosca.interfaces.node.lifecycle.Runnable.run } ]", ["T0709"]),
        (SUBMIT_AND_RUN, []),
        ("[ call_operation: Runnable.submit ]", []),
        ("[ delegate: run ]", []),
    ],
)
def test_a_job_that_is_run_is_submitted_before(activities: str, codes: list[str]) -> None:
    described = topology(slurm("command: echo"), activities=activities)
    assert [p.code for p in submission_problems(described, [LOCAL])] == codes


def test_what_a_mistake_is_about_is_where_it_is_told() -> None:
    described = topology(slurm('command: echo, nodes: 1, container_options: "--flag=\'x", container_image: i'))
    (problem,) = submission_problems(described, [LOCAL])
    assert problem.span == described.node_templates["J"].spans["properties.container_options"]


# scripts


@pytest.mark.parametrize(
    ("script", "named"),
    [
        ("#!/bin/bash\necho hello > ${folder}/x\n", ["folder"]),
        ("#!/bin/bash\ncp $folder/a ${other:-b}\n", ["folder", "other"]),
        ('#!/bin/sh\necho ${#folder} "${folder%/}"\n', ["folder"]),
        ("echo \\$folder ${unrelated} $HOME $1\n", []),
        ("folder=/tmp\necho $folder\n", []),
        ("read -r folder\nfor other in a b; do echo $folder $other; done\n", []),
    ],
)
def test_inputs_in_a_script_are_variables_of_the_shell(script: str, named: list[str]) -> None:
    described = topology(
        slurm(f"script: {script!r}".replace("'", '"') if '"' not in script else f"script: '{script}'"),
        inputs="other: { type: string, default: x }",
        workflow_inputs="folder: { type: string }",
    )
    problems = list(job_script_problems(described))
    assert [p.code for p in problems] == ["T0710"] * len(named)
    for problem, name in zip(problems, named, strict=True):
        assert problem.severity is Severity.WARNING
        assert f"${{{name}}}" in problem.message
        assert f'environment: {{ {name}: "${{{name}}}" }}' in (problem.hint or "")


def test_a_script_that_is_given_its_inputs_is_right() -> None:
    described = topology(
        slurm('script: "#!/bin/bash\\necho $folder", environment: { folder: "${folder}" }'),
        workflow_inputs="folder: { type: string }",
    )
    assert list(job_script_problems(described)) == []
    assert told(described) == []


def test_the_syntax_of_a_batch_script(tmp_path: Path) -> None:
    (problem,) = job_script_problems(topology(slurm('script: "#!/bin/bash\\nif true\\n"')))
    assert problem.code == "T0311"
    assert "line 3 of the script of J" in problem.message
    assert list(job_script_problems(topology(slurm('script: "#!/usr/bin/perl\\nif (1) { }\\n"')))) == []


def program(arguments: str) -> str:
    kind = "org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob"
    return f"{{ type: {kind}, properties: {{ application: {{ command: /x.py, arguments: [ {arguments} ] }} }} }}"


def test_arguments_that_the_topology_writes_must_be_words() -> None:
    ((said, severity),) = told(topology(program('"--name it\'s"')))
    assert 'J: the argument "--name it\'s" cannot be split into words' in said
    assert severity is Severity.ERROR


@pytest.mark.parametrize("arguments", ["{ get_input: x }", "{ concat: [ '--in ', { get_input: x } ] }", "'${x}'"])
def test_what_an_input_brings_is_never_split(arguments: str) -> None:
    described = topology(program(arguments), inputs='x: { type: string, default: "it\'s" }')
    assert told(described) == []


@pytest.mark.parametrize(
    ("properties", "name", "message"),
    [
        ("command: ls, environment: { 9X: a }", "environment", "'9X' is no name of an environment variable"),
        ('command: ls, arguments: [ a, "${nosuch}" ]', "arguments", "uses ${nosuch}, which is no input"),
        ('command: ls, environment: { A: "b ${nosuch}" }', "environment", "uses ${nosuch}, which is no input"),
        ('command: "${nosuch}", arguments: [ a ]', "command", "uses ${nosuch}, which is no input"),
        ("command: ls, gres: 'gpu:-1'", "gres", "gres cannot be 'gpu:-1'"),
        ("command: ls, array: 5-1", "array", "array cannot be '5-1'"),
        ("command: ls, working_directory: rel", "working_directory", "working_directory cannot be 'rel'"),
        ('script: "#!/bin/sh\\n#SBATCH -M big\\ntrue"', "script", "the option '-M' cannot be given"),
    ],
)
def test_each_is_told_at_its_property(properties: str, name: str, message: str) -> None:
    described = topology(slurm(properties))
    (problem,) = submission_problems(described, [LOCAL])
    assert message in problem.message
    assert problem.severity is Severity.ERROR
    assert problem.hint
    assert problem.span == described.node_templates["J"].spans[f"properties.{name}"]


@pytest.mark.parametrize("name", ["gres", "dependency", "array", "account", "working_directory"])
def test_what_a_run_brings_for_an_option_is_awaited(name: str) -> None:
    node = slurm(f'command: ls, {name}: "${{given}}"')
    assert told(topology(node, workflow_inputs="given: { type: string }")) == []
