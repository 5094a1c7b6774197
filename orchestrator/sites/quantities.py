"""What people write for a scheduler: sizes and time limits, as TOSCA, as Yorc or as sbatch has them."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from orchestrator.model.numbers import UNSIGNED

_SIZE = re.compile(rf"({UNSIGNED})\s*([A-Za-z]*)")
_SIZE_OF_SBATCH = re.compile(r"\d+[KMGT]?", re.IGNORECASE)
_POWERS = {letter: power for power, letter in enumerate("kmgtp", start=1)}
_MEGABYTE = 1024**2

_TIME = re.compile(rf"({UNSIGNED})\s*(d|h|m|s|ms|us|ns)", re.IGNORECASE)
_SECONDS = {
    **{"d": Fraction(86400), "h": Fraction(3600), "m": Fraction(60), "s": Fraction(1)},
    **{"ms": Fraction(1, 10**3), "us": Fraction(1, 10**6), "ns": Fraction(1, 10**9)},
}
_OF_SBATCH = re.compile(r"\d+|\d+:\d+(:\d+)?|\d+-\d+(:\d+){0,2}|infinite|unlimited", re.IGNORECASE)


def megabytes(text: str) -> str:
    """A size as sbatch takes it, in whole M (1024 * 1024 bytes), rounded up: ``954M`` for ``1 GB``.

    ``GB`` and ``GiB`` are as TOSCA has them (1.3 section 3.3.6.4: 1000 and 1024), ``G`` alone as sbatch has it (1024);
    a number alone is in G, as Yorc has it; 0 is all that there is. Raises ValueError.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = _factor(match[2].lower()) if match else None
    number = _exact(match[1]) if match else None
    if number is None or factor is None:
        raise ValueError("write a size such as 4 GB, 512 MiB or 4G")
    return f"{-(-number * factor // _MEGABYTE)}M"


def size_option(text: str) -> str:
    """The same for an option of sbatch's own: what sbatch itself can read (``500``, in M) stays. Raises ValueError."""
    return text if _SIZE_OF_SBATCH.fullmatch(text) else megabytes(text)


def _factor(unit: str) -> int | None:
    """How many bytes a unit has; None when it is none."""
    if unit in ("", "g"):
        return 1024**3
    if unit == "b":
        return 1
    power = _POWERS.get(unit[0])
    if power is None or unit[1:] not in ("", "b", "ib"):
        return None
    return int((1000 if unit[1:] == "b" else 1024) ** power)


def _exact(text: str) -> Fraction | None:
    """A number without the errors of floats; None for one that no float can be near to."""
    near = float(text)
    if not math.isfinite(near):
        return None
    if near == 0:
        return None if re.search("[1-9]", text.lower().partition("e")[0]) else Fraction(0)
    return Fraction(text)


def time_limit(text: str) -> str:
    """A time limit as sbatch takes it: as it is, or a time of TOSCA (``2 h``) in whole minutes, rounded up.

    Raises ValueError.
    """
    text = text.strip()
    if _OF_SBATCH.fullmatch(text):
        return text
    match = _TIME.fullmatch(text)
    number = _exact(match[1]) if match else None
    if match is None or number is None:
        raise ValueError("write 30 (minutes), 1:30:00, 2-00:00:00 or 2 h")
    return str(-(-number * _SECONDS[match[2].lower()] // 60))
