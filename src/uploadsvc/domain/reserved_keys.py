"""Keys that callers cannot choose, so that no policy can replace objects of another."""

from collections.abc import Collection, Mapping

from uploadsvc.domain.errors import InvalidKey
from uploadsvc.domain.policy import Policy


class ReservedKeys:
    """Keys that callers cannot choose under a policy.

    These are the keys in other policies' folders (``client_keys_prefix``), and those that a policy can
    produce with ``{uuid}``: the URLs of an upload with a new key may overwrite, so no other upload may have
    that key. If this policy lets callers replace any of its objects, its own keys are not reserved.

    Args:
        policy: The policy.
        others: The other policies.
    """

    def __init__(self, policy: Policy, others: Collection[Policy]) -> None:
        makers = others if policy.own_keys_replaced else (policy, *others)
        self._made = {one.name: one.key.pattern(one.name) for one in makers if one.key.unique}
        mine = policy.client_folder
        folders = {one.name: one.client_folder for one in others}
        # For nested folders, the deeper one counts.
        self._folders = {name: one for name, one in folders.items() if one and not mine.startswith(one)}
        # If the template itself starts in such a folder, it was chosen by the operator, not the caller.
        start = policy.key.text.replace("{policy}", policy.name).partition("{")[0]
        self._folders_of_others = {
            name: one for name, one in self._folders.items() if not start.startswith(one)
        }

    def check(self, rest: str, *, field: str) -> None:
        """Check that a caller may choose a key.

        Args:
            rest: The key below the user's prefix.
            field: The request field that it comes from.

        Raises:
            InvalidKey: It is reserved for another policy.
        """
        self._check_folders(rest, self._folders, field=field)
        for maker, keys in self._made.items():
            if keys.fullmatch(rest):
                detail = f"Policy {maker!r} makes keys of this form, with a UUID; choose another key."
                raise InvalidKey(detail, field=field)

    def check_folder(self, rest: str, *, field: str) -> None:
        """Check that the caller's folders in a key with ``{uuid}`` do not belong to another policy.

        Args:
            rest: The key below the user's prefix.
            field: The request field that it comes from.

        Raises:
            InvalidKey: The folder is reserved for another policy.
        """
        self._check_folders(rest, self._folders_of_others, field=field)

    @staticmethod
    def _check_folders(rest: str, folders: Mapping[str, str], *, field: str) -> None:
        for owner, folder in folders.items():
            if rest.startswith(folder):
                detail = f"Keys below {folder!r} in your prefix are for policy {owner!r}."
                raise InvalidKey(detail, field=field)
