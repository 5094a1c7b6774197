"""``@on_failure``: what the runtime does when a task fails. Here its exception goes to the caller."""

from ._plain import PlainDecorator as on_failure

__all__ = ["on_failure"]
