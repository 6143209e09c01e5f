"""Errors of the server, in a module that the parent of workers can load without it."""


class CannotStartError(Exception):
    """The app cannot be built. The message has one line for each reason."""
