"""What the tests of each Uppy share."""

from typing import Any, Final

from tests.support.uploaders.stage import MIB, Stage

POLICIES: Final[dict[str, dict[str, Any]]] = {
    "default": {},
    "open": {"unsized_multipart": True},
    "small": {"unsized_multipart": True, "max_size": 7 * MIB},
    "images": {"content_types": ["image/*"], "unsized_multipart": True},
}
MULTIPART: Final = {"shouldUseMultipart": True}
SIZE: Final = 11 * MIB
"""Bytes; Uppy cuts them into three parts."""


async def assert_stored(scene: Stage, told: dict[str, Any], *, others: int = 0) -> str:
    """Assert that the page's file is stored, whole and under the caller's prefix; return its key."""
    assert told["errors"] == []
    assert told["success"] is not None
    keys = [key for key in await scene.keys() if key.startswith("uploads/alice/")]
    assert len(keys) == 1 + others
    (key,) = [key for key in keys if await scene.digest(key) == told["digest"]]
    assert await scene.unfinished() == []
    return key


async def paused(scene: Stage) -> dict[str, Any]:
    """Wait until the page has paused after its first part; return what Uppy remembers of the upload."""
    await scene.page.wait_for_function("page.told().parts.length >= 1")
    remembered: dict[str, Any] = await scene.call("remembered")
    assert (await scene.call("told"))["success"] is None
    assert len(await scene.unfinished()) == 1
    return remembered


async def others_upload(scene: Stage) -> tuple[str, str, str]:
    """Begin a multipart upload of bob's; return its key, its id here, and S3's own name for it."""
    asked = {"filename": "his.mp4", "size": SIZE, "method": "multipart"}
    upload = (await scene.ask("POST", "/v1/uploads", user="bob", json=asked)).json()
    async with scene.s3.client() as client:
        (listed,) = (await client.list_multipart_uploads(Bucket=scene.s3.bucket))["Uploads"]
    return upload["key"], upload["id"], listed["UploadId"]
