"""How many requests a client has in flight: additive increase, multiplicative decrease, as in TCP."""

import asyncio


class InFlight:
    """The bound on requests in flight: overload halves it, answers win it back one by one. Lives in one event loop."""

    def __init__(self, most: int) -> None:
        self._most, self._limit, self._cuts = most, float(most), 0
        self._slots, self._size = asyncio.Semaphore(most), most

    async def __aenter__(self) -> int:
        """Wait for a slot; returns the number of cuts so far, for ``halve``."""
        await self._slots.acquire()
        while self._size > int(self._limit):  # the bound was halved, and this slot is one too many
            self._size -= 1
            await self._slots.acquire()
        return self._cuts

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()

    def halve(self, cuts: int) -> None:
        """Halve the bound, once for all the requests that were in flight together."""
        if cuts == self._cuts:
            self._cuts += 1
            self._limit = max(1.0, self._limit / 2)

    def grow(self) -> None:
        """Count one answer: as many as the bound raise it by one."""
        self._limit = min(self._most, self._limit + 1 / self._limit)
        while self._size < int(self._limit):
            self._size += 1
            self._slots.release()
