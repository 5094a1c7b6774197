"""PyCOMPSs programs on clusters: the words for enqueue_compss, or a batch job with the stand-in."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.errors import WorkError
from orchestrator.jobs import JobContext, SiteFolders, Submission, pycompss
from orchestrator.sites import SchedulerKind, Site, Slurm
from orchestrator.sites.site import PyCompss

NAMES = {
    line
    for line in (Path(__file__).parent / "enqueue_compss_options.txt").read_text().splitlines()
    if not line.startswith("#")
}
JOB: dict[str, Any] = {
    "application": {
        "command": "/app/count.py",
        "arguments": ["${oid}/data.txt", "3"],
        "container_opts": {"container_opts": "-e --cleanenv", "container_compss_path": "/opt/view/compss"},
    },
    "submission_params": {
        "num_nodes": 2,
        "qos": "debug",
        "python_interpreter": "python3",
        "extra_compss_opts": "--pythonpath=/app/src/ --exec_time=20",
        "compss_modules": ["compss/3.3", "singularity"],
    },
}


def context(site: Any = None, **inputs: Any) -> JobContext:
    somewhere = Path("/nowhere")
    folders = SiteFolders(somewhere, somewhere, somewhere, Path("/there/unpacked"), somewhere, ())
    return JobContext("dep-Job-1", "e", "d", "w", "Job", site or cluster(), folders, {"oid": "x1", **inputs})


def cluster(enqueue: str = "enqueue_compss", modules: tuple[str, ...] = (), **slurm: str) -> Site:
    settings = Slurm(**slurm)  # type: ignore[arg-type]
    program = PyCompss(enqueue=enqueue, sc_cfg="mn5.cfg" if enqueue else "")
    return Site(name="there", scheduler=SchedulerKind.SLURM, slurm=settings, pycompss=program, modules=modules)


def changed(**application: Any) -> dict[str, Any]:
    return {**JOB, "application": {**JOB["application"], **application}}


def with_options(text: str) -> dict[str, Any]:
    return {**JOB, "submission_params": {**JOB["submission_params"], "extra_compss_opts": text}}


def flags(submission: Submission) -> dict[str, str]:
    return dict(word.split("=", 1) for word in submission.argv if word.startswith("--"))


@pytest.mark.parametrize("command", ["/x/run.sh", "main.bash", "${oid}.csh"])
def test_a_shell_script_is_named(command: str) -> None:
    with pytest.raises(WorkError, match="is a shell script, and a PyCOMPSs job runs a Python program") as caught:
        pycompss(changed(command=command), context())
    assert "orch.nodes.SlurmJob" in str(caught.value.hint)


@pytest.mark.parametrize("enqueue", ["enqueue_compss", ""])
def test_variables_of_the_site(enqueue: str) -> None:
    site = msgspec.structs.replace(cluster(enqueue=enqueue), environment={"A": "1 '2"}, inherit=("B",))
    given = dataclasses.replace(context(site), inherited={"B": "3"})
    assert pycompss(JOB, given).environment == {"A": "1 '2", "B": "3"}


class TestEnqueue:
    def test_the_whole_command_line(self) -> None:
        image = {"image_file_path_start": "/there/images/a.sif"}
        submission = pycompss({**JOB, **image}, context(cluster(account="acct", partition="gpp")))
        assert submission.by_itself
        assert submission.modules == ("compss/3.3", "singularity")
        assert submission.argv == (
            "enqueue_compss",
            "--job_name=dep-Job-1",
            "--sc_cfg=mn5.cfg",
            "--num_nodes=2",
            "--qos=debug",
            "--queue=gpp",
            "--project_name=acct",
            "--lang=python",
            "--python_interpreter=python3",
            "--container_image=/there/images/a.sif",
            "--container_compss_path=/opt/view/compss",
            "--container_opts=-e --cleanenv",
            "--pythonpath=/app/src/",
            "--exec_time=20",
            "/app/count.py",
            "x1/data.txt",
            "3",
        )
        assert {word.split("=")[0] for word in submission.argv if word.startswith("--")} <= NAMES

    def test_options_of_containers_only_with_an_image(self) -> None:
        assert not [name for name in flags(pycompss(JOB, context())) if name.startswith("--container")]

    def test_modules_of_the_site_take_the_place_of_the_topology_s(self) -> None:
        submission = pycompss(JOB, context(cluster(modules=("COMPSs/3.3",))))
        assert submission.modules == ("COMPSs/3.3",)

    def test_the_qos_of_the_site_where_the_topology_has_none(self) -> None:
        job = {**JOB, "submission_params": {}}
        assert flags(pycompss(job, context(cluster(qos="gp_bsc"))))["--qos"] == "gp_bsc"
        assert flags(pycompss(JOB, context(cluster(qos="gp_bsc"))))["--qos"] == "debug"

    def test_an_extra_option_wins_over_what_is_set(self) -> None:
        words = pycompss(with_options("--qos=long --lang=r"), context()).argv
        assert [word for word in words if word.startswith(("--qos", "--lang"))] == ["--qos=long", "--lang=r"]

    @pytest.mark.parametrize("text", ["--job_name=mine", "-job_name=mine"])
    def test_the_name_by_which_the_job_is_found_stays(self, text: str) -> None:
        words = pycompss(with_options(text), context()).argv
        assert [word for word in words if "job_name" in word] == ["--job_name=dep-Job-1"]

    @pytest.mark.parametrize("bad", ["a b", "$(touch x)", "`id`", "a;b", "a'b", 'a"b', "a|b", "a&b", "a\nb", "", "ä"])
    def test_what_its_script_would_not_keep_a_word_is_refused(self, bad: str) -> None:
        with pytest.raises(WorkError, match="cannot be given to enqueue_compss") as caught:
            pycompss(changed(arguments=["${bad}"]), context(bad=bad))
        assert "file" in str(caught.value.hint)

    @pytest.mark.parametrize("bad", ["$(touch x)", "-e; id", "`id`", "a'b", "a\nb"])
    def test_options_of_containers_are_no_shell_s_words(self, bad: str) -> None:
        with pytest.raises(WorkError, match="cannot be given to enqueue_compss"):
            pycompss(changed(container_opts={"container_image": "/i.sif", "container_opts": bad}), context())

    @pytest.mark.parametrize(
        ("name", "value"), [("qos", "$(touch x)"), ("extra_compss_opts", "--qos='$(touch x)'"), ("oid", "x; id")]
    )
    def test_inputs_are_refused_likewise(self, name: str, value: str) -> None:
        with pytest.raises(WorkError, match="cannot be given to enqueue_compss"):
            pycompss(JOB, context(**{name: value}))


class TestOverriding:
    """Inputs of workflows over properties: plain names, over them those of the node (Yorc's plugin for PyCOMPSs)."""

    @pytest.mark.parametrize(
        ("inputs", "qos"),
        [
            ({}, "debug"),
            ({"qos": "long"}, "long"),
            ({"qos": "a", "Job_qos": "mine"}, "mine"),
            ({"qos": ""}, "debug"),
        ],
    )
    def test_qos(self, inputs: dict[str, str], qos: str) -> None:
        assert flags(pycompss(JOB, context(**inputs)))["--qos"] == qos

    @pytest.mark.parametrize(("inputs", "nodes"), [({}, "2"), ({"num_nodes": 3}, "3"), ({"Job_num_nodes": "4"}, "4")])
    def test_num_nodes(self, inputs: dict[str, Any], nodes: str) -> None:
        assert flags(pycompss(JOB, context(**inputs)))["--num_nodes"] == nodes

    def test_extra_options(self) -> None:
        found = flags(pycompss(JOB, context(extra_compss_opts="--log_level=debug")))
        assert "--pythonpath" not in found
        assert found["--log_level"] == "debug"

    def test_names_with_the_node_before_them_win_in_arguments(self) -> None:
        job = changed(arguments=["${a}"])
        given = {"a": "plain", "PyCOMPSs_a": "plugin", "Job_PyCOMPSs_a": "node"}
        for count, winner in enumerate(given.values(), 1):
            assert pycompss(job, context(**dict(list(given.items())[:count]))).argv[-1] == winner

    def test_a_number_of_nodes_that_is_none(self) -> None:
        with pytest.raises(WorkError, match="num_nodes must be a whole number"):
            pycompss(JOB, context(num_nodes="two"))


class TestStandIn:
    def test_a_batch_job_runs_the_program_with_the_same_request(self) -> None:
        submission = pycompss(JOB, context(cluster(enqueue="")))
        assert not submission.by_itself
        assert submission.with_program
        assert submission.argv == ("python3", "program/application.py", "request.json")
        request = json.loads(submission.files["request.json"])
        assert request["command"] == "/app/count.py"
        assert request["arguments"] == ["x1/data.txt", "3"]
        assert request["unpack_folder"] == "/there/unpacked"

    def test_options_of_the_queue_become_those_of_sbatch(self) -> None:
        text = "--exec_time=20 --queue=gpp --project_name=acct --reservation=res --constraints=highmem --qos=long"
        options = pycompss(with_options(text), context(cluster(enqueue=""))).options
        assert options is not None
        assert (options.nodes, options.time, options.partition, options.account) == (2, "20", "gpp", "acct")
        assert (options.reservation, options.constraint, options.qos) == ("res", "highmem", "long")

    @pytest.mark.parametrize("word", ["a b", "$(touch x)", "a'b", 'a"b', "a\nb", "", "ä"])
    def test_any_text_is_an_argument(self, word: str) -> None:
        submission = pycompss(changed(arguments=["${word}"]), context(cluster(enqueue=""), word=word))
        assert json.loads(submission.files["request.json"])["arguments"] == [word]
