"""Checksums of artifacts: compared with the file wherever one is brought; a wrong one is refused with its place."""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model.problems import Severity
from orchestrator.tosca import Catalog, read_text, read_topology
from orchestrator.tosca.csar import open_csar
from orchestrator.tosca.writer import to_simple_profile

Document = Callable[[str], str]
DATA = b"a data set\n"
HEAD = "tosca_definitions_version: tosca_simple_yaml_1_3\n"
STANDARD = "tosca.interfaces.node.lifecycle.Standard"


def found(text: str, folder: Path) -> list[tuple[str, str, str]]:
    (folder / "data.bin").write_bytes(DATA)
    return [(p.code, p.message, p.hint or "") for p in read_text(text, "t.yaml", folder).problems]


def of_template(fields: str) -> str:
    artifact = f"a: {{ file: data.bin, type: tosca.artifacts.File, {fields} }}"
    return (
        f"{HEAD}topology_template:\n  node_templates:\n    n:\n      type: tosca.nodes.Root\n"
        f"      artifacts:\n        {artifact}\n"
    )


def of_type(fields: str) -> str:
    artifact = f"a: {{ file: data.bin, type: tosca.artifacts.File, {fields} }}"
    return f"{HEAD}node_types:\n  x.T:\n    derived_from: tosca.nodes.Root\n    artifacts:\n      {artifact}\n"


def of_operation(implementation: str) -> str:
    operations = f"{{ create: {{ implementation: {implementation} }} }}"
    body = f"interfaces: {{ Standard: {{ type: {STANDARD}, operations: {operations} }} }}"
    return f"{HEAD}node_types:\n  x.T: {{ derived_from: tosca.nodes.Root, {body} }}\n"


def primary(fields: str) -> str:
    return of_operation(f"{{ primary: {{ file: data.bin, type: tosca.artifacts.File, {fields} }} }}")


def dependency(fields: str) -> str:
    return of_operation(f"{{ primary: data.bin, dependencies: [ {{ file: data.bin, {fields} }} ] }}")


EVERYWHERE = pytest.mark.parametrize("document", [of_template, of_type, primary, dependency])


@EVERYWHERE
@pytest.mark.parametrize(
    ("algorithm", "checksum"),
    [
        ("SHA-256", hashlib.sha256(DATA).hexdigest()),
        ("sha256", hashlib.sha256(DATA).hexdigest().upper()),
        ("MD5", hashlib.md5(DATA).hexdigest()),
        ("SHA", hashlib.sha1(DATA).hexdigest()),
        ("SHA", hashlib.sha512(DATA).hexdigest()),
        ("SHA3-256", hashlib.sha3_256(DATA).hexdigest()),
        ("BLAKE2b", hashlib.blake2b(DATA).hexdigest()),
        ("crc32", f"{zlib.crc32(DATA):08x}"),
        (None, hashlib.sha384(DATA).hexdigest()),
    ],
)
def test_a_right_checksum_is_no_problem(
    document: Document, algorithm: str | None, checksum: str, tmp_path: Path
) -> None:
    named = f", checksum_algorithm: {algorithm}" if algorithm else ""
    assert found(document(f"checksum: '{checksum}'{named}"), tmp_path) == []


@EVERYWHERE
@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (f"checksum: '{'0' * 64}', checksum_algorithm: SHA-256", hashlib.sha256(DATA).hexdigest()),
        (f"checksum: {'1' * 32}, checksum_algorithm: MD5", hashlib.md5(DATA).hexdigest()),
        (f"checksum: '{'a' * 40}'", hashlib.sha1(DATA).hexdigest()),
        ("checksum: 12345678, checksum_algorithm: crc32", f"{zlib.crc32(DATA):08x}"),
        (f"checksum: {hashlib.md5(DATA).hexdigest()}, checksum_algorithm: SHA-256", "has 64 digits; this one has 32"),
        (f"checksum: {hashlib.sha256(DATA).hexdigest()}, checksum_algorithm: sha265", "did you mean 'sha256'"),
        (f"checksum: {hashlib.sha256(DATA).hexdigest()}, checksum_algorithm: whirlpool", "known: crc32, md5"),
        ("checksum: not hexadecimal", "no row of hexadecimal digits"),
        ("checksum: abcdef", "does not tell its algorithm"),
        ("checksum_algorithm: MD5", "no checksum"),
    ],
)
def test_a_wrong_one_is_refused(document: Document, fields: str, says: str, tmp_path: Path) -> None:
    ((code, message, hint),) = found(document(fields), tmp_path)
    assert code == "T0315"
    assert says in f"{message} {hint}"


