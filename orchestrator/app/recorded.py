"""Topologies as records keep them: what ships with orch is named for what it is; an upgrade may put it elsewhere."""

from __future__ import annotations

import re
from functools import cache
from typing import TypeVar

import msgspec

from orchestrator import resources
from orchestrator.model.decoding import from_json

T = TypeVar("T")


def recorded(topology: object) -> bytes:
    """The JSON of a topology, or of what holds one, for the store."""
    text = msgspec.json.encode(topology)
    for here, mark in _folders():
        # at the beginning of a string only: it may be a part of another path
        text = re.sub(rb'(?<!\\)"' + re.escape(here), b'"' + mark.replace(b"\\", rb"\\"), text)
    return text


def from_record(data: bytes, kind: type[T]) -> T:
    """What :func:`recorded` has written, with the files of the orch that reads it. Raises msgspec.DecodeError."""
    for here, mark in _folders():
        data = data.replace(mark, here)
    return from_json(data, kind)


@cache
def _folders() -> tuple[tuple[bytes, bytes], ...]:
    """Folders of this installation, and what stands for them: no text of a topology has a NUL."""
    shipped = {"playbooks": resources.playbooks_folder(), "tosca_types": resources.types_folder()}
    return tuple((_inside(f"{folder}/"), _inside(f"\0{name}\0/")) for name, folder in shipped.items())


def _inside(text: str) -> bytes:
    """A text as it stands in a string of JSON."""
    return msgspec.json.encode(text)[1:-1]
