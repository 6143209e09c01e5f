"""Read values of settings from files, such as secrets of Docker and Kubernetes."""

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from uploadsvc.settings.messages import decoded
from uploadsvc.settings.names import FILE, fields_of, in_file, items_of
from uploadsvc.settings.types import SettingsError, variable

MAX_BYTES: Final = 1024 * 1024
"""Maximum size of a file; also that of a Kubernetes secret."""


class Files:
    """Replaces file names in one layer of the settings by the contents of the files.

    A name that ends in ``_file`` stands for the setting without this ending. Files are opened by path each
    time, because Kubernetes updates a secret by changing a symbolic link.

    Attributes:
        paths: Files that were read, by path of the setting.
        errors: Files that could not be read. No message quotes a file's content.
    """

    def __init__(self) -> None:
        self.paths: dict[tuple[str, ...], str] = {}
        self.errors: list[SettingsError] = []

    def filled(self, values: Any, annotation: Any, path: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - any value and type
        """Return the values, with contents in place of file names.

        Args:
            values: Values as written.
            annotation: Their type.
            path: Path of the values.
        """
        fields, items = fields_of(annotation), items_of(annotation)
        if isinstance(values, Mapping) and fields is not None:
            return self._section(values, fields, path)
        if isinstance(values, Mapping) and items is not None:
            return {name: self.filled(value, items, (*path, name)) for name, value in values.items()}
        if isinstance(values, list) and items is not None:
            return [self.filled(value, items, (*path, str(index))) for index, value in enumerate(values)]
        return values

    def _section(self, values: Mapping[str, Any], fields: Any, path: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401 - a mapping
        found: dict[str, Any] = {}
        for name, value in values.items():
            target = in_file(name, fields)
            inner = (*path, target or name)
            annotation = fields[target or name].annotation if (target or name) in fields else None
            if target is None:
                found[name] = self.filled(value, annotation, inner)
                continue
            if values.get(target) is not None:
                message = f"set this or {variable(*inner)}, not both"
                self.errors.append(SettingsError((*path, name), message))
                continue
            try:
                text = _content(value, (*path, name))
            except SettingsError as error:
                self.errors.append(error)
                continue
            self.paths[inner] = str(value)
            takes_json = fields_of(annotation) is not None or items_of(annotation) is not None
            found[target] = self.filled(decoded(text), annotation, inner) if takes_json else text
        return found

    def explained(self, error: SettingsError) -> SettingsError | None:
        """Return the error with the file of the setting; ``None`` if it only follows from another error."""
        for length in range(len(error.path), 0, -1):
            path = error.path[:length]
            if path in self.paths:
                return SettingsError(error.path, f"{error.message} (read from {self.paths[path]})")
        failed = {(*one.path[:-1], one.path[-1].removesuffix(FILE)) for one in self.errors}
        return None if error.path in failed else error


def _content(value: object, path: tuple[str, ...]) -> str:
    """Return the text of a file, without line ends at the end, which editors and ``echo`` add.

    Raises:
        SettingsError: The file cannot be read.
    """
    # Other values are not shown: someone may have written the secret itself.
    if not isinstance(value, str) or not Path(value).is_absolute() or not value.isprintable():
        raise SettingsError(path, f"must be the absolute path of a file, such as /run/secrets/{path[-1]}")
    try:
        content = _read(value)
    except OSError as error:
        raise SettingsError(path, f"cannot read {value}: {(error.strerror or 'error').lower()}") from None
    try:
        text = (content or b"").decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise SettingsError(path, f"{value} is not text in UTF-8") from None
    if content is None:
        raise SettingsError(path, f"{value} is not a file")
    if len(content) > MAX_BYTES:
        raise SettingsError(path, f"{value} has more than {MAX_BYTES} bytes")
    if not text:
        raise SettingsError(path, f"{value} is empty")
    return text


def _read(name: str) -> bytes | None:
    """Return the bytes of a regular file; ``None`` for anything else, because reading it could block."""
    if not stat.S_ISREG(Path(name).stat().st_mode):
        return None
    with Path(name).open("rb") as file:
        return file.read(MAX_BYTES + 1)
