"""Hints for misspelt names."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable

_CANDIDATES = 300


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` most probably stands for; None when none is near.

    Differences in case and in the namespace before the last dot count less than other ones.
    """
    return _nearest(name, tuple(known))


@functools.lru_cache(maxsize=4096)  # the same mistake comes many times
def _nearest(name: str, known: tuple[str, ...]) -> str | None:
    names = [candidate for candidate in known if candidate != name]
    if len(names) > _CANDIDATES:  # comparing is slow: only names of about the same length
        size = len(name)
        names = [n for n in names if n.lower() == name.lower() or abs(len(n) - size) <= 2][:_CANDIDATES]
    lowered = {candidate.lower(): candidate for candidate in names}
    if name.lower() in lowered:
        return lowered[name.lower()]
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.7)
    if found:
        return found[0]
    by_last: dict[str, str] = {}
    for candidate in names:
        by_last.setdefault(candidate.rpartition(".")[2].lower(), candidate)
    last = name.rpartition(".")[2].lower()
    if last in by_last:
        return by_last[last]
    close = difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.8)
    return by_last[close[0]] if close else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The hint for a name that is not among the known ones."""
    names = list(known)
    best = nearest(name, names)
    if best is not None:
        return f"did you mean {best!r}?"
    if 0 < len(names) <= 12:
        return "known: " + ", ".join(sorted(names))
    return None
