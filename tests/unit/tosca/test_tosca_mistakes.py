"""Seeded mistakes, one of a kind each: the exact code and place of the one problem that is expected.

``§`` marks the place; it is taken out before the document is read. No second problem may be reported.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.tosca import CODES, Catalog, Reading, read_text, read_topology

TYPES = """\
tosca_definitions_version: tosca_simple_yaml_1_3
data_types:
  example.Point:
    properties:
      x: { type: integer }
      y: { type: integer, default: 0 }
  example.Port:
    derived_from: integer
    constraints: [ { in_range: [ 1, 65535 ] } ]
capability_types:
  example.Service:
    derived_from: tosca.capabilities.Root
    properties:
      port: { type: example.Port, default: 80 }
  example.Picky:
    derived_from: tosca.capabilities.Root
    valid_source_types: [ example.Special ]
relationship_types:
  example.Uses:
    derived_from: tosca.relationships.Root
    valid_target_types: [ example.Service ]
    properties:
      speed: { type: scalar-unit.bitrate, default: 1 Mbps }
policy_types:
  example.Policy:
    derived_from: tosca.policies.Root
    properties: { limit: { type: integer } }
group_types:
  example.Group:
    derived_from: tosca.groups.Root
    properties: { label: { type: string, default: a } }
node_types:
  example.Server:
    derived_from: tosca.nodes.Root
    properties:
      size: { type: scalar-unit.size, default: 1 GB, constraints: [ { greater_or_equal: 1 MB } ] }
      colour: { type: string, default: red, constraints: [ { valid_values: [ red, green ] } ] }
      tags: { type: list, default: [], entry_schema: { type: string }, constraints: [ { max_length: 2 } ] }
      weights: { type: map, default: {}, entry_schema: { type: float } }
      code: { type: string, default: ab, constraints: [ { pattern: "[a-z]+" } ] }
      range: { type: range, default: [ 1, 2 ] }
      release: { type: version, default: 1.0 }
      made: { type: timestamp, default: 2026-01-31 }
      active: { type: boolean, default: true }
      number: { type: integer, default: 1 }
      ratio: { type: float, default: 0.5 }
      delay: { type: scalar-unit.time, default: 1 s }
      point: { type: example.Point, default: { x: 1 } }
      port: { type: example.Port, default: 22 }
    attributes:
      address: { type: string }
    capabilities:
      service: { type: example.Service }
      picky: { type: example.Picky, occurrences: [ 0, 1 ] }
    interfaces:
      Runnable: { operations: { submit: , run: } }
  example.Special:
    derived_from: example.Server
  example.Client:
    derived_from: tosca.nodes.Root
    properties:
      name: { type: string }
    requirements:
      - server: { capability: example.Service, relationship: example.Uses, occurrences: [ 1, 1 ] }
"""

NODES = """\
topology_template:
  inputs:
    depth: { type: integer, default: 1 }
  node_templates:
    server: { type: example.Server }
    client:
      type: example.Client
      properties: { name: c }
      requirements: [ { server: server } ]
