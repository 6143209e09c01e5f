"""botocore works as before with the part of its data that is loaded."""

from typing import Any, cast

import pytest
from aiobotocore.session import AioSession
from botocore.loaders import Loader

from uploadsvc.s3.model_files import load_less

REGIONS = ("us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1")


def texts(node: Any) -> int:  # noqa: ANN401 - any JSON
    """Return the length of all documentation in a part of a model."""
    if isinstance(node, list):
        return sum(map(texts, node))
    if isinstance(node, dict):
        own = node.get("documentation")
        return (len(own) if isinstance(own, str) else 0) + sum(map(texts, node.values()))
    return 0


def sessions() -> tuple[AioSession, AioSession]:
    """Return a session with all data, and one with less. Other tests share one loader."""
    whole, small = AioSession(), AioSession()
    for session in (whole, small):
        session.register_component("data_loader", Loader())
    load_less(small)
    return whole, small


async def test_operations_are_the_same_without_their_documentation() -> None:
    whole, small = sessions()
    models = [await session.get_service_model("s3") for session in (whole, small)]
    names = [model.operation_names for model in models]
    assert names[0] == names[1]
    shapes = [{name: model.shape_for(name).type_name for name in model.shape_names} for model in models]
    assert shapes[0] == shapes[1]
    # The texts of S3's model have 900,000 characters.
    assert texts(small.get_component("data_loader").load_service_model("s3", "service-2")) == 0


@pytest.mark.parametrize("service", ["s3", "sqs", "sns", "sts", "sso", "sso-oidc"])
async def test_addresses_are_the_same(service: str) -> None:
    """Those of S3, and of the services that give the AWS chain its credentials."""
    whole, small = sessions()
    options: dict[str, Any] = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}  # made up
    for region in REGIONS:
        addresses = []
        for session in (cast("Any", whole), cast("Any", small)):
            async with session.create_client(service, region_name=region, **options) as client:
                addresses.append(client.meta.endpoint_url)
        assert addresses[0] == addresses[1]
    loaded = small.get_component("data_loader").load_data("endpoints")["partitions"][0]["services"]
    assert "s3" in loaded
    assert len(loaded) < 10
