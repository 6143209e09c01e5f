"""Keep Python's garbage collector from blocking the event loop for 0.1 s to scan permanent objects."""

import gc


def pause() -> None:
    """Pause collections while modules are imported and the app is built: nearly all of it stays."""
    gc.disable()


def resume() -> None:
    """Resume collections, but leave out everything that exists now.

    It is not collected first: that would take 0.1 s to free a few hundred kilobytes at most.
    """
    gc.freeze()
    gc.enable()


def renew() -> None:
    """Free what was permanent and is no longer used, and leave out what exists now. It takes 0.1 s."""
    from fastapi.dependencies import models  # noqa: PLC0415 - the parent of the workers never loads it

    # FastAPI remembers the handlers of thousands of operations, and these their services.
    for function in vars(models).values():
        getattr(function, "cache_clear", _nothing)()
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _nothing() -> None:
    pass
