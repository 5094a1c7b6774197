"""Every secret that a topology names is looked for before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.app.secret_checks import check_secrets
from orchestrator.errors import SecretError
from orchestrator.model.topology import Topology
from orchestrator.model.values import Secret
from orchestrator.secrets import FileSecretStore
from orchestrator.tosca import read_text

TYPES = """
tosca_definitions_version: tosca_simple_yaml_1_3
relationship_types:
  my.Link:
    derived_from: tosca.relationships.DependsOn
    properties: { p: { type: string, required: false } }
    interfaces:
      Configure:
        type: tosca.interfaces.relationship.Configure
        operations:
          add_target: { implementation: link.sh }
node_types:
  my.N:
    derived_from: tosca.nodes.Root
    properties: { p: { type: string, required: false }, q: { type: string, required: false } }
    attributes: { a: { type: string } }
    requirements:
      - link: { capability: tosca.capabilities.Node, relationship: my.Link, occurrences: [ 0, 1 ] }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations:
          create: { implementation: create.sh }
      Work: { type: tosca.interfaces.Root, operations: { go: { implementation: go.sh } } }
"""


def topology(body: str, inputs: str = "", more: str = "") -> Topology:
    text = f"{TYPES}\ntopology_template:\n  inputs: {{ {inputs} }}\n  node_templates:\n    n: {body}\n{more}"
    found = read_text(text, "t.yaml", Path("/nowhere"))
    assert found.topology is not None
    assert not found.has_errors, found.problems
    return found.topology


def of_input(operation: str, value: str) -> str:
    interface, name = operation.split(".")
    operations = f"{{ {name}: {{ inputs: {{ X: {value} }} }} }}"
    return f"{{ type: my.N, interfaces: {{ {interface}: {{ operations: {operations} }} }} }}"


SECRET = "{ get_secret: [ my/path, key ] }"


@pytest.mark.parametrize(
    ("described", "user"),
    [
        (topology(f"{{ type: my.N, properties: {{ p: {SECRET} }} }}"), "n (t.yaml:"),
        (topology(of_input("Standard.create", SECRET)), "n: Standard.create (t.yaml:"),
        (topology(of_input("Work.go", f"{{ concat: [ a, {SECRET} ] }}")), "n: Work.go"),
        (topology(of_input("Standard.create", f"{{ deep: [ {{ er: {SECRET} }} ] }}")), "n: Standard.create"),
        (topology(f"{{ type: my.N, attributes: {{ a: {SECRET} }} }}"), "n (t.yaml:"),
        (
            topology(
                "{ type: my.N, requirements: [ link: { node: m, relationship: "
                f"{{ properties: {{ p: {SECRET} }} }} }} ] }}",
                more="    m: { type: my.N }\n",
            ),
            "n.link",
        ),
        (
            topology(
                "{ type: my.N, requirements: [ link: { node: m, relationship: { interfaces: { Configure: "
                f"{{ operations: {{ add_target: {{ inputs: {{ X: {SECRET} }} }} }} }} }} }} }} ] }}",
                more="    m: { type: my.N }\n",
            ),
            "n: Configure.add_target",
        ),
        (
            topology(
                "{ type: my.N }",
                more="  workflows: { w: { steps: { s: { target: n, activities: [ call_operation: { operation: Work.go, "
                f"inputs: {{ X: {SECRET} }} }} ] }} }} }} }}\n",
            ),
            "the step s of w",
        ),
        (topology("{ type: my.N }", more=f"  outputs: {{ o: {{ value: {SECRET} }} }}\n"), "the output o"),
        (topology(of_input("Standard.create", "{ get_secret: [ { concat: [ my, /path ] }, 'data=key' ] }")), "n: Stan"),
    ],
)
def test_a_secret_is_looked_for_wherever_it_is_named(described: Topology, user: str, tmp_path: Path) -> None:
    store = FileSecretStore(tmp_path)
    with pytest.raises(SecretError) as raised:
        check_secrets(described, store)
    assert user in raised.value.message
    store.put("my/path", {"key": Secret("x")})
    check_secrets(described, store)


def test_names_that_are_made_of_inputs_and_properties(tmp_path: Path) -> None:
    body = (
        "{ type: my.N, properties: { p: { get_input: who }, q: { get_secret: "
        "[ { concat: [ users/, { get_property: [ SELF, p ] } ] }, token ] } } }"
    )
    described = topology(body, "who: { type: string }")
    store = FileSecretStore(tmp_path)
    with pytest.raises(SecretError, match="users/ann"):
        check_secrets(described, store, {"who": "ann"})
    check_secrets(described, store)  # who it is, is not known yet
    store.put("users/ann", {"token": Secret("x")})
    check_secrets(described, store, {"who": "ann"})


def test_what_only_a_run_tells_is_not_looked_for(tmp_path: Path) -> None:
    body = of_input("Standard.create", "{ get_secret: [ { get_attribute: [ SELF, a ] }, key ] }")
    check_secrets(topology(body), FileSecretStore(tmp_path))


def test_all_that_are_missing_are_told_at_once(tmp_path: Path) -> None:
    body = "{ type: my.N, properties: { p: { get_secret: [ one, a ] }, q: { get_secret: [ two, b ] } } }"
    with pytest.raises(SecretError) as raised:
        check_secrets(topology(body), FileSecretStore(tmp_path))
    assert "one a: wanted by n" in raised.value.message
    assert "two b: wanted by n" in raised.value.message
    assert raised.value.hint == "orch secrets set one a; orch secrets set two b"
