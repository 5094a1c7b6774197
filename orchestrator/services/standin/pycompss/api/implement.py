"""``@implement``: another implementation of a task. Without a runtime the one that is called is used."""

from ._plain import PlainDecorator as implement

__all__ = ["implement"]
