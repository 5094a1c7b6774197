"""Every document of tosca-parser's own test data that it accepts is accepted, except a listed few with the reason.

The data come with its source package, which is fetched for the test.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

import pytest
from support import required, unpack
from toscaparser.common.exception import ExceptionCollector
from toscaparser.tosca_template import ToscaTemplate

from orchestrator.model.problems import Severity
from orchestrator.tosca import Catalog, read_topology

_NAME = "Simple Profile 1.3 requires the property `name` of tosca.nodes.Database"
_ALONE = "not complete by itself: the type comes with the documents that import it"
_NFV = "the types of the NFV profile do not ship with orch"
EXCEPTIONS = {
    "samples/tests/data/containers/test_container_docker_mysql.yaml": "a node type that only tosca-parser has",
    "samples/tests/data/custom_types/collectd.yaml": _ALONE,
    "samples/tests/data/custom_types/kibana.yaml": _ALONE,
    "samples/tests/data/custom_types/nested_test_kibana.yaml": _ALONE,
    "samples/tests/data/custom_types/rsyslog.yaml": _ALONE,
    "samples/tests/data/extensions/tosca_helloworld_nfv.yaml": _NFV,
    "samples/tests/data/functions/test_get_attribute_host_keyword.yaml": _NAME,
    "samples/tests/data/functions/tosca_nested_property_names_indexes.yaml": _NAME,
    "samples/tests/data/policies/tacker_defs.yaml": "`int` is no type of TOSCA",
    "samples/tests/data/policies/test_tosca_nfv_multiple_policies.yaml": "`int` is no type of TOSCA",
    "samples/tests/data/policies/tacker_nfv_defs.yaml": _NFV,
    "samples/tests/data/relationship/test_custom_relationship.yaml": "servers that require each other in a circle",
    "samples/tests/data/requirements/test_requirements.yaml": "requirements that the types do not have",
    "samples/tests/data/test_attributes_inheritance.yaml": "`yes` as the default of an integer",
    "samples/tests/data/test_available_rel_tpls.yaml": _NAME,
    "samples/tests/data/test_capability_without_properties.yaml": "capability types written under node_types",
    "samples/tests/data/test_instance_nested_imports.yaml": _NAME,
    "samples/tests/data/test_no_inputs_in_template.yaml": "a text as metadata",
    "samples/tests/data/topology_template/definitions_1_2.yaml": _NFV,
    "samples/tests/data/topology_template/system.yaml": _NAME,
    "samples/tests/data/topology_template/transactionsubsystem.yaml": _NAME,
    "samples/tests/data/topology_template/validate/test_substitution_mappings_section.yaml": "placeholders in a filter",
    "samples/tests/data/tosca_elk.yaml": _NAME,
    "toscaparser/extensions/mec/TOSCA_mec_definition_1_0_0.yaml": "occurrences as one number",
    "toscaparser/extensions/nfv/TOSCA_nfv_definition_1_0_0.yaml": "occurrences as one number",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source package of the tosca-parser that is installed."""
    folder = tmp_path_factory.mktemp("tosca-parser")
    wanted = f"tosca-parser=={version('tosca-parser')}"
    words = ["-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted]
    try:
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        required(False, "fetching the source package of tosca-parser took too long")
    required(done.returncode == 0, f"the source package of tosca-parser cannot be fetched: {done.stderr[-300:]}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        unpack(tar, folder)
    return next(path for path in folder.iterdir() if path.is_dir())


def accepted_by_tosca_parser(path: Path) -> bool:
    try:
        ToscaTemplate(str(path))
    except Exception:
        return False
    finally:
        ExceptionCollector.stop()
        ExceptionCollector.clear()
    return True


def test_what_tosca_parser_accepts_is_accepted(source: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    documents = sorted(p for p in source.rglob("*") if p.suffix in (".yaml", ".yml"))
    accepted = [path for path in documents if accepted_by_tosca_parser(path)]
    assert len(accepted) > 80
    catalog = Catalog()
    refused = {}
    for path in accepted:
        problems = read_topology(path, catalog, second_opinion=True).problems  # which it gives of its own data
        errors = [str(p) for p in problems if p.severity is Severity.ERROR]
        if errors:
            refused[str(path.relative_to(source))] = errors
    assert {name: errors for name, errors in refused.items() if name not in EXCEPTIONS} == {}
    assert set(EXCEPTIONS) <= set(refused), "an exception that is none any more"


def test_no_document_of_it_is_too_much(source: Path) -> None:
    catalog = Catalog()
    for path in (p for p in source.rglob("*") if p.suffix in (".yaml", ".yml")):
        for problem in read_topology(path, catalog).problems:
            assert problem.span is not None