def test_the_place_is_that_of_the_checksum(tmp_path: Path) -> None:
    text = of_template(f"checksum: '{'0' * 64}'")
    (tmp_path / "data.bin").write_bytes(DATA)
    (problem,) = read_text(text, "t.yaml", tmp_path).problems
    line = text.splitlines()[-1]
    assert problem.severity is Severity.ERROR
    assert problem.span is not None
    assert (problem.span.line, problem.span.column) == (7, line.index("'000") + 1)


def test_a_template_may_say_it_of_the_file_of_its_type(tmp_path: Path) -> None:
    text = (
        of_type("description: x")
        + "topology_template: { node_templates: { n: { type: x.T, artifacts: { a: { checksum: abcdef01 } } } } }\n"
    )
    ((code, message, _),) = found(text, tmp_path)
    assert code == "T0315"
    assert "data.bin has not the checksum" in message


@pytest.mark.parametrize("file", ["docker.io/library/nothing", "https://example.org/a.tar"])
def test_what_is_not_here_is_not_compared_and_that_is_told(file: str, tmp_path: Path) -> None:
    kind = "tosca.artifacts.Deployment.Image.Container.Docker" if "docker" in file else "tosca.artifacts.File"
    text = (
        f"{HEAD}topology_template: {{ node_templates: {{ n: {{ type: tosca.nodes.Root, artifacts: "
        f"{{ a: {{ file: '{file}', type: {kind}, checksum: '{'0' * 64}' }} }} }} }} }}\n"
    )
    ((code, message, _),) = found(text, tmp_path)
    assert code == "T0804"
    assert "not here" in message


@pytest.mark.parametrize(("make", "says"), [("folder", "a folder"), ("pipe", "no regular file")])
def test_only_files_have_checksums(make: str, says: str, tmp_path: Path) -> None:
    place = tmp_path / "thing"
    place.mkdir() if make == "folder" else os.mkfifo(place)
    ((code, message, _),) = found(of_template("checksum: abcdef01").replace("data.bin", "thing"), tmp_path)
    assert code == "T0315"
    assert says in message


@pytest.mark.parametrize("right", [True, False])
def test_files_of_an_archive_are_compared(right: bool, tmp_path: Path) -> None:
    checksum = hashlib.sha256(DATA if right else b"another").hexdigest()
    archive = tmp_path / "a.csar"
    metadata = "metadata: { template_name: t, template_version: 1.0.0 }\n"
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("service.yaml", of_template(f"checksum: '{checksum}'").replace(HEAD, HEAD + metadata))
        zipped.writestr("data.bin", DATA)
    reading = read_topology(open_csar(archive, tmp_path / "cache").entry)
    assert [p.code for p in reading.problems] == ([] if right else ["T0315"])


@pytest.mark.parametrize("notation", [of_template, of_type, primary, dependency])
def test_a_conversion_keeps_them(notation: Document, tmp_path: Path) -> None:
    checksum = hashlib.md5(DATA).hexdigest()
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "t.yaml").write_text(notation(f"checksum: '{checksum}', checksum_algorithm: MD5"))
    text = to_simple_profile(tmp_path / "t.yaml", Catalog(), tmp_path).text
    assert text is not None
    assert checksum in text
    assert "checksum_algorithm: MD5" in text
