"""The program of the native job: leaves a line when it begins and one when it ends; fails when told to."""

import os
import sys
import time
from pathlib import Path

folder, token, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
job = Path(os.environ.get("ORCH_LAUNCHER_JOB") or os.environ["SLURM_JOB_NAME"]).name


def trace(word):
    with open(folder / "traces" / token, "a") as file:
        file.write(f"{word} {time.time()} Native job {job}\n")


trace("begin")
time.sleep(seconds)
failed = (folder / "fail" / f"{token}-Native").exists()
trace("fail" if failed else "end")
os._exit(3 if failed else 0)
