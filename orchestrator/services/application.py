#!/usr/bin/env python3
# This file is copied to clusters, with the folder standin beside it, and must run on Python 3.6 there.
# ruff: noqa: UP006, UP035, UP045
"""The program of a PyCOMPSs job: ``python application.py REQUEST.json``, in the job's folder.

It unpacks the application bundle that the job's image is, finds the program in it and becomes it (``execve``), so that
signals and the exit status are the program's own. Under ``runcompss`` where that is installed; else under plain Python,
task after task, with the ``pycompss`` stand-in beside this file. What it did is told on standard output, which is the
job's log; exit status 2 and a line on standard error when the request cannot be met.

This file needs the standard library only (Python 3.6 or newer).
"""

import codecs
import contextlib
import errno
import gzip
import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, NoReturn, Optional, Tuple

BUNDLE_MANIFEST = ".bundle.json"
SITE_PACKAGES = ".site-packages"
STANDIN = Path(__file__).resolve().parent / "standin"
MANIFEST_FORMAT = 1

_SOURCE_AND_RUN = '. "$0" && exec "$@"'
_PYTHONS = ("", "python", "python3")
_AGAIN = "deploy the topology again, which builds and transfers it"
_BLOCK = 1024 * 1024
_BAD_GZIP = getattr(gzip, "BadGzipFile", OSError)  # Python 3.8 and newer

# What enqueue_compss hands on to runcompss, from the option help of pycompss-cli 3.4; all others concern the queue.
_RUNCOMPSS_OPTIONS = frozenset(
    {
        "PyObject_serialize",
        "appdir",
        "checkpoint",
        "checkpoint_folder",
        "checkpoint_params",
        "classpath",
        "comm",
        "conn",
        "cpu_affinity",
        "custom_threads",
        "d",
        "debug",
        "delete_trace_packages",
        "enable_external_adaptation",
        "external_debugger",
        "extrae_config_file",
        "extrae_config_file_python",
        "fpga_affinity",
        "fpga_reprogram",
        "g",
        "gen_coredump",
        "generate_trace",
        "gpu_affinity",
        "graph",
        "input_profile",
        "io_executors",
        "jmx_port",
        "jvm_master_opts",
        "jvm_workers_opts",
        "keep_workingdir",
        "library_path",
        "log_dir",
        "log_level",
        "m",
        "master_name",
        "master_port",
        "monitoring",
        "output_profile",
        "p",
        "persistent_worker_c",
        "project",
        "provenance",
        "provenance_folder",
        "python_cache_profiler",
        "python_memory_profile",
        "python_mpi_worker",
        "python_propagate_virtual_environment",
        "python_worker_cache",
        "resources",
        "scheduler",
        "scheduler_config_file",
        "shutdown_in_node_failure",
        "socket",
        "storage_conf",
        "storage_impl",
        "streaming",
        "streaming_master_name",
        "streaming_master_port",
        "summary",
        "t",
        "task_count",
        "task_execution",
        "trace_label",
        "tracing",
        "tracing_task_dependencies",
        "uuid",
        "wall_clock_limit",
        "z",
        "zip_provenance",
    }
)


class ApplicationError(Exception):
    """The job cannot be run; the message says what is wrong and what to do. 2: the request was wrong."""

    exit_status = 2


class MachineError(ApplicationError):
    """This machine cannot run the job as it is now."""

    exit_status = 1


class Request(NamedTuple):
    """What to run. ``~`` at the beginning of ``image`` and ``unpack_folder`` is the home of whoever runs it."""

    command: str
    """Path of the program, from the root of the image where there is one."""
    unpack_folder: str = ""
    image: Optional[str] = None
    """Path of an application bundle, unpacked below ``unpack_folder``."""
    arguments: Tuple[str, ...] = ()
    """They reach the program as they are."""
    extra_options: Tuple[str, ...] = ()
    """Options of enqueue_compss."""
    python_interpreter: str = ""
    environment: Dict[str, str] = {}  # noqa: RUF012 of a tuple, never changed
    """Put over the environment of the job."""
    runcompss: Optional[str] = None
    """Its path; None for none."""
    num_nodes: int = 1
    qos: str = ""


class Manifest(NamedTuple):
    """What a bundle says of itself. ``unsatisfied`` are requirements of the step that no bundle can bring."""

    workflow: str
    step_id: str
    unsatisfied: Tuple[str, ...]


class Options(NamedTuple):
    """The options of enqueue_compss that matter on this machine, and those that do not."""

    pythonpath: Tuple[str, ...]
    env_script: str
    python_interpreter: str
    job_execution_dir: str
    master_working_dir: str
    for_runcompss: Tuple[str, ...]
    without_meaning: Tuple[str, ...]


