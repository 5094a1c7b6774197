"""The program of local PyCOMPSs jobs, run as the launcher runs it: in a job folder, with a request in a file."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.services import application

PROGRAM = """
import json, os, sys
import helper
print(json.dumps({"argv": sys.argv, "cwd": os.getcwd(), "helper": helper.__file__, "pid": os.getpid(),
                  "env": dict(os.environ)}))
"""
MANIFEST = {"format": 1, "workflow": "minimal_workflow", "step_id": "wordcount", "requirements": {}, "unsatisfied": []}
COMMAND = "/wordcount/src/wordcount_blocks.py"


def bundle(path: Path, files: dict[str, str], manifest: dict[str, Any] | None = MANIFEST) -> Path:
    """An application bundle with these files."""
    content = dict(files) if manifest is None else {".bundle.json": json.dumps(manifest), **files}
    with tarfile.open(path, "w:gz") as archive:
        for name, text in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return bundle(tmp_path / "image.tgz", {COMMAND.lstrip("/"): PROGRAM, "wordcount/lib/helper.py": "x = 1"})


@pytest.fixture
def job(tmp_path: Path) -> Path:
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def request(job: Path, image: Path | None, **values: Any) -> Path:
    """A request in the job's folder."""
    content = {
        "image": str(image) if image else None,
        "unpack_folder": str(job.parent / "images"),
        "command": COMMAND,
        "extra_options": ["--pythonpath=/wordcount/lib/"],
        **values,
    }
    path = job / "request.json"
    path.write_text(json.dumps(content))
    return path


