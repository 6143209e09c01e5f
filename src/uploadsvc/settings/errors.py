"""What stops the start, and the names that settings have in the environment."""

ENV_PREFIX = "UPLOADSVC_"
ENV_DELIMITER = "__"


class SettingsError(ValueError):
    """A setting that stops the start, said in one line.

    Args:
        path: Where it is: ``("s3", "bucket")`` is ``UPLOADSVC_S3__BUCKET``.
        message: What was wrong, and what is allowed; never holds the value of a secret.
    """

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        self.variable = variable(*path) if path else "settings"
        super().__init__(f"{self.variable}: {message}")


def variable(*path: str) -> str:
    """Return a setting's name in the environment."""
    return ENV_PREFIX + ENV_DELIMITER.join(part.upper() for part in path)
