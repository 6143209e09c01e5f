"""Parse S3's responses. botocore's parser would block the event loop for 15 ms per page of a listing."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError, XMLParser

from aiobotocore.parsers import AioResponseParserFactory, AioRestXMLParser
from botocore.handlers import _handle_200_error  # type: ignore[attr-defined] # not in the types
from botocore.hooks import BaseEventHooks
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

_SMALL: Final = 16 * 1024
"""Bytes of XML in one slice; smaller responses are parsed whole."""

_ELEMENTS: Final = 10
"""Elements below the root, such as objects of a listing, to parse between two yields to the event loop."""

# RFC 9110, section 5.6.7. dateutil takes longer for it than for the rest of a small response.
_HTTP_DATE: Final = re.compile("[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}(:[0-9]{2}){2} GMT")
# Python accepts other forms too, some of which botocore rejects or reads differently.
_XML_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}(:[0-9]{2}){2}(\.[0-9]{3})?Z")
_BEFORE_PARSE: Final = "before-parse.s3.*"
_XML: Final = "rest-xml"


class Parsers(AioResponseParserFactory):
    """Parser factory for a botocore session's ``response_parser_factory``.

    Large responses are parsed in slices. A thread would hold the GIL for longer than a slice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parse_time)
        self._turn = asyncio.Lock()

    def create_parser(self, protocol_name: str) -> Any:  # noqa: ANN401 - botocore's
        """Return the parser of a protocol."""
        if protocol_name != _XML:
            return super().create_parser(protocol_name)
        return _InSlices(_ElementParser(timestamp_parser=parse_time), self._turn)


def read_large_responses_once(events: BaseEventHooks) -> None:
    """Keep botocore from parsing a whole large response just to see whether it is an error.

    Args:
        events: Events of a client of S3 whose session has `Parsers`.
    """
    events.unregister(_BEFORE_PARSE, _handle_200_error)
    events.register_last(_BEFORE_PARSE, _refuse_small_errors)


def _refuse_small_errors(**event: Any) -> None:  # noqa: ANN401 - botocore's
    if not _is_large(event["response_dict"]["body"]):
        _handle_200_error(**event)


def _is_large(body: object) -> bool:
    # An object's bytes are a stream, which is not parsed.
    return isinstance(body, bytes) and len(body) > _SMALL


class _ElementParser(AioRestXMLParser):
    """Also accepts a body that is already parsed into an element."""

    def _initial_body_parse(self, xml_string: Any) -> Any:  # noqa: ANN401 - botocore's
        if isinstance(xml_string, Element):
            return xml_string
        return super()._initial_body_parse(xml_string)  # type: ignore[misc] # not in the types


class _InSlices:
    def __init__(self, parser: _ElementParser, turn: asyncio.Lock) -> None:
        self._parser = parser
        self._turn = turn

    async def parse(self, response: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - botocore's
        try:
            return await self._parse(response, shape)
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            # An invalid number or time. botocore raises such errors as if the caller had caused them.
            message = f"a field has a wrong value ({type(error).__name__})"
            raise ResponseParserError(message) from None

    async def _parse(self, response: dict[str, Any], shape: Any) -> Any:  # noqa: ANN401 - botocore's
        if response["status_code"] != HTTPStatus.OK or not _is_large(response["body"]):
            return await self._parser.parse(response, shape)
        # One response at a time: two would block the event loop for two slices in a row.
        async with self._turn:
            root = await _read(response["body"])
            if root is None or root.tag == "Error":
                # The same error as botocore's handler raises; it is retried.
                response["status_code"] = HTTPStatus.INTERNAL_SERVER_ERROR.value
                return await self._parser.parse(response, shape)
            parsed: dict[str, Any] = {}
            for element in _slices(root):
                await asyncio.sleep(0)
                _add(parsed, await self._parser.parse({**response, "body": element}, shape))
            return parsed


async def _read(body: bytes) -> Element | None:
    """Return the root element; ``None`` if the XML is incomplete."""
    parser = XMLParser(encoding=AioRestXMLParser.DEFAULT_ENCODING)  # noqa: S314 - as botocore does
    try:
        for start in range(0, len(body), _SMALL):
            parser.feed(body[start : start + _SMALL])
            await asyncio.sleep(0)
        root: Element = parser.close()
    except ParseError:
        return None
    return root


def _slices(root: Element) -> Iterator[Element]:
    """Yield copies of the root, each with a slice of its children."""
    children = list(root)
    for start in range(0, max(len(children), 1), _ELEMENTS):
        element = Element(root.tag, root.attrib)
        element.extend(children[start : start + _ELEMENTS])
        yield element


def _add(parsed: dict[str, Any], some: dict[str, Any]) -> None:
    """Merge the fields of a slice. S3 lists items below the root, so only lists can span slices."""
    for name, value in some.items():
        if isinstance(value, list):
            parsed.setdefault(name, []).extend(value)
        else:
            parsed[name] = value


def parse_time(value: Any) -> datetime:  # noqa: ANN401 - text, or a number in other services' answers
    """Return a time like botocore, but parse the formats of S3's XML and headers directly."""
    if isinstance(value, str):
        # It may match and still be invalid, such as month 13.
        with suppress(ValueError):
            if _XML_TIME.fullmatch(value):
                return datetime.fromisoformat(value)
            if _HTTP_DATE.fullmatch(value):
                return parsedate_to_datetime(value)
    return parse_timestamp(value)
