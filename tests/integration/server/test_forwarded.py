"""Headers that name another sender or host change nothing."""

import httpx
import pytest
from tests.support.api import assert_problem, s3_that_is_down
from tests.support.service import settings_for
from tests.support.stories.serving import served

from uploadsvc.app import create_app
from uploadsvc.settings import Settings

SAID = [
    {"X-Forwarded-For": "10.1.2.3"},
    {"X-Forwarded-For": "10.1.2.3, 10.1.2.3", "X-Forwarded-Proto": "https"},
    {"Forwarded": "for=10.1.2.3"},
    {"X-Real-IP": "10.1.2.3"},
]


@pytest.mark.parametrize(("proxies", "trusted"), [("10.0.0.0/8", False), ("127.0.0.1", True)])
async def test_only_the_peer_itself_can_be_a_trusted_proxy(
    monkeypatch: pytest.MonkeyPatch, proxies: str, *, trusted: bool
) -> None:
    """Even if uvicorn's own variable trusts everyone."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    auth = {"jwt": {}, "trusted_header": "X-Forwarded-User", "trusted_proxies": [proxies]}
    app = create_app(Settings.model_validate(settings_for(s3_that_is_down(), auth=auth)))
    async with served(app) as origin, httpx.AsyncClient(trust_env=False) as client:
        for said in SAID:
            answer = await client.get(f"{origin}/v1/policies", headers={**said, "X-Forwarded-User": "alice"})
            if trusted:
                assert answer.status_code == 200
            else:
                assert_problem(answer, "unauthenticated")