"""


def topology(lines: str) -> str:
    return TYPES + "topology_template:\n" + lines


def server(lines: str) -> str:
    """A topology with one server that has these lines."""
    return topology("  node_templates:\n    server:\n      type: example.Server\n" + lines)


def value(written: str) -> str:
    """A topology with one server with this property."""
    return server(f"      properties: {{ {written} }}\n")


def client(lines: str, more: str = "") -> str:
    """A topology with a server and a client that has these lines."""
    return topology(
        "  node_templates:\n    server: { type: example.Server }\n"
        "    client:\n      type: example.Client\n      properties: { name: c }\n" + lines + more
    )


def steps(lines: str) -> str:
    """A topology with a workflow of these steps."""
    return TYPES + NODES + "  workflows:\n    go:\n      steps:\n" + lines


def types(lines: str) -> str:
    """A document with only these types."""
    return "tosca_definitions_version: tosca_simple_yaml_1_3\n" + lines


MISTAKES = {
    # files and YAML
    "tab": ("T0104", "tosca_definitions_version: tosca_simple_yaml_1_3\n§\tmetadata: {}\n"),
    "unclosed list": ("T0104", "tosca_definitions_version: tosca_simple_yaml_1_3\nimports: [ a.yaml\nmetadata§: {}\n"),
    "colon in a plain text": ("T0104", "tosca_definitions_version: tosca_simple_yaml_1_3\ndescription: a§: b\n"),
    "too deep": ("T0105", "a: " + "[" * 99 + "§[" + "[" * 50 + "]" * 150),
    "duplicate key": ("T0106", server("      description: a\n      §description: b\n")),
    "map as key": ("T0107", types("metadata:\n  ? §{ a: b }\n  : c\n")),
    "two documents": ("T0108", types("§---\na: b\n")),
    "empty": ("T0109", "§# nothing\n"),
    "a list": ("T0109", "§- a\n"),
    "alias of itself": ("T0110", types("metadata: &m { a: §*m }\n")),
    "alias of nothing": ("T0110", types("metadata: { a: §*m }\n")),
    "a set": ("T0111", types("metadata: { a: §!!set { b } }\n")),
    "a binary": ("T0111", types("metadata: { a: §!!binary aGk= }\n")),
    "a tag of one's own": ("T0111", types("metadata: { a: §!unsafe [ x ] }\n")),
    "a NUL": ("T0112", types('metadata: { a: §"b\\0c" }\n')),
    "a NUL in a name": ("T0112", types('metadata: { §"a\\0": b }\n')),
    "an escape sequence in a name": (
        "T0112",
        types('topology_template: { node_templates: { §"\\e[2Ja": { type: tosca.nodes.Root } } }\n'),
    ),
    "a line end in a name": (
        "T0112",
        types('topology_template: { workflows: { §"a\\n\u2714 done": { steps: {} } } }\n'),
    ),
    "a control character of Latin-1 in a name": ("T0112", types('metadata: { §"a\\x9bb": c }\n')),
    # header, imports, keynames
    "no version": ("T0201", "§metadata: { a: b }\n"),
    "unknown version": ("T0201", "tosca_definitions_version: §tosca_simple_yaml_1_9\n"),
    "import of a missing file": ("T0202", types("imports:\n  - §missing.yaml\n")),
    "import of a missing profile": ("T0202", types("imports:\n  - §no-such-profile:1.0.0\n")),
    "import of another version": ("T0203", types("imports:\n  - §tosca-normative-types:0.0.1\n")),
    "import of a URL": ("T0204", types("imports:\n  - §https://example.org/types.yaml\n")),
    "import of a number of things": ("T0205", types("imports:\n  - §{ a: b, c: d }\n")),
    "unknown repository": ("T0209", types("imports:\n  - { file: a.yaml, repository: §nowhere }\n")),
    "imports not a list": ("T0207", types("imports: §a.yaml\n")),
    "misspelt keyname at the top": ("T0206", types("§topology_templat: {}\n")),
    "misspelt keyname of a node": ("T0206", server("      §propertis: {}\n")),
    "foreign keyname": ("T0206", server("      §zzz: {}\n")),
    "node_templates as list": ("T0207", topology("  node_templates: §[ a ]\n")),
    "template as text": ("T0207", topology("  node_templates:\n    a: §b\n")),
    "requirement not indented": (
        "T0207",
        client("      requirements:\n        - server:\n          §node: server\n"),
    ),
    # types
    "unknown node type": ("T0301", topology("  node_templates:\n    a: { type: §example.Sever }\n")),
    "unknown parent": ("T0301", types("node_types:\n  example.A: { derived_from: §example.B }\n")),
    "unknown data type": ("T0301", types("node_types:\n  example.A: { properties: { a: { type: §strin } } }\n")),
    "unknown entry type": (
        "T0301",
        types("node_types:\n  example.A: { properties: { a: { type: list, entry_schema: { type: §int } } } }\n"),
    ),
    "unknown capability type": ("T0301", types("node_types:\n  example.A: { capabilities: { a: §example.B } }\n")),
    "unknown relationship type": (
        "T0301",
        client("      requirements: [ { server: { node: server, relationship: §example.Use } } ]\n"),
    ),
    "types in a circle": (
        "T0302",
        types("node_types:\n  example.A: { derived_from: §example.B }\n  example.B: { derived_from: example.A }\n"),
    ),
    "occurrences": (
        "T0304",
        types("node_types:\n  a.A: { requirements: [ { r: { capability: Node, occurrences: §[ 2, 1 ] } } ] }\n"),
    ),
    "constraint operator": (
        "T0305",
        types("node_types:\n  a.A: { properties: { a: { type: string, constraints: [ { §min_lenght: 1 } ] } } }\n"),
    ),
    "constraint value": (
        "T0305",
        types("node_types:\n  a.A: { properties: { a: { type: integer, constraints: [ { in_range: §1 } ] } } }\n"),
    ),
    "constraint pattern": (
        "T0305",
        types('node_types:\n  a.A: { properties: { a: { type: string, constraints: [ { pattern: §"(" } ] } } }\n'),
    ),
    "property of another type": (
        "T0306",
        types(
            "node_types:\n  a.A: { properties: { p: { type: string } } }\n"
            "  a.B: { derived_from: a.A, properties: { p: { type: §integer } } }\n"
        ),
    ),
    "definition without type": ("T0307", types("node_types:\n  a.A: { properties: { §p: { required: true } } }\n")),
    "template without type": ("T0307", topology("  node_templates:\n    §a: { description: b }\n")),
    "requirement without capability": (
        "T0208",
        types("node_types:\n  a.A: { requirements: [ { §r: { occurrences: [ 0, 1 ] } } ] }\n"),
    ),
    "missing playbook": ("T0308", server("      interfaces: { Standard: { start: §missing.yaml } }\n")),
    "missing artifact": (
        "T0310",
        server("      artifacts: { app: { file: §missing.tar, type: tosca.artifacts.File } }\n"),
    ),
    "missing artifact, in short": ("T0310", server("      artifacts: { app: §missing.tar }\n")),
    "checksum that is none": (
        "T0315",
        server("      artifacts: { app: { file: http://x/a, type: tosca.artifacts.File, checksum: §nonsense } }\n"),
    ),
    "misspelt operation": (
        "T0309",
        server("      interfaces: { Standard: { operations: { §strat: { description: a } } } }\n"),
    ),
    "default of the wrong type": (
        "T0403",
        types("node_types:\n  a.A: { properties: { p: { type: integer, default: §many } } }\n"),
    ),
    "required is no boolean": (
        "T0403",
        types("node_types:\n  a.A: { properties: { p: { type: string, required: §maybe } } }\n"),
    ),
    # values
    "misspelt property": ("T0401", value("§colur: red")),
    "missing property": (
        "T0402",
        topology(
            "  node_templates:\n    server: { type: example.Server }\n"
            "    §client: { type: example.Client, requirements: [ { server: server } ] }\n"
        ),
    ),
    "property without value": (
        "T0402",
        client("      requirements: [ { server: server } ]\n").replace("name: c", "§name: "),
    ),
    "map where a string belongs": ("T0403", value("colour: §{ a: b }")),
    "list where a string belongs": ("T0403", value("colour: §[ a ]")),
    "misspelt function": ("T0403", value("colour: §{ get_inptu: depth }")),
    "integer": ("T0403", value("number: §many")),
    "float": ("T0403", value("ratio: §half")),
    "boolean": ("T0403", value("active: §perhaps")),
    "version": ("T0403", value("release: §latest")),
    "timestamp": ("T0403", value("made: §yesterday")),
    "size without unit": ("T0403", value("size: §10")),
    "size with a wrong unit": ("T0403", value("size: §10 GX")),
    "time unit": ("T0403", value("delay: §5 hours")),
    "text where a list belongs": ("T0403", value("tags: §a")),
    "text where a map belongs": ("T0403", value("weights: §a")),
    "entry of a map": ("T0403", value("weights: { a: 1.5, b: §x }")),
    "item of a list": ("T0403", value("tags: [ a, §[ b ] ]")),
    "range upside down": ("T0403", value("range: §[ 3, 1 ]")),
    "range of words": ("T0403", value("range: [ 1, §x ]")),
    "text where a data type belongs": ("T0403", value("point: §here")),
    "field of a data type": ("T0407", value("point: { x: 1, §z: 2 }")),
    "missing field": ("T0408", value("point: §{ y: 2 }")),
    "wrong field": ("T0403", value("point: { x: §left }")),
    "valid_values": ("T0404", value("colour: §blue")),
    "pattern": ("T0404", value("code: §A1")),
    "greater_or_equal of a size": ("T0404", value("size: §1 kB")),
    "max_length": ("T0404", value("tags: §[ a, b, c ]")),
    "in_range of a derived type": ("T0404", value("port: §70000")),
    "unknown attribute": ("T0405", server("      attributes: { §adress: a }\n")),
    "unknown capability": ("T0406", server("      capabilities: { §servce: {} }\n")),
    "property of a capability": ("T0401", server("      capabilities: { service: { properties: { §prt: 1 } } }\n")),
    "value of a capability": ("T0404", server("      capabilities: { service: { properties: { port: §0 } } }\n")),
    "unknown interface": ("T0409", server("      interfaces: { §Runable: { operations: { run: { inputs: {} } } } }\n")),
    # requirements
    "unknown requirement": ("T0501", client("      requirements: [ { §servr: server } ]\n")),
    "unknown target": ("T0502", client("      requirements: [ { server: §servr } ]\n")),
    "no such capability": (
        "T0503",
        client("      requirements: [ { server: §client2 } ]\n", "    client2: { type: tosca.nodes.Root }\n"),
    ),
    "misspelt capability": (
        "T0503",
        client("      requirements: [ { server: { node: server, capability: §servic } } ]\n"),
    ),
    "missing requirement": (
        "T0504",
        topology("  node_templates:\n    §client: { type: example.Client, properties: { name: c } }\n"),
    ),
    "requirement twice": (
        "T0505",
        topology(
            "  node_templates:\n    server: { type: example.Server }\n    §client:\n      type: example.Client\n"
            "      properties: { name: c }\n      requirements: [ { server: server }, { server: server } ]\n"
        ),
    ),
    "requirements in a circle": (
        "T0506",
        topology(
            "  node_templates:\n    a: { type: example.Server, requirements: [ { §dependency: b } ] }\n"
            "    b: { type: example.Server, requirements: [ { dependency: c } ] }\n"
            "    c: { type: example.Server, requirements: [ { dependency: a } ] }\n"
        ),
    ),
    "target of another type": (
        "T0507",
        client("      requirements: [ { server: §server } ]\n").replace(
            "- server: { capability", "- server: { node: example.Client, capability"
        ),
    ),
    "type that two nodes have": (
        "T0508",
        client("      requirements: [ { server: §example.Server } ]\n", "    two: { type: example.Server }\n"),
    ),
    "source not accepted": (
        "T0509",
        client("      requirements: [ { server: { node: server, capability: §picky, relationship: Root } } ]\n"),
    ),
    "relationship that does not fit": (
        "T0510",
        client(
            "      requirements: [ { server: server }, { dependency: { node: server, capability: feature, "
            "relationship: §example.Uses } } ]\n"
        ),
    ),
    "property of a relationship": (
        "T0401",
        client(
            "      requirements: [ { server: { node: server, "
            "relationship: { type: example.Uses, properties: { §sped: 1 Mbps } } } } ]\n"
        ),
    ),
    "node filter": (
        "T0511",
        client(
            "      requirements: [ { server: { node: server, "
            "node_filter: { properties: [ { §size: { greater_than: 5 GB } } ] } } } ]\n"
        ),
    ),
    "misspelt keyname of a requirement": (
        "T0206",
        client("      requirements: [ { server: { node: server, §capabilty: service } } ]\n"),
    ),
    # functions
    "unknown input": ("T0601", value("number: { get_input: §dept }")),
    "function without arguments": ("T0602", value("colour: { §get_property: [ SELF ] }")),
    "token with too many arguments": ("T0602", value("colour: { §token: [ a, b, 1, 2 ] }")),
    "a map in a text": ("T0602", value("colour: { concat: [ §{get_input:colour}, x ] }")),
    "index of a list": ("T0602", value("colour: { get_property: [ SELF, tags, §first ] }")),
    "path into a number": ("T0602", value("colour: { get_property: [ SELF, number, §a ] }")),
    "function of an unknown node": ("T0603", value("colour: { get_attribute: [ §servr, address ] }")),
    "host of nothing": ("T0603", value("colour: { get_attribute: [ §HOST, address ] }")),
    "function of an unknown property": ("T0604", value("colour: { get_property: [ SELF, §colr ] }")),
    "function of an unknown attribute": (
        "T0604",
        TYPES + NODES + "  outputs:\n    a: { value: { get_attribute: [ server, §adress ] } }\n",
    ),
    "function of an unknown field": ("T0604", value("number: { get_property: [ SELF, point, §z ] }")),
    "properties in a circle": (
        "T0605",
        value("§colour: { get_property: [ SELF, code ] }, code: { get_property: [ SELF, colour ] }"),
    ),
    "output of an unknown operation": (
        "T0606",
        value("colour: { get_operation_output: [ SELF, Runnable, §rn, URL ] }"),
    ),
    "unknown artifact": ("T0606", value("colour: { get_artifact: [ SELF, §app ] }")),
    "nested unknown input": ("T0601", value("colour: { concat: [ a, { get_input: §nothing } ] }")),
    # workflows
    "unknown successor": (
        "T0701",
        steps("        a: { target: server, activities: [ { set_state: x } ], on_success: [ §b ] }\n"),
    ),
    "unknown step target": ("T0702", steps("        a: { target: §servr, activities: [ { set_state: x } ] }\n")),
    "unknown operation": (
        "T0703",
        steps("        a: { target: server, activities: [ { call_operation: §Runnable.submt } ] }\n"),
    ),
    "operation without interface": (
        "T0703",
        steps("        a: { target: server, activities: [ { call_operation: §start } ] }\n"),
    ),
    "steps in a circle": (
        "T0704",
        steps(
            "        §a: { target: server, activities: [ { set_state: x } ], on_success: [ b ] }\n"
            "        b: { target: server, activities: [ { set_state: y } ], on_success: a }\n"
        ),
    ),
    "unknown workflow": ("T0705", steps("        a: { activities: [ { inline: §instal } ] }\n")),
    "unknown activity": ("T0706", steps("        a: { target: server, activities: [ { §call_operatoin: a.b } ] }\n")),
    "empty state": ("T0706", steps("        a: { target: server, activities: [ { §set_state: } ] }\n")),
    "workflow in itself": (
        "T0707",
        TYPES + NODES + "  workflows:\n    §go: { steps: { a: { activities: [ { inline: go } ] } } }\n",
    ),
    "unknown input of an activity": (
        "T0601",
        steps(
            "        a: { target: server, activities: [ { call_operation: "
            "{ operation: Runnable.run, inputs: { x: { get_input: §dept } } } } ] }\n"
        ),
    ),
    "misspelt keyname of a step": ("T0206", steps("        a: { target: server, §on_sucess: [], activities: [] }\n")),
    # the rest of a topology
    "member of a group": (
        "T0801",
        TYPES + NODES + "  groups:\n    g: { type: example.Group, members: [ server, §nobody ] }\n",
    ),
    "target of a policy": (
        "T0801",
        TYPES
        + NODES
        + "  policies:\n    - p: { type: example.Policy, targets: [ §nobody ], properties: { limit: 1 } }\n",
    ),
    "property of a policy": (
        "T0402",
        TYPES + NODES + "  policies:\n    - §p: { type: example.Policy, targets: [ server ] }\n",
    ),
    "unknown policy type": ("T0301", TYPES + NODES + "  policies:\n    - p: { type: §example.Polcy }\n"),
    "substitution of an unknown capability": (
        "T0802",
        TYPES + NODES + "  substitution_mappings:\n    node_type: example.Server\n"
        "    capabilities: { §servic: [ server, service ] }\n",
    ),
    "substitution by an unknown node": (
        "T0802",
        TYPES + NODES + "  substitution_mappings:\n    node_type: example.Server\n"
        "    capabilities: { service: [ §srv, service ] }\n",
    ),
    "substitution without type": ("T0208", TYPES + NODES + "  §substitution_mappings:\n    capabilities: {}\n"),
    "unknown directive": ("T0803", server("      directives: [ §selct ]\n")),
    "default of an input": ("T0403", topology("  inputs:\n    a: { type: integer, default: §x }\n")),
    "unknown node to copy": ("T0502", topology("  node_templates:\n    a: { copy: §b, type: example.Server }\n")),
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_once_at_its_place(name: str, catalog: Catalog, tmp_path: Path) -> None:
    code, marked = MISTAKES[name]
    before = marked.partition("§")[0]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    reading = read_text(marked.replace("§", ""), "doc.yaml", tmp_path, catalog)
    problems = [p for p in reading.problems if p.code == code or p.code != "T0804"]  # not carried out: no mistake
    found = [(p.code, p.span and (p.span.file, p.span.line, p.span.column)) for p in problems]
    assert found == [(code, ("doc.yaml", line, column))], [str(p) for p in reading.problems]


def test_the_types_and_nodes_of_the_mistakes_are_right(catalog: Catalog, tmp_path: Path) -> None:
    reading = read_text(TYPES + NODES, "doc.yaml", tmp_path, catalog)
    assert [str(p) for p in reading.problems] == []


def test_there_are_enough_kinds() -> None:
    assert len(MISTAKES) >= 80


ELSEWHERE = {
    "T0101",
    "T0102",
    "T0103",
    "T0210",
    "T0303",
    "T0311",
    "T0312",
    "T0313",
    "T0314",
    "T0316",
    "T0512",
    "T0708",
    "T0709",
    "T0710",
    "T0804",
    "T0810",
    "T0901",
}
"""Codes that need files of their own; the tests below and beside have them."""


def test_every_code_has_a_mistake() -> None:
    elsewhere = {code for code in CODES if code in ELSEWHERE or code.startswith(("T025", "T026", "T10"))}
    assert set(CODES) - {code for code, _ in MISTAKES.values()} - elsewhere == set()


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    kind = CODES[code]
    assert kind.code == code
    assert kind.title
    assert kind.explanation.endswith(".")
    assert kind.remedy.endswith(".")


def only(reading: Reading) -> tuple[str, str, int, int]:
    (problem,) = reading.problems
    assert problem.span is not None
    return problem.code, problem.span.file, problem.span.line, problem.span.column


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    reading = read_topology(path)
    assert reading.topology is None
    assert only(reading)[:2] == ("T0101", str(path))


def test_a_folder(tmp_path: Path) -> None:
    assert only(read_topology(tmp_path))[0] == "T0102"


def test_a_device_is_not_read() -> None:
    assert only(read_topology(Path("/dev/zero")))[0] == "T0102"


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("description: größer".encode("latin-1"))
    assert only(read_topology(path)) == ("T0103", str(path), 1, 16)


def test_the_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TYPES.encode())
    assert [str(p) for p in read_topology(path).problems] == []


def test_a_type_defined_twice(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "other.yaml").write_text(types("node_types:\n  a.A: { description: other }\n"))
    document = types("imports: [ other.yaml ]\nnode_types:\n  a.A: { description: own }\n")
    reading = read_text(document, "doc.yaml", tmp_path, catalog)
    assert only(reading)[0] == "T0303"
    assert reading.topology is not None
    assert reading.topology.node_types["a.A"].description == "own"


def test_a_profile_cannot_import_from_outside(tmp_path: Path) -> None:
    (tmp_path / "catalog" / "evil").mkdir(parents=True)
    (tmp_path / "secret.yaml").write_text("a: b")
    (tmp_path / "catalog" / "evil" / "types.yaml").write_text(
        types("metadata: { template_name: evil, template_version: 1.0.0 }\nimports: [ ../../secret.yaml ]\n")
    )
    reading = read_text(types("imports: [ evil:1.0.0 ]\n"), "doc.yaml", tmp_path, Catalog([tmp_path / "catalog"]))
    assert [p.code for p in reading.problems] == ["T0210"]
    assert tmp_path / "secret.yaml" not in reading.files


def test_hints_and_related_places(catalog: Catalog, tmp_path: Path) -> None:
    reading = read_text(value("colur: red"), "doc.yaml", tmp_path, catalog)
    (problem,) = reading.problems
    assert problem.hint == "did you mean 'colour'?"
    assert [r.span.line for r in problem.related] == [
        TYPES.split("\n").index(next(line for line in TYPES.split("\n") if "colour" in line)) + 1
    ]


def test_a_circle_names_its_members_in_order(catalog: Catalog, tmp_path: Path) -> None:
    _, marked = MISTAKES["requirements in a circle"]
    (problem,) = read_text(marked.replace("§", ""), "doc.yaml", tmp_path, catalog).problems
    assert "a -> b -> c -> a" in problem.message


def test_many_problems_come_in_order(catalog: Catalog, tmp_path: Path) -> None:
    text = value("colur: red, number: many, size: 10, port: 0") + "      requirements: [ { dependency: nobody } ]\n"
    problems = read_text(text, "doc.yaml", tmp_path, catalog).problems
    assert [p.code for p in problems] == ["T0401", "T0403", "T0403", "T0404", "T0502"]
    spans = [p.span for p in problems]
    assert spans == sorted(spans)  # type: ignore[type-var]


@pytest.mark.parametrize("section", ["properties", "attributes"])
def test_a_section_of_a_capability_is_named_as_it_is(section: str, tmp_path: Path) -> None:
    text = (
        "tosca_definitions_version: tosca_simple_yaml_1_3\n"
        f"node_types: {{ a: {{ capabilities: {{ c: {{ type: tosca.capabilities.Node, {section}: [] }} }} }} }}\n"
    )
    (problem,) = read_text(text, "doc.yaml", tmp_path, Catalog()).problems
    assert problem.message == f"{section} is a map, not a list"
