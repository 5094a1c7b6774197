"""Use case: write a file of inputs that only needs to be filled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml

from orchestrator.app.inputs import InputUse
from orchestrator.errors import StorageError, UserError
from orchestrator.model.values import Value

_WIDTH = 100


def inputs_text(inputs: Sequence[InputUse], title: str, command: str) -> str:
    """An inputs file: each input with what is known of it. Required ones are open, others have their defaults.

    ``title`` says what the inputs are for, ``command`` how the file is used.
    """
    lines = [*_comment(f"Inputs of {title}"), *_comment(f"To be used with: {command}")]
    if not inputs:
        lines += ["", "# There are none."]
    for item in inputs:
        lines += ["", *_about(item), *_entry(item)]
    return "\n".join(lines) + "\n"


def write_inputs(file: Path, text: str) -> None:
    """Write an inputs file; one that is there is left alone.

    Raises UserError when there is one already, StorageError when it cannot be written.
    """
    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UserError(f"{file} is there already", hint="name another file with -o, or remove this one") from error
    except OSError as error:
        raise StorageError(f"{file}: the inputs file cannot be written: {error.strerror}") from error


def _about(item: InputUse) -> list[str]:
    need = "required" if item.required else "optional" if item.default is None else "has a default"
    lines = [line for text in item.description.splitlines() for line in _comment(text)]
    lines += _comment(f"({item.type}, {need})")
    if item.used_by:
        lines += _comment(f"used by {', '.join(item.used_by)}")
    return lines


def _entry(item: InputUse) -> list[str]:
    if item.default is not None:
        return _yaml(item.name, item.default)
    name = _yaml(item.name, None)[0].removesuffix(" null")
    return [name] if item.required else [f"# {name}"]


def _yaml(name: str, value: Value) -> list[str]:
    # PyYAML writes some separators (U+0085, say) bare, and reads them back as blanks: those are escaped
    readable = msgspec.json.encode([name, value]).decode().isprintable()
    text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=readable, width=_WIDTH)
    return text.rstrip("\n").split("\n")


def _comment(text: str) -> list[str]:
    # no character that ends a line in YAML may end the comment
    return [f"# {' '.join(text.split())}"]
