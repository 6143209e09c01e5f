"""AWS Signature Version 4 for presigned URLs and POST policies. Pure functions, no I/O.

Steps and names follow the specification: canonical request, string to sign, signing key, signature.
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-UsingHTTPPOST.html
"""

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Literal, TypeAlias
from urllib.parse import quote

from uploadsvc.domain.credentials import Credentials
from uploadsvc.domain.endpoints import BucketEndpoint
from uploadsvc.domain.policy import MAX_EXPIRES_IN

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

Method: TypeAlias = Literal["GET", "HEAD", "PUT", "POST", "DELETE"]
# https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
Condition: TypeAlias = dict[str, str] | list[str | int] | tuple[str | int, ...]

_PAYLOAD_HEADER = "x-amz-content-sha256"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_IN_A_HEADER = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9/._~-]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, "token".
_OUR_PARAMETERS = frozenset(
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "date", "expires", "security-token", "signature", "signedheaders")
)


def presign(
    *,
    method: Method,
    endpoint: BucketEndpoint,
    key: str,
    credentials: Credentials,
    region: str,
    now: datetime,
    expires_in: int,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    service: str = "s3",
) -> str:
    """Sign a request, and return its URL.

    Args:
        method: The HTTP method of the request.
        endpoint: The bucket's address.
        key: The object key, not encoded; empty for the bucket itself.
        credentials: The credentials that sign.
        region: The bucket's region.
        now: Time of signing, aware; fractions of a second are dropped.
        expires_in: Lifetime of the URL in seconds from ``now``.
        headers: Headers that the request must have besides ``Host``; all of them are signed. Without
            ``X-Amz-Content-SHA256``, the body is not signed and can be anything.
        query: The operation's parameters, not encoded, in the order of the URL.
        service: The signing name of S3 or a related service (``s3express``, ``s3-outposts``).

    Raises:
        ValueError: ``now`` is naive, ``expires_in`` is out of range, a header or parameter cannot be signed,
            or some text is not Unicode (lone surrogates).
    """
    signer = UrlSigner(
        endpoint=endpoint,
        credentials=credentials,
        region=region,
        now=now,
        expires_in=expires_in,
        service=service,
    )
    return signer.presign(method, key, headers=headers, query=query)


