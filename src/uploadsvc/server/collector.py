"""Python's garbage collector. Untamed, it holds the event loop for 0.1 s to look at what never ends."""

import gc


def pause() -> None:
    """Collect nothing while modules are imported and the app is built: nearly all of that stays."""
    gc.disable()


def resume() -> None:
    """Leave what exists now out of all later collections.

    It is not collected first: that takes 0.1 s, and frees a few hundred kilobytes at most.
    """
    gc.freeze()
    gc.enable()
