"""Usable keys of a JWK Set (RFC 7517)."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from uploadsvc.auth.jwt import TokenVerifier
from uploadsvc.auth.public_keys import PublicKey, same_algorithm, usable_key

MAX_KEYS: Final = 100
"""Further entries are ignored. Providers publish a handful."""

# By `kty` (RFC 7518 section 6.1, RFC 8037 section 2). Not `oct`, because a published secret is not secret.
_READERS: Final[dict[str, Callable[[dict[str, Any]], Any]]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}
# RFC 7518 sections 6.2.2 and 6.3.2.
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth"})


class JwkSet:
    """The usable keys of a JWK Set, with one verifier for each key and algorithm.

    Attributes:
        skipped: The number of entries that are not usable.

    Args:
        document: The JWK Set. Entries that are unknown, malformed or for another use are skipped.
        algorithms: The allowed algorithms.
        verifier: Makes the verifier for a key and an algorithm.
    """

    def __init__(
        self,
        document: Mapping[str, object],
        *,
        algorithms: Collection[str],
        verifier: Callable[[PublicKey, str], TokenVerifier],
    ) -> None:
        self._named: dict[tuple[str, str], TokenVerifier] = {}
        self._fitting: dict[str, list[TokenVerifier]] = {}
        self._count = 0
        entries = document.get("keys")
        read = [_stated(entry) for entry in entries[:MAX_KEYS]] if isinstance(entries, list) else []
        for entry in read:
            made = {name: verifier(key, name) for key, name in _uses(entry) if name in algorithms}
            self._count += bool(made)
            for name, one in made.items():
                self._fitting.setdefault(name, []).append(one)
                if "kid" in entry:
                    # RFC 7517 section 4.5: keys should have distinct names. Otherwise the first one counts.
                    self._named.setdefault((entry["kid"], name), one)
        self.skipped = len(read) - self._count

    def __len__(self) -> int:
        """The number of usable keys."""
        return self._count

    def verifier(self, kid: str | None, algorithm: str) -> TokenVerifier | None:
        """Return the verifier of a token, or ``None`` if the set has no key for it.

        Args:
            kid: The token's ``kid``. Without one, exactly one key must fit.
            algorithm: The token's ``alg``.
        """
        if kid is not None:
            return self._named.get((kid, algorithm))
        fitting = self._fitting.get(algorithm, [])
        return fitting[0] if len(fitting) == 1 else None


def _stated(entry: object) -> dict[str, Any]:
    """Return the members of an entry that have a value, or none if it is not a JSON object.

    Some providers write unset members as null or empty. So an empty ``key_ops`` does not restrict the key.
    """
    if not isinstance(entry, dict):
        return {}
    return {
        name: value
        for name, value in entry.items()
        # An empty kid is still a name.
        if value is not None and value != [] and (value != "" or name == "kid")
    }


def _uses(entry: dict[str, Any]) -> Iterator[tuple[PublicKey, str]]:
    if not _is_for_signatures(entry):
        return
    try:
        key, fitting = usable_key(_READERS[entry["kty"]](entry))
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm, jwt.PyJWTError):
        return
    for algorithm in fitting:
        if same_algorithm(entry.get("alg", algorithm), algorithm):
            yield key, algorithm


def _is_for_signatures(entry: Mapping[str, object]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and isinstance(entry.get("kid", ""), str)
        # A published private key is not private.
        and _PRIVATE.isdisjoint(entry)
    )
