"""Batch scripts: inputs that are named in them as if orch filled them in, and their syntax."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from orchestrator.app.job_kinds import batch_script, job_kind
from orchestrator.jobs import slurm_job
from orchestrator.model.expressions import Expression, ListOf, Literal, MapOf
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span
from orchestrator.model.topology import NodeTemplate, Topology
from orchestrator.tosca import codes
from orchestrator.tosca.brought import bash_text_problems

_VARIABLE = re.compile(r"(?<!\\)\$(?:\{[#!]?([A-Za-z_]\w*)|([A-Za-z_]\w*))", re.ASCII)
_SHELL = re.compile(rb"#!\s*\S*[/ ](?:ba)?sh\b")
_TAKES_NAMES = "read|for|mapfile|readarray|getopts|printf\\s+-v"


def job_script_problems(topology: Topology) -> Iterator[Problem]:
    """Inputs that a batch script names and is not given, as warnings, and what bash refuses of it."""
    inputs = {*topology.inputs, *(name for workflow in topology.workflows.values() for name in workflow.inputs)}
    for node in topology.node_templates.values():
        if job_kind(node) is not slurm_job:
            continue
        text, file = _script(node)
        if not text:
            continue
        span = Span(file, 1, 1, 1, 1) if file else node.spans.get("properties.script", node.span)
        given = _given(node)
        for name in dict.fromkeys(_named(text)):
            if name in inputs and name not in given and not _set_in(text, name):
                message = f"in the script of {node.name}, ${{{name}}} is an empty variable of the shell, not the input"
                hint = f'give it to the script: environment: {{ {name}: "${{{name}}}" }}, or as an argument, "$1" there'
                yield Problem(codes.SCRIPT_VARIABLE, Severity.WARNING, message, span, hint)
        first = text.partition("\n")[0].encode("utf-8", "surrogateescape")
        if not first.startswith(b"#!") or _SHELL.match(first):
            for problem in bash_text_problems(text.encode("utf-8", "surrogateescape"), Path(file or topology.file)):
                yield problem if file else _in_topology(problem, span, node)


def _in_topology(problem: Problem, span: Span | None, node: NodeTemplate) -> Problem:
    """A problem of a text in the topology: its line counts from the beginning of the text."""
    line = problem.span.line if problem.span else 1
    message = f"{problem.message} (line {line} of the script of {node.name})"
    return msgspec.structs.replace(problem, message=message, span=span)


def _script(node: NodeTemplate) -> tuple[str, str]:
    """The text of a node's batch script, as far as it can be told, and its file where it is in one."""
    written = node.properties.get("script")
    if isinstance(written, Literal) and written.value:
        return str(written.value), ""
    artifact = node.artifacts.get("script")
    path = batch_script(node) or (artifact.path if artifact is not None else None)
    if written is not None or path is None:
        return "", ""
    try:
        return Path(path).read_bytes().decode("utf-8", "surrogateescape"), path
    except OSError:
        return "", ""


def _named(text: str) -> list[str]:
    return [match[1] or match[2] for match in _VARIABLE.finditer(text)]


def _set_in(text: str, name: str) -> bool:
    return bool(
        re.search(rf"(?:^|[\s;&|(]){name}(?:\[[^\]]*\])?\+?=", text, re.MULTILINE)
        or re.search(rf"\b(?:{_TAKES_NAMES})\b[^\n;]*\b{name}\b", text)
    )


def _given(node: NodeTemplate) -> set[str]:
    """The names of the environment variables that the job gets by itself."""
    found = set(_keys(node.properties.get("environment")))
    options = node.properties.get("execution_options")
    listed: object = None
    if isinstance(options, MapOf):
        listed = options.entries.get("env_vars")
    elif isinstance(options, Literal) and isinstance(options.value, dict):
        listed = Literal(options.value.get("env_vars"))
    words = listed.items if isinstance(listed, ListOf) else ()
    texts = listed.value if isinstance(listed, Literal) and isinstance(listed.value, list) else ()
    found.update(str(word.value).partition("=")[0] for word in words if isinstance(word, Literal))
    return found | {str(text).partition("=")[0] for text in texts}


def _keys(expression: Expression | None) -> list[str]:
    if isinstance(expression, MapOf):
        return list(expression.entries)
    if isinstance(expression, Literal) and isinstance(expression.value, dict):
        return [str(key) for key in expression.value]
    return []
