"""The image builder on real registries: what is in a bundle, its name, its states, its failures."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import small_file_system, unpack

from orchestrator.errors import StorageError, UserError, WorkError
from orchestrator.services import files as fs
from orchestrator.services import images
from orchestrator.services.images import BuildAnswer, BuildRequest, BuildStatus, Machine

MACHINE = Machine("linux/amd64", "rome", "singularity", "openmpi@4", "cuda@10.2")
NAME = "minimal_workflow_wordcount_rome_openmpi_4_cuda_10.2"


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    step = tmp_path / "registry" / "minimal_workflow" / "wordcount"
    (step / "src" / "__pycache__").mkdir(parents=True)
    (step / "src" / "__pycache__" / "x.pyc").write_bytes(b"x")
    (step / "src" / "wordcount_blocks.py").write_text("print('counting')\n")
    (step / "src" / "run.sh").write_text("#!/bin/sh\n")
    (step / "src" / "run.sh").chmod(0o700)
    (step / "eflows4hpc.yaml").write_text("apt:\n- graphviz\nspack:\n  specs:\n  - compss@3.3\n  - py-dislib@master\n")
    return tmp_path / "registry"


@pytest.fixture
def request_(registry: Path, tmp_path: Path) -> BuildRequest:
    return BuildRequest(registry, tmp_path / "images", "minimal_workflow", "wordcount", MACHINE)


def wheel(folder: Path, name: str = "tiny", version: str = "1.0") -> Path:
    """A wheel of one module, made by hand, so that pip needs nothing else."""
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}.py": b"answer = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, data in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(data)}")
    content[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,\n"]).encode()
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, data in content.items():
            archive.writestr(path, data)
    return file


def needs(request: BuildRequest, text: str) -> None:
    (request.registry / request.workflow / request.step_id / "eflows4hpc.yaml").write_text(text)


def built(request: BuildRequest) -> tuple[BuildAnswer, list[str], list[str]]:
    log: list[str] = []
    states: list[str] = []
    answer = images.build(request, log.append, lambda a: states.append(a.status.value))
    return answer, log, states


def members(request: BuildRequest, answer: BuildAnswer) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(request.images / (answer.filename or "")) as archive:
        return {m.name: m for m in archive.getmembers()}


def test_a_bundle_holds_the_step_below_the_root_and_a_manifest(request_: BuildRequest, tmp_path: Path) -> None:
    answer, log, states = built(request_)
    assert states == ["STARTED", "BUILDING", "CONVERTING", "FINISHED"]
    assert answer.status is BuildStatus.FINISHED
    assert answer.image_id == f"{NAME}:latest"
    assert answer.filename is not None
    assert answer.filename.startswith(f"{NAME}_v_latest_")
    assert answer.filename.endswith(".tar.gz")
    inside = members(request_, answer)
    sources = ["wordcount/eflows4hpc.yaml", "wordcount/src/run.sh", "wordcount/src/wordcount_blocks.py"]
    assert list(inside) == [".bundle.json", *sources]
    assert inside["wordcount/src/run.sh"].mode == 0o755
    assert {(m.mtime, m.uid, m.gid, m.uname) for m in inside.values()} == {(0, 0, 0, "")}
    with tarfile.open(request_.images / answer.filename) as archive:
        unpack(archive, tmp_path / "root")
    assert (tmp_path / "root" / "wordcount" / "src" / "wordcount_blocks.py").read_text() == "print('counting')\n"
    manifest = json.loads((tmp_path / "root" / ".bundle.json").read_text())
    assert manifest == {
        "format": 1,
        "workflow": "minimal_workflow",
        "step_id": "wordcount",
        "version": "latest",
        "machine": msgspec.to_builtins(MACHINE),
        "requirements": {"apt": ["graphviz"], "pip": [], "spack": ["compss@3.3", "py-dislib@master"]},
        "unsatisfied": ["spack: py-dislib@master", "apt: graphviz"],
    }
    assert "not in the bundle, must be on the machine: spack: py-dislib@master" in log
    assert "not in the bundle, must be on the machine: apt: graphviz" in log
    assert "compss@3" not in "".join(log)
    recorded = images.recorded_digest(request_.images / answer.filename)
    assert fs.digest(request_.images / answer.filename, recorded).fits()


def test_the_same_inputs_give_the_same_bytes_and_are_built_once(request_: BuildRequest) -> None:
    first, _, _ = built(request_)
    file = request_.images / (first.filename or "")
    before = (file.read_bytes(), file.stat())
    assert before[0][4:8] == b"\0\0\0\0"  # the time in the header of gzip (RFC 1952)
    again, log, states = built(request_)
    assert again == first
    assert states == ["STARTED", "FINISHED"]
    assert log[-1] == f"{first.filename} is there already"
    assert file.stat() == before[1]
    for path in (request_.registry / "minimal_workflow").rglob("*"):
        os.utime(path, (1, 1))
    forced, _, states = built(msgspec.structs.replace(request_, force=True))
    assert forced == first
    assert states == ["STARTED", "BUILDING", "CONVERTING", "FINISHED"]
    assert file.read_bytes() == before[0]
    assert file.stat().st_ino != before[1].st_ino


def test_an_empty_folder_is_in_the_bundle(request_: BuildRequest) -> None:
    step = request_.registry / request_.workflow / request_.step_id
    before, _, _ = built(request_)
    (step / "out" / "inner").mkdir(parents=True)
    (step / "old" / "__pycache__").mkdir(parents=True)
    answer, _, _ = built(request_)
    assert answer.filename != before.filename
    with tarfile.open(request_.images / str(answer.filename)) as archive:
        assert [member.name for member in archive if member.isdir()] == ["wordcount/out/inner"]


def test_a_changed_source_or_machine_gives_another_image(request_: BuildRequest) -> None:
    names = [built(request_)[0].filename]
    source = request_.registry / "minimal_workflow" / "wordcount" / "src"
    (source / "wordcount_blocks.py").write_text("print('changed')\n")
    names.append(built(request_)[0].filename)
    (source / "wordcount_blocks.py").chmod(0o755)
    names.append(built(request_)[0].filename)
    (source / "new.py").touch()
    names.append(built(request_)[0].filename)
    names.append(built(msgspec.structs.replace(request_, machine=Machine(platform="linux/arm64")))[0].filename)
    assert len(set(names)) == 5
    assert "minimal_workflow_wordcount_noarch_nompi_nogpu_v_latest_" in str(names[-1])


def test_python_requirements_are_installed_into_the_bundle(request_: BuildRequest, tmp_path: Path) -> None:
    file = wheel(tmp_path / "wheels")
    needs(request_, f"pip:\n- tiny @ {file.as_uri()}\n")
    answer, log, _ = built(request_)
    inside = members(request_, answer)
    assert ".site-packages/tiny.py" in inside
    assert not [name for name in inside if name.endswith(".pyc")]
    assert any("tiny" in line for line in log)
    first = (request_.images / (answer.filename or "")).read_bytes()
    assert built(msgspec.structs.replace(request_, force=True))[0] == answer
    assert (request_.images / (answer.filename or "")).read_bytes() == first
    assert not list(request_.images.glob(".build-*"))


def test_requirements_txt_counts_where_there_is_no_list(request_: BuildRequest, tmp_path: Path) -> None:
    step = request_.registry / "minimal_workflow" / "wordcount"
    (step / "requirements.txt").write_text(f"# ours\ntiny @ {wheel(tmp_path / 'wheels').as_uri()}  # small\n\n")
    assert ".site-packages/tiny.py" in members(request_, built(request_)[0])
    needs(request_, "pip: []\n")
    assert ".site-packages/tiny.py" not in members(request_, built(request_)[0])


def test_what_pip_cannot_install_is_a_clear_failure(request_: BuildRequest, tmp_path: Path) -> None:
    needs(request_, f"pip:\n- tiny @ file://{tmp_path}/tiny-1.0-py3-none-any.whl\n")
    with pytest.raises(WorkError, match=r"pip could not install tiny @ .*: ERROR: "):
        built(request_)
    assert [p.name for p in request_.images.iterdir()] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pip: [a\nspack: {}\n", r"eflows4hpc\.yaml:2:6: "),
        ("- a\n", "a map with apt, pip and spack, not a list"),
        ("pip: numpy\n", "pip of the description is a list, not 'numpy'"),
        ("spack: [compss]\n", "spack of the description is a map, not a list"),
        ("pip: ['--index-url=http://evil']\n", "is an option"),
        ("apt: [{a: b}]\n", r"yaml:1:7: .*an item of apt of the description is a text"),
    ],
)
def test_a_malformed_description_is_refused(request_: BuildRequest, text: str, message: str) -> None:
    needs(request_, text)
    with pytest.raises(UserError, match=message) as raised:
        built(request_)
    assert "minimal_workflow/wordcount/eflows4hpc.yaml" in raised.value.message


def test_an_empty_description_needs_nothing(request_: BuildRequest) -> None:
    needs(request_, "")
    assert built(request_)[0].status is BuildStatus.FINISHED


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"workflow": "nix"}, "has no workflow 'nix'", "minimal_workflow"),
        ({"step_id": "nix"}, "has no step 'nix'.*does not exist", "wordcount"),
        ({"step_id": "empty"}, "has no step 'empty'.*has no eflows4hpc.yaml", "wordcount"),
        ({"workflow": "../up"}, "no file name", "relative"),
        ({"step_id": "/etc"}, "no file name", "relative"),
        ({"workflow": "{{ evil }}"}, "has no workflow", "minimal_workflow"),
        ({"registry": Path("/nowhere/at/all")}, "no workflow registry /nowhere/at/all", "folder"),
    ],
)
def test_an_unknown_step_is_named_with_what_the_registry_has(
    request_: BuildRequest, changes: dict[str, Any], message: str, hint: str
) -> None:
    (request_.registry / "minimal_workflow" / "empty").mkdir()
    with pytest.raises(UserError, match=message) as raised:
        built(msgspec.structs.replace(request_, **changes))
    assert hint in (raised.value.hint or "")


def test_two_builds_at_once_do_not_disturb_each_other(request_: BuildRequest, tmp_path: Path) -> None:
    needs(request_, f"pip:\n- tiny @ {wheel(tmp_path / 'wheels').as_uri()}\n")
    other = request_.registry / "minimal_workflow" / "other"
    shutil.copytree(request_.registry / "minimal_workflow" / "wordcount", other)
    requests = [
        request_,
        msgspec.structs.replace(request_, force=True),
        msgspec.structs.replace(request_, step_id="other"),
    ]
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda r: built(r)[0], requests))
    assert answers[0] == answers[1] != answers[2]
    for request, answer in zip(requests, answers, strict=True):
        assert f"{request.step_id}/src/run.sh" in members(request, answer)
        file = request.images / (answer.filename or "")
        assert fs.digest(file, images.recorded_digest(file)).fits()
    assert not [p.name for p in request_.images.iterdir() if p.name.startswith(".") and p.name != ".lock"]


def job(folder: Path, request: Any) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps(request))
    words = [sys.executable, "-m", "orchestrator.services.images", "request.json"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=60, env=env)


def test_the_job_program_answers_as_the_real_service(request_: BuildRequest, tmp_path: Path) -> None:
    assert images.answer_from_job(tmp_path / "job") == BuildAnswer(BuildStatus.PENDING)
    body = {
        "registry": str(request_.registry),
        "images": str(request_.images),
        "workflow": "minimal_workflow",
        "step_id": "wordcount",
        "machine": {"platform": "linux/amd64", "architecture": "rome", "mpi": "", "gpu": None},
        "force": False,
    }
    done = job(tmp_path / "job", body)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    result = json.loads((tmp_path / "job" / "result.json").read_text())
    assert result["status"] == "FINISHED"
    assert result["image_id"] == "minimal_workflow_wordcount_rome_nompi_nogpu:latest"
    assert (request_.images / result["filename"]).is_file()
    assert images.answer_from_job(tmp_path / "job") == msgspec.convert(result, BuildAnswer)
    lines = [line for line in done.stdout.splitlines() if line.isupper()]
    assert lines == ["PENDING", "STARTED", "BUILDING", "CONVERTING", "FINISHED"]

    done = job(tmp_path / "job2", {**body, "workflow": "nix"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    answer = images.answer_from_job(tmp_path / "job2")
    assert answer.status is BuildStatus.FAILED
    assert "has no workflow 'nix'" in str(answer.message)
    assert answer.image_id == "nix_wordcount_rome_nompi_nogpu:latest"
    assert not (tmp_path / "job2" / "result.json").exists()


def test_a_request_in_the_form_of_the_rest_service(registry: Path, tmp_path: Path) -> None:
    body = {
        "machine": {"platform": "linux/amd64", "architecture": "rome"},
        "workflow": "w",
        "step_id": "s",
        "force": "True",
    }
    request = images.request_from_rest(body, registry, tmp_path)
    assert (request.workflow, request.step_id, request.force, request.version) == ("w", "s", True, "latest")
    assert not images.request_from_rest({**body, "force": "0"}, registry, tmp_path).force
    for missing in ("machine", "workflow", "step_id"):
        with pytest.raises(UserError, match=f"Bad request: .*{missing}"):
            images.request_from_rest({k: v for k, v in body.items() if k != missing}, registry, tmp_path)


def test_a_file_where_the_folder_of_images_belongs(request_: BuildRequest, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="is a file where a folder belongs"):
        built(msgspec.structs.replace(request_, images=tmp_path / "file" / "images"))


def test_a_full_disk_leaves_no_half_bundle(request_: BuildRequest, tmp_path: Path) -> None:
    with small_file_system(tmp_path / "disk", "64k") as disk:
        source = request_.registry / "minimal_workflow" / "wordcount" / "src" / "noise"
        source.write_bytes(os.urandom(200_000))
        small = msgspec.structs.replace(request_, images=disk)
        with pytest.raises(StorageError, match="no space left"):
            built(small)
        assert [p.name for p in disk.iterdir() if p.name != ".lock"] == []
        source.unlink()
        assert built(small)[0].status is BuildStatus.FINISHED
