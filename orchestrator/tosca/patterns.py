"""Matching of the ``pattern`` constraint within bounds, whatever a user has written.

Python's own matcher tries one way after the other, which for some expressions (``(a+)+b``) means more ways than it
could ever try. It is used where the number of ways is small. Elsewhere all ways are followed at once, as a set of
states: the work is then the length of the value times the size of the expression. What that cannot do, which is looking
around and back references, is refused where it is not harmless by itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from re import _constants as ops  # type: ignore[attr-defined]  # the parser of `re` is there, but not in the typings
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONGEST = 20_000
"""Values with more characters than this meet no pattern."""

_WAYS_AT_MOST = 1_000_000
_BRANCHES_AT_MOST = 4
_STATES_AT_MOST = 5_000
_STEPS_AT_MOST = 20_000_000
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT)
_BEGINNINGS = (ops.AT_BEGINNING, ops.AT_BEGINNING_STRING)
_CATEGORIES = {
    ops.CATEGORY_DIGIT: re.compile(r"\d"),
    ops.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    ops.CATEGORY_SPACE: re.compile(r"\s"),
    ops.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    ops.CATEGORY_WORD: re.compile(r"\w"),
    ops.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
_MATCH = 0


class NotBounded(ValueError):
    """An expression that can neither be left to Python's matcher nor be followed as a set of states."""


class Pattern:
    """A regular expression that a whole value has to match."""

    def __init__(self, text: str) -> None:
        """Read it. Raises ValueError for what is no regular expression, NotBounded for one that is too much."""
        try:
            self._compiled = re.compile(text)
            tree = parser.parse(text)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(str(error)) from error
        many = sum(op is ops.BRANCH for op in _all_ops(tree)) > _BRANCHES_AT_MOST
        self._repeats = None if many else _open_repeats(tree)
        self._states = None if self._repeats in (0, 1) else _States(tree, self._compiled.flags)

    def matches(self, value: str) -> bool:
        """Whether the whole value matches; a value longer than :data:`LONGEST` does not."""
        if len(value) > LONGEST:
            return False
        if self._states is None or (self._repeats is not None and (len(value) + 1) ** self._repeats <= _WAYS_AT_MOST):
            return self._compiled.fullmatch(value) is not None
        return self._states.match(value)


@functools.lru_cache(maxsize=256)
def read_pattern(text: str) -> Pattern:
    """The pattern of a text, read once. Raises what :class:`Pattern` raises."""
    return Pattern(text)


def _open_repeats(tree: Any) -> int | None:
    """How many repetitions of varying length follow each other; None when one is inside another, or has branches."""
    count = 0
    for op, argument in tree:
        if op in _REPEATS:
            inside_it = set(_all_ops(argument[2]))
            if ops.BRANCH in inside_it:
                return None
            if argument[0] != argument[1]:
                if inside_it & {*_REPEATS, ops.GROUPREF}:
                    return None
                count += 1
                continue
        for part in _parts(argument):
            inside = _open_repeats(part)
            if inside is None:
                return None
            count += inside * (argument[1] if op in _REPEATS else 1)
    return count


def _all_ops(tree: Any) -> Iterator[Any]:
    for op, argument in tree:
        yield op
        for part in _parts(argument):
            yield from _all_ops(part)


def _parts(argument: Any) -> Iterator[Any]:
    """The expressions inside an argument of an operator."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for item in argument:
            if not isinstance(item, tuple):  # the ranges of a character class are no expressions
                yield from _parts(item)


class _States:
    """An expression as states: each takes one character or none and leads to others. State 0 is the end."""

    def __init__(self, tree: Any, flags: int) -> None:
        if flags & ~(re.UNICODE | re.DOTALL):
            raise NotBounded("flags")
        self._any_at_all = bool(flags & re.DOTALL)
        self._tests: list[Any] = [None]
        self._next: list[tuple[int, ...]] = [()]
        self._start = self._sequence(tree, _MATCH)

    def match(self, value: str) -> bool:
        """Whether the whole value leads to the end."""
        steps = 0
        current = self._reached([self._start], 0, value)
        for position, character in enumerate(value, start=1):
            steps += len(current)
            if not current or steps > _STEPS_AT_MOST:
                return False
            after = [self._next[s][0] for s in current if self._takes(s, character)]
            current = self._reached(after, position, value)
        return _MATCH in current

    def _reached(self, starts: Iterable[int], position: int, value: str) -> set[int]:
        """The states that take a character (and the end) which can be reached without taking one."""
        seen: set[int] = set()
        waiting = list(starts)
        while waiting:
            state = waiting.pop()
            if state in seen:
                continue
            seen.add(state)
            test = self._tests[state]
            if test is None or (test[0] is ops.AT and _is_at(test[1], position, value)):
                waiting.extend(self._next[state])
        return {s for s in seen if s == _MATCH or (self._tests[s] is not None and self._tests[s][0] is not ops.AT)}

    def _takes(self, state: int, character: str) -> bool:
        test = self._tests[state]
        if test is None:
            return False
        op, argument = test
        if op is ops.ANY:
            return self._any_at_all or character != "\n"
        if op is ops.IN:
            return _is_in(argument, character)
        return bool((ord(character) == argument) == (op is ops.LITERAL))

    def _state(self, test: Any, *following: int) -> int:
        if len(self._tests) >= _STATES_AT_MOST:
            raise NotBounded("too large")
        self._tests.append(test)
        self._next.append(following)
        return len(self._tests) - 1

    def _sequence(self, tree: Any, following: int) -> int:
        for op, argument in reversed(list(tree)):
            following = self._one(op, argument, following)
        return following

    def _one(self, op: Any, argument: Any, following: int) -> int:
        if op in (ops.LITERAL, ops.NOT_LITERAL, ops.ANY, ops.IN, ops.AT):
            if op is ops.AT and argument not in (*_BEGINNINGS, ops.AT_END, ops.AT_END_STRING):
                raise NotBounded("a word boundary")
            return self._state((op, argument), following)
        if op is ops.SUBPATTERN and not argument[1] and not argument[2]:
            return self._sequence(argument[3], following)
        if op is ops.BRANCH:
            return self._state(None, *(self._sequence(branch, following) for branch in argument[1]))
        if op in _REPEATS:
            low, high, body = argument
            return self._repeat(low, high, body, following)
        raise NotBounded(str(op))

    def _repeat(self, low: int, high: int, body: Any, following: int) -> int:
        if high is ops.MAXREPEAT or high == ops.MAXREPEAT:
            loop = self._state(None)
            self._next[loop] = (self._sequence(body, loop), following)
            start = loop
        else:
            start = following
            for _ in range(high - low):
                start = self._state(None, self._sequence(body, start), following)
        for _ in range(low):
            before = len(self._tests)
            start = self._sequence(body, start)
            if len(self._tests) == before:
                break  # nothing in it
        return start


def _is_at(where: Any, position: int, value: str) -> bool:
    if where in _BEGINNINGS:
        return position == 0
    left = len(value) - position
    return left == 0 or (where is ops.AT_END and left == 1 and value[-1] == "\n")


def _is_in(items: Any, character: str) -> bool:
    code = ord(character)
    wanted = True
    for op, argument in items:
        if op is ops.NEGATE:
            wanted = False
        elif (
            (op is ops.LITERAL and code == argument)
            or (op is ops.RANGE and argument[0] <= code <= argument[1])
            or (op is ops.CATEGORY and _CATEGORIES[argument].match(character))
        ):
            return wanted
    return not wanted
