"""Every keyname of the table is carried out or for people, or a warning says what orch does not do with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.model.problems import Problem, Severity
from orchestrator.tosca import read_text
from orchestrator.tosca.grammar import DIRECTIVES, ENTITIES, OPERATION_HOSTS

HEAD = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
STANDARD = "tosca.interfaces.node.lifecycle.Standard"
OPERATIONS = f"Standard: {{ type: {STANDARD}, operations: {{ create: {{ implementation: s.sh }} }} }}"
NODE = (
    "x.N: { derived_from: tosca.nodes.Root, attributes: { a: { type: string } }, interfaces: { " + OPERATIONS + " } }"
)


def types(section: str, body: str) -> str:
    return f"{HEAD}node_types:\n  {NODE}\n  x.M: {{ derived_from: tosca.nodes.Root }}\n{section}:\n  x.T: {body}\n"


def of_node_type(body: str) -> str:
    return f"{HEAD}node_types:\n  x.T: {{ derived_from: tosca.nodes.Root, {body} }}\n"


def template(node: str, rest: str = "", head: str = "") -> str:
    return (
        f"{HEAD}node_types:\n  {NODE}\n{head}topology_template:\n  node_templates:\n    n: {node}\n    "
        f"m: {{ type: x.N }}\n{rest}"
    )


def standard(create: str) -> str:
    return f"interfaces: {{ Standard: {{ type: {STANDARD}, operations: {{ create: {create} }} }} }}"


STEP = "{ target: n, activities: [ set_state: x ] }"
WORKFLOW = "  workflows: { w: { steps: { s: " + STEP + " } } }\n"
DOCUMENTS = {
    "service_template": HEAD + "§: ¤\nnode_types:\n  " + NODE + "\n",
    "topology": template("{ type: x.N }", "  §: ¤\n"),
    "substitution": template("{ type: x.N }", "  substitution_mappings: { node_type: x.N, §: ¤ }\n"),
    "node_template": template("{ type: x.N, §: ¤ }"),
    "capability_assignment": template("{ type: x.N, capabilities: { feature: { §: ¤ } } }"),
    "requirement_assignment": template("{ type: x.N, requirements: [ dependency: { node: m, §: ¤ } ] }"),
    "relationship": template(
        "{ type: x.N, requirements: [ dependency: { node: m, relationship: "
        "{ type: tosca.relationships.DependsOn, §: ¤ } } ] }"
    ),
    "node_type": types("node_types ", "{ derived_from: tosca.nodes.Root, §: ¤ }").replace(
        "node_types :\n  x.T", "  x.T"
    ),
    "relationship_type": types("relationship_types", "{ derived_from: tosca.relationships.Root, §: ¤ }"),
    "capability_type": types("capability_types", "{ derived_from: tosca.capabilities.Root, §: ¤ }"),
    "data_type": types("data_types", "{ derived_from: tosca.datatypes.Root, §: ¤ }"),
    "artifact_type": types("artifact_types", "{ derived_from: tosca.artifacts.Root, §: ¤ }"),
    "policy_type": types("policy_types", "{ derived_from: tosca.policies.Root, §: ¤ }"),
    "group_type": types("group_types", "{ derived_from: tosca.groups.Root, §: ¤ }"),
    "capability_definition": of_node_type("capabilities: { c: { type: tosca.capabilities.Node, §: ¤ } }"),
    "requirement_definition": of_node_type("requirements: [ r: { capability: tosca.capabilities.Node, §: ¤ } ]"),
    "interface": of_node_type("interfaces: { I: { type: tosca.interfaces.Root, §: ¤ } }"),
    "operation": of_node_type(standard("{ implementation: s.sh, §: ¤ }")),
    "notification": of_node_type("interfaces: { I: { type: tosca.interfaces.Root, notifications: { n: { §: ¤ } } } }"),
    "implementation": of_node_type(standard("{ implementation: { primary: s.sh, §: ¤ } }")),
    "artifact": of_node_type("artifacts: { a: { file: s.sh, type: tosca.artifacts.File, §: ¤ } }"),
    "definition": of_node_type("properties: { p: { type: string, required: false, §: ¤ } }"),
    "schema": of_node_type("properties: { p: { type: list, required: false, entry_schema: { type: string, §: ¤ } } }"),
    "group": template("{ type: x.N }", "  groups: { g: { type: tosca.groups.Root, §: ¤ } }\n"),
    "policy": template("{ type: x.N }", "  policies: [ p: { type: tosca.policies.Root, §: ¤ } ]\n"),
    "trigger": template(
        "{ type: x.N }", "  policies: [ p: { type: tosca.policies.Root, triggers: { t: { §: ¤ } } } ]\n"
    ),
    "schedule": template(
        "{ type: x.N }", "  policies: [ p: { type: tosca.policies.Root, triggers: { t: { schedule: { §: ¤ } } } } ]\n"
    ),
    "workflow": template("{ type: x.N }", "  workflows: { w: { §: ¤ } }\n"),
    "precondition": template("{ type: x.N }", "  workflows: { w: { preconditions: [ { target: n, §: ¤ } ] } }\n"),
    "step": template(
        "{ type: x.N }",
        "  workflows: { w: { steps: { s: { target: n, activities: [ set_state: x ], §: ¤ }, two: " + STEP + " } } }\n",
    ),
    "call": template(
        "{ type: x.N }",
        "  workflows: { w: { steps: { s: { target: n, activities: [ "
        "call_operation: { operation: Standard.create, §: ¤ } ] } } } }\n",
    ),
    "put_in": template(
        "{ type: x.N }",
        "  workflows: { w: { steps: { s: { target: n, activities: [ delegate: { workflow: install, §: ¤ } ] } } } }\n",
    ),
    "node_filter": template("{ type: x.N, requirements: [ dependency: { node: m, node_filter: { §: ¤ } } ] }"),
    "repository": HEAD + "repositories: { r: { url: here, §: ¤ } }\n",
}
"""A document for every entity: § is the keyname, ¤ its value. A keyname that the document has already is replaced."""

LISTS = ["dependencies", "imports", "valid_source_types", "targets", "members", "file_ext", "directives", "constraints"]
LISTS += ["preconditions", "filter", "condition", "policies", "valid_target_types", "requirements"]
TEXTS = {
    **dict.fromkeys(("description", "status", "version", "namespace", "mime_type", "repository", "type"), "x"),
    **{"required": "true", "abstract": "true", "default": "x", "status": "supported", "node": "m"},
    **{"occurrences": "[ 1, 1 ]", "count": "1", "timeout": "60", "operation_host": "SELF", "copy": "m"},
    **{"derived_from": "tosca.nodes.Root", "node_type": "x.N", "workflow": "install", "operation": "Standard.create"},
    **{"primary": "s.sh", "file": "s.sh", "implementation": "s.sh", "url": "here", "target": "n"},
    **{"on_success": "two", "on_failure": "two", "on_cancel": "two", "capability": "tosca.capabilities.Node"},
    **{"relationship": "tosca.relationships.DependsOn", "target_relationship": "dependency"},
    **{"key_schema": "{ type: string }", "entry_schema": "{ type: string }", "activities": "[ set_state: x ]"},
    "tosca_definitions_version": "tosca_simple_yaml_1_3",
}
ALL = [(entity, keyname) for entity, keynames in ENTITIES.items() for keyname in sorted(keynames)]


def read(text: str, folder: Path) -> list[Problem]:
    (folder / "s.sh").write_text("")
    return list(read_text(text, "t.yaml", folder).problems)


def written(entity: str, keyname: str) -> str:
    value = TEXTS.get(keyname, "[]" if keyname in LISTS else "{}")
    return DOCUMENTS[entity].replace("§: ¤", f"{keyname}: {value}")


def test_every_entity_has_a_document() -> None:
    assert set(DOCUMENTS) == set(ENTITIES)


@pytest.mark.parametrize(("entity", "keyname"), ALL)
def test_a_keyname_is_carried_out_or_told(entity: str, keyname: str, tmp_path: Path) -> None:
    problems = read(written(entity, keyname), tmp_path)
    assert not [p for p in problems if p.code == "T0206"], problems
    notes = [p.message for p in problems if p.code == "T0804" and p.message.startswith(f"{keyname!r} of ")]
    note = ENTITIES[entity].passed_over.get(keyname)
    assert bool(notes) == (note is not None), problems
    assert all(str(note) in message for message in notes)


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_keyname_that_is_none_is_told(entity: str, tmp_path: Path) -> None:
    problems = read(DOCUMENTS[entity].replace("§", "qqqqqqqq").replace("¤", "{}"), tmp_path)
    if entity == "interface":
        return  # another word in an interface is an operation, as in 1.0 to 1.2
    assert [p.message for p in problems if p.code == "T0206"], problems


# values


@pytest.mark.parametrize("directive", sorted(DIRECTIVES))
def test_a_directive_without_effect_is_told(directive: str, tmp_path: Path) -> None:
    (problem,) = read(template(f"{{ type: x.N, directives: [ {directive} ] }}"), tmp_path)
    assert (problem.code, problem.severity) == ("T0804", Severity.WARNING)
    assert "directives of n" in problem.message


@pytest.mark.parametrize("host", [*OPERATION_HOSTS, "self", "Orchestrator"])
def test_places_for_operations(host: str, tmp_path: Path) -> None:
    implementation = of_node_type(standard(f"{{ implementation: {{ primary: s.sh, operation_host: {host} }} }}"))
    step = template("{ type: x.N }", WORKFLOW.replace("target: n", f"target: n, operation_host: {host}"))
    assert read(implementation, tmp_path) == []
    assert read(step, tmp_path) == []


@pytest.mark.parametrize("host", ["BOGUS", "ORCHESTRATR", "n", "localhost"])
def test_what_is_no_place_for_an_operation(host: str, tmp_path: Path) -> None:
    implementation = of_node_type(standard(f"{{ implementation: {{ primary: s.sh, operation_host: {host} }} }}"))
    step = template("{ type: x.N }", WORKFLOW.replace("target: n", f"target: n, operation_host: {host}"))
    for text in (implementation, step):
        (problem,) = read(text, tmp_path)
        assert (problem.code, problem.severity) == ("T0403", Severity.ERROR)
        assert repr(host) in problem.message


@pytest.mark.parametrize(
    ("rest", "code", "part"),
    [
        (
            "  workflows: { w: { steps: { s: { target: n, activities: [ { set_state: a, delegate: b } ] } } } }",
            "T0706",
            "several",
        ),
        ("  workflows: { w: { preconditions: [ { target: nobody } ] } }", "T0702", "nobody"),
        ("  workflows: { w: { preconditions: [ { target: n, condition: [ a: [ eqal: 1 ] ] } ] } }", "T0305", "eqal"),
        (
            "  workflows: { w: { steps: { s: { target: n, filter: [ or: [ { a: [ { bigger: 1 } ] } ] ], "
            "activities: [ set_state: x ] } } } }",
            "T0305",
            "bigger",
        ),
        (
            "  workflows: { w: { preconditions: [ { target: n, condition: [ { a: { pattern: '(?!b)' } } ] } ] } }",
            "T0305",
            "regular expression",
        ),
        (
            "  workflows: { w: { steps: { s: { target: n, filter: [ not: [ { a: [ { in_range: 1 } ] } ] ], "
            "activities: [ set_state: x ] } } } }",
            "T0305",
            "two bounds",
        ),
        ("  relationship_templates: { r: { type: tosca.relationships.Nothing } }", "T0301", "Nothing"),
    ],
)
def test_values_that_make_no_sense(rest: str, code: str, part: str, tmp_path: Path) -> None:
    (problem,) = read(template("{ type: x.N }", f"{rest}\n"), tmp_path)
    assert problem.code == code
    assert part in problem.message


def test_the_status_of_a_definition(tmp_path: Path) -> None:
    text = of_node_type("properties: { p: { type: string, required: false, status: old } }")
    assert [(p.code, p.message) for p in read(text, tmp_path)] == [("T0403", "there is no status 'old'")]


@pytest.mark.parametrize(("count", "codes"), [(2, []), (3, ["T0505"])])
def test_a_capability_is_used_no_more_often_than_it_says(count: int, codes: list[str], tmp_path: Path) -> None:
    users = "".join(f"    u{i}: {{ type: x.U, requirements: [ to: s ] }}\n" for i in range(count))
    text = (
        f"{HEAD}node_types:\n  x.S: {{ derived_from: tosca.nodes.Root, "
        "capabilities: { c: { type: tosca.capabilities.Endpoint, occurrences: [ 0, 2 ] } } }\n"
        "  x.U: { derived_from: tosca.nodes.Root, requirements: [ to: { capability: tosca.capabilities.Endpoint } ] }\n"
        f"topology_template:\n  node_templates:\n    s: {{ type: x.S }}\n{users}"
    )
    assert [p.code for p in read(text, tmp_path)] == codes


@pytest.mark.parametrize(
    ("policy", "member", "fits"),
    [
        ("targets: [ x.N ]", "n", True),
        ("targets: [ x.N ]", "other", False),
        ("targets: [ Root ]", "other", True),
        ("targets: [ tosca.groups.Root ]", "g", True),
        ("targets: [ tosca.groups.Root ]", "n", False),
    ],
)
def test_policies_and_groups_are_for_what_their_types_say(policy: str, member: str, fits: bool, tmp_path: Path) -> None:
    text = template(
        "{ type: x.N }",
        "    other: { type: tosca.nodes.Root }\n  groups: { g: { type: tosca.groups.Root, members: [ n ] } }\n"
        f"  policies: [ p: {{ type: x.P, targets: [ {member} ] }} ]\n",
        f"policy_types: {{ x.P: {{ derived_from: tosca.policies.Root, {policy} }} }}\n",
    )
    assert [p.code for p in read(text, tmp_path)] == ([] if fits else ["T0801"])


def test_a_group_is_for_what_its_type_says(tmp_path: Path) -> None:
    head = "group_types: { x.G: { derived_from: tosca.groups.Root, members: [ tosca.nodes.Compute ] } }\n"
    text = template("{ type: x.N }", "  groups: { g: { type: x.G, members: [ n ] } }\n", head)
    (problem,) = read(text, tmp_path)
    assert (problem.code, problem.message) == ("T0801", "n is a x.N, which g is not for")
