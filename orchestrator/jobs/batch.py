"""Jobs of a batch scheduler: what it is asked for, and the script that it runs.

``orch.nodes.SlurmJob`` and its derivatives become such jobs; so does a PyCOMPSs program on a cluster. The options are
those of sbatch (its manual page); values of users become words of their own or quoted text, never a shell's words.
"""

from __future__ import annotations

import codecs
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from orchestrator.errors import SiteError, UserError, WorkError
from orchestrator.jobs.expansion import as_text, expand_braced
from orchestrator.jobs.submission import BatchOptions, JobContext, Submission, first_given, workflow_variables
from orchestrator.model.names import is_variable
from orchestrator.model.values import Value
from orchestrator.sites.quantities import megabytes, time_limit
from orchestrator.sites.sbatch import extra_option, is_ours, refuse_other_clusters

SCRIPT = "./batch-script"
"""The file of the job's folder with the user's own batch script, as a word of a command line."""

_DIRECTIVE = re.compile(r"#SBATCH\s+(.*\S)")
_NO_IMAGE = ("", "none")


def sbatch_words(options: BatchOptions) -> list[str]:
    """The options as words of sbatch. Raises UserError for an extra option that would hide the job from orch."""
    named = {
        "nodes": options.nodes,
        "ntasks": options.tasks,
        "cpus-per-task": options.cpus_per_task,
        "mem": options.memory,
        "time": options.time,
        "partition": options.partition,
        "qos": options.qos,
        "account": options.account,
        "reservation": options.reservation,
        "gres": options.gres,
        "constraint": options.constraint,
        "array": options.array,
        "dependency": options.dependency,
    }
    words = [f"--{name}={value}" for name, value in named.items() if value not in (None, "")]
    return words + [extra_option(word) for word in options.extra]


def _refuse_in(heading: Sequence[str], node: str) -> None:
    for line in heading:
        for word in line.split():
            if word.startswith("-"):
                try:
                    refuse_other_clusters(word)
                except UserError as error:
                    raise UserError(f"{node}: script: {error.message}", hint=error.hint) from error


def directives(script: str) -> list[str]:
    """The ``#SBATCH`` lines of a batch script that count: those before its first command, but for what orch decides."""
    found = []
    for line in script.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        match = _DIRECTIVE.match(line)
        if match and not is_ours(match.group(1)):
            found.append(line)
    return found


def shell_script(
    words: Sequence[str],
    *,
    directory: str = "",
    modules: Sequence[str] = (),
    sources: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    heading: Sequence[str] = (),
    record: bool = False,
) -> str:
    """A bash script that runs a program in the job's folder: everything in it that comes from a user is quoted.

    With ``record``, the exit status is left there in the file ``exit``, whole or not at all.
    """
    lines = ["#!/bin/bash -l", *heading, "job=$PWD"]
    lines += [f"module load {shlex.join(modules)} || exit 1"] if modules else []
    lines += [f". {shlex.quote(path)} || exit 1" for path in sources]
    for name, value in (environment or {}).items():
        if not is_variable(name):
            raise WorkError(f"{name!r} is no name of an environment variable")
        lines.append(f"export {name}={shlex.quote(value)}")
    lines += _in_directory(words, directory)
    return "\n".join([*lines, *(_RECORDED if record else ['exec "$@"']), ""])


_RECORDED = (
    '"$@"',
    "code=$?",
    'echo "$code" >"$job/.exit-new" && mv "$job/.exit-new" "$job/exit"',
    'exit "$code"',
)


def _in_directory(words: Sequence[str], directory: str) -> list[str]:
    """Lines after which a shell is in a directory and has the words as ``"$@"``; it begins in the job's folder."""
    quoted = ['"$PWD"/batch-script' if word == SCRIPT else shlex.quote(word) for word in words]
    change = [f"cd -- {shlex.quote(directory)} || exit 1"] if directory else []
    return [f"set -- {' '.join(quoted)}", *change]


def in_container(words: Sequence[str], image: str, options: str, context: JobContext) -> list[str]:
    """The command line that runs words in an image on a site. Raises SiteError where nothing runs images."""
    engine = context.site.machine.container_engine
    more = split_words(options, "container_options", context.node)
    if engine in ("singularity", "apptainer"):
        return [engine, "exec", *more, image, *words]
    if engine == "charliecloud":
        return ["ch-run", *more, image, "--", *words]
    raise SiteError(
        f"{context.node}: site {context.site.name!r} has no container engine to run {image} with",
        hint="name one in sites.yaml (machine.container_engine: singularity, apptainer or charliecloud)",
    )


def split_words(text: str, what: str, node: str) -> list[str]:
    """The words of an option string, as a shell splits them. Raises WorkError."""
    try:
        return shlex.split(text)
    except ValueError as error:
        message = f"{node}: {what} {text!r} cannot be split into words: {error}"
        raise WorkError(message, hint="close the quotes, or write \\' for a quote") from error


