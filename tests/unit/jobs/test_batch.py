"""Batch jobs: what the scheduler is asked for, and scripts that do nothing but what they say."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import OrchError, UserError, WorkError
from orchestrator.jobs import BatchOptions, JobContext, SiteFolders, slurm_job, without_scheduler
from orchestrator.jobs.batch import SCRIPT, array_indices, directives, sbatch_words, shell_script
from orchestrator.sites import SchedulerKind, Site
from orchestrator.sites.sbatch import extra_option
from orchestrator.sites.site import Machine

HOSTILE = ["; touch x", "$(touch x)", "`touch x`", "'", '"', "a\nb", "-n", "", "ä", "\\", "* ~ {1,2}"]


def context(machine: str = "none", **inputs: Any) -> JobContext:
    somewhere = Path("/nowhere")
    folders = SiteFolders(somewhere, somewhere, somewhere, somewhere, somewhere, ())
    site = Site(name="here", machine=Machine(container_engine=machine))
    return JobContext("t", "e", "d", "w", "Job", site, folders, inputs)


def run(script: str, folder: Path) -> str:
    """What a script prints that is run in a folder."""
    done = subprocess.run(["/bin/bash"], input=script, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("word", HOSTILE)
def test_values_are_words_and_nothing_else(tmp_path: Path, word: str) -> None:
    script = shell_script(
        ["/usr/bin/printf", "%s|", word, word], directory=str(tmp_path), environment={"VALUE": word}, sources=[]
    )
    assert run(script, tmp_path) == f"{word}|{word}|"
    shown = shell_script(["/usr/bin/printenv", "VALUE"], environment={"VALUE": word})
    assert run(shown, tmp_path) == f"{word}\n"
    assert not (tmp_path / "x").exists()


def test_a_script_is_found_from_another_directory(tmp_path: Path) -> None:
    (tmp_path / "batch-script").write_text("pwd")
    (tmp_path / "else where").mkdir()
    script = shell_script(["/bin/bash", SCRIPT], directory=str(tmp_path / "else where"))
    assert run(script, tmp_path) == f"{tmp_path}/else where\n"


def test_names_of_variables_are_names() -> None:
    with pytest.raises(WorkError, match="no name of an environment variable"):
        shell_script(["true"], environment={"A;touch x": ""})


def test_options_are_those_of_sbatch() -> None:
    wanted = BatchOptions(
        nodes=2, tasks=4, cpus_per_task=3, memory="4G", time="1:00", qos="debug", extra=("mpi=pmi2", "-x")
    )
    words = "--nodes=2 --ntasks=4 --cpus-per-task=3 --mem=4G --time=1:00 --qos=debug --mpi=pmi2 -x"
    assert sbatch_words(wanted) == words.split()
    assert sbatch_words(BatchOptions()) == []


@pytest.mark.parametrize(
    "word", ["job-name=x", "--job-name=x", "-Jx", "-J x", "output=/x", "-o/x", "--wrap=ls", "-D/x"]
)
def test_an_option_that_would_hide_the_job_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="cannot be given"):
        extra_option(word)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("job-name=x", "orch finds the job"),
        ("-o/x", "orch finds the job"),
        ("--test-only", "submits no job"),
        ("test-only", "submits no job"),
        ("--wrap=ls", "a program of its own"),
        ("-W", "orch itself waits"),
        ("--wait", "orch itself waits"),
    ],
)
def test_each_has_its_own_reason(word: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as refused:
        extra_option(word)
    assert "leave it out" in str(refused.value.hint)


@pytest.mark.parametrize("word", ["clusters=big", "--clusters=big", "-Mbig", "-M big", "cluster-constraint=gpu"])
def test_an_option_that_sends_the_job_to_another_cluster_is_refused(word: str) -> None:
    with pytest.raises(UserError, match="would not find the job"):
        extra_option(word)


@pytest.mark.parametrize("line", ["--clusters=big", "-n2 -M big", "--nodes=1 --cluster-constraint=x"])
def test_so_is_one_in_a_script(line: str) -> None:
    inputs = {"script": f"#!/bin/sh\n#SBATCH {line}\ntrue\n"}
    with pytest.raises(UserError, match="would not find the job"):
        slurm_job(inputs, dataclasses.replace(context(), site=Site(name="big", scheduler=SchedulerKind.SLURM)))
    with pytest.raises(UserError, match="would not find the job"):
        slurm_job(inputs, context())  # the same topology is for all sites


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("mem-per-cpu=1.5 GB", "--mem-per-cpu=1431M"),
        ("--mem=1 GiB", "--mem=1024M"),
        ("mem=500", "--mem=500"),
        ("mem-per-gpu=4g", "--mem-per-gpu=4g"),
        ("tmp=.5 TiB", "--tmp=524288M"),
        ("time=2 h", "--time=120"),
        ("time-min=1-0", "--time-min=1-0"),
        ("mem", "--mem"),
        ("gres=gpu:2", "--gres=gpu:2"),
    ],
)
def test_sizes_and_times_in_options_are_those_of_sbatch(word: str, wanted: str) -> None:
    assert extra_option(word) == wanted


@pytest.mark.parametrize("word", ["mem=2 lots", "mem-per-cpu=-1 GB", "tmp=x", "time=soon", "time-min=1 week", "mem="])
def test_one_that_cannot_be_read_is_named(word: str) -> None:
    with pytest.raises(UserError, match="cannot be read") as refused:
        extra_option(word)
    assert word in refused.value.message
    assert str(refused.value.hint).startswith("write ")


@pytest.mark.parametrize("word", ["", "-", "--", "a b", "--=x", "; ls"])
def test_what_is_no_option_is_refused(word: str) -> None:
    with pytest.raises(UserError):
        extra_option(word)


def test_directives_before_the_first_command_count() -> None:
    script = "#!/bin/sh\n#SBATCH --time=5\n\n# a word\n#SBATCH -J name\n#SBATCH -n 3\nls\n#SBATCH --time=7\n"
    assert directives(script) == ["#SBATCH --time=5", "#SBATCH -n 3"]


def test_a_command_with_options_and_inputs_in_them() -> None:
    inputs = {
        "command": "${program}",
        "arguments": ["${word}", 3, True],
        "environment": {"A": "${word}!"},
        "mem_per_node": 4,
        "nodes": 1,
        "time": "${minutes}",
        "slurm_options": {"tasks": 8, "time": None},
        "extra_options": ["mpi=pmi2"],
        "execution_options": {"env_vars": ["B=${word}=2"]},
        "modules": ["gcc"],
    }
    job = slurm_job(inputs, context(program="echo", word="; ls", minutes=10, num_nodes=2))
    assert job.argv == ("echo", "; ls", "3", "true")
    assert job.environment == {"A": "; ls!", "B": "; ls=2"}
    assert job.options == BatchOptions(nodes=2, tasks=8, memory="4096M", time="10", extra=("mpi=pmi2",))
    assert job.modules == ("gcc",)


def test_a_script_is_run_by_its_interpreter(tmp_path: Path) -> None:
    job = slurm_job({"script": "#!/usr/bin/env python3\n#SBATCH -n2\nprint(1)", "arguments": ["a"]}, context())
    assert job.argv == ("/usr/bin/env", "python3", SCRIPT, "a")
    assert job.heading == ("#SBATCH -n2",)
    file = tmp_path / "job.sh"
    file.write_text("echo from a file")
    of_type = dataclasses.replace(context(), script=str(file))
    assert slurm_job({}, of_type).files == {"batch-script": "echo from a file"}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "neither a script nor a command"),
        ({"command": "ls", "nodes": "many"}, "nodes must be a whole number"),
        ({"command": "ls", "nodes": 0}, "nodes must be a whole number"),
        ({"command": "ls", "mem_per_node": "lots"}, "Job: mem_per_node cannot be 'lots'"),
        ({"command": "ls", "slurm_options": {"time": "soon"}}, "Job: time cannot be 'soon'"),
        ({"command": "ls", "array": "1to5"}, "Job: array cannot be '1to5'"),
        ({"command": "ls", "extra_options": ["mpi=pmi2", "wrap=ls"]}, "Job: extra_options: .*'wrap=ls'"),
        ({"command": "ls", "container_image": "/x.sif"}, "has no container engine"),
        ({"command": "${nothing}"}, "no input of the workflow"),
        ({"script_file": "/no/such/script"}, "cannot be read"),
    ],
)
def test_what_makes_no_job_is_said(inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(OrchError, match=message):
        slurm_job(inputs, context())


@pytest.mark.parametrize(
    ("content", "body"),
    [
        (b"\xef\xbb\xbf#!/bin/sh\n#SBATCH -n2\necho 1\n", "echo 1\n"),
        (b"#!/bin/sh\r\n#SBATCH -n2\r\necho 1\r\n", "echo 1\n"),
        (b"\xef\xbb\xbf#!/bin/sh\r\n#SBATCH -n2\r\necho 1\r\n", "echo 1\n"),
        (b"#!/bin/sh\n#SBATCH -n2\n# caf\xe9\necho '\xe9\r'\n", "# caf\udce9\necho '\udce9\r'\n"),
    ],
)
def test_a_script_of_another_editor(tmp_path: Path, content: bytes, body: str) -> None:
    (tmp_path / "job.sh").write_bytes(content)
    jobs = [slurm_job({"script_file": str(tmp_path / "job.sh")}, context())]
    if b"\xe9" not in content:
        jobs.append(slurm_job({"script": content.decode()}, context()))
    for job in jobs:
        assert job.heading == ("#SBATCH -n2",)
        assert job.argv == ("/bin/sh", SCRIPT)
        assert job.files["batch-script"] == f"#!/bin/sh\n#SBATCH -n2\n{body}"


def test_a_script_in_utf_16_is_named(tmp_path: Path) -> None:
    (tmp_path / "job.sh").write_text("#!/bin/sh\n", encoding="utf-16")
    with pytest.raises(WorkError, match=r"job\.sh is in UTF-16"):
        slurm_job({"script_file": str(tmp_path / "job.sh")}, context())


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        ("singularity", ("singularity", "exec", "--nv", "/i.sif", "ls")),
        ("apptainer", ("apptainer", "exec", "--nv", "/i.sif", "ls")),
        ("charliecloud", ("ch-run", "--nv", "/i.sif", "--", "ls")),
    ],
)
def test_a_container_engine_runs_it(engine: str, words: tuple[str, ...]) -> None:
    inputs = {"command": "ls", "container_image": "/i.sif", "container_options": "--nv"}
    assert slurm_job(inputs, context(engine)).argv == words


def test_without_a_scheduler_an_array_is_run_in_turn(tmp_path: Path) -> None:
    inputs = {"command": "/bin/sh", "arguments": ["-c", 'echo "$SLURM_ARRAY_TASK_ID $PWD"'], "array": "1-5:2%1"}
    job = without_scheduler(slurm_job({**inputs, "working_directory": "/"}, context()))
    assert job.argv == ("/bin/bash", "run")
    assert run(job.files["run"], tmp_path) == "1 /\n3 /\n5 /\n"
    plain = slurm_job({"command": "ls"}, context())
    assert without_scheduler(plain) is plain


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 9))
def test_indices_of_arrays(first: int, more: int, step: int) -> None:
    last = first + more
    assert array_indices(f"{first}-{last}:{step}%3") == list(range(first, last + 1, step))
    assert array_indices(f"{first},{last}") == [first, last]


@pytest.mark.parametrize(
    "array",
    ["", "a", "1-", "1;ls", "-1", "5-1", "0-4,9-7", "1-9:0", "1-9%0", "1-9%x", "1-9%", "0-99999999999", "4000001"],
)
def test_what_names_no_array_is_said(array: str) -> None:
    with pytest.raises(UserError, match="names no job array"):
        array_indices(array)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("array", "5-1", "not before the first"),
        ("dependency", "afterok:abc", "afterok:4711"),
        ("dependency", "after:", "afterok:4711"),
        ("dependency", "sometime:12", "afterok:4711"),
        ("dependency", "afterok:1,,afterok:2", "afterok:4711"),
        ("gres", "gpu:-1", "gpu:2"),
        ("gres", "gpu::2", "gpu:2"),
        ("gres", "gpu:1, shard:2", "gpu:2"),
        ("account", "a\nb", "without blanks"),
        ("qos", "a b", "without blanks"),
        ("partition", "main\t", "without blanks"),
        ("reservation", "a\x1bb", "without blanks"),
        ("constraint", "a\nb", "one line"),
        ("working_directory", "runs/1", "absolute path"),
        ("working_directory", "~/runs", "absolute path"),
    ],
)
def test_what_a_job_cannot_ask_for_is_named_with_its_property(name: str, value: str, hint: str) -> None:
    for inputs in ({name: value}, {name: "${given}"}):
        with pytest.raises(WorkError, match=f"Job: {name} cannot be ") as refused:
            slurm_job({"command": "ls", **inputs}, dataclasses.replace(context(), workflow_inputs={"given": value}))
        assert repr(value) in refused.value.message
        assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dependency", "afterok:123"),
        ("dependency", "afterok:1:2,afternotok:3_4"),
        ("dependency", "afterany:7?aftercorr:8_*"),
        ("dependency", "after:12+30"),
        ("dependency", "singleton"),
        ("dependency", "4711"),
        ("gres", "gpu"),
        ("gres", "gpu:2,lustre:1G"),
        ("gres", "gpu:a100-sxm:2"),
        ("gres", "gres/gpu=2"),
        ("gres", "none"),
        ("account", "bsc-case_1.2"),
        ("partition", "main,gpu"),
        ("constraint", "[rack1*2&rack2*4]"),
        ("constraint", "(a|b) & c"),
        ("array", "0-15:4%2"),
    ],
)
def test_what_sbatch_takes_is_taken(name: str, value: str) -> None:
    options = slurm_job({"command": "ls", name: value}, context()).options
    assert options is not None
    assert getattr(options, name) == value


@pytest.mark.parametrize("name", ["9X", "", "Ü", "A B", "A-B", "A=B"])
def test_names_of_variables_of_a_job_are_names(name: str) -> None:
    with pytest.raises(WorkError, match=r"environment: .* is no name of an environment variable") as refused:
        slurm_job({"command": "ls", "environment": {"GOOD": "1", name: "x"}}, context())
    assert "begins with no digit" in str(refused.value.hint)
    written = {"env_vars": ["GOOD=1", f"{name.partition('=')[0] if name != 'A=B' else '1'}=x"]}
    with pytest.raises(WorkError, match=r"env_vars of execution_options: .* is no name"):
        slurm_job({"command": "ls", "execution_options": written}, context())


def test_a_working_directory_is_absolute_or_the_folder_of_the_job() -> None:
    assert slurm_job({"command": "ls", "working_directory": "/scratch/a b"}, context()).directory == "/scratch/a b"
    assert slurm_job({"command": "ls", "working_directory": "."}, context()).directory == "."
    assert slurm_job({"command": "ls"}, context()).directory == ""
