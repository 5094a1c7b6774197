"""``@reduction``: lets the runtime split a reduction into chunks. Here it is one call."""

from ._plain import PlainDecorator as reduction

__all__ = ["reduction"]
