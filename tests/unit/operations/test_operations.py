"""Operations on several instances and machines: what is evaluated where, and what the implementation is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConfigurationError, WorkError
from orchestrator.model.topology import Topology
from orchestrator.model.values import Secret, Value
from orchestrator.operations import OperationCall, Operations, ResolvedCall, Surroundings, lookup_for
from orchestrator.operations.hosts import Side, side_of
from orchestrator.operations.implementations import environment
from orchestrator.operations.variables import host_variables, shared_variables
from orchestrator.tosca import Catalog, read_text

TOPOLOGY = """
tosca_definitions_version: alien_dsl_2_0_0
metadata: { template_name: several, template_version: 1.0.0, template_author: tests }
imports:
  - tosca-normative-types:1.0.0-ALIEN20
  - yorc-types:1.1.0
capability_types:
  t.Login:
    derived_from: yorc.capabilities.Endpoint.ProvisioningAdmin
    properties:
      ip_address: { type: string, required: false }
  t.Offer:
    derived_from: tosca.capabilities.Root
    properties:
      size: { type: integer, default: 3 }
    attributes:
      place: { type: string }
relationship_types:
  t.Uses:
    derived_from: tosca.relationships.DependsOn
    interfaces:
      configure:
        add_source:
          inputs:
            here: { get_attribute: [ SOURCE, tosca_id ] }
            there: { get_attribute: [ TARGET, tosca_id ] }
          implementation: a.yaml
        add_target:
          inputs:
            here: { get_attribute: [ SOURCE, tosca_id ] }
            there: { get_attribute: [ TARGET, tosca_id ] }
          implementation: a.yaml
        pre_configure_source:
          inputs:
            there: { get_attribute: [ TARGET, tosca_id ] }
          outputs:
            RESULT: [ SELF, result ]
            OTHER: [ TARGET, other ]
          implementation: a.yaml
node_types:
  t.Machine:
    derived_from: tosca.nodes.Root
    capabilities:
      endpoint: { type: t.Login }
      host: { type: tosca.capabilities.Container }
  t.Node:
    derived_from: tosca.nodes.Root
    attributes:
      own: { get_operation_output: [ SELF, Standard, create, OWN ] }
    capabilities:
      offer: { type: t.Offer }
    requirements:
      - host:
          capability: tosca.capabilities.Container
          relationship: tosca.relationships.HostedOn
          occurrences: [ 0, 1 ]
      - uses: { capability: t.Offer, relationship: t.Uses, occurrences: [0, 1] }
    interfaces:
      Standard:
        create:
          inputs:
            mine: { get_attribute: [ SELF, tosca_id ] }
            of_host: { get_attribute: [ HOST, tosca_id ] }
            of_required: { get_attribute: [ REQ_TARGET, uses, tosca_id ] }
            of_named: { get_attribute: [ Target, tosca_id ] }
            output_of_named: { get_operation_output: [ Target, Standard, create, READ ] }
            stored: { get_attribute: [ SELF, offer, place ] }
            list: [ 1 ]
          outputs:
            OWN: [ SELF, whole ]
            PLACE: [ SELF, offer, place ]
            DEEP: [ SELF, map, a, b ]
          implementation: a.yaml
        start:
          implementation: { primary: a.yaml, operation_host: ORCHESTRATOR }
topology_template:
  node_templates:
    Machine:
      type: t.Machine
    Node-A:
      type: t.Node
      requirements:
        - host: Machine
        - uses: Target
    Target:
      type: t.Node
