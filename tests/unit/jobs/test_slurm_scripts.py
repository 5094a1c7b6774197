"""The programs that are run at a site for Slurm's jobs, against commands that behave as a site's own may."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.errors import SiteError, WorkError
from orchestrator.jobs import SlurmJobs, Submission, Unsettled
from orchestrator.jobs.slurm_scripts import SETTLED_SECONDS
from orchestrator.model.jobs import JobState
from orchestrator.sites import Slurm
from orchestrator.sites.connection import LocalConnection

TAKE = 'echo "7|t|RUNNING|None||" >"$BENCH/queue"'
"""What a stand-in of sbatch does to have the job in the queue."""

# columns are asked for in the ways that the programs do
SQUEUE = r"""
[ ! -e "$BENCH/down" ] || { echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1; }
case "$*" in
  *%F*) cut -d'|' -f1 "$BENCH/queue" | cut -d_ -f1 ;;
  *"-o %T"*) grep -E 'RUNNING|PENDING' "$BENCH/queue" | cut -d'|' -f3 ;;
  *) cat "$BENCH/queue" ;;
esac
"""
SACCT = r"""
echo "$*" >>"$BENCH/sacct-asked"
[ ! -e "$BENCH/refused" ] || { cat "$BENCH/refused" >&2; exit 1; }
case "$*" in *"-o JobID") cut -d'|' -f1 "$BENCH/history" ;; *) cat "$BENCH/history" ;; esac
"""
SCANCEL = r"""sed -i 's/RUNNING/CANCELLED/;s/PENDING/CANCELLED/' "$BENCH/queue" """


class Bench:
    """A site on this machine whose commands of Slurm are ours."""

    def __init__(self, folder: Path, patience: float = 3600.0) -> None:
        self.folder = folder
        for name in ("queue", "history"):
            (folder / name).write_text("")
        for name, text in (("squeue", SQUEUE), ("sacct", SACCT), ("scancel", SCANCEL), ("sbatch", TAKE + "; echo 7")):
            self.command(name, text)
        self.jobs = SlurmJobs(LocalConnection(), "bench", str(folder / "orch"), Slurm(patience=patience))
        self.job = folder / "orch" / "jobs" / "t"

    def command(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nBENCH={self.folder}\necho {name} >>"$BENCH/called"\n{text}\n')
        path.chmod(0o755)

    def submit(self, *, by_itself: bool = False) -> tuple[str, bool]:
        argv = ("enqueue_compss", "x.py") if by_itself else ("true",)
        submitted = self.jobs.submit("t", Submission(argv=argv, files={}, by_itself=by_itself))
        return submitted.id, submitted.adopted

    def calls(self, name: str) -> int:
        return (self.folder / "called").read_text().split().count(name)

    def long_ago(self) -> None:
        """As if sbatch had been called long ago."""
        times = (int(line) for line in (self.job / "asked").read_text().split())
        (self.job / "asked").write_text("".join(f"{then - SETTLED_SECONDS - 1}\n" for then in times))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    path = f"{tmp_path / 'bin'}:/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    (tmp_path / ".bash_profile").write_text(f"export PATH={path}")
    monkeypatch.setenv("HOME", str(tmp_path))
    return Bench(tmp_path)


@pytest.mark.parametrize(
    "said",
    [
        "echo 7",
        "echo '7;big'",
        "echo -----; echo 'Welcome to Cluster 3'; echo '--> Checking 99 allocations ... OK'; echo 7",
        "echo 7; echo 'done in 3 s'",
        "echo 42; echo 7",
        "echo 'Submitted batch job 7 on cluster mn5'",
        "echo 'your job was taken'",
        "true",
        "echo 8 >&2",
        "echo 7; exit 1",
        "echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1",
    ],
)
def test_the_number_is_never_taken_from_free_text(bench: Bench, said: str) -> None:
    bench.command("sbatch", f"{TAKE}; {said}")
    assert bench.submit()[0] == "7"
    assert bench.submit() == ("7", True)
    assert bench.calls("sbatch") == 1


@pytest.mark.parametrize(
    "said",
    [
        "echo 'Submitted batch job 7 on cluster mn5'",
        "echo 'COMPSs 3.3, 2 nodes'; echo 'Submitted batch job 7'; echo 'see compss-7.out, 1 file'",
        "echo 5",
        "echo 'Submitted batch job 6'; echo 'Submitted batch job 7'",
        "echo 'Submitted batch job 7'; exit 3",
    ],
)
def test_neither_is_that_of_a_command_that_submits_by_itself(bench: Bench, said: str) -> None:
    bench.command("enqueue_compss", f"{TAKE}; {said}")
    assert bench.submit(by_itself=True)[0] == "7"
    assert (bench.job / "output.log").readlink() == Path("compss-7.out")


def test_a_command_that_is_not_there_submits_nothing(bench: Bench) -> None:
    with pytest.raises(WorkError, match=r"refused the job: .*enqueue_compss"):
        bench.submit(by_itself=True)


@pytest.mark.parametrize("by_itself", [False, True])
def test_what_is_refused_for_certain(bench: Bench, by_itself: bool) -> None:
    refusal = "echo 'sbatch: error: Invalid qos specification' >&2; exit 1"
    bench.command("enqueue_compss" if by_itself else "sbatch", refusal)
    with pytest.raises(WorkError, match=r"refused the job: .*Invalid qos"):
        bench.submit(by_itself=by_itself)


@pytest.mark.parametrize(
    "lost",
    [
        "exit 0",
        "echo Welcome; exit 0",
        "echo 'sbatch: error: Batch job submission failed: Socket timed out on send/recv operation' >&2; exit 1",
        "echo 'sbatch: error: Zero Bytes were transmitted or received' >&2; exit 1",
        "kill -9 $$",
    ],
)
def test_an_outcome_that_is_unknown_is_waited_for(bench: Bench, lost: str) -> None:
    bench.command("sbatch", lost)
    for _ in range(2):
        with pytest.raises(Unsettled, match="not known whether Slurm took the job"):
            bench.submit()
    assert bench.calls("sbatch") == 1
    # it comes late, after all
    (bench.folder / "queue").write_text("7|t|PENDING|None||\n")
    assert bench.submit() == ("7", True)
    assert bench.calls("sbatch") == 1


def test_what_is_absent_for_a_while_is_submitted_again(bench: Bench) -> None:
    bench.command("sbatch", "exit 0")
    with pytest.raises(Unsettled):
        bench.submit()
    bench.long_ago()
    bench.command("sbatch", TAKE + "; echo 7")
    assert bench.submit() == ("7", False)
    assert bench.calls("sbatch") == 2


@pytest.mark.parametrize("words", ["sacct: error: Too wide of a date range in query", "Connection refused", ""])
def test_nothing_is_submitted_while_accounting_refuses_to_tell(bench: Bench, words: str) -> None:
    bench.command("sbatch", "exit 0")
    with pytest.raises(Unsettled):
        bench.submit()
    bench.long_ago()
    (bench.folder / "refused").write_text(words)
    with pytest.raises(Unsettled, match="Slurm does not answer"):
        bench.submit()
    assert bench.calls("sbatch") == 1
    # it had come, and is over
    (bench.folder / "refused").unlink()
    (bench.folder / "history").write_text("7|t|COMPLETED||Unknown|0:0\n")
    assert bench.submit() == ("7", True)


def test_accounting_is_asked_only_since_the_job_was_submitted(bench: Bench) -> None:
    bench.command("sbatch", "exit 0")
    with pytest.raises(Unsettled):
        bench.submit()
    bench.jobs.reports(["t"])
    asked = (bench.folder / "sacct-asked").read_text().splitlines()
    since = time.mktime(time.strptime(asked[-1].split(" -S ")[1].split()[0], "%Y-%m-%dT%H:%M:%S"))
    assert 0 <= time.time() - since < 900
    assert "--name=t" in asked[-1]


def test_a_job_whose_number_is_known_is_asked_for_by_it(bench: Bench) -> None:
    bench.submit()
    (bench.folder / "queue").write_text("")
    (bench.folder / "history").write_text("7|t|COMPLETED||Unknown|0:0\n")
    assert bench.jobs.reports(["t"])["t"].state is JobState.COMPLETED
    asked = (bench.folder / "sacct-asked").read_text()
    assert "-j 7" in asked
    assert " -S " not in asked


class TestCancel:
    @pytest.mark.parametrize(
        ("row", "state"),
        [
            ("7|t|COMPLETED||Unknown|0:0", JobState.COMPLETED),
            ("7|t|FAILED||Unknown|3:0", JobState.FAILED),
            ("7|t|TIMEOUT||Unknown|0:0", JobState.TIMEOUT),
        ],
    )
    def test_what_is_over_is_as_it_ended(self, bench: Bench, row: str, state: JobState) -> None:
        bench.submit()
        (bench.folder / "queue").write_text("")
        (bench.folder / "history").write_text(row + "\n")
        assert bench.jobs.cancel("t").state is state

    def test_what_runs_is_cancelled(self, bench: Bench) -> None:
        bench.submit()
        assert bench.jobs.cancel("t").state is JobState.CANCELLED

    @pytest.mark.parametrize("code", [0, 4])
    def test_the_exit_status_that_it_left_counts(self, bench: Bench, code: int) -> None:
        bench.submit()
        (bench.folder / "queue").write_text("")
        (bench.job / "exit").write_text(f"{code}\n")
        (bench.folder / "refused").write_text("Connection refused")
        assert bench.jobs.cancel("t").exit_code == code

    def test_it_is_not_cancelled_while_its_end_cannot_be_told(self, bench: Bench) -> None:
        bench.submit()
        (bench.folder / "queue").write_text("")
        (bench.folder / "refused").write_text("Connection refused")
        clock = iter(range(0, 10_000, 25))
        bench.jobs._clock = lambda: float(next(clock))
        with pytest.raises(SiteError, match=r"how it ended is not known: .*Connection refused"):
            bench.jobs.cancel("t")

    def test_what_was_never_submitted_is_cancelled(self, bench: Bench) -> None:
        clock = iter(range(0, 10_000, 25))
        bench.jobs._clock = lambda: float(next(clock))
        assert bench.jobs.cancel("t").state is JobState.CANCELLED

    def test_slurm_is_down(self, bench: Bench) -> None:
        bench.submit()
        (bench.folder / "down").touch()
        with pytest.raises(SiteError, match=r"could not be cancelled: .*Unable to contact"):
            bench.jobs.cancel("t")
