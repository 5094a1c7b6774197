"""Matching of the ``pattern`` constraint: by RE2, in time that grows with the length of the value and no faster.

TOSCA 1.3 (section 3.6.3) leaves the grammar of patterns open; here it is that of RE2 (docs/adr/0008).
"""

from __future__ import annotations

import functools
import re
from typing import Any

MOST_STEPS = 1_000_000_000
"""A value meets no pattern when its bytes times the instructions of the pattern are more than this (some seconds)."""

_MEMORY = 4 << 20
_ALL_OF_THEM = "several patterns all have to match: write one for each thing that has to hold"
_REMEDIES = (
    (r"invalid perl operator: \(\?<?[=!]", f"RE2 does not look around; {_ALL_OF_THEM}"),
    (r"invalid perl operator: \(\?>", "RE2 never goes back, so that a plain group `(?:...)` will do"),
    (r"invalid perl operator: \(\?P$|invalid escape sequence: \\[1-9kg]", "RE2 has no back references"),
    (r"invalid escape sequence: \\[ZG]", "leave it out: a pattern is always matched with the whole value"),
    (r"invalid escape sequence: \\[uUN]", r"write the character itself, or its number: \x{1F600}"),
    (r"bad repetition operator: .*\+$", "RE2 never goes back, so that one sign of repetition will do: `a+` for `a++`"),
    (r"bad repetition operator", "put what is repeated again into a group: `(?:a{2}){3}`"),
    (r"invalid repetition size", "the most is 1000, also of one inside another; `max_length` limits a value further"),
    (r"pattern too large", "make the repetitions smaller; `min_length` and `max_length` limit a value, too"),
)
_OPEN_BELOW = re.compile(r"(?:^|[^\\])(?:\\\\)*(\{,\d+\})")


class NoPattern(ValueError):
    """A text that is no regular expression of RE2."""

    def __init__(self, fault: str, remedy: str | None) -> None:
        super().__init__(fault)
        self.remedy = remedy


class Pattern:
    """A regular expression that a whole value has to match."""

    def __init__(self, text: str) -> None:
        """Read it. Raises NoPattern."""
        import re2  # most commands meet no pattern

        open_below = _OPEN_BELOW.search(text)
        if open_below is not None:  # RE2 takes it for these characters, others for a repetition
            written = open_below[1]
            raise NoPattern(f"a repetition without a lower bound: {written}", f"write {{0{written[1:]} or \\{written}")
        try:
            self._compiled: Any = re2.compile(text.encode(), _options())
        except UnicodeEncodeError as error:
            raise NoPattern("it has half a character (a surrogate)", "write the whole character") from error
        except re2.error as error:
            fault = b"".join(error.args).decode(errors="replace")
            raise NoPattern(fault, next((hint for sign, hint in _REMEDIES if re.match(sign, fault)), None)) from error

    def matches(self, value: str) -> bool:
        """Whether the whole value matches; one with half a character (a surrogate) does not."""
        try:
            encoded = value.encode()
        except UnicodeEncodeError:
            return False
        if len(encoded) * self._compiled.programsize > MOST_STEPS:
            return False
        return self._compiled.fullmatch(encoded) is not None


@functools.lru_cache(maxsize=128)
def read_pattern(text: str) -> Pattern:
    """The pattern of a text, read once. Raises NoPattern."""
    return Pattern(text)


def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False  # on stderr
    options.never_capture = True
    options.max_mem = _MEMORY
    return options
