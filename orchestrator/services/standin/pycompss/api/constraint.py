"""``@constraint``: what a task needs of a machine. This machine is the only one, so nothing is chosen by it."""

from ._plain import PlainDecorator as constraint

__all__ = ["constraint"]
