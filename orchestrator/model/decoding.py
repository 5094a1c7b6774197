"""Reading stored values back, from several threads."""

from __future__ import annotations

import threading
from typing import Any, TypeVar, overload

import msgspec

T = TypeVar("T")

_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_MAKING = threading.Lock()


@overload
def from_json(data: bytes | str, kind: type[T]) -> T: ...


@overload
def from_json(data: bytes | str, kind: Any = ...) -> Any: ...


def from_json(data: bytes | str, kind: Any = Any) -> Any:
    """A value of a type out of its JSON. Raises msgspec.DecodeError.

    msgspec looks a type over when it first meets it, and crashes when another thread uses a type that is only half
    looked over; types have parts in common. So a decoder is made by one thread at a time, and whole before it is used.
    """
    decoder = _DECODERS.get(kind)
    if decoder is None:
        with _MAKING:
            decoder = _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    return decoder.decode(data)
