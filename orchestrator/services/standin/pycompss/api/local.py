"""``@local``: a function that runs in the main program on synchronised objects, as all functions do here."""

from ._plain import PlainDecorator as local

__all__ = ["local"]
