"""What is submitted for a PyCOMPSs job: the contract of the eFlows4HPC plugin for Yorc, without its shell.

Inputs ``qos``, ``num_nodes`` and ``extra_compss_opts`` (plain, or with the node's name before them) override the
properties; ``${name}`` of workflow inputs is expanded in command, arguments and options.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from orchestrator.errors import WorkError
from orchestrator.jobs.batch import split_words
from orchestrator.jobs.expansion import as_text, expand
from orchestrator.jobs.preparation import program, python_of_jobs
from orchestrator.jobs.submission import BatchOptions, JobContext, Submission, first_given, workflow_variables
from orchestrator.jobs.written import as_written, split_arguments
from orchestrator.model.values import Value
from orchestrator.services import application
from orchestrator.sites import SchedulerKind


def pycompss_first_generation(inputs: Mapping[str, Value], context: JobContext) -> Submission:
    """``pycomps.ansible.nodes.PyCOMPSJob``: the same job, said in single properties."""
    image = first_given(inputs, "transferred_container_image", "transferred_container_image_submit", "container_image")
    names = ("num_nodes", "qos", "python_interpreter", "extra_compss_opts")
    translated: dict[str, Value] = {
        "application": {
            "command": inputs.get("command"),
            "arguments": inputs.get("arguments"),
            "container_opts": {"container_image": image},
        },
        "submission_params": {name: inputs.get(name) for name in names},
        "num_nodes_input": inputs.get("num_nodes_input"),
    }
    environment = {
        f"{way}_DATA_PATH": as_text(first_given(inputs, f"{way.lower()}_data_path_input", f"{way.lower()}_data_path"))
        for way in ("INPUT", "OUTPUT")
    }
    return pycompss(translated, context, environment)


def pycompss(
    inputs: Mapping[str, Value], context: JobContext, environment: Mapping[str, str] = MappingProxyType({})
) -> Submission:
    """``org.eflows4hpc.pycompss.plugin.nodes.PyCOMPSJob`` as a job of the site.

    On a cluster with COMPSs, enqueue_compss submits it; on one without, the scheduler runs it with orch's stand-in.
    """
    job = _read(inputs, context, environment)
    if context.site.scheduler is SchedulerKind.LOCAL:
        return _beside(job, context)
    modules = context.site.modules or tuple(as_text(m) for m in job.modules)
    if context.site.pycompss.enqueue:
        words = enqueue_words(job, context)
        variables = {**context.site_variables, **job.environment}
        return Submission(words, {}, modules=modules, environment=variables, by_itself=True, outputs=_OUTPUTS)
    return Submission(
        argv=(context.site.pycompss.python, f"{PROGRAM}/application.py", "request.json"),
        files={"request.json": json.dumps({**job.request(), "num_nodes": 1, "qos": ""}, indent=1)},
        outputs=_OUTPUTS,
        options=_options(job),
        modules=context.site.modules,
        environment=context.site_variables,
        with_program=True,
    )


def _beside(job: _Job, context: JobContext) -> Submission:
    """The job on this machine, with the Python of whoever runs orch: there are the packages of the program."""
    path = context.site_variables.get("PATH")
    prepared = program("application", {**job.request(), "runcompss": _found(context.site.pycompss.runcompss, path)})
    words = (python_of_jobs(context), application.__file__, *prepared.argv[3:])
    return replace(prepared, argv=words, environment=context.site_variables)


PROGRAM = "program"
"""In the folder of a job at a site, a link to the folder with the program that runs PyCOMPSs programs there."""

_OUTPUTS = MappingProxyType({"execution_url": ""})
_SHELL = (".sh", ".bash", ".csh", ".ksh", ".zsh")
_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./~^#-]+")
_CONTAINER = ("container_compss_path", "container_opts")


@dataclass(frozen=True)
class _Job:
    """What is to be run, with everything looked up."""

    image: str | None
    unpack_folder: str
    command: str
    arguments: tuple[str, ...]
    extra_options: tuple[str, ...]
    python_interpreter: str
    environment: Mapping[str, str]
    num_nodes: int
    qos: str
    modules: Sequence[Value]
    container: Mapping[str, str]

    def request(self) -> dict[str, Value]:
        """The request to our own program."""
        return {
            "image": self.image,
            "unpack_folder": self.unpack_folder,
            "command": self.command,
            "arguments": list(self.arguments),
            "extra_options": list(self.extra_options),
            "python_interpreter": self.python_interpreter,
            "environment": dict(self.environment),
            "num_nodes": self.num_nodes,
            "qos": self.qos,
        }


def _read(inputs: Mapping[str, Value], context: JobContext, environment: Mapping[str, str]) -> _Job:
    application = inputs.get("application") or {}
    parameters = inputs.get("submission_params") or {}
    names = workflow_variables(context.workflow_inputs, context.node)

    def setting(name: str) -> Value:
        own = first_given(context.workflow_inputs, f"{context.node}_{name}", name)
        return first_given(
            {"own": own, "input": inputs.get(f"{name}_input"), "set": parameters.get(name)}, "own", "input", "set"
        )

    command = as_text(application.get("command"))
    if not command:
        raise WorkError(f"{context.node}: no command is given", hint="set application.command")
    if command.endswith(_SHELL):
        raise WorkError(
            f"{context.node}: the command {command} is a shell script, and a PyCOMPSs job runs a Python program",
            hint="run it as a job of the type orch.nodes.SlurmJob, or name the Python program in application.command",
        )
    arguments = application.get("arguments") or []
    container = application.get("container_opts") or {}
    image = first_given(
        {**inputs, "own": container.get("container_image")}, "image_file_path_start", "image_file_path_submit", "own"
    )
    options = split_words(as_text(setting("extra_compss_opts")), "extra_compss_opts", context.node)
    return _Job(
        image=None if image is None else as_text(image),
        unpack_folder=str(context.folders.unpacked),
        command=expand(command, names),
        arguments=tuple(split_arguments(as_written(arguments, context.arguments), names, context.node)),
        # split first: an input with blanks or quotes in it stays one word
        extra_options=tuple(expand(word, names) for word in options),
        python_interpreter=as_text(parameters.get("python_interpreter")),
        environment=environment,
        num_nodes=_count(setting("num_nodes"), context.node),
        qos=expand(as_text(setting("qos")), names),
        modules=parameters.get("compss_modules") or [],
        container={name: as_text(container.get(name)) for name in _CONTAINER},
    )


def enqueue_words(job: _Job, context: JobContext) -> tuple[str, ...]:
    """The command line of enqueue_compss (its option help is in ``pycompss-cli``).

    It writes its words into a shell script, so they must be plain. Raises WorkError for one that is not.
    """
    site = context.site
    flags = {
        "job_name": context.token,
        "sc_cfg": site.pycompss.sc_cfg,
        "num_nodes": str(job.num_nodes),
        "qos": job.qos or site.slurm.qos,
        "queue": site.slurm.partition,
        "project_name": site.slurm.account,
        "lang": "python",
        "python_interpreter": job.python_interpreter,
        "container_image": job.image or "",
        **(job.container if job.image else {}),
    }
    said = {word.lstrip("-").partition("=")[0] for word in job.extra_options}
    own = [f"--{name}={value}" for name, value in flags.items() if value and name not in said - {"job_name"}]
    extra = [word for word in job.extra_options if not re.match(r"--?job_name\b", word)]
    words = [*own, *extra, job.command, *job.arguments]
    for word in words:
        # the container's options are for its engine, and have blanks between them
        if not _PLAIN.fullmatch(word.replace(" ", "") if word.startswith("--container_opts=") else word):
            raise WorkError(
                f"{context.node}: {word!r} cannot be given to enqueue_compss, which writes it into a shell script",
                hint="use letters, digits and _@%+=:,./~^#- in it; put other data into a file, and give its path",
            )
    return (site.pycompss.enqueue, *words)


def _options(job: _Job) -> BatchOptions:
    """What enqueue_compss would ask Slurm for."""
    pairs = [word.lstrip("-").partition("=") for word in job.extra_options]
    said = {name: value for name, _, value in pairs}
    return BatchOptions(
        nodes=job.num_nodes,
        tasks=job.num_nodes,
        qos=said.get("qos", job.qos),
        time=said.get("exec_time", ""),
        partition=said.get("queue", ""),
        account=said.get("project_name", ""),
        reservation=said.get("reservation", ""),
        constraint=said.get("constraints", ""),
    )


def _count(value: Value, node: str) -> int:
    try:
        return int(value if value not in (None, "") else 1)
    except (TypeError, ValueError) as error:
        raise WorkError(f"{node}: num_nodes must be a whole number, not {value!r}") from error


def _found(command: str, where: str | None) -> str | None:
    path = shutil.which(command, path=where)
    return str(Path(os.path.abspath(path))) if path else None  # noqa: PTH100 keep links: runcompss finds its home by them
