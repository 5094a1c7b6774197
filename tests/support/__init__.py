"""What tests share."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def required(condition: bool, reason: str) -> None:
    """Skip with a reason when something is missing; in CI a missing thing is a failure."""
    if condition:
        return
    if os.environ.get("CI"):
        pytest.fail(f"missing in CI: {reason}")
    pytest.skip(reason)


def unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack an archive that is trusted. Python before 3.11.4 has no filters."""
    if hasattr(tarfile, "data_filter"):
        archive.extractall(folder, filter="data")
    else:
        archive.extractall(folder)


@contextmanager
def small_file_system(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own with little space (``size`` as mount(8) has it for tmpfs). Needs root."""
    with mounted_folder(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield folder


@contextmanager
def mounted_folder(folder: Path, *words: str) -> Iterator[Path]:
    """Something mounted at a folder, as mount(8) is told to. Needs root."""
    folder.mkdir()
    done = subprocess.run(["mount", *words, str(folder)], capture_output=True, text=True)
    required(done.returncode == 0, f"cannot mount a file system (root?): {done.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def debian_program(name: str, package: str) -> str:
    """The path of a program; as root on Debian its package is installed when it is missing."""
    folders = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if shutil.which(name, path=folders) is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in (["update", "-q"], ["install", "-qy", "--no-install-recommends", package]):
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", *words], env=quiet, capture_output=True, check=False)
    path = shutil.which(name, path=folders)
    required(path is not None, f"{name} is not installed (Debian: apt-get install {package})")
    assert path is not None
    return path
