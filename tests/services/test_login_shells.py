"""SSH to accounts whose shell is another one, or speaks, or does not let programs in."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from pathlib import Path

import pytest
from support import debian_program
from support.orch import Orch
from support.sshd import ssh_server

from orchestrator.errors import SiteError
from orchestrator.model.values import Secret
from orchestrator.sites import Connection, LocalConnection, SshSettings
from orchestrator.sites.ssh import SshConnection

HOSTILE = ["; touch x", "$(touch x)", "`id`", "'", '"', "a\nb", "-n", "", "ä", "\\", "* ~ {1,2}", "a!b", "!!", "\udcff"]
SPEAKING = {
    "a title": "printf '\\033]0;%s@login\\007' me",
    "a welcome": "echo Welcome; echo 'Quota: 3 GB' >&2",
    "no line end": "printf 'x'; printf y >&2",
    "the word sftp would begin with": "printf 'abc'",
}
SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@contextmanager
def login(folder: Path, **options: str) -> Iterator[SshConnection]:
    """A connection to a server with other options."""
    options.setdefault("Subsystem", f"sftp {SFTP_SERVER}")
    with ssh_server(folder, **options) as server:
        settings = SshSettings("127.0.0.1", getuser(), server.port, host_key=server.host_key, ride_out=5, site="there")
        opened = SshConnection(settings, Secret(server.user_key))
        try:
            yield opened
        finally:
            opened.close()


@contextmanager
def with_bashrc(folder: Path, text: str, **options: str) -> Iterator[SshConnection]:
    """A connection to an account of bash with such a ``.bashrc``, which is its ``.profile``, too."""
    home = folder / "home"
    home.mkdir(parents=True)
    for name in (".bashrc", ".profile"):
        (home / name).write_text(text + "\n")
    with login(folder / "server", SetEnv=f"HOME={home}", **options) as opened:
        yield opened


@contextmanager
def with_shell(folder: Path, shell: str, **options: str) -> Iterator[SshConnection]:
    """A connection to an account whose shell is another one."""
    path = debian_program(shell, shell)
    command = folder / "as-login-shell"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(path)} -c "$SSH_ORIGINAL_COMMAND"\n')
    command.chmod(0o755)
    with login(folder / "server", ForceCommand=str(command), **options) as opened:
        yield opened


@pytest.mark.parametrize("shell", ["tcsh", "fish", "dash"])
def test_other_shells_see_no_word(shell: str, tmp_path: Path) -> None:
    odd = tmp_path / "a!b dir's"
    odd.mkdir()
    (odd / "f.txt").write_text("x\n")
    with with_shell(tmp_path, shell) as opened:
        for login_shell in (False, True):
            done = opened.run(["printf", "%s\\0", *HOSTILE], login_shell=login_shell)
            assert done.stdout.decode(errors="surrogateescape").split("\0")[:-1] == HOSTILE
        assert opened.run(["cat"], stdin=b"\0\xff!!\n'").stdout == b"\0\xff!!\n'"
        assert opened.run(["sh", "-c", "exit 7"]).exit_status == 7
        opened.get(str(odd), tmp_path / "back!")
        assert (tmp_path / "back!" / "f.txt").read_text() == "x\n"
        opened.put(tmp_path / "back!", f"{odd}/again !!")
        assert (odd / "again !!" / "f.txt").read_text() == "x\n"


def test_what_is_an_alias_is_not_run(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".cshrc").write_text("alias sh echo\nalias cd echo\necho Hello\n")
    with with_shell(tmp_path, "tcsh", SetEnv=f"HOME={home}") as opened:
        assert opened.run(["echo", "x"]).stdout == b"x\n"
        assert opened.home() == str(home)


@pytest.mark.parametrize("text", SPEAKING.values(), ids=SPEAKING)
def test_what_a_login_shell_says_is_no_answer(text: str, tmp_path: Path) -> None:
    with with_bashrc(tmp_path, text, Subsystem="sftp internal-sftp") as opened:
        for login_shell in (False, True):
            done = opened.run(["sh", "-c", "echo out; echo err >&2; exit 3"], login_shell=login_shell)
            assert (done.exit_status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
            done = opened.run(["cat"], stdin=b"a\0b", login_shell=login_shell)
            assert done.stdout == b"a\0b"
            done = opened.run_script("echo out; exit 4", login_shell=login_shell)
            assert (done.exit_status, done.stdout, done.stderr) == (4, b"out\n", b"")
        (tmp_path / "file").write_text("text")
        opened.put(tmp_path / "file", str(tmp_path / "copy"))  # internal-sftp asks no shell
        assert (tmp_path / "copy").read_text() == "text"


def test_what_is_said_at_the_end_is_no_answer(tmp_path: Path) -> None:
    with with_bashrc(tmp_path, "trap 'echo Goodbye; echo bye >&2' EXIT") as opened:
        (tmp_path / "home" / ".bash_logout").write_text("echo logout\n")
        done = opened.run_script("echo out; exit 4", login_shell=True)
        assert (done.exit_status, done.stdout, done.stderr) == (4, b"out\n", b"")


@pytest.mark.parametrize(
    ("text", "said"), list(zip(SPEAKING.values(), ["me@login", "Welcome", "x", "abc"], strict=True)), ids=SPEAKING
)
def test_sftp_that_is_disturbed_is_named_with_the_text(text: str, said: str, tmp_path: Path) -> None:
    with (
        with_bashrc(tmp_path, text) as opened,
        pytest.raises(SiteError, match=rf"SFTP.* is disturbed: .*{said}") as caught,
    ):
        opened.put(Path(__file__), str(tmp_path / "copy"))
    assert "internal-sftp" in str(caught.value.hint)
    assert ".bashrc" in str(caught.value.hint)


def test_a_shell_that_lets_no_program_in(tmp_path: Path) -> None:
    with (
        with_bashrc(tmp_path, "echo 'This account is not available.'; exit 1") as opened,
        pytest.raises(SiteError, match=r"site 'there': .* exit status 1, and said 'This account is not available\.'"),
    ):
        opened.run(["true"])


@pytest.fixture(params=["local", "ssh"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """A connection to this machine, of each kind."""
    if request.param == "local":
        yield LocalConnection()
        return
    with login(tmp_path / "either") as opened:
        yield opened


class TestPrograms:
    @pytest.mark.parametrize("login_shell", [False, True])
    def test_what_is_started_reads_nothing_of_the_program(self, either: Connection, login_shell: bool) -> None:
        text = "cat\nsh -c 'read -r line; echo \"<$line>\"'\nhead -c 5\necho end\n"
        done = either.run_script(text, login_shell=login_shell)
        assert (done.exit_status, done.text) == (0, "<>\nend\n")
        assert either.run(["cat"], login_shell=login_shell).text == ""

    @pytest.mark.parametrize("login_shell", [False, True])
    def test_much_data(self, either: Connection, login_shell: bool) -> None:
        data = bytes(range(256)) * 4000
        assert either.run(["cat"], stdin=data, login_shell=login_shell).stdout == data

    @pytest.mark.parametrize("size", [1, 2_000_000])
    def test_data_that_nobody_reads(self, either: Connection, size: int) -> None:
        done = either.run(["echo", "hi"], stdin=b"x" * size)
        assert (done.exit_status, done.text) == (0, "hi\n")
        assert either.run(["true"], stdin=b"x" * size, login_shell=True).exit_status == 0

    def test_a_command_that_is_not_there(self, either: Connection) -> None:
        done = either.run(["no-such-command", "x"])
        assert (done.exit_status, done.error_text) == (127, "no-such-command: command not found")

    def test_a_program_that_is_long_and_holds_text_of_any_kind(self, either: Connection) -> None:
        text = "'\"$(id)`id`\\\n" * 20_000
        done = either.run_script(f"printf %s {shlex.quote(text)}\n")
        assert done.text == text

    @pytest.mark.parametrize("login_shell", [False, True])
    def test_variables_of_a_scheduler_stay_away(
        self, either: Connection, login_shell: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("SLURM_JOB_ID", "SBATCH_ACCOUNT", "SQUEUE_FORMAT", "SACCT_FORMAT", "SCANCEL_STATE", "SLURM_CONF"):
            monkeypatch.setenv(name, "x y\nSLURM_ z; touch")
        names = either.run(["env"], login_shell=login_shell).text
        assert "SBATCH" not in names
        found = either.run_script("env; echo ${SQUEUE_FORMAT-none}", login_shell=login_shell).text
        assert found.endswith("none\n")
        assert [line for line in found.splitlines() if line.startswith("SLURM_JOB")] == []
        if isinstance(either, LocalConnection):
            assert "SLURM_CONF=x y" in found  # it says where Slurm is


def test_variables_of_a_scheduler_that_a_profile_sets(tmp_path: Path) -> None:
    with with_bashrc(tmp_path, "export SQUEUE_PARTITION=mine SBATCH_TIMELIMIT=1 OTHER=kept") as opened:
        for login_shell in (False, True):
            found = opened.run(["env"], login_shell=login_shell).text
            assert "OTHER=kept" in found
            assert "SQUEUE_PARTITION" not in found
            assert "SBATCH_TIMELIMIT" not in found


class TestMoreThanAKey:
    @pytest.mark.parametrize(
        ("methods", "wanted"),
        [
            ("publickey,password", r"a password \(password\)"),
            ("publickey,keyboard-interactive", r"keyboard-interactive"),
            ("publickey,publickey", r"a second key"),
            ("publickey,password publickey,keyboard-interactive", r"keyboard-interactive\) or a password"),
        ],
    )
    def test_the_key_is_accepted_and_more_is_wanted(self, methods: str, wanted: str, tmp_path: Path) -> None:
        more = {"AuthenticationMethods": methods, "PasswordAuthentication": "yes", "UsePAM": "yes"}
        more["KbdInteractiveAuthentication"] = "yes"
        with (
            login(tmp_path / "server", **more) as opened,
            pytest.raises(SiteError, match=f"has accepted the key SHA256:.*wants more: .*{wanted}") as caught,
        ):
            opened.run(["true"])
        assert "authorized_keys" not in str(caught.value.hint)
        assert "scheduler: slurm" in str(caught.value.hint)


class TestCheck:
    """``orch sites check`` of such accounts."""

    def describe(self, orch: Orch, server: SshSettings) -> None:
        orch.home.mkdir(exist_ok=True)
        (orch.home / "sites.yaml").write_text(
            f"""
