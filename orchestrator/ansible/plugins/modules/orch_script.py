"""Runs a script with variables in its environment, and gives back the variables that it has left.

The variables are the arguments of this module, which come through its standard input, and reach the script's shell
through a pipe: they are in no file, on no command line, and not among what the script's process was started with. What
the script leaves comes back through a file without a name.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = """
module: orch_script
short_description: runs a script and gives back variables that it sets
description:
  - A Bash script is sourced by a login shell. Its outputs are variables of the shell.
  - A Python script is run with the variables in its environment and as globals. Its outputs are globals.
options: {}
"""

BASH = "bash"
PYTHON = "python"
LIMIT = 1000000
GRACE = 5.0
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# What the script calls "exit" tells the variables first; so does its end. A trap of the script's own stays its own.
IN_BASH = """
while IFS= read -r -d '' orch__given <&%(given)d; do export "$orch__given" 2>/dev/null; done
exec %(given)d<&-
unset orch__given
orch__tell() {
  local orch__name
  for orch__name in %(names)s; do
    if [[ -n "${!orch__name+x}" ]]; then printf '%%s=%%s\\0' "$orch__name" "${!orch__name}"; fi
  done >&%(descriptor)d
}
exit() {
  local orch__code="${1-$?}"
  if [[ "$BASHPID" == "$$" ]]; then orch__tell; fi
  builtin exit "$orch__code"
}
source %(source)s
exit $?
"""

IN_PYTHON = """
import json, os, sys, traceback
path, descriptor, wanted = sys.argv[1], int(sys.argv[3]), json.loads(sys.argv[4])
with os.fdopen(int(sys.argv[2]), "rb") as file:
    given = dict(pair.decode("utf-8", "surrogateescape").split("=", 1) for pair in file.read().split(b"\\0") if pair)
os.environ.update(given)
sys.argv[:] = [path]
sys.path[0] = os.path.dirname(path)
space = {"__name__": "__main__", "__file__": path, "__builtins__": __builtins__}
space.update(given)
code = 0
try:
    with open(path, "rb") as file:
        source = file.read()
    exec(compile(source, path, "exec"), space)
except SystemExit as end:
    code = end.code
except BaseException as error:
    error.__traceback__ = error.__traceback__.tb_next
    traceback.print_exception(type(error), error, error.__traceback__)
    code = 1
with os.fdopen(descriptor, "w") as file:
    json.dump({name: space[name] for name in wanted if space.get(name) is not None}, file, default=str)
sys.exit(code)
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": [BASH, PYTHON], "required": True},
            "path": {"type": "str", "required": True},
            "folder": {"type": "str", "required": True},
            "variables": {"type": "dict", "required": True},
            "outputs": {"type": "list", "elements": "str", "required": True},
        }
    )
    arguments = module.params
    name = os.path.basename(arguments["path"])  # noqa: PTH119
    with (
        tempfile.TemporaryFile() as left,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryDirectory() as own,
    ):
        try:
            code = _run(arguments, own, left, out, err)
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"{name} cannot be run: {error}")
        texts = {"stdout": _text(out), "stderr": _text(err), "rc": code}
        if code != 0:
            how = f"exit code {code}" if code > 0 else f"signal {-code}"
            module.fail_json(msg=f"{name} ended with {how}", **texts)
        found = _found(arguments["kind"], left)
    missing = [wanted for wanted in arguments["outputs"] if wanted not in found]
    if missing:
        text = f"{name} ended without having set {', '.join(missing)}, which is wanted as an output"
        module.fail_json(msg=text, **texts)
    module.exit_json(changed=True, found=found, **texts)


def _run(arguments: dict[str, Any], own: str, left: BinaryIO, out: BinaryIO, err: BinaryIO) -> int:
    variables = {name: str(value) for name, value in arguments["variables"].items()}
    # bash keeps what it cannot name for its children, but only what it was started with
    unnamed = {n: v for n, v in variables.items() if arguments["kind"] == BASH and not NAME.fullmatch(n)}
    pairs = [f"{n}={v}\0".encode("utf-8", "surrogateescape") for n, v in variables.items() if n not in unnamed]
    given, giving = os.pipe()
    try:
        process = subprocess.Popen(
            _command(arguments, given, left.fileno(), own),
            env=_environment(unnamed),
            cwd=arguments["folder"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=(left.fileno(), given),
            preexec_fn=os.setpgrp,
        )
    except BaseException:
        os.close(giving)
        raise
    finally:
        os.close(given)
    threading.Thread(target=_give, args=(giving, b"".join(pairs)), daemon=True).start()
    threading.Thread(target=_end_when_left, args=(process.pid,), daemon=True).start()
    return process.wait()


def _give(descriptor: int, data: bytes) -> None:
    try:
        with os.fdopen(descriptor, "wb") as pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


def _command(arguments: dict[str, Any], given: int, descriptor: int, own: str) -> list[str]:
    path, names = arguments["path"], arguments["outputs"]
    if arguments["kind"] == PYTHON:
        words = [path, str(given), str(descriptor), json.dumps(names)]
        return [sys.executable, "-c", IN_PYTHON, *words]
    bash = shutil.which("bash")
    if bash is None:
        raise ValueError(
            "there is no bash on PATH: install it on the machine where this runs (`orch doctor` looks at orch's own)"
        )
    for name in names:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable of bash")
    text = IN_BASH % {"names": " ".join(names), "descriptor": descriptor, "given": given, "source": _source(path, own)}
    return [bash, "-l", "-c", text, path]


def _source(path: str, own: str) -> str:
    """The script as a word of bash: a copy where an editor of Windows has left a byte order mark or its line ends."""
    content = Path(path).read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ValueError("it is in UTF-16: save it in UTF-8")
    begin = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    cleaned = content[begin:].replace(b"\r\n", b"\n")
    if cleaned == content:
        return '"$0"'
    copy = Path(own, Path(path).name)
    copy.write_bytes(cleaned)
    return shlex.quote(str(copy))


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """The environment of this module, without what is meant for Ansible and gone when the run is over."""
    own = dict(os.environ)
    if "ORCH_EVENTS" in own:
        own = {n: v for n, v in own.items() if n not in ("ORCH_EVENTS", "TMPDIR") and not n.startswith("ANSIBLE_")}
    own.update(variables)
    return own


def _end_when_left(group: int) -> None:
    """End the script when nobody waits for this module any more: the connection is lost, the run was cancelled."""
    poll = select.poll()
    poll.register(1, 0)
    while not any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll()):
        pass
    try:
        os.killpg(group, signal.SIGTERM)
        time.sleep(GRACE)
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _text(file: BinaryIO) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LIMIT))
    return file.read().decode("utf-8", "replace")


def _found(kind: str, left: BinaryIO) -> dict[str, Any]:
    left.seek(0)
    data = left.read().decode("utf-8", "replace")
    if kind == PYTHON:
        return {name: _yorc(value) for name, value in json.loads(data or "{}").items()}
    return dict(entry.split("=", 1) for entry in data.split("\0") if entry)


def _yorc(value: Any) -> Any:
    """A value of Python as other implementations would have it: scalars as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


if __name__ == "__main__":
    main()
