"""Programs for a shell: what of them the user's shell sees, and what of all that is said is their answer."""

from __future__ import annotations

import pytest

from orchestrator.errors import SiteError
from orchestrator.sites import shell


def test_the_line_for_the_users_shell_holds_no_word() -> None:
    assert set(shell.LINE) <= set("/bin/sh -s")


@pytest.mark.parametrize("login_shell", [False, True])
def test_each_program_has_a_mark_of_its_own(login_shell: bool) -> None:
    programs = [shell.command(["true"], login_shell=login_shell, data=False) for _ in range(3)]
    assert len({program.mark for program in programs}) == 3
    assert all(program.mark.strip() in program.text for program in programs)


class TestAnswers:
    def end(self, out: bytes, err: bytes = b"", status: int = 0) -> tuple[int, bytes, bytes]:
        program = shell.Program(b"", b"orch-1\n")
        done = shell.completed("site 'x'", program, status, out, err)
        return done.exit_status, done.stdout, done.stderr

    @pytest.mark.parametrize(
        ("said", "answer"),
        [
            (b"orch-1\nyes\n", b"yes\n"),
            (b"\x1b]0;title\x07orch-1\nyes\n", b"yes\n"),
            (b"Welcome\n@squeue 0\norch-1\n", b""),
            (b"hi orch-1\na\0b orch-1\nGoodbye\n", b"a\0b "),
        ],
    )
    def test_what_is_before_and_after(self, said: bytes, answer: bytes) -> None:
        assert self.end(said) == (0, answer, b"")

    def test_errors_are_told_apart_likewise(self) -> None:
        assert self.end(b"orch-1\n", b"stty: not a tty\norch-1\nno\n", 2) == (2, b"", b"no\n")

    def test_a_signal(self) -> None:
        assert self.end(b"orch-1\n", status=-9)[0] == 137

    @pytest.mark.parametrize(
        ("out", "err", "named"),
        [
            (b"This account is closed.\n", b"", "This account is closed."),
            (b"", b"sh: \x1b[1mnot found\n", "sh: [1mnot found"),
            (b"x" * 5000, b"", "x" * 300 + "'"),
        ],
    )
    def test_a_shell_that_does_not_come_to_the_program(self, out: bytes, err: bytes, named: str) -> None:
        with pytest.raises(SiteError, match="site 'x': the login shell does not run commands") as caught:
            self.end(out, err, 1)
        assert named in caught.value.message


@pytest.mark.parametrize(
    ("name", "tells"),
    [
        ("SLURM_JOB_ID", True),
        ("SBATCH_ACCOUNT", True),
        ("SQUEUE_FORMAT2", True),
        ("SACCT_FORMAT", True),
        ("SCANCEL_VERBOSE", True),
        ("SLURMD_NODENAME", True),
        ("SLURM_CONF", False),
        ("SLURMISH", False),
        ("MY_SLURM_JOB", False),
        ("PATH", False),
    ],
)
def test_which_variables_are_those_of_a_scheduler(name: str, tells: bool) -> None:
    assert shell.tells_a_scheduler(name) is tells


def test_a_nul_character_is_refused() -> None:
    with pytest.raises(SiteError, match="NUL"):
        shell.command(["echo", "a\0b"], login_shell=False, data=False)
