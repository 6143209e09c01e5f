"""The servers behave as the other tests assume, and CI skips nothing."""

from dataclasses import replace

import httpx
import pytest
from tests.support.servers import S3Server


async def test_each_server_has_a_bucket_that_keeps_objects(s3: S3Server) -> None:
    """A server comes with a bucket, and what is put there stays."""
    async with s3.client() as client:
        await client.put_object(Bucket=s3.bucket, Key="kept", Body=b"bytes")
        answer = await client.head_object(Bucket=s3.bucket, Key="kept")
    assert answer["ContentLength"] == 5


async def test_moto_gives_each_test_an_empty_bucket(moto_server: S3Server) -> None:
    """No test sees what another has put into moto."""
    async with moto_server.client() as client:
        answer = await client.list_objects_v2(Bucket=moto_server.bucket)
        await client.put_object(Bucket=moto_server.bucket, Key="kept", Body=b"bytes")
    assert answer["KeyCount"] == 0


async def test_only_the_strict_server_refuses_what_is_not_signed(s3: S3Server) -> None:
    """LocalStack takes an unsigned PUT, SeaweedFS does not."""
    async with httpx.AsyncClient() as client:
        answer = await client.put(f"{s3.endpoint_url}/{s3.bucket}/unsigned", content=b"bytes")
    assert (answer.status_code == 403) is s3.strict


async def test_each_server_refuses_a_presigned_url_that_was_altered(s3: S3Server) -> None:
    """A wrong secret, another key and another signature are refused, or no test of a URL proves anything."""
    params = {"Bucket": s3.bucket, "Key": "signed"}
    async with (
        s3.client() as client,
        replace(s3, secret_access_key="wrong").client() as wrong,
        httpx.AsyncClient() as http,
    ):
        url = await client.generate_presigned_url("put_object", Params=params)
        assert (await http.put(url, content=b"bytes")).status_code == 200
        for altered in (
            await wrong.generate_presigned_url("put_object", Params=params),
            url.replace("/signed?", "/other?"),
            url.replace("X-Amz-Signature=", "X-Amz-Signature=0"),
        ):
            assert (await http.put(altered, content=b"bytes")).status_code == 403


async def test_a_session_key_signs_urls_and_needs_its_token(session_s3: S3Server) -> None:
    """A URL signed by the session's key is taken with its token, and refused without."""
    async with session_s3.client() as client, httpx.AsyncClient() as http:
        params = {"Bucket": session_s3.bucket, "Key": "of-a-session"}
        url = httpx.URL(await client.generate_presigned_url("put_object", Params=params))
        bare = url.copy_remove_param("X-Amz-Security-Token")
        assert (await http.put(url, content=b"bytes")).status_code == 200
        assert (await http.put(bare, content=b"bytes")).status_code == 403


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("1", 1), ("false", 0), ("", 0), (None, 0)])
def test_a_skipped_test_fails_the_run_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str | None, status: int
) -> None:
    """Where CI is set to a true value, a skipped test makes pytest exit with 1 and say so."""
    pytester.makepyfile("""
        import pytest

        def test_passes():
            pass

        def test_skipped():
            pytest.skip("something is not installed")
    """)
    monkeypatch.delenv("CI", raising=False)
    if ci is not None:
        monkeypatch.setenv("CI", ci)
    result = pytester.runpytest_inprocess("-p", "tests.support.skips", "-p", "no:asyncio")
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == status
    assert ("in CI (CI is set) every test has to run" in result.stdout.str()) is bool(status)


def test_a_run_that_skips_nothing_passes_in_ci(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CI being set changes nothing where every test ran."""
    pytester.makepyfile("def test_passes(): pass")
    monkeypatch.setenv("CI", "true")
    assert pytester.runpytest_inprocess("-p", "tests.support.skips", "-p", "no:asyncio").ret == 0