def read_request(path: Path) -> Request:
    """The request in a file. Raises ApplicationError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ApplicationError(f"cannot read the request {path}: {error.strerror}") from error
    except ValueError as error:
        raise ApplicationError(f"the request {path} is not right: {error}") from error
    wrong = _wrong(content)
    if wrong:
        raise ApplicationError(f"the request {path} is not right: {wrong}")
    words = {name: tuple(content[name]) for name in ("arguments", "extra_options") if name in content}
    found = Request(**{**content, **words})
    home = os.path.expanduser
    return found._replace(image=home(found.image) if found.image else None, unpack_folder=home(found.unpack_folder))


def _wrong(content: Any) -> str:
    """What is wrong with a request; empty when nothing is."""
    if not isinstance(content, dict):
        return "it is no map"
    unknown = sorted(set(content) - set(Request._fields))
    if unknown:
        return f"unknown field `{unknown[0]}`"
    if "command" not in content:
        return "it names no command"
    for name, value in content.items():
        if not _fits(name, value):
            return f"{name} cannot be {json.dumps(value)}"
    return ""


def _fits(name: str, value: Any) -> bool:
    if name in ("arguments", "extra_options"):
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if name == "environment":
        return isinstance(value, dict) and all(isinstance(word, str) for word in value.values())
    if name == "num_nodes":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, str) or (value is None and name in ("image", "runcompss"))


def parse_options(words: Tuple[str, ...]) -> Options:
    """Sorts options of enqueue_compss, each written ``--name=value`` or ``--flag``, by who has a use for them."""
    known = {"env_script": "", "python_interpreter": "", "job_execution_dir": "", "master_working_dir": ""}
    pythonpath = []  # type: List[str]
    for_runcompss = []  # type: List[str]
    without_meaning = []  # type: List[str]
    for word in words:
        name, _, value = word.lstrip("-").partition("=")
        if name == "pythonpath":
            pythonpath += [part for part in value.split(":") if part]
        elif name in known:
            known[name] = value
        elif name in _RUNCOMPSS_OPTIONS:
            for_runcompss.append(word)
        elif name != "lang":
            without_meaning.append(word)
    return Options(
        pythonpath=tuple(pythonpath),
        for_runcompss=tuple(for_runcompss),
        without_meaning=tuple(without_meaning),
        **known,
    )


def unpack(image: Path, unpack_folder: Path) -> Path:
    """The root of an application bundle: ``unpack_folder/<sha256 of the bundle>``, unpacked there unless it is.

    Nothing is written outside of that folder, and it appears whole or not at all. Raises ApplicationError for a bundle
    that is missing, damaged or hostile, MachineError when the folder cannot be written.
    """
    root = unpack_folder / _checksum(image)
    if root.is_dir():
        return root
    try:
        unpack_folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=unpack_folder))
        try:
            _extract(image, scratch)
            _adopt(scratch, root)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise MachineError(
            f"cannot unpack the image {image} into {unpack_folder}: {error.strerror or error} "
            "(make room and make the folder writable, then run the job again)"
        ) from error
    return root


def _checksum(image: Path) -> str:
    try:
        with image.open("rb") as bundle:
            digest = hashlib.sha256()
            for block in iter(lambda: bundle.read(_BLOCK), b""):
                digest.update(block)
            return digest.hexdigest()
    except OSError as error:
        raise ApplicationError(f"cannot read the image {image}: {error.strerror} ({_AGAIN})") from error


def _extract(image: Path, folder: Path) -> None:
    try:
        with tarfile.open(image, "r:gz") as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(folder, filter="data")
            else:  # older than Python 3.12 and its backports
                archive.extractall(folder, members=[_plain(member) for member in archive])  # noqa: S202 checked
    except (tarfile.TarError, _BAD_GZIP, zlib.error, EOFError) as error:
        raise ApplicationError(
            f"the image {image} is not an application bundle of orch, or is damaged: {error} ({_AGAIN})"
        ) from error


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file or folder inside the folder with harmless permissions. Raises tarfile.ExtractError for anything else."""
    if not (member.isfile() or member.isdir()) or member.name.startswith("/") or ".." in Path(member.name).parts:
        raise tarfile.ExtractError(f"{member.name!r} is a link, a device or outside of the folder")
    member.mode = (member.mode & 0o755) | 0o600
    return member


def _adopt(scratch: Path, root: Path) -> None:
    try:
        scratch.rename(root)
    except OSError as error:
        # Another job of the same image was quicker; its folder has the same content.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not root.is_dir():
            raise


