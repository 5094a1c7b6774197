"""Counts the words of a text in a plain way, to check the workflow's result against.

    count_words.py TEXT            prints the ten most frequent words
    count_words.py TEXT RESULT     compares with a result file; exit status 1 and the first differences if it is wrong

A word is an unbroken run of letters, whatever their case. Nothing is shared with the program that the workflow runs.
"""

import sys
from collections import Counter
from pathlib import Path


def is_letter(character):
    return character.isalnum() and not character.isdecimal()


def count_words(text):
    """The words of a text and how often each is there."""
    return Counter("".join(c if is_letter(c) else " " for c in text.casefold()).split())


def expected_lines(text):
    """The lines of the right result file."""
    counts = count_words(text)
    return [f"{word} {counts[word]}" for word in sorted(counts, key=lambda word: (-counts[word], word))]


def main(arguments):
    if len(arguments) not in (1, 2):
        sys.exit("usage: count_words.py TEXT [RESULT]")
    expected = expected_lines(Path(arguments[0]).read_text(encoding="utf-8", errors="replace"))
    if len(arguments) == 1:
        print("\n".join(expected[:10]))
        return
    found = Path(arguments[1]).read_text(encoding="utf-8").splitlines()
    if found != expected:
        print(f"{arguments[1]} is wrong: {len(found)} words, {len(expected)} expected")
        wrong = [pair for pair in zip(expected, found) if pair[0] != pair[1]]
        for right, actual in wrong[:5]:
            print(f"  expected {right!r}, found {actual!r}")
        sys.exit(1)
    print(f"{arguments[1]} is right: {len(found)} different words")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.exit(f"count_words.py: {error}")
