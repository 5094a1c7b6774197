"""What the tests of reading share: a catalog of the public samples, and documents written in place."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.tosca import Catalog, Reading, read_text


@pytest.fixture(scope="session")
def sample_catalog(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """A catalog of the sample profiles only."""
    folder = tmp_path_factory.mktemp("catalog")
    for file in [*(samples / "types").glob("*.yml"), *(samples / "profiles").glob("*.yml")]:
        (folder / file.stem).mkdir()
        shutil.copy(file, folder / file.stem / "types.yaml")
    return Catalog([folder], shipped=False)


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Reading]:
    """Reads a document that is written in the test; its file is called ``doc.yaml``."""

    def read_document(text: str, catalog: Catalog | None = None) -> Reading:
        return read_text(textwrap.dedent(text).lstrip("\n"), "doc.yaml", tmp_path, catalog or Catalog(shipped=False))

    return read_document
