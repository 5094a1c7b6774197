"""Packs orch and all that it needs for machines without the internet: one archive per kind of machine.

Each has the wheels for Python 3.11 to 3.14 on Linux with glibc 2.28 or newer, and a script that installs them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
GLIBC = ("2_28", "2_17")
OLD_NAMES = ("manylinux2014",)


def main() -> int:
    """Make the archives."""
    parser = argparse.ArgumentParser(prog="make wheelhouse", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="the folder for the archives")
    parser.add_argument("--machine", action="append", choices=MACHINES, help="only this kind of machine")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="orch-wheelhouse-") as name:
        folder = Path(name)
        uv("build", "-q", "--wheel", "--out-dir", folder, ROOT)
        (wheel,) = folder.glob("*.whl")
        version = wheel.name.split("-")[1]
        for machine in given.machine or MACHINES:
            archive = given.into / f"orch-{version}-{machine}.tar.gz"
            pack(archive, collect(folder / machine, wheel, machine))
            print(f"{archive}  ({archive.stat().st_size / 1e6:.0f} MB)")
            print(f"  to install: tar xzf {archive.name} && sh {archive.name.removesuffix('.tar.gz')}/install.sh")
    return 0


def collect(folder: Path, wheel: Path, machine: str) -> Path:
    """A folder with all that is needed on a kind of machine."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    (wheels / wheel.name).write_bytes(wheel.read_bytes())
    for python in PYTHONS:
        pins = folder / "pins.txt"
        platform = f"{machine}-manylinux_2_28"
        only = ("--only-binary", ":all:")
        choose = ("--python-version", python, "--python-platform", platform, *only, "--no-header", "--no-annotate")
        uv("pip", "compile", "-q", *choose, "-o", pins, ROOT / "pyproject.toml")
        with pins.open("a") as file:
            file.write("pip\n")
        kinds = [f"manylinux_{glibc}_{machine}" for glibc in GLIBC] + [f"{name}_{machine}" for name in OLD_NAMES]
        where = [word for kind in kinds for word in ("--platform", kind)]
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", *only, "--python-version", python, *where]
        subprocess.run([*pip, "-d", wheels, "-r", pins], check=True)
        pins.unlink()
    (folder / "machine").write_text(f"{machine}\n")
    (folder / "install.sh").write_bytes((ROOT / "release" / "install.sh").read_bytes())
    return folder


def pack(archive: Path, folder: Path) -> None:
    """Make the archive, whose one folder bears its name."""
    with tarfile.open(archive, "w:gz", compresslevel=1) as file:
        file.add(folder, archive.name.removesuffix(".tar.gz"))


def uv(*words: str | Path) -> None:
    """Run the uv that is installed beside this Python; it trusts whom pip trusts, the certificates of the system."""
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    subprocess.run([Path(sys.executable).with_name("uv"), *map(str, words)], env=environment, check=True)


if __name__ == "__main__":
    sys.exit(main())
