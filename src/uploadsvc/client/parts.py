"""The parts of one upload: several on their way at once, their URLs asked for ahead."""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import httpx

from uploadsvc.client.api import Layout, Service, SignedPart
from uploadsvc.client.errors import Refused, Transient, unexpected
from uploadsvc.client.file import Algorithm, Source
from uploadsvc.client.transfer import Moved, Transfer

_AHEAD: Final = 100
"""So many URLs are asked for at once. They end, so that those of a long upload cannot be had at its start."""

_AHEAD_WITH_CHECKSUMS: Final = 8
"""Fewer, since each of these parts has to be read before its URL can be signed."""

_MOST_REFUSALS: Final = 3
"""A part whose URL S3 refuses so often is not refused because the URL has ended."""


class PartSender:
    """Sends the parts of one upload.

    Args:
        service: Signs them.
        transfer: Sends them.
        source: The file.
        upload_id: The upload's id.
        layout: How the file is cut.
        signed: The parts that are signed already.
        checksum: What each part's URL is signed with, if anything.
        moved: Is told of progress.
    """

    def __init__(
        self,
        service: Service,
        transfer: Transfer,
        source: Source,
        *,
        upload_id: str,
        layout: Layout,
        signed: Mapping[int, SignedPart],
        checksum: Algorithm | None,
        moved: Moved,
    ) -> None:
        self._service = service
        self._transfer = transfer
        self._source = source
        self._upload_id = upload_id
        self._layout = layout
        self._signed = dict(signed)
        self._checksum = checksum
        self._moved = moved
        self._waiting = deque[int]()
        self._signing = asyncio.Lock()

    async def send(self, numbers: Sequence[int], parallel: int) -> None:
        """Send parts.

        Args:
            numbers: Which ones, counted from 1.
            parallel: The most at once.

        Raises:
            UploadProblem: One could not be sent; the others are given up.
        """
        self._waiting = deque(numbers)
        workers = [asyncio.create_task(self._work()) for _ in range(min(parallel, len(numbers)))]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            await self._send_one(self._waiting.popleft())

    async def _send_one(self, number: int) -> None:
        attempts, refusals = self._service.retries.start(), 0
        start, size = self._layout.start_of(number), self._layout.size_of(number)
        while True:
            try:
                async with self._transfer.slots:
                    part = await self._signed_part(number)
                    await self._transfer.put(
                        part.url,
                        part.headers,
                        source=self._source,
                        start=start,
                        size=size,
                        moved=self._moved,
                    )
                break
            except Transient as problem:
                await attempts.failed(problem)
            except Refused as problem:
                # Stores word it differently that a URL has ended; a fresh one shows whether it was that.
                refusals += 1
                if problem.status != httpx.codes.FORBIDDEN or refusals >= _MOST_REFUSALS:
                    raise
                self._signed.pop(number, None)
        self._signed.pop(number, None)

    async def _signed_part(self, number: int) -> SignedPart:
        async with self._signing:
            now = asyncio.get_running_loop().time()
            self._signed = {n: part for n, part in self._signed.items() if part.good_until > now}
            if number not in self._signed:
                ahead = _AHEAD_WITH_CHECKSUMS if self._checksum else _AHEAD
                following = (n for n in self._waiting if n not in self._signed)
                await self._sign([number, *islice(following, ahead - 1)])
            return self._signed[number]

    async def _sign(self, numbers: list[int]) -> None:
        checksums = None
        if self._checksum is not None:
            layout = self._layout
            checksums = [
                await self._source.checksum(self._checksum, layout.start_of(n), layout.size_of(n))
                for n in numbers
            ]
        signed = await self._service.sign(self._upload_id, numbers, checksums)
        if numbers[0] not in signed:
            raise unexpected(KeyError(numbers[0]))
        self._signed |= signed
