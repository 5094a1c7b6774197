"""Time zone and clock: of this machine, and of the file system of the home, which may be another machine's."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orchestrator.app.doctor.finding import Found, State

_BUILT = datetime(2026, 1, 1).astimezone().timestamp()
"""No right clock shows an earlier time than this release was made at."""

_TOLERATED = 3.0
"""Seconds; file times may be as coarse as two."""

# a zone as POSIX writes it, with its rules: CET-1CEST,M3.5.0,M10.5.0/3
_POSIX_ZONE = re.compile(r"(?:[A-Za-z]{3,}|<[-+A-Za-z0-9]{3,}>)[-+]?\d.*")
_SET = "have the clock set (NTP): certificates, tokens and the times of logs depend on it"


def time_zone(environment: Mapping[str, str]) -> Found:
    """The time as it is here, and whether the zone that ``TZ`` names is known."""
    now = datetime.now().astimezone()
    said = f"{now:%Y-%m-%d %H:%M:%S} {now.tzname()} (UTC{now:%z})"
    if now.timestamp() < _BUILT:
        return State.FAULT, f"{said}: the clock is wrong", _SET
    named = environment.get("TZ", "").removeprefix(":")
    if named and not is_zone(named):
        return (
            State.WARNING,
            f"{said}: TZ names {named!r}, which is not known here, so times are shown in UTC",
            "let TZ name a zone of `timedatectl list-timezones`, or install tzdata",
        )
    return State.OK, said


def is_zone(named: str) -> bool:
    """Whether a value of ``TZ`` is one that the system understands."""
    if Path(named).is_absolute():
        return Path(named).is_file()
    if _POSIX_ZONE.fullmatch(named):
        return True
    try:
        ZoneInfo(named)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def file_times(folder: Path) -> Found:
    """Whether a file that is written now has the time of now."""
    from orchestrator.app.doctor.home import trial_folder

    before = time.time()
    try:
        with trial_folder(folder) as trial:
            written, after = (trial / "file").stat().st_mtime, time.time()
    except OSError as error:
        return State.NOTE, f"not looked at: nothing can be written ({error.strerror or error})", "see file system"
    return difference(before, written, after)


def difference(before: float, written: float, after: float) -> Found:
    """What it means when a file that was written between two moments has this time; all in seconds."""
    off = written - after if written > after else min(written - before, 0.0)
    if abs(off) <= _TOLERATED:
        return State.OK, "the times of files in the home agree with the clock"
    word = "ahead of" if off > 0 else "behind"
    return State.WARNING, f"the file system of the home is {abs(off):.0f} s {word} the clock of this machine", _SET
