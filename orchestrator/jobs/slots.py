"""How many jobs a site takes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class SiteSlots:
    """Places for jobs, counted per site in this process. ``limit_of`` gives a site's limit, None for none.

    To be used from one event loop. A place is held under a key, and taking it twice under one key is taking it once.
    """

    def __init__(self, limit_of: Callable[[str], int | None]) -> None:
        self._limit_of = limit_of
        self._held: dict[str, set[str]] = {}
        self._changed = asyncio.Condition()

    async def take(self, site: str, key: str) -> bool:
        """Wait for a place; True when there is one."""
        limit = self._limit_of(site)
        async with self._changed:
            held = self._held.setdefault(site, set())
            await self._changed.wait_for(lambda: limit is None or key in held or len(held) < limit)
            held.add(key)
        return True

    def occupy(self, site: str, key: str) -> None:
        """Take a place whatever the limit is: for a job that is there already."""
        self._held.setdefault(site, set()).add(key)

    async def give_back(self, key: str) -> None:
        """Give a place back, if one is held under the key."""
        async with self._changed:
            for held in self._held.values():
                held.discard(key)
            self._changed.notify_all()
