"""A word count for tests: leaves a trace every time it starts, and waits while a file `hold` lies beside its result."""

import os
import sys
import time
from collections import Counter

from pycompss.api.api import compss_wait_on
from pycompss.api.task import task


@task(returns=dict)
def count(block):
    return Counter(block.split())


def main():
    source, target, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    folder = os.path.dirname(target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "trace"), "a") as trace:
        trace.write(f"{os.getpid()} {time.time()}\n")
    print("counting", source, flush=True)
    deadline = time.monotonic() + 120
    while os.path.exists(os.path.join(folder, "hold")) and time.monotonic() < deadline:
        time.sleep(0.02)
    if os.path.exists(os.path.join(folder, "fail")):
        print("told to fail", file=sys.stderr)
        sys.exit(3)
    with open(source) as file:
        lines = file.readlines()
    parts = [count("".join(lines[i : i + size])) for i in range(0, len(lines), size)]
    total = sum((compss_wait_on(part) for part in parts), Counter())
    with open(target + ".part", "w") as file:
        for word, number in sorted(total.items(), key=lambda item: (-item[1], item[0])):
            file.write(f"{word} {number}\n")
    os.rename(target + ".part", target)


main()
