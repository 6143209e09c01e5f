"""In-memory storage for `limits` (https://limits.readthedocs.io/en/stable/custom-storage.html).

The library's own scans all counters on each request, and grows with the number of users.
"""

from collections import OrderedDict
from collections.abc import Callable
from math import floor
from time import monotonic
from typing import Final

from limits.aio.storage import SlidingWindowCounterSupport, Storage

MAX_COUNTERS: Final = 50_000
"""Maximum number of counters: about 15 MB. Beyond it, the least recently used are dropped."""


class _Window:
    __slots__ = ("began", "current", "expiry", "previous")

    def __init__(self, began: float, expiry: float) -> None:
        self.began = began
        self.expiry = expiry
        self.current = 0
        self.previous = 0


class LocalCounters(Storage, SlidingWindowCounterSupport):
    """Sliding windows in memory, with the semantics of `limits` in Valkey.

    Args:
        max_counters: Maximum number of counters.
        timer: Returns seconds, monotonic.
    """

    STORAGE_SCHEME = None

    def __init__(self, *, max_counters: int = MAX_COUNTERS, timer: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._max_counters = max_counters
        self._timer = timer
        # Least recently used first.
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        """Return the number of counters."""
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """Exceptions of the storage; it has none."""
        return ValueError

    async def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` if the limit allows all of it; return whether it does."""
        now = self._timer()
        window = self._find(key, now)
        if window is None:
            window = _Window(now, expiry)
        used = floor(window.previous * (expiry - (now - window.began)) / expiry) + window.current
        if used + amount > limit:
            return False
        window.current += amount
        self._keep(key, window, now)
        return True

    async def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """Return the previous count and its seconds left, then the current count and its seconds left."""
        now = self._timer()
        window = self._find(key, now)
        if window is None:
            return 0, 0.0, 0, 0.0
        left = expiry - (now - window.began)
        return window.previous, left, window.current, left + expiry

    async def clear_sliding_window(self, key: str, expiry: int) -> None:  # noqa: ARG002 - of the interface
        """Forget a counter."""
        self._windows.pop(key, None)

    def _find(self, key: str, now: float) -> _Window | None:
        window = self._windows.get(key)
        if window is None:
            return None
        age = now - window.began
        if age >= 2 * window.expiry:
            del self._windows[key]
            return None
        if age >= window.expiry:
            window.began += window.expiry
            window.previous, window.current = window.current, 0
        return window

    def _keep(self, key: str, window: _Window, now: float) -> None:
        windows = self._windows
        if key in windows:
            windows.move_to_end(key)
            return
        windows[key] = window
        # Two for each new one, so that expired counters go faster than new ones come.
        for _ in range(2):
            oldest_key, oldest = next(iter(windows.items()))
            if now - oldest.began < 2 * oldest.expiry:
                break
            del windows[oldest_key]
        if len(windows) > self._max_counters:
            windows.popitem(last=False)

    # The rest of the interface is for other strategies.

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not used."""
        raise NotImplementedError

    async def get(self, key: str) -> int:
        """Not used."""
        raise NotImplementedError

    async def get_expiry(self, key: str) -> float:
        """Not used."""
        raise NotImplementedError

    async def check(self) -> bool:
        """Return true: memory is always available."""
        return True

    async def reset(self) -> int | None:
        """Forget all counters."""
        count = len(self._windows)
        self._windows.clear()
        return count

    async def clear(self, key: str) -> None:
        """Forget a counter."""
        self._windows.pop(key, None)
