"""The metadata of a document, read without the document: what catalogs and archives need to know of it."""

from __future__ import annotations

from pathlib import Path

import yaml

from orchestrator.tosca.yaml_reader import event_loader

MAX_BYTES = 1024 * 1024
VERSION_KEYNAME = "tosca_definitions_version"


def metadata_of_file(file: Path) -> dict[str, str]:
    """:func:`metadata_of` a file; nothing when it cannot be read."""
    try:
        with file.open("rb") as stream:
            return metadata_of(stream.read(MAX_BYTES))
    except OSError:
        return {}


def metadata_of(data: bytes) -> dict[str, str]:
    """The texts under ``metadata`` and those at the top of a document, reading no further than needed.

    Simple Profile 1.0 has name and version at the top. Nothing is given for what is no YAML.
    """
    try:
        return _scan(data.decode("utf-8-sig", "ignore"))
    except (yaml.YAMLError, UnicodeError):
        return {}


def _scan(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    path: list[str | None] = []  # the key of every open container that is waiting for a value
    metadata_seen = False
    loader = event_loader(text)
    try:
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                path.append(None)
            elif isinstance(event, yaml.CollectionEndEvent):
                path.pop()
                metadata_seen = metadata_seen or path == ["metadata"]
                if metadata_seen and VERSION_KEYNAME in found:
                    break
                if path:
                    path[-1] = None
            elif isinstance(event, yaml.ScalarEvent) and path:
                if path[-1] is None:
                    path[-1] = event.value
                    continue
                if len(path) == 1 or (len(path) == 2 and path[0] == "metadata"):
                    found[path[-1]] = event.value
                path[-1] = None
    except yaml.YAMLError:
        if not found:
            raise
    finally:
        loader.dispose()
    return found
