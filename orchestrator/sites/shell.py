"""What a shell at a site is sent, and how its answer is told from whatever else is said there.

The line for the user's own shell, which may be any, is always :data:`LINE`. A program for ``sh`` goes over its standard
input, in one piece that is carried out when all of it has arrived; users' words are quoted in it. It prints a random
mark just before it begins: what a login shell says before that (a title, a welcome) is no answer. Nothing that it
starts reads the rest of the program, and no variable by which a scheduler is told what to do reaches it.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.errors import SiteError
from orchestrator.sites.completed import Completed

LINE = "/bin/sh -s"
"""Means the same to sh, bash, tcsh and fish, whatever `sh` is an alias of."""

_PREFIXES = (
    *("SLURM_", "SLURMD_", "SBATCH_", "SALLOC_", "SRUN_", "SQUEUE_", "SACCT_", "SACCTMGR_", "SCANCEL_", "SCONTROL_"),
    *("SINFO_", "SPRIO_", "SREPORT_", "SSHARE_", "SSTAT_"),
)
_KEPT = ("SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT")
"""They say where Slurm is, and who asks; not what it is to do."""

_SHOWN = 300


def tells_a_scheduler(name: str) -> bool:
    """Whether a variable is one by which Slurm's commands are told what to do, or by which a job knows of itself.

    Those of whoever runs orch are not meant for the jobs that orch submits.
    """
    return name.startswith(_PREFIXES) and name not in _KEPT


_UNSET = f"""for orch_name in $(env | sed -n 's/=.*//p'); do
case $orch_name in
*[!A-Za-z0-9_]*|{"|".join(_KEPT)}) ;;
{"|".join(f"{prefix}*" for prefix in _PREFIXES)}) unset "$orch_name" ;;
esac
done
unset orch_name
"""

_FOUND = """command -v {name} >/dev/null 2>&1 || {{ printf '%s: command not found\\n' {name} >&2; exit 127; }}
"""


@dataclass(frozen=True)
class Program:
    """A program for ``sh``, and the mark that it prints before its answer (and after it, where more may be said)."""

    text: bytes
    mark: bytes


def command(words: Sequence[str], *, login_shell: bool, data: bool) -> Program:
    """A program that runs a command; with ``data``, the command reads what comes after the program, else nothing."""
    quoted = shlex.join(words)
    if login_shell:
        return _in_login_shell(f"{quoted}\n", data=data)
    found = _FOUND.format(name=shlex.quote(words[0]))
    return _in_sh(f"{found}exec {quoted}\n", data=data)


def script(text: str, *, login_shell: bool) -> Program:
    """A program that carries a text for ``sh`` out; with ``login_shell``, for bash when it has read its profile."""
    return _in_login_shell(text, data=False) if login_shell else _in_sh(text, data=False)


def completed(place: str, program: Program, status: int, out: bytes, err: bytes) -> Completed:
    """The end of a program, of which all that was said is given; ``status`` is negative for a signal.

    Raises SiteError for a shell that has not come to the program.
    """
    stdout = _answer(program.mark, out)
    if stdout is None:
        text = shown(err) or shown(out)
        raise SiteError(
            f"{place}: the login shell does not run commands; it ended with exit status {status}"
            + (f", and said {text!r}" if text else ""),
            hint="see what `ssh USER@HOST true` does: the account needs a shell, and its startup files must not end it",
        )
    stderr = _answer(program.mark, err)
    return Completed(status if status >= 0 else 128 - status, stdout, err if stderr is None else stderr)


def _answer(mark: bytes, said: bytes) -> bytes | None:
    """What comes after the mark; None when there is none."""
    _, found, rest = said.partition(mark)
    return rest.partition(mark)[0] if found else None


def shown(said: bytes) -> str:
    """What a shell said, as one short line of printable text."""
    text = said.decode(errors="replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_SHOWN]


def _in_sh(text: str, *, data: bool) -> Program:
    mark = _new_mark()
    source = "" if data else "exec </dev/null\n"
    # a shell carries such braces out only when it has read all of them: a program that broke off does nothing
    return _program(f"{{\n{_UNSET}{_printed(mark)}{source}{text}\n}}\n", mark)


def _in_login_shell(text: str, *, data: bool) -> Program:
    """bash reads its profile with nothing on standard input; the program comes as descriptor 9, data as 8.

    Without ``exit`` at the end ``.bash_logout`` is not read; what is said at the end comes after a second mark.
    """
    mark = _new_mark()
    source = "exec <&8\n" if data else ""
    inner = f"(\nexec 9<&-\n{_UNSET}{_printed(mark)}{source}exec 8<&-\n{text}\n)\n"
    inner += f"orch_code=$?\n{_printed(mark)}(exit $orch_code)\n"
    end = secrets.token_hex(16)
    start = f"""exec bash -lc 'eval "$(cat <&9)"' 8<&0 9<<'{end}' </dev/null\n{inner}{end}\n"""
    return _program(f"{{\n{start}}}\n", mark)


def _new_mark() -> str:
    return f"orch-{secrets.token_hex(16)}"


def _printed(mark: str) -> str:
    return f"printf '%s\\n' {mark}; printf '%s\\n' {mark} >&2\n"


def _program(text: str, mark: str) -> Program:
    if "\0" in text:
        raise SiteError("a word of a command has a NUL character, which no program can be given")
    return Program(text.encode("utf-8", "surrogateescape"), f"{mark}\n".encode())
