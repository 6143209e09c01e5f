"""Settings of events, as operators write them."""

import json

import pytest

from uploadsvc.settings import Settings, SettingsError, load_settings

KEY = "c2VjcmV0IGh1bnRlcjIgc2VjcmV0IGh1bnRlcjI="
SECRET = f"whsec_{KEY}"
HOOK = {"url": "https://app.example.com/hooks", "secrets": [SECRET]}


def loaded(monkeypatch: pytest.MonkeyPatch, **variables: object) -> Settings:
    """Load settings with some variables of the section set."""
    monkeypatch.setenv("UPLOADSVC_S3__BUCKET", "media")
    monkeypatch.setenv("UPLOADSVC_S3__REGION", "eu-central-1")
    for name, value in variables.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"UPLOADSVC_EVENTS__{name}", text)
    return load_settings()


def test_events_are_off_unless_something_may_receive_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not loaded(monkeypatch).carries_claims
    assert loaded(monkeypatch, WEBHOOKS=[HOOK]).carries_claims


def test_a_webhook_gets_everything_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    (hook,) = loaded(monkeypatch, WEBHOOKS=[HOOK]).events.webhooks
    assert (hook.types, hook.policies) == (("*",), ("*",))
    assert hook.secrets[0].get_secret_value() == SECRET
    assert SECRET not in repr(hook)


@pytest.mark.parametrize(
    "hook",
    [
        {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/app"},
        {"topic_arn": "arn:aws:sns:eu-central-1:123456789012:app"},
        {
            "url": "https://app.example.com",
            "secrets": f"{SECRET},{SECRET}",
            "types": "upload.*,object.deleted",
        },
    ],
)
def test_other_receivers_are_accepted(monkeypatch: pytest.MonkeyPatch, hook: dict[str, object]) -> None:
    assert len(loaded(monkeypatch, WEBHOOKS=[hook]).events.webhooks) == 1


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        ({}, "one of url, queue_url and topic_arn"),
        ({**HOOK, "queue_url": "https://sqs.example.com/q"}, "one of url, queue_url and topic_arn"),
        ({"queue_url": "https://sqs.example.com/q", "secrets": [SECRET]}, "secrets are only for a url"),
        ({"topic_arn": "app"}, "the ARN of an SNS topic"),
        ({"queue_url": "app"}, "queue URL 'app' must be http"),
        ({"queue_url": "arn:aws:sqs:eu-central-1:123456789012:app"}, "must be http"),
        ({**HOOK, "url": "app.example.com"}, "a url must be like https"),
        ({**HOOK, "url": "https://me:pw@app.example.com"}, "a url must be like https"),
        ({**HOOK, "url": "https://:pw@app.example.com"}, "a url must be like https"),
        ({**HOOK, "url": "https:///hooks"}, "a url must be like https"),
        ({**HOOK, "url": "http://app.example.com"}, "must be https"),
        ({**HOOK, "url": "http://127.0.0.1:9"}, "ALLOW_PRIVATE_ADDRESSES"),
        ({**HOOK, "secrets": []}, "a url needs secrets"),
        ({**HOOK, "secrets": [KEY]}, "must be whsec_"),
        ({**HOOK, "secrets": ["whsec_c2hvcnQ="]}, "24 to 64 random bytes"),
        ({**HOOK, "secrets": ["whsec_#"]}, "must be whsec_"),
        ({**HOOK, "types": ["upload.finished"]}, "not an event type"),
        ({**HOOK, "types": []}, "must not be empty"),
        ({**HOOK, "policies": ["avatars"]}, "there is no policy 'avatars'"),
    ],
)
def test_a_wrong_webhook_is_refused(
    monkeypatch: pytest.MonkeyPatch, hook: dict[str, object], reason: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        loaded(monkeypatch, WEBHOOKS=[HOOK, hook])
    message = str(caught.value)
    assert message.startswith("UPLOADSVC_EVENTS__WEBHOOKS")
    assert reason in message
    assert "\n" not in message
    assert KEY not in message
    assert "pw@" not in message


@pytest.mark.parametrize("name", ["QUEUE_URL", "ENDPOINT_URL"])
@pytest.mark.parametrize("value", ["uploads", "ftp://sqs.example.com/q", "https://"])
def test_a_wrong_address_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"UPLOADSVC_EVENTS__{name}: "):
        loaded(monkeypatch, **{name: value})


def test_a_short_push_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="PUSH_SECRET: has 5 bytes; 32 or more"):
        loaded(monkeypatch, PUSH_SECRET="short")


def test_this_machine_is_allowed_for_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {**HOOK, "url": "http://localhost:9/hooks"}
    settings = loaded(monkeypatch, WEBHOOKS=[hook], ALLOW_PRIVATE_ADDRESSES="true")
    assert settings.events.webhooks[0].url == hook["url"]
