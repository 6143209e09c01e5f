"""Keep Python's garbage collector from scanning permanent objects, which blocks the event loop for 0.1 s."""

import gc


def pause() -> None:
    """Pause collections while modules are imported and the app is built: nearly all these objects stay."""
    gc.disable()


def resume() -> None:
    """Resume collections, without the objects that exist now.

    They are not collected first: that would take 0.1 s and free a few hundred kilobytes at most.
    """
    gc.freeze()
    gc.enable()


def renew() -> None:
    """Collect formerly permanent objects, then exclude all that exist now. Takes 0.1 s."""
    from fastapi.dependencies import models  # noqa: PLC0415 - the parent of the workers never loads it

    # FastAPI caches the handlers of thousands of operations, which refer to their services.
    for function in vars(models).values():
        getattr(function, "cache_clear", _nothing)()
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _nothing() -> None:
    pass
