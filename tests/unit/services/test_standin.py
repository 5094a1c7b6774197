"""The sequential stand-in of PyCOMPSs, imported as programs import it: as the top-level package ``pycompss``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STANDIN = Path(__file__).parents[3] / "orchestrator" / "services" / "standin"

HEADER = """
from pycompss.api.api import *
from pycompss.api.binary import binary
from pycompss.api.constraint import constraint
from pycompss.api.container import container
from pycompss.api.exceptions import COMPSsException
from pycompss.api.implement import implement
from pycompss.api.mpi import mpi
from pycompss.api.multinode import multinode
from pycompss.api.on_failure import on_failure
from pycompss.api.parameter import *
from pycompss.api.task import task
"""


def run(body: str, folder: Path, *, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a program in a folder with nothing but the stand-in on PYTHONPATH."""
    (folder / "program.py").write_text(HEADER + body)
    environment = {**os.environ, "PYTHONPATH": str(STANDIN)}
    done = subprocess.run(
        [sys.executable, "-S", "program.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) is ok, done.stderr
    return done


def test_task_of_every_kind_is_called_at_once(tmp_path: Path) -> None:
    done = run(
        """
@task
def bare(x):
    return x + 1

@task(returns=int)
def doubled(x, by=2, *rest, **more):
    return x * by + sum(rest) + sum(more.values())

@task(returns=(int, list))
def two():
    return 1, [2]

class Counter:
    n = 0

    @task(target_direction=INOUT)
    def add(self, x):
        self.n += x

    @classmethod
    @task(returns=1)
    def name(cls):
        return cls.__name__

    @staticmethod
    @task(returns=1)
    def three():
        return 3

c = Counter(); c.add(5); c.add(x=6)
assert (bare(1), doubled(4), doubled(1, 2, 3, k=4), two()) == (2, 8, 9, (1, [2]))
assert (c.n, Counter.name(), c.three(), doubled.__name__) == (11, "Counter", 3, "doubled")
""",
        tmp_path,
    )
    assert done.stdout == done.stderr == ""


def test_declared_directions_let_values_and_files_through(tmp_path: Path) -> None:
    run(
        """
@constraint(computing_units="2", memory_size="$MIN")
@task(total=INOUT, part=IN, log=FILE_OUT, parts={Type: COLLECTION_IN, Depth: 2}, d=DIRECTORY_IN)
def merge(total, part, log, parts=(), d=None):
    for key, n in part.items():
        total[key] = total.get(key, 0) + n
    with open(log, "a") as out:
        out.write(f"{sorted(total)} ")

total = {}
merge(total, {"a": 1}, "log.txt")
merge(total, {"a": 2, "b": 1}, log="log.txt")
total = compss_wait_on(total)
assert total == {"a": 3, "b": 1}
with compss_open("log.txt") as log:
    assert log.read() == "['a'] ['a', 'b'] "
""",
        tmp_path,
    )


def test_main_program_functions(tmp_path: Path) -> None:
    run(
        """
open("there", "w").close()
compss_start(); compss_barrier(); compss_barrier(no_more_tasks=True); compss_barrier_group("g"); compss_snapshot()
assert compss_wait_on(1) == 1 and compss_wait_on([1, 2], to_write=False) == [1, 2]
assert compss_wait_on(1, [2]) == [1, [2]]
assert compss_wait_on_file("there") == "there" and compss_wait_on_directory("a", "b") == ("a", "b")
assert compss_file_exists("there") is True and compss_file_exists("there", ["no"]) == [True, False]
assert compss_delete_object(object()) is True and compss_delete_file("there") is True and compss_file_exists("there")
assert compss_get_number_of_resources() == 1
compss_request_resources(2, None); compss_free_resources(2, "g"); compss_set_wall_clock(9); compss_cancel_group("g")
with TaskGroup("g", implicit_barrier=False):
    pass
try:
    with TaskGroup("g"):
        raise COMPSsException("enough")
except COMPSsException as error:
    assert error.message == "enough"
compss_stop()
""",
        tmp_path,
    )


def test_failing_task_ends_the_program_with_its_exception(tmp_path: Path) -> None:
    done = run(
        '@on_failure(management="FAIL")\n@task()\ndef f():\n    raise ValueError("bad block")\nf()', tmp_path, ok=False
    )
    assert done.returncode == 1
    assert "ValueError: bad block" in done.stderr


def test_binary_passes_parameters_in_order_with_prefixes(tmp_path: Path) -> None:
    done = run(
        """
@constraint(computing_units="1")
@binary(binary="printf")
@task(out={Type: FILE_IN, Prefix: "--out="}, hidden={Type: FILE_OUT, Prefix: "#"}, many=COLLECTION_IN)
def show(pattern, flag, out, hidden, many, empty="", last=True):
    raise AssertionError("the body is not run")

assert show("%s|", "$(touch x); {{ y }}", out="a file", hidden="h", many=[1, 2]) == 0
""",
        tmp_path,
    )
    assert done.stdout == "$(touch x); {{ y }}|--out=a file|1|2|true|"
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "declared",
    [
        "infile=FILE_IN_STDIN, result=FILE_OUT_STDOUT, errors=FILE_OUT_STDERR",
        "infile={Type: FILE_IN_STDIN}, result={Type: FILE_OUT_STDOUT}, errors={Type: FILE_OUT_STDERR}",
        "infile={Type: FILE, StdIOStream: STDIN}, result={Type: FILE_OUT, StdIOStream: STDOUT}, errors=FILE_OUT_STDERR",
    ],
)
def test_binary_redirects_standard_streams(tmp_path: Path, declared: str) -> None:
    (tmp_path / "in.txt").write_text("Hi there\nno\nHi again\n")
    run(
        f"""
@binary(binary="sh", args="-c {{{{script}}}}")
@task({declared})
def filtered(script, infile, result, errors):
    pass

filtered("grep Hi; echo oops >&2", "in.txt", "out.txt", "err.txt")
filtered("wc -l", "in.txt", "out2.txt", "err2.txt")
""",
        tmp_path,
    )
    assert (tmp_path / "out.txt").read_text() == "Hi there\nHi again\n"
    assert (tmp_path / "err.txt").read_text() == "oops\n"
    assert (tmp_path / "out2.txt").read_text().strip() == "3"


def test_binary_appends_to_what_is_updated(tmp_path: Path) -> None:
    run(
        """
@binary(binary="echo")
@task(log=FILE_INOUT_STDOUT)
def note(text, log):
    pass
note("one", "log.txt"); note("two", "log.txt")
""",
        tmp_path,
    )
    assert (tmp_path / "log.txt").read_text() == "one\ntwo\n"


def test_binary_in_another_folder_still_finds_the_callers_files(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "in.txt").write_text("text\n")
    done = run(
        """
import os
os.environ["WHERE"] = "work"

class Copier:
    @binary(binary="cp", working_dir="$WHERE")
    @task(source=FILE_IN)
    def copy(self, source, target):
        pass

@binary(binary="pwd", working_dir="{{folder}}", args="")
@task(folder=DIRECTORY_IN)
def where(folder):
    pass

Copier().copy("in.txt", "copied.txt")
where("work")
""",
        tmp_path,
    )
    assert (tmp_path / "work" / "copied.txt").read_text() == "text\n"
    assert done.stdout.strip().endswith("/work")


def test_exit_value_of_a_binary_fails_the_task_or_is_its_result(tmp_path: Path) -> None:
    done = run(
        """
import os
os.environ["FAIL"] = "false"

@binary(binary="sh", args="-c {{script}}", fail_by_exit_value=False)
@task(returns=int)
def asked(script):
    pass

@binary(binary="sh", args="-c {{script}}", fail_by_exit_value="$FAIL")
@task(returns=int)
def configured(script):
    pass

@binary(binary="sh", args="-c {{script}}")
@task()
def strict(script):
    pass

assert asked("exit 3") == 3 and configured("exit 4") == 4
print("before", flush=True)
strict("exit 5")
""",
        tmp_path,
        ok=False,
    )
    assert done.stdout == "before\n"
    assert "returned non-zero exit status 5" in done.stderr


def test_binary_mistakes_are_named(tmp_path: Path) -> None:
    done = run(
        """
for make in (
    lambda: binary(working_dir="."),
    lambda: mpi(binary="x"),
    lambda: binary(binary="echo", args="{{nam}}")(task()(lambda name: None))("x"),
    lambda: binary(binary="no-such-program")(task()(lambda: None))(),
    lambda: mpi(runner="mpirun")(task()(lambda: None))(),
):
    try:
        make()
    except (TypeError, OSError, RuntimeError) as error:
        print(error)
""",
        tmp_path,
    )
    lines = done.stdout.splitlines()
    assert [("binary=" in lines[0]), ("runner=" in lines[1]), ("'nam'" in lines[2])] == [True] * 3
    assert "no-such-program" in lines[3]
    assert "runcompss" in lines[4]
    assert len(lines) == 5


def test_mpi_program_is_started_by_its_runner(tmp_path: Path) -> None:
    (tmp_path / "runner").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    (tmp_path / "runner").chmod(0o755)
    done = run(
        """
import os
os.environ["PROCESSES"] = "3"

@mpi(runner="./runner", binary="solver.x", processes="$PROCESSES", runner_flags="--oversubscribe -v")
@task(case={Type: FILE_IN, Prefix: "--case="})
def solve(case):
    pass
solve("a.dat")
""",
        tmp_path,
    )
    assert done.stdout == "<-n><3><--oversubscribe><-v><solver.x><--case=a.dat>"


def test_multinode_task_is_told_its_one_node(tmp_path: Path) -> None:
    run(
        """
import os, socket

@multinode(computing_nodes="2")
@task(returns=1)
def told():
    return os.environ["COMPSS_NUM_NODES"], os.environ["COMPSS_HOSTNAMES"], int(os.environ["COMPSS_NUM_THREADS"]) > 0

assert told() == ("1", socket.gethostname(), True)
assert "COMPSS_NUM_NODES" not in os.environ
""",
        tmp_path,
    )


def test_container_runs_outside_and_says_so(tmp_path: Path) -> None:
    done = run(
        """
@container(engine="SINGULARITY", image="tools.sif")
@binary(binary="echo")
@task()
def say(word):
    pass

@implement(source_class="program", method="say")
@task(returns=1)
def other(word):
    return word
say("hello"); assert other("x") == "x"
""",
        tmp_path,
    )
    assert done.stdout == "hello\n"
    assert "task say runs on this machine, not in the container image tools.sif" in done.stderr


def test_star_imports_bring_public_names_only(tmp_path: Path) -> None:
    done = run(
        """
names = {}
exec("from pycompss.api.parameter import *", names)
names.pop("__builtins__")
print(*sorted(names))
""",
        tmp_path,
    )
    names = set(done.stdout.split())
    assert {
        "IN",
        "OUT",
        "INOUT",
        "FILE_CONCURRENT_STDERR",
        "DICTIONARY_IN_DELETE",
        "StdIOStream",
        "Keep_rename",
    } <= names
    assert not {"Any", "annotations", "is_path", "key_of", "STREAMS"} & names