"""
INSTANCES = {"Node-A": ("0", "1"), "Machine": ("0", "1", "2"), "Target": ("0",)}
LOGIN = {"ip_address": "10.0.0.1", "credentials": {"user": "me"}}


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    (tmp_path / "a.yaml").touch()
    reading = read_text(TOPOLOGY, "doc.yaml", tmp_path, Catalog())
    assert reading.topology is not None, reading.problems
    return reading.topology


@pytest.fixture
def around(topology: Topology) -> Callable[..., Surroundings]:
    def make(attributes: Mapping[tuple[str, str, str], Value] | None = None, **more: Any) -> Surroundings:
        stored = dict(attributes or {})
        values: dict[str, Any] = {
            "topology": topology,
            "deployment": "d",
            "execution": "e",
            "topology_inputs": {},
            "workflow_inputs": {},
            "sites": {},
            "secrets": None,
            "output_of": lambda node, instance, key: None,
            "instances": lambda node: INSTANCES[node],
            "attribute_of": lambda node, instance, name: stored.get((node, instance, name)),
        }
        return Surroundings(**(values | more))

    return make


def machines(**more: Value) -> dict[tuple[str, str, str], Value]:
    """Three machines with addresses of their own, or with something else."""
    found = {}
    for instance in INSTANCES["Machine"]:
        login = {**LOGIN, "ip_address": f"10.0.0.{instance}", **more}
        found |= {("Machine", instance, f"endpoint.{name}"): value for name, value in login.items()}
    return found


def resolved(around: Surroundings, tmp_path: Path, operation: str = "create", **more: Any) -> ResolvedCall:
    interface = "Standard" if "requirement" not in more else "Configure"
    call = OperationCall("Node-A", interface, operation, **{"instances": ("0", "1"), **more})
    return Operations(around, tmp_path).resolve(call)


def test_expressions_are_evaluated_at_each_instance(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    found = resolved(around({("Node-A", "1", "offer.place"): "there"}), tmp_path)
    (only,) = found.rounds
    assert only.inputs["1"] == {
        "mine": "Node-A_1",
        "of_host": "Machine_1",
        "of_required": "Target_0",
        "of_named": "Target_0",
        "output_of_named": None,
        "stored": "there",
        "list": [1],
    }
    assert found.inputs == only.inputs["0"]
    assert only.inputs["0"]["of_host"] == "Machine_0"


def test_a_host_is_told_who_it_is_and_of_all_the_others(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    surroundings = around()
    found = resolved(surroundings, tmp_path, instances=("1",))
    (only,) = found.rounds
    variables = host_variables(surroundings, found, only, "1")
    told = {name: variables[name] for name in ("NODE", "INSTANCE", "INSTANCES", "HOST", "mine")}
    assert told == {
        "NODE": "Node-A",
        "INSTANCE": "Node_A_1",
        "INSTANCES": "Node_A_0,Node_A_1",
        "HOST": "Machine",
        "mine": "Node-A_1",
    }
    shared = shared_variables(found, only)
    assert (shared["Node_A_0_mine"], shared["Node_A_1_mine"]) == ("Node-A_0", "Node-A_1")


def test_the_ends_of_a_relationship(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    surroundings = around({("Target", "0", "offer.place"): "p"})
    found = resolved(surroundings, tmp_path, "pre_configure_source", requirement="uses")
    (only,) = found.rounds
    variables = host_variables(surroundings, found, only, "1")
    expected = {
        "SOURCE_NODE": "Node-A",
        "SOURCE_INSTANCE": "Node_A_1",
        "SOURCE_INSTANCES": "Node_A_0,Node_A_1",
        "SOURCE_HOST": "Machine",
        "TARGET_NODE": "Target",
        "TARGET_INSTANCE": "Target_0",
        "TARGET_INSTANCES": "Target_0",
        "TARGET_HOST": "Target_0",
        "TARGET_CAPABILITY_NAMES": "offer",
        "TARGET_CAPABILITY_TYPE": "t.Offer",
        "TARGET_CAPABILITY_PROPERTY_size": "3",
        "TARGET_CAPABILITY_Target_0_ATTRIBUTE_place": "p",
        "TARGET_CAPABILITY_offer_Target_0_ATTRIBUTE_place": "p",
    }
    assert {name: variables.get(name) for name in expected} == expected


def test_one_run_for_each_instance_at_the_other_end(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    surroundings = around()
    at_target = resolved(surroundings, tmp_path, "add_source", requirement="uses", operation_host="TARGET")
    assert at_target.instances == ("0",)
    seen = [(r.opposite, r.inputs["0"]["here"], r.inputs["0"]["there"]) for r in at_target.rounds]
    assert seen == [("0", "Node-A_0", "Target_0"), ("1", "Node-A_1", "Target_0")]
    assert host_variables(surroundings, at_target, at_target.rounds[1], "0")["SOURCE_INSTANCE"] == "Node_A_1"
    at_source = resolved(surroundings, tmp_path, "add_target", requirement="uses")
    assert (at_source.instances, [r.opposite for r in at_source.rounds]) == (("0", "1"), ["0"])
    plain = resolved(surroundings, tmp_path, "pre_configure_source", requirement="uses")
    assert [r.opposite for r in plain.rounds] == [None]


@pytest.mark.parametrize(
    ("step", "implementation", "of_relationship", "side"),
    [
        (None, None, False, Side.SOURCE),
        ("SELF", "ORCHESTRATOR", False, Side.SOURCE),
        (None, "orchestrator", False, Side.ORCHESTRATOR),
        ("ORCHESTRATOR", "TARGET", True, Side.ORCHESTRATOR),
        ("TARGET", None, True, Side.TARGET),
        ("TARGET", None, False, Side.SOURCE),
        ("HOST", None, True, Side.SOURCE),
    ],
)
def test_what_operation_host_means(
    step: str | None, implementation: str | None, of_relationship: bool, side: Side
) -> None:
    assert side_of(step, implementation, of_relationship=of_relationship) is side


def test_each_instance_is_worked_on_at_its_own_machine(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    place = resolved(around(machines(port=2222)), tmp_path).place
    hosts = place.hosts(("0", "1"))
    assert [(h.name, h.connection["ansible_host"]) for h in hosts] == [
        ("Node_A_0", "10.0.0.0"),
        ("Node_A_1", "10.0.0.1"),
    ]
    assert place.described == "me@10.0.0.0:2222, me@10.0.0.1:2222"
    assert "UserKnownHostsFile" not in repr(hosts)


def test_without_an_address_it_is_this_machine(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    place = resolved(around(), tmp_path).place
    assert place.described == "ORCHESTRATOR"
    assert all(host.is_local for host in place.hosts(("0", "1")))
    assert resolved(around(machines()), tmp_path, "start").place.described == "ORCHESTRATOR"


SELF_MADE = """
tosca_definitions_version: tosca_simple_yaml_1_3
node_types:
  my.Machine:
    derived_from: tosca.nodes.Compute
    attributes: { addr: { type: string } }
    interfaces:
      Standard:
        type: tosca.interfaces.node.lifecycle.Standard
        operations: { create: { implementation: a.yaml, outputs: { ADDR: [ SELF, addr ] } }, start: a.yaml }
  my.Program:
    derived_from: tosca.nodes.SoftwareComponent
    interfaces:
      Standard: { type: tosca.interfaces.node.lifecycle.Standard, operations: { create: a.yaml } }