class UrlSigner:
    """Signs URLs that share everything but the request itself, like `presign`.

    Raises:
        ValueError: ``now`` is naive, or ``expires_in`` is out of range.
    """

    def __init__(
        self,
        *,
        endpoint: BucketEndpoint,
        credentials: Credentials,
        region: str,
        now: datetime,
        expires_in: int,
        service: str = "s3",
    ) -> None:
        if not 1 <= expires_in <= MAX_EXPIRES_IN:
            message = f"expires_in is {expires_in}: must be 1 to {MAX_EXPIRES_IN} seconds"
            raise ValueError(message)
        amz_date = _amz_date(now)
        scope = credential_scope(date=amz_date[:8], region=region, service=service)
        self._host, self._path = endpoint.host, endpoint.path
        self._origin = f"{endpoint.scheme}://{endpoint.host}"
        self._token = credentials.session_token
        self._query = (
            f"X-Amz-Algorithm={ALGORITHM}"
            f"&X-Amz-Credential={_encode_lasting(f'{credentials.access_key_id}/{scope}')}"
            f"&X-Amz-Date={amz_date}&X-Amz-Expires={expires_in}&X-Amz-SignedHeaders="
        )
        self._amz_date, self._scope = amz_date, scope
        key = signing_key(
            secret_access_key=credentials.secret_access_key, date=amz_date[:8], region=region, service=service
        )
        self._mac = hmac.new(key, digestmod="sha256")

    def presign(
        self,
        method: Method,
        key: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> str:
        """Return the URL of a request.

        Raises:
            ValueError: A header or parameter cannot be signed, or some text is not Unicode.
        """
        header_lines, signed_headers = canonical_headers(host=self._host, headers=headers or {})
        url_query = sorted_query = self._query + _encode_lasting(signed_headers)
        if query or self._token is not None:
            # The order of the URL is botocore's; without these two it is the canonical one already.
            if self._token is not None:
                url_query += f"&X-Amz-Security-Token={_encode_lasting(self._token)}"
            url_query = _operation_query(query or {}) + url_query
            sorted_query = canonical_query(url_query)
        path = f"{self._path}/{_encode_key(key)}" if key else self._path or "/"
        payload_hash = UNSIGNED_PAYLOAD
        if headers and _PAYLOAD_HEADER in signed_headers:
            payload_hash = _payload_hash(headers)
        request = canonical_request(
            method=method,
            path=path,
            query=sorted_query,
            header_lines=header_lines,
            signed_headers=signed_headers,
            payload_hash=payload_hash,
        )
        to_sign = string_to_sign(amz_date=self._amz_date, scope=self._scope, canonical_request=request)
        proof = signature(self._mac, to_sign)
        return f"{self._origin}{path}?{url_query}&X-Amz-Signature={proof}"


def _payload_hash(headers: Mapping[str, str]) -> str:
    named = (value for name, value in headers.items() if name.lower() == _PAYLOAD_HEADER)
    return next(named, UNSIGNED_PAYLOAD)


def sign_post_policy(
    *,
    conditions: Sequence[Condition],
    credentials: Credentials,
    region: str,
    now: datetime,
    expires_at: datetime,
) -> dict[str, str]:
    """Sign the policy of a POST form, and return the form's signature fields.

    Args:
        conditions: Conditions that the form must meet, including bucket and key; those on the returned fields
            are added.
        credentials: The credentials that sign.
        region: The bucket's region.
        now: Time of signing, aware; fractions of a second are dropped.
        expires_at: The end of the policy (aware); parts of a second are dropped.

    Returns:
        ``x-amz-algorithm``, ``x-amz-credential``, ``x-amz-date``, with temporary credentials
        ``x-amz-security-token``, then ``policy`` and ``x-amz-signature``.

    Raises:
        ValueError: A time is naive, ``expires_at`` is not within seven days after ``now``, or some text is
            not Unicode (lone surrogates).
    """
    signer = FormSigner(credentials=credentials, region=region, now=now, expires_at=expires_at)
    return signer.sign(conditions)


class FormSigner:
    """Signs forms that share everything but their own conditions, like `sign_post_policy`.

    Raises:
        ValueError: A time is naive, or ``expires_at`` is not within seven days after ``now``.
    """

    def __init__(self, *, credentials: Credentials, region: str, now: datetime, expires_at: datetime) -> None:
        date, end = _amz_date(now), _amz_date(expires_at)
        if end <= date or expires_at - now > timedelta(seconds=MAX_EXPIRES_IN):
            message = f"expires_at is {expires_at}: must be 1 to {MAX_EXPIRES_IN} seconds after {now}"
            raise ValueError(message)
        scope = credential_scope(date=date[:8], region=region, service="s3")
        self._fields = {
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": f"{credentials.access_key_id}/{scope}",
            "x-amz-date": date,
        }
        if credentials.session_token is not None:
            self._fields["x-amz-security-token"] = credentials.session_token
        expiration = f"{end[:4]}-{end[4:6]}-{end[6:11]}:{end[11:13]}:{end[13:]}"
        self._head = f'{{"expiration": "{expiration}", "conditions": ['
        self._tail = _conditions_json([{name: value} for name, value in self._fields.items()])
        key = signing_key(
            secret_access_key=credentials.secret_access_key, date=date[:8], region=region, service="s3"
        )
        self._mac = hmac.new(key, digestmod="sha256")

    def sign(self, conditions: Sequence[Condition]) -> dict[str, str]:
        """Return the signature fields of a form.

        Raises:
            ValueError: Some text is not Unicode.
        """
        listed = _conditions_json(conditions)
        policy = b64encode(f"{self._head}{listed}{', ' if listed else ''}{self._tail}]}}".encode()).decode()
        proof = signature(self._mac, policy)
        return {**self._fields, "policy": policy, "x-amz-signature": proof}


def _conditions_json(conditions: Sequence[Condition]) -> str:
    """Return the JSON of conditions without the outer brackets.

    Raises:
        ValueError: Some text is not Unicode.
    """
    text = json.dumps(conditions)
    if "\\ud" in text:
        # JSON would pass a lone surrogate through as an escape, and S3 would answer with an obscure error.
        json.dumps(conditions, ensure_ascii=False).encode()
    return text[1:-1]


def canonical_request(
    *, method: str, path: str, query: str, header_lines: str, signed_headers: str, payload_hash: str
) -> str:
    """Join a request's canonical parts; ``header_lines`` ends in a line break."""
    return f"{method}\n{path}\n{query}\n{header_lines}\n{signed_headers}\n{payload_hash}"


def canonical_query(query: str) -> str:
    """Sort an encoded query by name, then value."""
    # "=" sorts after "-", "." and digits, which names may contain; a space sorts before everything.
    return "&".join(sorted(query.replace("=", " ").split("&"))).replace(" ", "=")


def canonical_headers(*, host: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the lines of ``headers`` and ``Host`` in canonical form, and the list of their names.

    Raises:
        ValueError: A header cannot be sent as given, is named twice, or is ``Host``.
    """
    order, signed_headers = _header_order(tuple(headers))
    values = {"host": host, **headers}
    lines = []
    for lower, name in order:
        value = values[name]
        # Most values are plain.
        if " " in value or not value.isprintable():
            if _NOT_IN_A_HEADER.search(value):
                message = f"header {name} holds a control character or lone surrogate: {value!r}"
                raise ValueError(message)
            value = " ".join(value.split())
        lines.append(f"{lower}:{value}\n")
    return "".join(lines), signed_headers


def string_to_sign(*, amz_date: str, scope: str, canonical_request: str) -> str:
    """Return the string to sign: time, scope and hash of the canonical request."""
    return f"{ALGORITHM}\n{amz_date}\n{scope}\n{sha256(canonical_request.encode()).hexdigest()}"


def credential_scope(*, date: str, region: str, service: str) -> str:
    """Return the scope of a signing key: day (``YYYYMMDD``), region and service."""
    return f"{date}/{region}/{service}/aws4_request"


# A day's key is the same for every signature. Few are kept: one process signs with few credentials, and
# the keys are as secret as those.
@lru_cache(maxsize=16)
def signing_key(*, secret_access_key: str, date: str, region: str, service: str) -> bytes:
    """Derive the key of one scope (``date`` as ``YYYYMMDD``)."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(mac: hmac.HMAC, string_to_sign: str) -> str:
    """Return the signature in lower-case hexadecimal.

    Args:
        mac: HMAC-SHA256 of nothing yet, by the signing key. Copying it takes half the time of making it.
        string_to_sign: The string to sign.
    """
    mac = mac.copy()
    mac.update(string_to_sign.encode())
    return mac.hexdigest()


def _amz_date(moment: datetime) -> str:
    if moment.utcoffset() is None:
        message = f"{moment} must have a time zone"
        raise ValueError(message)
    since_epoch = moment - _EPOCH
    return _format_second(since_epoch.days, since_epoch.seconds)


# One second serves thousands of signatures, and formatting it takes as long as hashing a request.
@lru_cache(maxsize=64)
def _format_second(days: int, seconds: int) -> str:
    return f"{_EPOCH + timedelta(days=days, seconds=seconds):%Y%m%dT%H%M%SZ}"


@lru_cache(maxsize=256)
def _header_order(names: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], str]:
    for name in names:
        if not _HEADER_NAME.fullmatch(name):
            message = f"header name {name!r} must be a token of RFC 9110"
            raise ValueError(message)
    order = tuple(sorted((name.lower(), name) for name in ("host", *names)))
    signed = [lower for lower, _ in order]
    if len(set(signed)) != len(signed):
        message = f"headers {names} must name each header once, and leave Host to the endpoint"
        raise ValueError(message)
    return order, ";".join(signed)


def _operation_query(query: Mapping[str, str]) -> str:
    for name in query:
        if name.lower() in _OUR_PARAMETERS:
            message = f"query parameter {name} is the signature's own"
            raise ValueError(message)
    return "".join([f"{_encode_lasting(name)}={_encode(value)}&" for name, value in query.items()])


def _encode_key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else quote(key, safe="/~")


def _encode(text: str) -> str:
    return quote(text, safe="")


# For values that every signature repeats. Encoding a session token takes longer than all the rest together.
_encode_lasting = lru_cache(maxsize=256)(_encode)