def run(job: Path, image: Path | None, **values: Any) -> subprocess.CompletedProcess[str]:
    """Runs a job to its end."""
    return subprocess.run(
        [sys.executable, "-m", "orchestrator.services.application", str(request(job, image, **values))],
        cwd=job,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the program told of itself."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_program_of_the_image_runs_under_the_standin(job: Path, image: Path) -> None:
    hostile = ["{{ lookup('pipe', 'touch x') }}", "$(touch x)", "; touch x", "", "ä\n", "--pythonpath=/no"]
    done = run(job, image, arguments=hostile, environment={"BLOCKS": "`touch x`"})
    answer = told(done)
    root = job.parent / "images" / hashlib.sha256(image.read_bytes()).hexdigest()
    assert answer["argv"] == [f"{root}{COMMAND}", *hostile]
    assert answer["helper"] == f"{root}/wordcount/lib/helper.py"
    assert answer["cwd"] == str(job)
    assert answer["env"]["BLOCKS"] == "`touch x`"
    assert not (job / "x").exists()
    lines = done.stdout.splitlines()
    assert "no runcompss on this machine" in lines[0]
    assert "orch's own pycompss stand-in" in lines[0]
    assert lines[1] == f"orch: program {COMMAND} of the image minimal_workflow/wordcount: {root}{COMMAND}"
    assert lines[2].startswith(f"orch: Python: {sys.executable} (")
    assert len(lines) == 4


def test_standin_and_requirements_of_the_bundle_can_be_imported(job: Path, tmp_path: Path) -> None:
    program = "import pycompss.api.task, emoji; print(pycompss.__version__, emoji.smile)"
    image = bundle(tmp_path / "i", {COMMAND.lstrip("/"): program, ".site-packages/emoji.py": "smile = ':-)'"})
    done = run(job, image, environment={"PYTHONPATH": "/from/the/request"})
    assert done.stdout.splitlines()[-1] == "3.4+standin :-)"


def test_exit_status_is_the_programs(job: Path, tmp_path: Path) -> None:
    image = bundle(tmp_path / "i", {COMMAND.lstrip("/"): "import sys; print('half'); sys.exit(7)"})
    done = run(job, image)
    assert done.returncode == 7
    assert done.stdout.endswith("half\n")


def test_signals_reach_the_program(job: Path, tmp_path: Path) -> None:
    program = """
import pathlib, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(33))
pathlib.Path("ready").touch()
while True:
    signal.pause()
"""
    image = bundle(tmp_path / "i", {COMMAND.lstrip("/"): program})
    words = [sys.executable, "-m", "orchestrator.services.application", str(request(job, image))]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen(words, cwd=job, env=environment)
    deadline = time.monotonic() + 30
    while not (job / "ready").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 33


def test_runcompss_is_used_when_there_is_one(job: Path, image: Path, tmp_path: Path) -> None:
    runcompss = tmp_path / "runcompss"
    runcompss.write_text('#!/bin/sh\nprintf "<%s>" "$@"\necho "${PYTHONPATH-none}"\n')
    runcompss.chmod(0o755)
    done = run(
        job,
        image,
        runcompss=str(runcompss),
        arguments=["a b", "3000"],
        python_interpreter="python3",
        extra_options=["--pythonpath=/wordcount/lib/:/wordcount/src", "--log_level=debug", "-g", "--qos=debug"],
    )
    root = next(p for p in (job.parent / "images").iterdir())
    lines = done.stdout.splitlines()
    assert lines[0] == f"orch: running under runcompss ({runcompss})"
    assert lines[2] == f"orch: Python: {shutil.which('python3')}"
    assert "ignored: --qos=debug" in lines[3]
    assert lines[4].startswith(
        f"<--lang=python><--pythonpath={root}/wordcount/lib:{root}/wordcount/src><--python_interpreter=python3>"
        f"<--log_level=debug><-g><{root}{COMMAND}><a b><3000>"
    )
    assert "standin" not in lines[3]


def test_options_of_the_queue_are_named_as_ignored(job: Path, image: Path) -> None:
    options = ["--pythonpath=/wordcount/lib:/nowhere", "--exec_time=10", "--lang=python", "--summary"]
    done = run(job, image, extra_options=options, qos="debug", num_nodes=2)
    assert "ignored: --summary --exec_time=10 num_nodes=2 qos=debug" in done.stdout
    assert "neither in the image nor on this machine: /nowhere" in done.stdout
    assert "--pythonpath=/wordcount" not in done.stdout
    told(done)


def test_env_script_and_job_execution_dir(job: Path, tmp_path: Path) -> None:
    files = {COMMAND.lstrip("/"): PROGRAM, "wordcount/lib/helper.py": "", "wordcount/env.sh": "export MESH='a b'\n"}
    image = bundle(tmp_path / "i", files)
    where = tmp_path / "new" / "$(touch x)"
    options = ["--pythonpath=/wordcount/lib", "--env_script=/wordcount/env.sh", f"--job_execution_dir={where}"]
    answer = told(run(job, image, extra_options=options, arguments=["$MESH", "x"]))
    assert answer["env"]["MESH"] == "a b"
    assert answer["argv"][1:] == ["$MESH", "x"]
    assert answer["cwd"] == str(where)
    missing = run(job, image, extra_options=["--env_script=/no.sh"])
    assert (missing.returncode, "/no.sh" in missing.stderr) == (2, True)


def test_program_without_an_image_is_a_file_of_the_machine(job: Path, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper.py").touch()
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = run(job, None, command=str(program), extra_options=[f"--pythonpath={tmp_path}/lib"])
    assert told(done)["argv"] == [str(program)]
    assert done.stdout.splitlines()[1] == f"orch: program {program}: {program}"


def test_interpreter_of_another_name_is_found_on_path(job: Path, image: Path, tmp_path: Path) -> None:
    (tmp_path / "mypython").symlink_to(sys.executable)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert run(job, image, python_interpreter="no-such-python").returncode == 2
    os_path = os.environ["PATH"]
    try:
        os.environ["PATH"] = path
        told(run(job, image, python_interpreter="mypython"))
    finally:
        os.environ["PATH"] = os_path


def test_missing_requirements_are_named(job: Path, tmp_path: Path) -> None:
    image = bundle(tmp_path / "i", {COMMAND.lstrip("/"): ""}, {**MANIFEST, "unsatisfied": ["gromacs@2022.3", "grace"]})
    assert "required by the step, but not in the image: gromacs@2022.3, grace" in run(job, image).stdout


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"command": "/wordcount/src/no.py"},
            "/wordcount/src/no.py is not in the image; the image has /wordcount/lib/",
        ),
        ({"command": "/../../../../../../../etc/passwd"}, "is not in the image"),
        ({"command": "/wordcount/src"}, "/wordcount/src is not in the image"),
        ({"command": 5}, "command cannot be 5"),
        ({"comand": "x"}, "unknown field `comand`"),
        ({"unpack_folder": ""}, "no unpack_folder"),
        ({"arguments": ["a\0b"]}, "embedded null byte"),
        ({"environment": {"A=B": "c"}}, "illegal environment variable name"),
    ],
)
def test_bad_request_ends_with_status_2_and_one_line(
    job: Path, image: Path, values: dict[str, Any], message: str
) -> None:
    done = run(job, image, **values)
    assert message in done.stderr
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_missing_things_are_named_with_a_way_out(job: Path, tmp_path: Path) -> None:
    done = run(job, None, command="/no/such.py")
    assert (done.returncode, "/no/such.py is not a file on this machine" in done.stderr) == (2, True)
    assert "img_transfer" in done.stderr
    done = run(job, tmp_path / "gone.tgz")
    assert (done.returncode, f"{tmp_path}/gone.tgz: No such file" in done.stderr) == (2, True)
    done = run(job, None, command=__file__, runcompss="/no/runcompss")
    assert (done.returncode, "/no/runcompss" in done.stderr) == (1, True)
    with pytest.raises(SystemExit) as end:
        application.main([])
    assert end.value.code == 2
    with pytest.raises(application.ApplicationError, match="cannot read the request"):
        application.read_request(tmp_path / "none.json")