topology_template:
  node_templates:
    Machine:
      type: my.Machine
      capabilities:
        endpoint:
          attributes:
            ip_address: { get_attribute: [ SELF, addr ] }
            credentials: { user: me }
    Program: { type: my.Program, requirements: [ host: Machine ] }
"""


@pytest.fixture
def self_made(tmp_path: Path) -> Topology:
    (tmp_path / "a.yaml").write_text("[]")
    reading = read_text(SELF_MADE, "t.yaml", tmp_path)
    assert reading.topology is not None
    assert reading.problems == ()
    return reading.topology


@pytest.mark.parametrize("name", ["tosca.nodes.Compute", "Compute", "tosca:Compute", "my.Machine"])
def test_nodes_of_a_type_by_any_of_its_names(
    name: str, self_made: Topology, around: Callable[..., Surroundings]
) -> None:
    assert lookup_for(around(topology=self_made), "Program").nodes_of_type(name) == ["Machine"]


def test_a_machine_without_an_address_is_worked_on_here(
    self_made: Topology, around: Callable[..., Surroundings], tmp_path: Path
) -> None:
    address: dict[tuple[str, str, str], Value] = {}
    surroundings = around(
        topology=self_made,
        instances=lambda node: ("0",),
        attribute_of=lambda node, instance, name: address.get((node, instance, name)),
    )
    operations = Operations(surroundings, tmp_path)
    assert operations.host(OperationCall("Machine", "Standard", "create")) == "ORCHESTRATOR"
    assert operations.host(OperationCall("Program", "Standard", "create")) == "the host of Program, not known yet"
    with pytest.raises(WorkError, match="Program is to be worked on at Machine, which has no address"):
        operations.resolve(OperationCall("Program", "Standard", "create")).place.hosts(["0"])
    address["Machine", "0", "addr"] = "10.0.0.7"
    assert operations.host(OperationCall("Machine", "Standard", "start")) == "me@10.0.0.7:22"
    assert operations.host(OperationCall("Program", "Standard", "create")) == "me@10.0.0.7:22"


def test_a_host_key_is_all_that_is_believed(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3Nz comment\n"
    place = resolved(around(machines(host_key=key, port=2222)), tmp_path).place
    assert place.files() == {
        "known_hosts": "".join(f"[10.0.0.{i}]:2222 ssh-ed25519 AAAAC3Nz\n" for i in (0, 1)),
    }
    arguments = place.hosts(("0",))[0].connection["ansible_ssh_common_args"]
    assert arguments.split()[:2] == ["-o", "UserKnownHostsFile=known_hosts"]
    assert resolved(around(machines(host_key=key)), tmp_path).place.files()["known_hosts"].startswith("10.0.0.0 ssh-")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"credentials": {}}, "says no user"),
        ({"credentials": {"user": "-oProxyCommand=x"}}, "no user of an endpoint"),
        ({"credentials": {"user": "me", "keys": {"0": "/no/such/file"}}}, "neither a private key nor a file"),
        ({"ip_address": "-oX"}, "no ip_address of an endpoint"),
        ({"ip_address": "a b"}, "no ip_address of an endpoint"),
        ({"port": "70000"}, "not a number from 1 to 65535"),
        ({"host_key": "-----BEGIN"}, "no public key"),
        ({"bastion": {"use": "true", "host": "h;x"}}, "no host of the bastion"),
    ],
)
def test_a_wrong_endpoint_is_a_problem_when_it_is_used(
    around: Callable[..., Surroundings], tmp_path: Path, wrong: dict[str, Value], said: str
) -> None:
    place = resolved(around(machines(**wrong)), tmp_path).place
    with pytest.raises(ConfigurationError, match=said) as caught:
        place.hosts(("0",))
    assert "Machine" in caught.value.message


def test_keys_passwords_and_bastions(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    key = Secret("-----BEGIN OPENSSH PRIVATE KEY-----\nx")
    file = tmp_path / "key"
    file.touch()

    def connection(**more: Value) -> Mapping[str, Value]:
        return resolved(around(machines(**more)), tmp_path).place.hosts(("0",))[0].connection

    given = connection(credentials={"user": "me", "keys": {"0": key}, "token": "unused"})
    assert given["ansible_ssh_private_key"] == Secret(f"{key.reveal()}\n")
    assert "ansible_password" not in given
    assert connection(credentials={"user": "me", "keys": {"0": str(file)}})["ansible_ssh_private_key_file"] == str(file)
    assert connection(credentials={"user": "me", "token": "p"})["ansible_password"] == Secret("p")
    jump = connection(bastion={"use": True, "host": "front", "credentials": {"user": "you"}})
    assert jump["ansible_ssh_common_args"] == "-o ProxyJump=you@front:22"


def test_outputs_become_attributes(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    surroundings = around({("Node-A", "1", "map"): {"a": {"c": 1}}})
    operations = Operations(surroundings, tmp_path)
    found = resolved(surroundings, tmp_path)
    assert set(found.outputs) == {"OWN", "PLACE", "DEEP"}
    outputs = {"0": {"OWN": "x"}, "1": {"OWN": "y", "PLACE": "p", "DEEP": 2}}
    assert operations.attributes_of(found, outputs) == [
        ("Node-A", "0", {"whole": "x"}),
        ("Node-A", "1", {"whole": "y", "offer.place": "p", "map": {"a": {"c": 1, "b": 2}}}),
    ]
    related = resolved(surroundings, tmp_path, "pre_configure_source", requirement="uses")
    assert operations.attributes_of(related, {"1": {"RESULT": 1, "OTHER": 2}}) == [
        ("Node-A", "1", {"uses.result": 1}),
        ("Target", "0", {"other": 2}),
    ]


def test_an_output_that_another_operation_reads_is_wanted(around: Callable[..., Surroundings], tmp_path: Path) -> None:
    found = Operations(around(), tmp_path).resolve(OperationCall("Target", "Standard", "create"))
    assert "READ" in found.outputs


def test_stored_attributes_go_before_declared_ones(around: Callable[..., Surroundings]) -> None:
    surroundings = around(
        {("Node-A", "1", "own"): "stored", ("Node-A", "1", "uses.result"): "of relationship"},
        output_of=lambda node, instance, key: f"output {instance}",
    )
    uses = next(r for r in surroundings.node("Node-A").relationships if r.name == "uses")
    assert lookup_for(surroundings, "Node-A", instance="1").attribute("SELF", ["own"]) == "stored"
    assert lookup_for(surroundings, "Node-A", instance="0").attribute("SELF", ["own"]) == "output 0"
    inside = lookup_for(surroundings, "Node-A", instance="1", relationship=uses)
    assert inside.attribute("SELF", ["result"]) == "of relationship"


def test_the_environment_of_a_script_is_text() -> None:
    found = environment({"a": None, "b": True, "c": {"k": [1, "é"]}, "d": 5, "e": [Secret("s")], "f": Secret("t")})
    assert found == {
        "a": "",
        "b": "true",
        "c": '{"k": [1, "é"]}',
        "d": "5",
        "e": Secret('["s"]'),
        "f": Secret("t"),
    }
    with pytest.raises(WorkError, match="NUL"):
        environment({"a": "x\0y"})
