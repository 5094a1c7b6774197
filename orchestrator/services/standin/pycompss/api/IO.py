"""``@IO``: a task that mostly reads and writes. It runs like any other."""

from ._plain import PlainDecorator as IO

__all__ = ["IO"]
