"""Errors of the server, which the parent of workers can import without the server."""


class CannotStartError(Exception):
    """The app cannot be built. The message has one line per reason."""