def slurm_job(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``orch.nodes.SlurmJob``, ``yorc.nodes.slurm.Job``: a batch script or a command."""
    names = workflow_variables(context.workflow_inputs, context.node)
    execution = _map(inputs.get("execution_options"))
    arguments = first_given({**inputs, "own": execution.get("args")}, "own", "arguments", "exec_args")
    words = [expand_braced(as_text(word), names) for word in _list(arguments)]
    command = as_text(first_given({**inputs, "own": execution.get("command")}, "own", "command", "exec_command"))
    script = _script(inputs, context)
    files = {}
    heading: list[str] = []
    if script is not None:
        files[SCRIPT.removeprefix("./")] = script
        heading = directives(script)
        _refuse_in(heading, context.node)
        words = [*_interpreter(script), SCRIPT, *words]  # SCRIPT: see shell_script
    elif command:
        words = [expand_braced(command, names), *words]
    else:
        raise WorkError(f"{context.node}: there is neither a script nor a command", hint="set one of the two")
    image = first_given(inputs, "image_file_path_start", "image_file_path_submit", "container_image")
    if image is not None and as_text(image) not in _NO_IMAGE:
        words = in_container(words, as_text(image), as_text(inputs.get("container_options")), context)
    return Submission(
        argv=tuple(words),
        files=files,
        options=_options(inputs, context, names),
        heading=tuple(heading),
        directory=_directory(expand_braced(as_text(inputs.get("working_directory")), names), context.node),
        modules=(*context.site.modules, *(as_text(m) for m in _list(inputs.get("modules")))),
        sources=tuple(t for t in [as_text(inputs.get("environment_file"))] if t),
        environment={**context.site_variables, **_environment(inputs, execution, names, context.node)},
    )


def _directory(path: str, node: str) -> str:
    """The working directory: a job has a new folder of its own, so a path in that leads nowhere."""
    if path and path != "." and not path.startswith("/"):
        raise WorkError(
            f"{node}: working_directory cannot be {path!r}",
            hint="write an absolute path; left out, the job runs in a folder of its own",
        )
    return path


def _script(inputs: Mapping[str, Value], context: JobContext) -> str | None:
    text = first_given(inputs, "script")
    if text is not None:
        return cleaned(as_text(text))
    path = context.script or first_given(inputs, "script_file")
    if path is None:
        return None
    try:
        content = Path(as_text(path)).read_bytes()
    except (OSError, ValueError) as error:
        raise WorkError(f"{context.node}: the batch script {path} cannot be read: {error}") from error
    if content.startswith(_UTF_16):
        raise WorkError(f"{context.node}: the batch script {path} is in UTF-16", hint="save it in UTF-8")
    return cleaned(content.decode("utf-8", "surrogateescape"))


_BYTE_ORDER_MARK = "\ufeff"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def cleaned(script: str) -> str:
    """A script as Unix has it: without a byte order mark, and with its line ends; editors of Windows write others.

    All other bytes of a file, whatever its encoding, are those of the text (``surrogateescape``).
    """
    return script.removeprefix(_BYTE_ORDER_MARK).replace("\r\n", "\n")


def _interpreter(script: str) -> list[str]:
    first = script.partition("\n")[0]
    words = first[2:].split() if first.startswith("#!") else []
    return words or ["/bin/bash"]


def _options(inputs: Mapping[str, Value], context: JobContext, names: Mapping[str, Value]) -> BatchOptions:
    grouped = _map(inputs.get("slurm_options"))
    override = {"nodes": "num_nodes", "qos": "qos"}

    def said(name: str) -> Value:
        own = override.get(name, "")
        given = first_given(context.workflow_inputs, f"{context.node}_{own}", own) if own else None
        return first_given({"given": given, "grouped": grouped.get(name), "own": inputs.get(name)}, *_ORDER)

    def text(name: str) -> str:
        return expand_braced(as_text(said(name)), names)

    def number(name: str) -> int | None:
        written = text(name)
        if written and not (written.isdigit() and int(written)):
            raise WorkError(f"{context.node}: {name} must be a whole number, 1 or more, not {written!r}")
        return int(written) if written else None

    def read(name: str, reader: Callable[[str], str]) -> str:
        written = text(name)
        try:
            return reader(written) if written else ""
        except ValueError as error:
            raise WorkError(f"{context.node}: {name} cannot be {written!r}", hint=str(error)) from error
        except UserError as error:
            raise WorkError(f"{context.node}: {name} cannot be {written!r}", hint=error.hint) from error

    extra = tuple(expand_braced(as_text(word), names) for word in _list(said("extra_options")))
    for word in extra:
        try:
            extra_option(word)
        except UserError as error:
            raise WorkError(f"{context.node}: extra_options: {error.message}", hint=error.hint) from error
    return BatchOptions(
        nodes=number("nodes"),
        tasks=number("tasks"),
        cpus_per_task=number("cpus_per_task"),
        memory=read("mem_per_node", megabytes),
        time=read("time", time_limit),
        partition=read("partition", _word),
        qos=read("qos", _word),
        account=read("account", _word),
        reservation=read("reservation", _word),
        gres=read("gres", _gres),
        constraint=read("constraint", _line),
        array=read("array", _array),
        dependency=read("dependency", _dependency),
        extra=extra,
    )


def _array(text: str) -> str:
    array_indices(text)
    return text


_JOB = r"\d+(?:_(?:\d+|\*))?(?:\+\d+)?"
_KINDS = "after|afterany|afterburstbuffer|aftercorr|afternotok|afterok|expand"
_WAITED = rf"(?:(?:{_KINDS})(?::{_JOB})+|singleton|{_JOB}(?::{_JOB})*)"
_DEPENDENCY = re.compile(rf"{_WAITED}(?:[,?]{_WAITED})*", re.IGNORECASE)
_RESOURCE = r"[^\s:=,-][^\s:=,]*(?:[:=][^\s:=,-][^\s:=,]*)*"
_GRES = re.compile(rf"{_RESOURCE}(?:,{_RESOURCE})*")


def _like(pattern: str | re.Pattern[str], text: str, hint: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise ValueError(hint)
    return text


def _word(text: str) -> str:
    return _like(r"[^\s\x00-\x1f\x7f]*", text, "write it without blanks and line ends")


def _line(text: str) -> str:
    return _like(r"[^\x00-\x1f\x7f]*", text, "write it in one line")


def _gres(text: str) -> str:
    return _like(_GRES, text, "write it NAME:COUNT or NAME:TYPE:COUNT, for example gpu:2")


def _dependency(text: str) -> str:
    return _like(_DEPENDENCY, text, "write it KIND:JOB, for example afterok:4711, or singleton")


_ORDER = ("given", "grouped", "own")


def _environment(
    inputs: Mapping[str, Value], execution: Mapping[str, Value], names: Mapping[str, Value], node: str
) -> dict[str, str]:
    found = {str(n): expand_braced(as_text(v), names) for n, v in _map(inputs.get("environment")).items()}
    _refuse_names(found, "environment", node)
    for word in _list(execution.get("env_vars")):
        name, _, value = as_text(word).partition("=")
        _refuse_names([name], "env_vars of execution_options", node)
        found[name] = expand_braced(value, names)
    return found


def _refuse_names(variables: Iterable[str], where: str, node: str) -> None:
    for variable in variables:
        if not is_variable(variable):
            raise WorkError(
                f"{node}: {where}: {variable!r} is no name of an environment variable",
                hint="a name is letters, digits and '_', and begins with no digit",
            )


def _map(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Value) -> Sequence[Value]:
    return value if isinstance(value, list | tuple) else []


_LAST_INDEX = 4_000_000
"""Slurm has no larger ones: MaxArraySize of slurm.conf(5) is at most one more."""


def array_indices(array: str) -> list[int]:
    """The indices of a job array: ``0-9``, ``1,3,5``, ``0-15:4``, a limit ``%4`` after them. Raises UserError."""
    found: list[int] = []
    listed, percent, limit = array.partition("%")
    for part in listed.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+)(?::(\d+))?)?", part.strip())
        if match is None or (percent and not re.fullmatch("0*[1-9][0-9]*", limit.strip())):
            raise UserError(f"{array!r} names no job array", hint="write it 0-9, 1,3,5 or 0-15:4, a limit %4 after it")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if last < first or step < 1 or last > _LAST_INDEX:
            hint = f"the last index is not before the first, the step is 1 or more, and all are {_LAST_INDEX} or less"
            raise UserError(f"{array!r} names no job array", hint=hint)
        found += range(first, last + 1, step)
    return found


def without_scheduler(submission: Submission) -> Submission:
    """The same job for a site where nothing queues jobs: its parts in turn, what concerns the queue left out."""
    options = submission.options
    array = options.array if options else ""
    if not (submission.directory or submission.sources or array):
        return submission
    lines = [f". {shlex.quote(path)} || exit 1" for path in submission.sources]
    lines += _in_directory(submission.argv, submission.directory)
    if array:
        lines += [
            "failed=0",
            f"for SLURM_ARRAY_TASK_ID in {' '.join(map(str, array_indices(array)))}; do",
            "  export SLURM_ARRAY_TASK_ID",
            '  "$@" || failed=$?',
            "done",
            'exit "$failed"',
        ]
    else:
        lines.append('exec "$@"')
    files = {**submission.files, "run": "\n".join([*lines, ""])}
    return replace(submission, argv=("/bin/bash", "run"), files=files)
