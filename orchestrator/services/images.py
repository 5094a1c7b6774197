"""The embedded image builder, as a job program: ``python -m orchestrator.services.images REQUEST.json``.

It makes an *application bundle*: one tar.gz with the sources of a step and its Python requirements. The root of
the bundle stands for the root of the container image that the real service would make of the same request.

The registry of workflows is laid out as the public one (github.com/eflows4hpc/workflow-registry):
``<workflow>/<step_id>/eflows4hpc.yaml`` with the lists ``apt``, ``pip`` and ``spack: specs``, and ``src/`` beside it.
Requests, states and answers are those of the Container Image Creation service (github.com/eflows4hpc/image_creation:
``POST /build/``, ``GET /build/<id>``).
"""

from __future__ import annotations

import enum
import fcntl
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from orchestrator import paths
from orchestrator.errors import UserError, WorkError
from orchestrator.model.problems import DocumentError, Problems
from orchestrator.services import files as fs
from orchestrator.services import program
from orchestrator.sites.tree import tree_at
from orchestrator.tosca.structs import read_map, read_struct

DESCRIPTION = "eflows4hpc.yaml"
MANIFEST = ".bundle.json"
SITE_PACKAGES = ".site-packages"
FORMAT = 1
"""The version of the bundle's layout."""

_BUILT_IN = ("compss", "pycompss")
"""Specs that every bundle has: the site's runcompss, or our stand-in."""

_LEFT_OUT = re.compile(r"(.*/)?(__pycache__|\.git|\.svn|\.mypy_cache|\.pytest_cache)/.*|.*\.py[co]")


class BuildStatus(enum.Enum):
    """The states of a build, by the names of the real service."""

    PENDING = "PENDING"
    STARTED = "STARTED"
    BUILDING = "BUILDING"
    CONVERTING = "CONVERTING"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


class Machine(msgspec.Struct, frozen=True):
    """What the image is for. Empty when nothing is said."""

    platform: str | None = None
    architecture: str | None = None
    container_engine: str | None = None
    mpi: str | None = None
    gpu: str | None = None


class BuildRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to build, from which registry, into which folder. ``force`` builds it again although it is there.

    ``python``: path of the Python for which the requirements are installed; None: the one that builds.
    """

    registry: Path
    images: Path
    workflow: str
    step_id: str
    machine: Machine = Machine()
    force: bool = False
    version: str = "latest"
    python: str | None = None


class BuildAnswer(msgspec.Struct, frozen=True):
    """The answer to ``GET /build/<id>``."""

    status: BuildStatus
    message: str | None = None
    image_id: str | None = None
    filename: str | None = None


class Requirements(msgspec.Struct, frozen=True):
    """What a step needs, by who installs it."""

    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    spack: tuple[str, ...] = ()


# --- the REST contract ----------------------------------------------------------------------------------------------


def request_from_rest(body: Mapping[str, Any], registry: Path, images: Path) -> BuildRequest:
    """The request in the body of ``POST /build/``: machine, workflow, step_id, force (a boolean or text), version.

    Raises :class:`UserError` (status 400 there) when something is missing or wrong.
    """
    for name in ("machine", "workflow", "step_id"):
        if body.get(name) is None:
            raise UserError(f"Bad request: {name} is missing")
    known = {k: body[k] for k in ("machine", "workflow", "step_id", "force", "version") if body.get(k) is not None}
    if isinstance(known.get("force"), str):
        known["force"] = known["force"].lower() == "true"  # as the real service: any other text means no
    try:
        return msgspec.convert({**known, "registry": registry, "images": images}, BuildRequest, strict=False)
    except msgspec.ValidationError as e:
        raise UserError(f"Bad request: {e}") from e


def answer_from_job(folder: Path) -> BuildAnswer:
    """The answer to ``GET /build/<id>`` for the build that runs, or ran, as a job in ``folder``.

    Raises :class:`StorageError` when the job's status cannot be read.
    """
    path = folder / program.STATUS
    with fs.explained("read the status", path):
        if not path.exists():
            return BuildAnswer(BuildStatus.PENDING)
        return msgspec.json.decode(path.read_bytes(), type=BuildAnswer)


def image_name(request: BuildRequest) -> str:
    """The name of an image without its version, made as the real service makes it."""
    parts = [request.workflow, request.step_id, request.machine.architecture or "noarch"]
    parts += [_machine_word(request.machine.mpi, "nompi"), _machine_word(request.machine.gpu, "nogpu")]
    return re.sub(r"[^a-z0-9._+-]", "_", "_".join(parts).lower())


def image_id(request: BuildRequest) -> str:
    """The identifier of the image, as the real service gives it (there with its container registry before it)."""
    return f"{image_name(request)}:{request.version.lower()}"


def _machine_word(value: str | None, absent: str) -> str:
    return value.replace("@", "_") if value else absent


# --- building -------------------------------------------------------------------------------------------------------


def build(
    request: BuildRequest,
    say: Callable[[str], None] = program.say,
    tell: Callable[[BuildAnswer], None] = lambda answer: None,
) -> BuildAnswer:
    """Make the bundle, unless the same one is there; ``tell`` gets every change of state.

    The file's name holds a digest of all that goes in, so a changed source gives another image.

    Raises :class:`UserError` when the registry has no such step or describes it wrongly, :class:`WorkError` when a
    requirement cannot be installed, :class:`StorageError` when the bundle cannot be written.
    """
    known = BuildAnswer(BuildStatus.STARTED, image_id=image_id(request))
    tell(known)
    step = find_step(request.registry, request.workflow, request.step_id)
    needs = requirements(step)
    _say_unsatisfied(unsatisfied(needs), say)
    python = request.python or sys.executable
    tag = _tag(python) if needs.pip else ""
    manifest = _manifest(request, needs)
    sources = _sources(step)
    filename = f"{image_name(request)}_v_{_word(request.version)}_{_digest(manifest, tag, sources)[:12]}.tar.gz"
    known = msgspec.structs.replace(known, filename=filename)
    image_file = request.images / filename
    if image_file.is_file() and not request.force:
        say(f"{filename} is there already")
    else:
        tell(msgspec.structs.replace(known, status=BuildStatus.BUILDING))
        _build(image_file, request, needs, python, manifest, sources, say, known, tell)
    finished = msgspec.structs.replace(known, status=BuildStatus.FINISHED)
    tell(finished)
    return finished


def _sources(step: Path) -> list[tuple[str, Path]]:
    """The files of a step, and its empty folders, by their names."""
    tree = tree_at(step)
    names = [name for name in tree.files if not _LEFT_OUT.fullmatch(name)]
    names += [name for name in tree.empty if not _LEFT_OUT.fullmatch(f"{name}/")]
    return [(name, step / name) for name in names]


def _word(text: str) -> str:
    return re.sub(r"[^a-z0-9._+-]", "_", text.lower())


def find_step(registry: Path, workflow: str, step_id: str) -> Path:
    """The folder of a step in a registry.

    Raises :class:`UserError` that names what the registry has instead, :class:`StorageError` when it cannot be read.
    """
    for name in (workflow, step_id):
        fs.check_name(name)
    if not registry.is_dir():
        raise UserError(f"there is no workflow registry {registry}", hint="name a folder that holds workflows")
    if not paths.is_folder(registry / workflow):
        raise UserError(
            f"the workflow registry {registry} has no workflow {workflow!r}",
            hint=f"it has {_names(registry)}",
        )
    step = registry / workflow / step_id
    if not paths.is_file(step / DESCRIPTION):
        why = f"has no {DESCRIPTION}" if paths.is_folder(step) else "does not exist"
        raise UserError(
            f"the workflow {workflow!r} of the registry {registry} has no step {step_id!r}: {step} {why}",
            hint=f"its steps are {_names(registry / workflow, DESCRIPTION)}",
        )
    return step


def _names(folder: Path, holding: str = ".") -> str:
    with fs.explained("read", folder):
        names = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "." and (p / holding).exists())
    return ", ".join(names) or "none"


class _Spack(msgspec.Struct, frozen=True):
    specs: tuple[str, ...] = ()


class _Description(msgspec.Struct, frozen=True):
    """What a step says that it needs; the image creation service reads more of it than this."""

    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()
    spack: _Spack = _Spack()


def requirements(step: Path) -> Requirements:
    """What a step needs: its eflows4hpc.yaml, and requirements.txt where that has no list ``pip``.

    Raises :class:`UserError` with file and place when they are malformed.
    """
    path = step / DESCRIPTION
    problems = Problems()
    root = read_map(path, "a step's description is a map with apt, pip and spack", problems)
    said = read_struct(root, _Description, "the description", problems) if root is not None else _Description()
    if said is None or problems.has_errors:
        raise DocumentError(problems)
    pip = _words(said.pip, path, "pip")
    if (root is None or "pip" not in root) and (step / "requirements.txt").is_file():
        pip = _pip_lines(step / "requirements.txt")
    return Requirements(_words(said.apt, path, "apt"), pip, _words(said.spack.specs, path, "spack: specs"))


def _words(words: Sequence[str], path: Path, where: str) -> tuple[str, ...]:
    for word in words:
        if not word:
            raise UserError(f"{path}: {where}: an empty name", hint="take it out")
        if word.startswith("-"):
            raise UserError(f"{path}: {where}: {word!r} is an option", hint="name packages only")
    return tuple(words)


def _pip_lines(path: Path) -> tuple[str, ...]:
    with fs.explained("read", path):
        lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in path.read_text(errors="replace").splitlines()]
    return _words([line for line in lines if line], path, "requirements")


def unsatisfied(needs: Requirements) -> tuple[str, ...]:
    """What a bundle cannot bring: Spack specs and Debian packages, which must be on the machine."""
    specs = [f"spack: {s}" for s in needs.spack if re.split(r"[@%+~^\s]", s, maxsplit=1)[0] not in _BUILT_IN]
    return tuple(specs + [f"apt: {a}" for a in needs.apt])


def _say_unsatisfied(missing: Sequence[str], say: Callable[[str], None]) -> None:
    for spec in missing:
        say(f"not in the bundle, must be on the machine: {spec}")


def _manifest(request: BuildRequest, needs: Requirements) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "workflow": request.workflow,
        "step_id": request.step_id,
        "version": request.version,
        "machine": msgspec.to_builtins(request.machine),
        "requirements": msgspec.to_builtins(needs),
        "unsatisfied": list(unsatisfied(needs)),
    }


def _tag(python: str) -> str:
    """Which kind of Python it is: what is installed for one may not run with another. Raises WorkError."""
    words = [python, "-c", "import sys; print(sys.implementation.cache_tag)"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as e:
        why = getattr(e, "stderr", None) or e
        raise WorkError(f"the Python {python} does not run: {why}", hint="name another one: pycompss.python") from e
    return done.stdout.strip()


def _digest(manifest: Mapping[str, Any], tag: str, sources: Sequence[tuple[str, Path]]) -> str:
    """A digest of everything that the bundle is made of, other than what pip will find."""
    whole = hashlib.sha256(_json(manifest))
    if tag:
        whole.update(f"{tag}\0".encode())
    for name, path in sources:
        if path.is_dir():
            whole.update(f"{name}/\0".encode("utf-8", "surrogateescape"))
            continue
        known = fs.digest(path).digest()
        whole.update(f"{name}\0{_is_program(path)}\0{known.checksum}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=2) + b"\n"


def _build(
    image_file: Path,
    request: BuildRequest,
    needs: Requirements,
    python: str,
    manifest: Mapping[str, Any],
    sources: Sequence[tuple[str, Path]],
    say: Callable[[str], None],
    known: BuildAnswer,
    tell: Callable[[BuildAnswer], None],
) -> None:
    with _scratch(request.images) as scratch:
        entries = [(f"{request.step_id}/{name}", path) for name, path in sources]
        entries += _installed(needs.pip, python, scratch, say)
        tell(msgspec.structs.replace(known, status=BuildStatus.CONVERTING))
        packed = scratch / image_file.name
        _pack(packed, entries, _json(manifest))
        digest = fs.digest(packed).digest()
        _publish(packed, image_file, digest, force=request.force)
    say(f"{image_file.name}: {digest.size} bytes, {sum(path.is_file() for _, path in sources)} source files")


@contextmanager
def _scratch(images: Path) -> Iterator[Path]:
    """A folder beside the images that is gone afterwards."""
    fs.make_folder(images)
    with fs.explained("make a folder in", images):
        folder = Path(tempfile.mkdtemp(prefix=".build-", dir=images))
    try:
        yield folder
    finally:
        fs.remove_tree(folder)


def _installed(pip: Sequence[str], python: str, scratch: Path, say: Callable[[str], None]) -> list[tuple[str, Path]]:
    """The files of the Python requirements, by their names in the bundle."""
    if not pip:
        return []
    target = scratch / "packages"
    words = [sys.executable, "-m", "pip", *(["--python", python] if python != sys.executable else [])]
    words += ["install", "--target", str(target), "--no-compile", "--no-input"]
    words += ["--disable-pip-version-check", "--no-warn-conflicts", "--", *pip]
    last = ""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            for line in io.TextIOWrapper(cast(IO[bytes], process.stdout), errors="replace"):
                say(line.rstrip())
                last = line.strip() if line.startswith("ERROR") or not last.startswith("ERROR") else last
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise WorkError(
            f"pip could not install {', '.join(pip)}: {last}",
            hint="correct the list pip in the step's description, or see whether the package index can be reached",
        )
    found = [(f"{SITE_PACKAGES}/{name}", path) for name, path in fs.files_under(target)]
    return [entry for entry in found if not _LEFT_OUT.fullmatch(entry[0])]


def _pack(packed: Path, entries: Sequence[tuple[str, Path]], manifest: bytes) -> None:
    """Write the archive; the same files give the same bytes."""
    with (
        fs.replacing(packed) as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=cast(IO[bytes], raw), mtime=0) as compressed,
        tarfile.open(fileobj=cast(IO[bytes], compressed), mode="w|", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in _with_manifest(entries):
            entry = tarfile.TarInfo(name)
            if path is None:
                entry.size, entry.mode = len(manifest), 0o644
                archive.addfile(entry, io.BytesIO(manifest))
            elif path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry)
            else:
                _pack_file(archive, entry, path)


def _with_manifest(entries: Sequence[tuple[str, Path]]) -> Iterator[tuple[str, Path | None]]:
    yield MANIFEST, None
    yield from sorted(entries)


def _pack_file(archive: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    with fs.explained("read", path), path.open("rb") as f:
        entry.size = path.stat().st_size
        entry.mode = 0o755 if _is_program(path) else 0o644
        archive.addfile(entry, f)


def _is_program(path: Path) -> bool:
    with fs.explained("read", path):
        return bool(path.stat().st_mode & 0o100)


def _publish(packed: Path, image_file: Path, digest: fs.Digest, *, force: bool) -> None:
    """Give the archive its name, together with its digest; of two builds at once the first one counts."""
    with images_lock(image_file.parent, exclusive=True):
        if image_file.is_file() and not force:
            return
        fs.write_text(digest_file(image_file), msgspec.json.encode(digest).decode())
        with fs.explained("write", image_file):
            packed.replace(image_file)
            fs.sync_folder(image_file.parent)


# --- the folder of images --------------------------------------------------------------------------------------


@contextmanager
def images_lock(folder: Path, *, exclusive: bool) -> Iterator[None]:
    """Hold the folder of images, so that a file and its recorded digest belong together."""
    fs.make_folder(folder)
    with fs.explained("lock the folder of images", folder):
        fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with fs.explained("lock the folder of images", folder):
            fcntl.flock(fd, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def digest_file(image_file: Path) -> Path:
    """Where size and checksum of an image are recorded."""
    return image_file.parent / f"{image_file.name}.digest.json"


def recorded_digest(image_file: Path) -> fs.Expected:
    """What is recorded of an image; nothing when the file was put there by hand. Raises :class:`StorageError`."""
    record = digest_file(image_file)
    with fs.explained("read", record):
        if not record.exists():
            return fs.ANY
        text = record.read_bytes()
    try:
        known = msgspec.json.decode(text, type=fs.Digest)
    except msgspec.DecodeError as e:
        raise WorkError(f"{record} is damaged: {e}", hint="create the image again with force: true") from e
    return fs.Expected(known.size, known.checksum)


# --- the job program ------------------------------------------------------------------------------------------------


def _work(request: BuildRequest, folder: Path) -> BuildAnswer:
    def tell(answer: BuildAnswer) -> None:
        program.say(answer.status.value)
        more = {"image_id": answer.image_id, "filename": answer.filename}
        program.write_status(folder, answer.status.value, answer.message, **more)

    tell(BuildAnswer(BuildStatus.PENDING))
    return build(request, tell=tell)


def main() -> int:
    """The job program."""
    return program.run(sys.argv[1:], BuildRequest, _work)


if __name__ == "__main__":
    sys.exit(main())
