"""``GET /uploads``: a URL, and a PUT that needs no header."""

import httpx
import pytest

CONTENT = b"hello, bytes"


async def url_of(api: httpx.AsyncClient, **query: str | int) -> str:
    """Ask for a URL."""
    answer = await api.get("/uploads", params=query)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["url"]
    return str(answer.json()["url"])


async def test_a_bare_put_is_taken(api: httpx.AsyncClient, http: httpx.AsyncClient, user: str) -> None:
    """Any bytes, no header; the object lies below the caller's prefix."""
    url = await url_of(api, filename="a.txt")
    assert (await http.put(url, content=CONTENT)).status_code == 200
    (listed,) = (await api.get("/v1/objects")).json()["objects"]
    assert listed["key"].startswith(f"uploads/{user}/")
    assert listed["key"].endswith("/a.txt")
    assert listed["size"] == len(CONTENT)


async def test_what_is_named_is_signed(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Another size or another type is refused, the named ones are taken."""
    url = await url_of(api, content_type="text/plain", size=len(CONTENT))
    right = {"Content-Type": "text/plain"}
    assert (await http.put(url, content=CONTENT + b"!", headers=right)).status_code == 403
    assert (await http.put(url, content=CONTENT, headers={"Content-Type": "text/html"})).status_code == 403
    assert (await http.put(url, content=CONTENT)).status_code == 403
    assert (await http.put(url, content=CONTENT, headers=right)).status_code == 200


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "content_type_required"),
        ({"content_type": "text/plain"}, "size_required"),
        ({"content_type": "text/html", "size": 5}, "content_type_not_allowed"),
        ({"content_type": "text/plain", "size": 1025}, "file_too_large"),
    ],
)
async def test_what_is_restricted_must_be_named(
    api: httpx.AsyncClient, query: dict[str, str | int], code: str
) -> None:
    """Only what is named is signed, so a restriction that is left open would not hold."""
    answer = await api.get("/uploads", params={"policy": "text", **query})
    assert answer.json()["code"] == code


async def test_a_restricted_policy_is_enforced(api: httpx.AsyncClient, http: httpx.AsyncClient) -> None:
    """Type and size of the policy, named and signed."""
    url = await url_of(api, policy="text", content_type="text/plain", size=5)
    headers = {"Content-Type": "text/plain"}
    assert (await http.put(url, content=b"123456", headers=headers)).status_code == 403
    assert (await http.put(url, content=b"12345", headers=headers)).status_code == 200