def read_manifest(root: Path, image: Path) -> Manifest:
    """What an unpacked bundle says of itself. Raises ApplicationError."""
    try:
        content = json.loads((root / BUNDLE_MANIFEST).read_text(encoding="utf-8"))
        found = content["format"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ApplicationError(
            f"the image {image} is not an application bundle of orch: it has no right {BUNDLE_MANIFEST}"
        ) from error
    if found != MANIFEST_FORMAT:
        raise ApplicationError(
            f"the image {image} is a bundle of format {found}; this orch knows format {MANIFEST_FORMAT} ({_AGAIN})"
        )
    unsatisfied = tuple(str(word) for word in content.get("unsatisfied") or ())
    return Manifest(str(content.get("workflow") or ""), str(content.get("step_id") or ""), unsatisfied)


def _there(path: Path) -> bool:
    """Whether there is something of that name; pathlib raises for names that are too long."""
    return os.path.exists(path)  # noqa: PTH110


def in_image(path: str, root: Path) -> Optional[Path]:
    """What an absolute path of the image is outside of it; None when it is not there or leads out of the image."""
    found = root / path.lstrip("/")
    whole = root.resolve()
    return found if _there(found) and whole in (found.resolve(), *found.resolve().parents) else None


def find_program(command: str, root: Optional[Path]) -> Path:
    """The program of a job: in the image where there is one, else on this machine. Raises ApplicationError."""
    found = in_image(command, root) if root else Path(command)
    if found is not None and _there(found) and found.is_file():
        _check_program(command, found)
        return found.absolute()
    if root:
        raise ApplicationError(f"the program {command} is not in the image; the image has {_content(root)}")
    raise ApplicationError(
        f"the program {command} is not a file on this machine, and the job has no image that it could be in (let the "
        "job's requirement img_transfer name the node that transfers the image, or name an existing file)"
    )


def _check_program(command: str, file: Path) -> None:
    """Raises ApplicationError for what is certainly no Python program."""
    with file.open("rb") as stream:
        first = stream.read(_BLOCK).split(b"\n", 1)[0]
    interpreter = first[2:].decode("utf-8", "replace").strip() if first.startswith(b"#!") else ""
    if interpreter and "py" not in interpreter:
        what = f"a script for {interpreter}"
    elif b"\0" in first:
        what = "no text"
    else:
        return
    raise ApplicationError(
        f"the program {command} is {what}, and a PyCOMPSs job runs a Python program (run it as a job of the type "
        "orch.nodes.SlurmJob, or name the Python program as the command)"
    )


def _content(root: Path) -> str:
    tops = [top for top in root.iterdir() if not top.name.startswith(".")]
    files = sorted(f"/{file.relative_to(root)}" for top in tops for file in top.rglob("*") if file.is_file())
    more = f" and {len(files) - 10} more files" if len(files) > 10 else ""
    return (", ".join(files[:10]) or "no files") + more


def find_folder(path: str, root: Optional[Path]) -> Optional[str]:
    """A folder or file named in an option: in the image first, then on this machine; None where there is none."""
    found = in_image(path, root) if root else None
    if found is None and _there(Path(path)):
        found = Path(path)
    return str(found.absolute()) if found else None


def _cleaned(script: str) -> str:
    """A script that bash can read: a copy, where an editor of Windows has left a mark at its begin or its line ends."""
    content = Path(script).read_bytes()
    begin = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    cleaned = content[begin:].replace(b"\r\n", b"\n")
    if cleaned == content:
        return script
    copy = Path.cwd() / "env-script"
    copy.write_bytes(cleaned)
    return str(copy)


def find_python(name: str) -> str:
    """The interpreter for ``python_interpreter``: this one for plain Python. Raises ApplicationError."""
    if name in _PYTHONS:
        return sys.executable
    found = shutil.which(name)
    if found is None:
        raise ApplicationError(f"the Python interpreter {name} (python_interpreter) is not on PATH of this machine")
    return found


def main(arguments: List[str]) -> NoReturn:
    """Runs the job of a request. Does not return: the process becomes the program, or ends with a message."""
    if len(arguments) != 1:
        _end(ApplicationError("usage: application.py REQUEST.json"))
    try:
        _run(read_request(Path(arguments[0])))
    except ApplicationError as error:
        _end(error)
    except ValueError as error:  # a NUL character in a path, an argument or the environment
        _end(ApplicationError(f"the request {arguments[0]} cannot be passed on to the program: {error}"))
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _end(MachineError(f"cannot start the program: {error.strerror or error}{place}"))


def _run(request: Request) -> NoReturn:
    options = parse_options(request.extra_options)
    root = None  # type: Optional[Path]
    manifest = None  # type: Optional[Manifest]
    if request.image:
        if not request.unpack_folder:
            raise ApplicationError("the request names an image, but no unpack_folder for it")
        root = unpack(Path(request.image), Path(request.unpack_folder))
        manifest = read_manifest(root, Path(request.image))
    program = find_program(request.command, root)
    pythonpath, not_found = _python_path(options, root)
    words = _words(request, options, program, pythonpath)
    environment = _environment(request, pythonpath)
    if options.env_script:
        script = find_folder(options.env_script, root)
        if script is None:
            raise ApplicationError(
                f"the script {options.env_script} (--env_script) is neither in the image nor on this machine"
            )
        words = ["/bin/bash", "-c", _SOURCE_AND_RUN, _cleaned(script), *words]
    _tell(request, options, manifest, program, _python_of(request, words), not_found)
    for folder in (options.job_execution_dir, "" if request.runcompss else options.master_working_dir):
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            os.chdir(folder)
    sys.stdout.flush()
    os.execve(words[0], words, environment)  # noqa: S606 a list of words, no shell


def _python_path(options: Options, root: Optional[Path]) -> Tuple[List[str], List[str]]:
    """The folders for PYTHONPATH, and those that are named and not there."""
    found = {path: find_folder(path, root) for path in options.pythonpath}
    folders = [folder for folder in found.values() if folder]
    if root and (root / SITE_PACKAGES).is_dir():
        folders.append(str((root / SITE_PACKAGES).absolute()))
    return folders, [path for path, folder in found.items() if not folder]


def _words(request: Request, options: Options, program: Path, pythonpath: List[str]) -> List[str]:
    """The command line to become."""
    interpreter = request.python_interpreter or options.python_interpreter
    if request.runcompss is None:
        return [find_python(interpreter), str(program), *request.arguments]
    own = ["--lang=python"]
    if pythonpath:
        own.append(f"--pythonpath={':'.join(pythonpath)}")
    if interpreter:
        own.append(f"--python_interpreter={interpreter}")
    if options.master_working_dir:
        own.append(f"--master_working_dir={options.master_working_dir}")
    return [request.runcompss, *own, *options.for_runcompss, str(program), *request.arguments]


def _python_of(request: Request, words: List[str]) -> str:
    """The Python of the program, for the log."""
    if request.runcompss:
        named = [word.partition("=")[2] for word in words if word.startswith("--python_interpreter=")]
        return shutil.which(named[0] if named else "python3") or "python3, which is not on PATH"
    version = " ({}.{}.{})".format(*sys.version_info[:3]) if words[0] == sys.executable else ""
    return words[0] + version


def _environment(request: Request, pythonpath: List[str]) -> Dict[str, str]:
    environment = {**os.environ, **request.environment}
    environment.setdefault("PYTHONUNBUFFERED", "1")  # or the log, which is a file, would be followed in blocks
    if request.runcompss is None:
        before = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
        environment["PYTHONPATH"] = ":".join([str(STANDIN), *pythonpath, *before])
    return environment


def _tell(
    request: Request,
    options: Options,
    manifest: Optional[Manifest],
    program: Path,
    python: str,
    pythonpath_not_found: List[str],
) -> None:
    """The first lines of the log: what is run how, and what of the request has no effect here."""
    if request.runcompss:
        _say(f"running under runcompss ({request.runcompss})")
    else:
        _say(
            "no runcompss on this machine: running the tasks one after another with orch's own pycompss stand-in",
        )
    origin = f" of the image {manifest.workflow}/{manifest.step_id}" if manifest else ""
    _say(f"program {request.command}{origin}: {program}")
    _say(f"Python: {python}")
    ignored = [*options.without_meaning] if request.runcompss else [*options.for_runcompss, *options.without_meaning]
    ignored += [f"num_nodes={request.num_nodes}"] if request.num_nodes > 1 else []
    ignored += [f"qos={request.qos}"] if request.qos else []
    if ignored:
        _say(f"without a meaning on this machine, ignored: {' '.join(ignored)}")
    if pythonpath_not_found:
        _say(f"named in --pythonpath, but neither in the image nor on this machine: {' '.join(pythonpath_not_found)}")
    if manifest and manifest.unsatisfied:
        _say(f"required by the step, but not in the image: {', '.join(manifest.unsatisfied)}")


def _say(text: str) -> None:
    sys.stdout.write(f"orch: {text}\n")


def _end(error: ApplicationError) -> NoReturn:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.stderr.write(f"orch: {error}\n")
    raise SystemExit(error.exit_status)


if __name__ == "__main__":
    main(sys.argv[1:])
