"""Counts the words of a text with PyCOMPSs: one task per block of lines, and one task per block to add its counts up.

    wordcount_blocks.py INPUT_FILE RESULT_FILE BLOCK_SIZE

INPUT_FILE is a text in UTF-8, BLOCK_SIZE the number of lines that one task counts. A word is an unbroken run of letters,
whatever their case. RESULT_FILE gets one line per word, ``word count``, the most frequent first and words of the same
count in the order of the alphabet; it appears whole or not at all, and its folder is made.
"""

import itertools
import os
import re
import sys
import tempfile
from pathlib import Path

from pycompss.api.api import compss_wait_on
from pycompss.api.parameter import INOUT
from pycompss.api.task import task

WORD = re.compile(r"[^\W\d_]+")


@task(returns=dict)
def count_words(lines):
    """How often each word is in these lines."""
    counts = {}
    for line in lines:
        for word in WORD.findall(line.casefold()):
            counts[word] = counts.get(word, 0) + 1
    return counts


@task(total=INOUT)
def add_counts(total, counts):
    """Adds ``counts`` to ``total``."""
    for word, count in counts.items():
        total[word] = total.get(word, 0) + count


def blocks_of(path, size):
    """The lines of a file, ``size`` at a time."""
    with open(path, encoding="utf-8", errors="replace") as text:
        while block := list(itertools.islice(text, size)):
            yield block


def write_counts(counts, path):
    """Writes the result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as result:
            for word, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
                result.write(f"{word} {count}\n")
            result.flush()
            os.fsync(result.fileno())
        os.chmod(scratch, 0o644)
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise


def main(arguments):
    if len(arguments) != 3 or not arguments[2].isdecimal() or int(arguments[2]) < 1:
        sys.exit("usage: wordcount_blocks.py INPUT_FILE RESULT_FILE BLOCK_SIZE (a number of lines, 1 or more)")
    source, result, size = arguments[0], Path(arguments[1]), int(arguments[2])
    total, blocks = {}, 0
    for blocks, block in enumerate(blocks_of(source, size), start=1):
        add_counts(total, count_words(block))
    total = compss_wait_on(total)
    write_counts(total, result)
    print(f"{sum(total.values())} words, {len(total)} different ones, in {blocks} blocks of {size} lines: {result}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"wordcount_blocks.py: {error}")
