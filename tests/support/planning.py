"""A planner, and plans for made-up requests."""

import dataclasses
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.errors import UploadsvcError
from uploadsvc.domain.keys import Namespace
from uploadsvc.domain.plan import ClientTraits, Plan, UploadRequest
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import Policy
from uploadsvc.domain.providers import PROVIDERS

UNIQUE = "0190f3c0-0000-7000-8000-000000000000"
TODAY = date(2026, 3, 4)
SHA256 = Checksum("sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
CRC32 = Checksum("crc32", "AAAAAA==")

RICH: dict[str, Any] = {
    "acl": "public-read",
    "storage_class": "STANDARD_IA",
    "server_side_encryption": "aws:kms",
    "kms_key_id": "arn:aws:kms:eu-central-1:1:key/x",
    "cache_control": "max-age=60",
    "content_disposition": "attachment",
    "tags": {"project": "a b", "team": "x+y/z"},
    "metadata": {"origin": "upload", "title": None},
}
TRAITS = {one.name for one in dataclasses.fields(ClientTraits)}


def a_planner(provider: str = "aws", *, others: Sequence[Policy] = (), **fields: Any) -> Planner:  # noqa: ANN401 - any field of a policy
    """Return the planner of a policy that passes its checks, beside others."""
    policy = Policy(**{"name": "p", **fields})
    namespace = Namespace("uploads")
    policy.check(provider=PROVIDERS[provider], namespace=namespace)
    return Planner(policy=policy, provider=PROVIDERS[provider], namespace=namespace, others=others)


def a_plan(planner: Planner, **fields: Any) -> Plan:  # noqa: ANN401 - any field of a request
    """Plan an upload of ann's; a checksum brings its algorithm, and traits of the client are gathered."""
    traits = {name: fields.pop(name) for name in TRAITS & fields.keys()}
    fields["client"] = ClientTraits(**traits)
    if "checksum" in fields:
        fields = {"checksum_algorithm": fields["checksum"].algorithm, **fields}
    return planner.plan(UploadRequest(**fields), user="ann", upload_uuid="J", unique=UNIQUE, today=TODAY)


def refused(planner: Planner, kind: type[UploadsvcError], **fields: Any) -> UploadsvcError:  # noqa: ANN401 - any field of a request
    """Return what a request is refused with."""
    with pytest.raises(kind) as caught:
        a_plan(planner, **fields)
    assert type(caught.value) is kind
    return caught.value
