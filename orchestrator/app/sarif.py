"""Problems as a SARIF 2.1.0 log (OASIS), which editors and code-hosting services show in place."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestrator.app.explain import KINDS
from orchestrator.model.problems import Problem, Severity
from orchestrator.model.source import Span

VERSION = "2.1.0"
SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "ROOT"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning"}


def sarif(problems: Sequence[Problem], tool_version: str, root: Path) -> dict[str, Any]:
    """A log of one run. ``tool_version`` is that of orch; files under ``root`` are named relative to it."""
    codes = list(dict.fromkeys(problem.code for problem in problems))
    driver: dict[str, Any] = {"name": "orch", "rules": [_rule(code) for code in codes]}
    if tool_version:
        driver["version"] = tool_version
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"uri": f"{root.absolute().as_uri().rstrip('/')}/"}},
        "results": [_result(problem, codes.index(problem.code), root) for problem in problems],
    }
    return {"$schema": SCHEMA, "version": VERSION, "runs": [run]}


def orch_version() -> str:
    """The version of orch that is installed, empty when it runs from its sources."""
    try:
        return version("tosca-orch")
    except PackageNotFoundError:
        return ""


def _rule(code: str) -> dict[str, Any]:
    kind = KINDS.get(code)
    if kind is None:
        return {"id": code}
    words = "".join(word.capitalize() for word in "".join(c if c.isalnum() else " " for c in kind.title).split())
    return {
        "id": code,
        "name": words,
        "shortDescription": {"text": kind.title},
        "fullDescription": {"text": kind.explanation},
        "help": {"text": kind.remedy, "markdown": f"{kind.explanation}\n\n**Remedy:** {kind.remedy}"},
    }


def _result(problem: Problem, index: int, root: Path) -> dict[str, Any]:
    text = f"{problem.message}. Hint: {problem.hint}" if problem.hint else problem.message
    result: dict[str, Any] = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": _LEVELS[problem.severity],
        "message": {"text": text},
    }
    if problem.span is not None:
        result["locations"] = [_location(problem.span, root)]
    if problem.related:
        result["relatedLocations"] = [
            {"id": number, **_location(related.span, root), "message": {"text": related.message}}
            for number, related in enumerate(problem.related, start=1)
        ]
    return result


def _location(span: Span, root: Path) -> dict[str, Any]:
    region = {"startLine": max(span.line, 1), "startColumn": max(span.column, 1)}
    if (span.end_line, span.end_column) > (span.line, span.column):  # the end is exclusive in SARIF too
        region |= {"endLine": span.end_line, "endColumn": max(span.end_column, 1)}
    return {"physicalLocation": {"artifactLocation": _artifact(span.file, root), "region": region}}


def _artifact(file: str, root: Path) -> dict[str, str]:
    path = root.absolute() / file
    try:
        relative = path.relative_to(root.absolute())
    except ValueError:
        return {"uri": path.as_uri()}
    if ".." in relative.parts:
        return {"uri": path.resolve().as_uri()}
    return {"uri": quote(relative.as_posix()), "uriBaseId": _ROOT}
