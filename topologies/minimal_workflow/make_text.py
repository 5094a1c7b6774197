"""Writes a real text of 1.2 MB or a little more: modules of Python's standard library, in the order of their names.

    make_text.py FILE

The same Python always writes the same text. FILE appears whole or not at all, and its folder is made.
"""

import os
import sys
import sysconfig
from pathlib import Path

ENOUGH = 1_200_000


def modules():
    """The source files of the standard library's single modules; those that describe one machine's build are left out."""
    folder = Path(sysconfig.get_path("stdlib"))
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_sysconfigdata"))


def make_text():
    """The text. Ends the program where the standard library comes without enough source."""
    text = bytearray()
    for module in modules():
        text += module.read_bytes().rstrip() + b"\n\n"
        if len(text) >= ENOUGH:
            return bytes(text)
    sys.exit(f"make_text.py: only {len(text)} bytes of source in {sysconfig.get_path('stdlib')}; install a whole Python")


def main(arguments):
    if len(arguments) != 1:
        sys.exit("usage: make_text.py FILE")
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        scratch.write_bytes(make_text())
        scratch.replace(target)
    finally:
        scratch.unlink(missing_ok=True)
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"make_text.py: {error}")
