"""The key prefix, the store, and a planner for each policy."""

from typing import Final

from uploadsvc.domain.errors import InvalidKey
from uploadsvc.domain.keys import Namespace, check_key
from uploadsvc.domain.planner import Planner
from uploadsvc.domain.policy import PolicyError
from uploadsvc.domain.providers import PROVIDERS, Provider
from uploadsvc.settings import Settings, SettingsError

MAX_PREFIX_BYTES: Final = 256


def namespace(settings: Settings) -> Namespace:
    """Return the key prefix, checked."""
    try:
        check_key(settings.key_prefix, field="key_prefix")
    except InvalidKey as error:
        raise SettingsError(("key_prefix",), f"{error.detail} Write it like 'uploads'.") from None
    if len(settings.key_prefix.encode()) > MAX_PREFIX_BYTES:
        raise SettingsError(("key_prefix",), f"at most {MAX_PREFIX_BYTES} bytes")
    return Namespace(settings.key_prefix)


def provider(settings: Settings) -> Provider:
    """Return what the store can do."""
    s3 = settings.s3
    return PROVIDERS[s3.provider or ("generic" if s3.endpoint_url else "aws")]


def planners(settings: Settings) -> dict[str, Planner]:
    """Return a planner for each policy, checked against itself and the provider."""
    store = provider(settings)
    space = namespace(settings)
    made = {}
    for name, policy_settings in settings.policies.items():
        policy = policy_settings.policy(name)
        try:
            policy.check(provider=store, namespace=space)
        except PolicyError as error:
            raise SettingsError(("policies", name, error.field), error.message) from None
        made[name] = Planner(policy=policy, provider=store, namespace=space)
    return made
