"""Python's garbage collector. Untamed, it holds the event loop for 0.1 s to look at what never ends."""

import gc
from typing import Final

_YOUNG: Final = 10_000
"""New objects after which the collector looks at them. Python's own 700 are fewer than one batch needs."""


def pause() -> None:
    """Collect nothing while modules are imported and the app is built: nearly all of that stays."""
    gc.disable()


def resume() -> None:
    """Leave what exists now out of all later collections.

    It is not collected first: that takes 0.1 s, and frees a few hundred kilobytes at most.
    """
    gc.freeze()
    gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    gc.enable()