sites:
  there:
    connection: ssh
    scheduler: slurm
    login_host: 127.0.0.1
    port: {server.port}
    user: {server.user}
    key: mine
    host_key: {server.host_key}
    modules: [ none-such ]
"""
        )

    def rows(self, orch: Orch, opened: SshConnection, key: str) -> dict[str, dict[str, object]]:
        self.describe(orch, opened.settings)
        orch("secrets", "set", "ssh-credentials/mine", "privateKey=@-", stdin=key)
        found = json.loads(orch("--json", "sites", "check", "there", status=1).stdout)
        return {row["check"]: row for row in found}

    def test_a_row_for_files(self, orch: Orch, tmp_path: Path) -> None:
        with with_bashrc(tmp_path, "echo Welcome to the machine") as opened:
            rows = self.rows(orch, opened, (tmp_path / "server" / "user_key").read_text())
        assert rows["login"]["right"] is True
        assert rows["files"]["right"] is False
        assert "'Welcome to the machine'" in str(rows["files"]["found"])
        assert "internal-sftp" in str(rows["files"]["remedy"])
        assert "folder" not in rows
        assert rows["PyCOMPSs"]["right"] is True  # what goes over the shell is answered all the same

    def test_a_folder_that_is_right_although_the_shell_speaks(self, orch: Orch, tmp_path: Path) -> None:
        with with_bashrc(tmp_path, "printf title", Subsystem="sftp internal-sftp") as opened:
            rows = self.rows(orch, opened, (tmp_path / "server" / "user_key").read_text())
        assert (rows["files"]["right"], rows["folder"]["right"]) == (True, True)
        assert str(rows["folder"]["found"]).startswith(f"{tmp_path}/home/.orch: ")

    def test_a_second_factor(self, orch: Orch, tmp_path: Path) -> None:
        more = {"AuthenticationMethods": "publickey,password", "PasswordAuthentication": "yes"}
        with login(tmp_path / "server", **more) as opened:
            rows = self.rows(orch, opened, (tmp_path / "server" / "user_key").read_text())
        assert list(rows) == ["login"]
        assert "has accepted the key" in str(rows["login"]["found"])
        assert "the key alone" in str(rows["login"]["remedy"])
