"""Plans of multipart uploads."""

import pytest
from tests.support.planning import CRC32, RICH, SHA256, UNIQUE, a_plan, a_planner, refused

from uploadsvc.domain import errors
from uploadsvc.domain.checksums import Checksum
from uploadsvc.domain.keys import KeyTemplate
from uploadsvc.domain.parts import MIB, Parts
from uploadsvc.domain.providers import GIB, TIB

CRC64NVME = Checksum("crc64nvme", "AAAAAAAAAAA=")


def test_only_headers_of_the_object_are_planned() -> None:
    """No length, no guard and no checksum of the whole."""
    plan = a_plan(
        a_planner(**RICH),
        filename="na\u00efve.mp4",
        size=5,
        method="multipart",
        metadata={"title": "\u00fcber"},
        checksum=CRC32,
    )
    assert (plan.method, plan.fields, plan.key) == ("multipart", {}, f"uploads/ann/{UNIQUE}/na\u00efve.mp4")
    assert plan.headers == {
        "Content-Type": "video/mp4",
        "Cache-Control": "max-age=60",
        "Content-Disposition": "attachment; filename=\"naive.mp4\"; filename*=UTF-8''na%C3%AFve.mp4",
        "x-amz-acl": "public-read",
        "x-amz-storage-class": "STANDARD_IA",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/x",
        "x-amz-tagging": "project=a%20b&team=x%2By%2Fz",
        "x-amz-meta-title": "%C3%BCber",
        "x-amz-meta-origin": "upload",
        "x-amz-meta-uploadsvc-upload": "J",
    }
    assert (plan.checksum, plan.part_checksum) == (CRC32, "crc32")
    assert plan.parts == Parts(5, 8 * MIB)
    assert (plan.min_size, plan.max_size) == (5, 5)


@pytest.mark.parametrize("key", ["{uuid}/{filename}", "fixed"])
def test_it_always_names_its_upload(key: str) -> None:
    """S3 forgets the id of a finished multipart upload."""
    for overwrite in (True, False):
        plan = a_plan(a_planner(key=KeyTemplate(key), overwrite=overwrite), size=1, method="multipart")
        assert plan.tags_object
        assert plan.no_overwrite is not overwrite
    assert not a_plan(a_planner("b2"), size=1, method="multipart").no_overwrite


def test_auto_uses_multipart_above_the_threshold() -> None:
    assert a_plan(a_planner(), size=64 * MIB).method == "put"
    assert a_plan(a_planner(), size=64 * MIB + 1).method == "multipart"
    assert a_plan(a_planner(multipart_threshold=0), size=1).method == "multipart"
    assert a_plan(a_planner(multipart_threshold=0), size=0).method == "put"
    assert a_plan(a_planner(multipart_threshold=0, methods=frozenset({"put"})), size=1).method == "put"
    assert a_plan(a_planner(multipart_threshold=0)).method == "post"
    assert a_plan(a_planner(methods=frozenset({"multipart"})), size=0).method == "multipart"


def test_the_part_size_starts_at_the_policys_and_doubles() -> None:
    planner = a_planner(part_size=5 * MIB, max_size=50_000 * GIB)
    assert a_plan(planner, size=50_000 * MIB, method="multipart").parts == Parts(50_000 * MIB, 5 * MIB)
    assert a_plan(planner, size=50_000 * MIB + 1).parts == Parts(50_000 * MIB + 1, 10 * MIB)
    assert a_plan(planner, size=50_000 * GIB).parts == Parts(50_000 * GIB, 5 * GIB)
    assert planner.max_size == 50_000 * GIB
    assert a_plan(planner, size=0, method="multipart").parts == Parts(0, 5 * MIB)
    assert a_planner("minio", max_size=5 * TIB).max_size == 5 * TIB
    assert a_planner(max_size=6 * GIB, methods=frozenset({"put"})).max_size == 5 * GIB


@pytest.mark.parametrize("max_size", [9, 6 * GIB])
def test_without_a_size_a_form_is_used(max_size: int) -> None:
    planner = a_planner(max_size=max_size, multipart_threshold=0)
    assert refused(planner, errors.SizeRequired, method="multipart").field == "size"
    plan = a_plan(planner)
    assert (plan.method, plan.parts, plan.max_size) == ("post", None, min(max_size, 5 * GIB))
    only = a_planner(methods=frozenset({"multipart"}))
    assert refused(only, errors.SizeRequired, method="multipart").field == "size"


@pytest.mark.parametrize("provider", ["generic", "minio", "r2", "ceph", "b2"])
def test_a_checksum_goes_with_parts_only_if_the_store_checks_them(provider: str) -> None:
    """Otherwise one request carries the file, or it is refused."""
    planner = a_planner(provider, max_size=6 * GIB)
    if provider in {"ceph", "b2"}:
        refused(planner, errors.ValidationFailed, size=1, checksum=CRC64NVME)
        return
    assert a_plan(planner, size=GIB, checksum=CRC64NVME).method == "put"
    refused(planner, errors.MethodNotAvailable, size=6 * GIB, checksum=CRC64NVME)
    refused(planner, errors.MethodNotAvailable, size=1, checksum=CRC64NVME, method="multipart")


