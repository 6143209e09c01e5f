"""An S3 in a separate process that answers at once, and always with the largest pages that S3 sends.

It stores nothing. With it, the CPU time of the service can be measured for uploads of 10,000 parts.
"""

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

PART_SIZE: Final = 8 * 1024**2
"""Size in bytes of each part that it lists."""

ETAG: Final = "0123456789abcdef0123456789abcdef"
PAGE: Final = 1000
_TIME: Final = "2026-01-01T00:00:00.000Z"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = _body(self.command, query).encode()
        self.send_response(200)
        self.send_header("x-amz-request-id", "1")
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{ETAG}"')
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_arguments: Any) -> None:  # noqa: ANN401 - as in the base class
        pass


def _body(method: str, query: dict[str, str]) -> str:
    if "uploads" in query:
        return (
            f"<InitiateMultipartUploadResult><UploadId>{'u' * 200}</UploadId></InitiateMultipartUploadResult>"
        )
    if method == "POST":
        return f'<CompleteMultipartUploadResult><ETag>"{ETAG}-1"</ETag></CompleteMultipartUploadResult>'
    if "uploadId" in query:
        return _parts(int(query.get("part-number-marker", 0)))
    return _objects(query) if "list-type" in query else ""


def _parts(marker: int) -> str:
    listed = "".join(
        f'<Part><PartNumber>{number}</PartNumber><LastModified>{_TIME}</LastModified><ETag>"{ETAG}"</ETag>'
        f"<Size>{PART_SIZE}</Size></Part>"
        for number in range(marker + 1, marker + 1 + PAGE)
    )
    more = str(marker + PAGE < 10 * PAGE).lower()
    return f"<ListPartsResult><IsTruncated>{more}</IsTruncated>{listed}</ListPartsResult>"


def _objects(query: dict[str, str]) -> str:
    prefix = query.get("prefix", "")
    count = int(query.get("max-keys", PAGE))
    listed = "".join(
        f"<Contents><Key>{quote(prefix + f'{number:04}/', safe='') + 'k' * (1000 - len(prefix))}</Key>"
        f'<LastModified>{_TIME}</LastModified><ETag>"{ETAG}"</ETag><Size>1</Size></Contents>'
        for number in range(count)
    )
    return (
        f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}"
        "<EncodingType>url</EncodingType></ListBucketResult>"
    )


def _serve(ready: Connection) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        ready.send(server.server_port)
        server.serve_forever()


@contextmanager
def scripted_s3() -> Iterator[str]:
    """Run it; yield its address."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{receiver.recv()}"
    finally:
        process.terminate()
        process.join()