@pytest.mark.parametrize("kind", ["text", "truncated", "flipped", "no manifest", "other format"])
def test_damaged_or_foreign_image_is_refused_and_leaves_nothing(
    job: Path, image: Path, tmp_path: Path, kind: str
) -> None:
    good = image.read_bytes()
    if kind == "text":
        image.write_text("not an archive")
    elif kind == "truncated":
        image.write_bytes(good[: len(good) // 2])
    elif kind == "flipped":
        image.write_bytes(good[:40] + bytes(255 - b for b in good[40:60]) + good[60:])
    elif kind == "no manifest":
        bundle(image, {COMMAND.lstrip("/"): ""}, None)
    else:
        bundle(image, {COMMAND.lstrip("/"): ""}, {**MANIFEST, "format": 2})
    done = run(job, image)
    assert done.returncode == 2, done.stderr
    assert str(image) in done.stderr
    assert not list((tmp_path / "images").glob(".*"))
    image.write_bytes(good)
    told(run(job, image))


def hostile_archive(path: Path, kind: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("../outside" if kind == "parent" else "link")
        if kind == "link":
            member.type, member.linkname = tarfile.SYMTYPE, "../.."
        elif kind == "device":
            member.type = tarfile.CHRTYPE
        archive.addfile(member, io.BytesIO(b""))
        if kind == "link":
            archive.addfile(tarfile.TarInfo("link/outside"), io.BytesIO(b""))
    return path


@pytest.mark.parametrize("filters", [True, False])
@pytest.mark.parametrize("kind", ["parent", "link", "device"])
def test_nothing_is_written_outside(tmp_path: Path, kind: str, filters: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not filters:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    with pytest.raises(application.ApplicationError, match="not an application bundle"):
        application.unpack(hostile_archive(tmp_path / "i.tgz", kind), tmp_path / "a" / "images")
    assert not list(tmp_path.rglob("outside"))
    assert list((tmp_path / "a" / "images").iterdir()) == []


def test_unpacking_happens_once_and_also_without_filters(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    root = application.unpack(image, tmp_path / "images")
    (root / "mark").touch()
    assert application.unpack(image, tmp_path / "images") == root
    assert (root / "mark").exists()
    assert (root / "wordcount" / "lib" / "helper.py").read_text() == "x = 1"


def test_a_quicker_job_wins_the_race(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract = application._extract

    def slow(source: Path, folder: Path) -> None:
        extract(source, folder)
        monkeypatch.setattr(application, "_extract", extract)
        (application.unpack(image, tmp_path / "images") / "first").touch()

    monkeypatch.setattr(application, "_extract", slow)
    root = application.unpack(image, tmp_path / "images")
    assert (root / "first").exists()
    assert [p.name for p in (tmp_path / "images").iterdir()] == [root.name]


def test_folder_that_cannot_be_written(tmp_path: Path, image: Path) -> None:
    (tmp_path / "images").write_text("a file where a folder belongs")
    with pytest.raises(
        application.MachineError, match=f"cannot unpack the image {image} into {tmp_path}/images: File exists"
    ):
        application.unpack(image, tmp_path / "images")


def test_link_out_of_the_image_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.py").touch()
    (root / "link.py").symlink_to("../secret.py")
    (root / "own.py").touch()
    assert application.in_image("/link.py", root) is None
    assert application.in_image("/own.py", root) == root / "own.py"


def test_it_can_be_read_by_the_pythons_of_clusters() -> None:
    ast.parse(Path(application.__file__).read_text(), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"#!/bin/bash\necho hi\n", "a script for /bin/bash"),
        (b"#! /usr/bin/env -S sh -e\n", "a script for /usr/bin/env -S sh -e"),
        (b"\x7fELF\0\0", "no text"),
    ],
)
def test_what_is_no_python_program_is_named(job: Path, tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "program").write_bytes(content)
    done = run(job, None, command=str(tmp_path / "program"))
    assert done.returncode == 2
    assert f"is {what}, and a PyCOMPSs job runs a Python program" in done.stderr
    assert "orch.nodes.SlurmJob" in done.stderr


@pytest.mark.parametrize("first", ["#!/usr/bin/env python3", "#!/opt/pypy/bin/pypy3", "# text", ""])
def test_what_may_be_a_python_program_is_run(job: Path, tmp_path: Path, first: str) -> None:
    (tmp_path / "program").write_text(f"{first}\nprint('ran')\n")
    assert "ran" in run(job, None, command=str(tmp_path / "program")).stdout


def test_the_working_directory_of_the_program(job: Path, tmp_path: Path) -> None:
    (tmp_path / "where.py").write_text("import os\nprint('at', os.getcwd())\n")
    options = [f"--job_execution_dir={tmp_path}/a", "--master_working_dir=b/c"]
    done = run(job, None, command=str(tmp_path / "where.py"), extra_options=options)
    assert f"at {tmp_path}/a/b/c" in done.stdout.splitlines()
    assert "ignored" not in done.stdout
    assert f"orch: Python: {sys.executable} (" in done.stdout


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfexport A=yes\n", b"#!/bin/bash\r\nif true; then\r\nexport A=yes\r\nfi\r\n"]
)
def test_an_environment_script_of_another_editor(job: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "env.sh").write_bytes(content)
    (tmp_path / "p.py").write_text("import os\nprint('A is', repr(os.environ.get('A')))\n")
    done = run(job, None, command=str(tmp_path / "p.py"), extra_options=[f"--env_script={tmp_path}/env.sh"])
    assert "A is 'yes'" in done.stdout, done.stderr


def test_the_program_imports_nothing_of_orch() -> None:
    words = "import sys, orchestrator.services.application; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    assert [name for name in said.split() if name.startswith("orchestrator")] == [
        "orchestrator",
        "orchestrator.services",
        "orchestrator.services.application",
    ]
