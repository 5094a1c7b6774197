"""From the inputs of operations to submissions: pure rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import OrchError, UserError, WorkError
from orchestrator.jobs import (
    JobContext,
    SiteFolders,
    Submission,
    expand,
    image_creation,
    image_transfer,
    pycompss,
    referenced_names,
    stage_in,
    stage_out,
)
from orchestrator.sites import Site

HOSTILE = ["{{ lookup('pipe', 'touch x') }}", "$(touch x)", "; touch x", "`touch x`", "a b\n'c\" d", "${oid}", "$HOME"]


def context(tmp_path: Path = Path("/home"), **inputs: Any) -> JobContext:
    folders = SiteFolders(
        jobs=tmp_path / "jobs",
        images=tmp_path / "images",
        transferred=tmp_path / "transferred",
        unpacked=tmp_path / "unpacked",
        catalogue=tmp_path / "catalogue",
        registries=(tmp_path / "registry",),
    )
    return JobContext("tok-1", "ex", "dep", "exec_job", "Job", Site(), folders, inputs)


def request(submission: Submission) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(submission.files["request.json"])
    return parsed.get("transfer", parsed)


class TestExpansion:
    def test_both_notations(self) -> None:
        assert expand("${a}/x/$b.txt", {"a": "/data", "b": 3}) == "/data/x/3.txt"

    def test_nothing_given_is_empty(self) -> None:
        assert expand("<${a}>", {"a": None}) == "<>"

    def test_booleans_are_lower_case(self) -> None:
        assert expand("$a", {"a": True}) == "true"

    def test_an_unknown_name_is_an_error_that_names_it(self) -> None:
        with pytest.raises(UserError, match=r"\$\{oidd\}") as caught:
            expand("${oidd}", {"oid": "x"})
        assert "oid" in str(caught.value.hint)

    @pytest.mark.parametrize("value", HOSTILE)
    def test_values_are_not_looked_through_again(self, value: str) -> None:
        assert expand("<${a}>", {"a": value, "oid": "SECOND"}) == f"<{value}>"

    @given(st.text())
    def test_text_without_dollars_stays(self, text: str) -> None:
        assert expand(text.replace("$", ""), {}) == text.replace("$", "")

    def test_names_in_nested_values(self) -> None:
        assert set(referenced_names({"a": ["${x}/y", "$z"], "b": "no"})) == {"x", "z"}


class TestPycompss:
    inputs: dict[str, Any] = {  # noqa: RUF012
        "application": {"command": "/w/src/p.py", "arguments": ["${in}/data.txt", "3000"]},
        "submission_params": {"qos": "debug", "num_nodes": 1, "extra_compss_opts": "--pythonpath=/w/src/ --x='a b'"},
        "image_file_path_start": "/images/w.tar.gz",
    }

    def test_the_request(self) -> None:
        made = request(pycompss(self.inputs, context(**{"in": "/data"})))
        assert made["command"] == "/w/src/p.py"
        assert made["arguments"] == ["/data/data.txt", "3000"]
        assert made["extra_options"] == ["--pythonpath=/w/src/", "--x=a b"]
        assert made["image"] == "/images/w.tar.gz"
        assert (made["num_nodes"], made["qos"]) == (1, "debug")

    @pytest.mark.parametrize("value", HOSTILE)
    def test_an_input_stays_one_argument(self, value: str) -> None:
        made = request(pycompss(self.inputs, context(**{"in": value})))
        assert made["arguments"] == [f"{value}/data.txt", "3000"]

    @pytest.mark.parametrize("value", HOSTILE)
    def test_an_input_in_options_stays_one_word(self, value: str) -> None:
        inputs = {**self.inputs, "submission_params": {"extra_compss_opts": "--a --dir=${in} --b"}}
        made = request(pycompss(inputs, context(**{"in": value})))
        assert made["extra_options"] == ["--a", f"--dir={value}", "--b"]

    def test_inputs_override_properties(self) -> None:
        made = request(pycompss({**self.inputs, "num_nodes_input": 4}, context(**{"in": "x"})))
        assert made["num_nodes"] == 4
        made = request(pycompss({**self.inputs, "num_nodes_input": 4}, context(**{"in": "x", "Job_num_nodes": 7})))
        assert made["num_nodes"] == 7

    def test_prefixed_inputs_win_for_their_node(self) -> None:
        given = {"in": "a", "PyCOMPSs_in": "b", "Job_PyCOMPSs_in": "c"}
        assert request(pycompss(self.inputs, context(**given)))["arguments"][0] == "c/data.txt"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"application": {}}, "no command"),
            ({"submission_params": {"num_nodes": "many"}}, "whole number"),
            ({"submission_params": {"extra_compss_opts": "'open"}}, "cannot be split"),
        ],
    )
    def test_bad_inputs(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(OrchError, match=message):
            pycompss({**self.inputs, **change}, context(**{"in": "x"}))


class TestTransfers:
    def test_stage_in_prefers_the_input(self) -> None:
        made = request(stage_in({"oid": "own", "oid_input": "given", "target_path": "/t"}, context()))
        assert (made["oid"], made["target"]) == ("given", "/t")

    def test_stage_in_without_an_oid(self) -> None:
        with pytest.raises(WorkError, match="Job: no oid is given"):
            stage_in({"target_path": "/t", "oid_input": ""}, context())

    def test_stage_out_is_keyed_by_the_token_of_the_job(self) -> None:
        made = request(stage_out({"source_path_input": "/r", "register": True}, context()))
        assert made["key"] == "tok-1"
        assert made["register"] is True
        assert made["source"] == "/r"

    def test_stage_out_registers_as_the_input_says(self) -> None:
        assert (
            request(stage_out({"source_path": "/r", "register": True, "register_input": "false"}, context()))[
                "register"
            ]
            is False
        )

    def test_an_image_goes_to_the_site_when_no_folder_is_given(self) -> None:
        submission = image_transfer({"builded_file_name_start": "w.tar.gz", "target_path": None}, context())
        assert submission.outputs["image_file_path"] == "/home/transferred/w.tar.gz"

    def test_a_built_image_wins_over_an_image_id(self) -> None:
        made = request(image_transfer({"builded_file_name_start": "w.tar.gz", "image_id": "not_used"}, context()))
        assert made["image"] == "w.tar.gz"


class TestImages:
    inputs: dict[str, Any] = {  # noqa: RUF012
        "workflow": "wf",
        "step_id": "s",
        "machine": {"platform": "linux/amd64", "architecture": "rome", "container_engine": "singularity"},
        "machine_architecture_from_env": "x86_64",
    }

    def test_the_site_knows_its_machine_better(self, tmp_path: Path) -> None:
        (tmp_path / "registry/wf").mkdir(parents=True)
        machine = request(image_creation(self.inputs, context(tmp_path)))["machine"]
        assert machine["architecture"] == "x86_64"
        assert machine["container_engine"] == "singularity"

    def test_a_workflow_that_no_registry_has(self, tmp_path: Path) -> None:
        with pytest.raises(WorkError, match="no workflow registry has the workflow 'wf'") as caught:
            image_creation(self.inputs, context(tmp_path))
        assert "sites.yaml" in str(caught.value.hint)
