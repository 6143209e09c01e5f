"""Messages of pending deliveries."""

import json
from typing import Any

import pytest

from uploadsvc.tokens.deliveries import Deliveries, Delivery, WrongDeliveryError

OLD, NEW = b"o" * 32, b"n" * 32
DELIVERY = Delivery(
    receiver="app.example.com/hooks",
    event_id="evt_1",
    body='{"key":"é😀\\u0000"}'.encode(),
    attempt=3,
    postponed=2,
    not_before=1_800_000_000,
)


def test_a_delivery_comes_back_as_it_was_in_text_that_sqs_allows() -> None:
    text = Deliveries([NEW]).encode(DELIVERY)
    assert text.isascii()
    assert text.isprintable()
    assert Deliveries([NEW]).decode(text) == DELIVERY


def test_old_keys_verify_and_the_first_signs() -> None:
    assert Deliveries([NEW, OLD]).decode(Deliveries([OLD]).encode(DELIVERY)) == DELIVERY
    with pytest.raises(WrongDeliveryError):
        Deliveries([OLD]).decode(Deliveries([NEW, OLD]).encode(DELIVERY))


@pytest.mark.parametrize("text", ["", "{}", '{"Records":[]}', ' {"uploadsvc_delivery":{}}'])
def test_other_messages_are_no_deliveries(text: str) -> None:
    assert Deliveries([NEW]).decode(text) is None


@pytest.mark.parametrize(
    ("index", "value"),
    [(0, "other"), (1, "evt_2"), (2, 1), (2, True), (2, None), (3, 0), (4, 0), (5, "{}"), (5, ["{}"])],
)
def test_no_field_can_be_changed(index: int, value: object) -> None:
    message: dict[str, Any] = json.loads(Deliveries([NEW]).encode(DELIVERY))
    message["uploadsvc_delivery"]["fields"][index] = value
    with pytest.raises(WrongDeliveryError):
        Deliveries([NEW]).decode(json.dumps(message, separators=(",", ":")))


@pytest.mark.parametrize(
    "content",
    ["1", "{}", "[", '{"fields":[],"mac":""}', '{"fields":[],"mac":"é"}', '{"fields":' + "[" * 10_000],
)
def test_what_only_looks_like_a_delivery_is_refused(content: str) -> None:
    with pytest.raises(WrongDeliveryError):
        Deliveries([NEW]).decode(f'{{"uploadsvc_delivery":{content}}}')