def test_the_store_decides_which_checksums_parts_may_have() -> None:
    """SeaweedFS makes no composite ones."""
    seaweedfs = a_planner("seaweedfs")
    assert a_plan(seaweedfs, size=1, checksum=CRC64NVME, method="multipart").part_checksum == "crc64nvme"
    refused(seaweedfs, errors.MethodNotAvailable, size=1, checksum=SHA256, method="multipart")
    assert a_plan(a_planner(), size=1, checksum=SHA256, method="multipart").part_checksum == "sha256"


def test_auto_with_sha256_uses_one_request() -> None:
    """The SHA-256 of a file is not the one over its parts. A CRC works either way."""
    planner = a_planner(max_size=6 * GIB)
    assert a_plan(planner, size=GIB, checksum=SHA256).method == "put"
    refusal = refused(planner, errors.MethodNotAvailable, size=6 * GIB, checksum=SHA256)
    assert "methods that can: multipart" in refusal.detail
    assert a_plan(planner, size=6 * GIB, checksum=SHA256, method="multipart").method == "multipart"
    assert a_plan(planner, size=GIB, checksum=CRC64NVME).method == "multipart"
    assert a_plan(planner, size=GIB, checksum_algorithm="sha256").method == "multipart"


def test_only_a_multipart_upload_may_start_without_its_checksum() -> None:
    planner = a_planner(checksum="required")
    plan = a_plan(planner, size=1, checksum_algorithm="crc32")
    assert (plan.method, plan.checksum, plan.part_checksum) == ("multipart", None, "crc32")
    for fields in ({"method": "put", "size": 1}, {"method": "post"}, {"method": "auto"}):
        refusal = refused(planner, errors.ValidationFailed, checksum_algorithm="crc32", **fields)
        assert refusal.field == "checksum.value"
    assert refused(planner, errors.ChecksumRequired, size=1, method="multipart").field == "checksum"
    off = a_planner(checksum="off")
    assert refused(off, errors.ValidationFailed, size=1, checksum_algorithm="crc32").field == "checksum"
    assert a_plan(a_planner(), size=1, method="multipart").part_checksum is None


def test_the_policy_sets_its_lifetime() -> None:
    """URLs live at most as long as the upload."""
    planner = a_planner(multipart_expires_in=1000, expires_in=900)
    plan = a_plan(planner, size=1, method="multipart", expires_in=2000)
    assert (plan.upload_expires_in, plan.expires_in) == (1000, 1000)
    assert a_plan(planner, size=1, method="multipart").expires_in == 900
    assert a_plan(planner, size=1, expires_in=2000).expires_in == 2000
    assert a_plan(a_planner(), size=1, method="multipart").upload_expires_in == 7 * 86_400
    assert a_plan(planner, size=1).upload_expires_in == 86_400


def test_the_uploads_uuid_counts_as_metadata() -> None:
    planner = a_planner(metadata={"a": None})
    a_plan(planner, size=1, metadata={"a": "x" * 2047})
    fields = {"size": 1, "method": "multipart"}
    refused(planner, errors.MetadataNotAllowed, metadata={"a": "x" * 2047}, **fields)
    room = 2048 - len("a") - len("uploadsvc-upload") - len("J")
    a_plan(planner, metadata={"a": "x" * room}, **fields)


def test_the_size_may_be_open_if_client_and_policy_allow_it() -> None:
    """The parts are later held to the policy's range."""
    lets = a_planner(unsized_multipart=True, min_size=2, max_size=7 * GIB)
    plan = a_plan(lets, method="multipart", size_open=True)
    assert (plan.method, plan.parts, plan.min_size, plan.max_size) == (
        "multipart",
        None,
        2,
        7 * GIB,
    )
    assert plan.tags_object
    assert plan.upload_expires_in == 604_800
    assert refused(lets, errors.SizeRequired, method="multipart").field == "size"
    assert refused(a_planner(), errors.SizeRequired, method="multipart", size_open=True).field == "size"
    assert a_plan(lets, size_open=True).method == "post", "who leaves the method open gets what S3 can hold"


def test_a_client_may_choose_the_part_size() -> None:
    """Within S3's limits."""
    plan = a_plan(a_planner(), method="multipart", size=11 * MIB, part_size=5 * MIB)
    assert plan.parts == Parts(11 * MIB, 5 * MIB)
    for size, part_size in ((MIB, 5 * MIB - 1), (MIB, 5 * GIB + 1), (10_000 * 5 * MIB + 1, 5 * MIB)):
        planner = a_planner(max_size=TIB)
        asked = {"method": "multipart", "size": size, "part_size": part_size}
        assert refused(planner, errors.ValidationFailed, **asked).field == "part_size"
