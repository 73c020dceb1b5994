"""Reading objects of a public S3 bucket by plain HTTPS: no signature, no credentials.

Every answer is bounded in size and time, and checked against the request.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import httpx
from lxml import etree

from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import FeedError, ParseError

_MAX_LISTING_BYTES: Final = 4 << 20
_MOST_PAGES: Final = 10_000
"""Of a thousand objects each; a listing of more has no end."""
_UNREADABLE: Final = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


class ObjectUnreadableError(Exception):
    """An object is missing, or isn't what it should be; the message says which."""


class BucketUnavailableError(Exception):
    """The bucket can't be reached or refuses to answer; the object is not to blame."""


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object's bytes, or a range of them, and the version that they belong to."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """The content of one file to land.

    Attributes:
        body: The bytes.
        versions: Entity tag of each object that was read, by its key.
    """

    body: bytes
    versions: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicBucket:
    """A bucket that anyone may read.

    Attributes:
        client: Sends the requests.
        address: Returns where the bucket is reached now; called for each request.
        answer_seconds: How long one answer may take as a whole.
    """

    client: httpx.AsyncClient
    address: Callable[[], str]
    answer_seconds: float

    async def get(self, key: str, *, max_bytes: int) -> S3Object:
        """Return a whole object.

        Raises:
            ObjectUnreadableError: The object is missing, forbidden or larger than `max_bytes`.
            BucketUnavailableError: The bucket can't be reached or refuses to answer.
        """
        return await self._get(key, {}, HTTPStatus.OK, max_bytes)

    async def get_range(self, key: str, byte_range: str, *, max_bytes: int) -> S3Object:
        """Return a range of an object; an answer with other bytes is refused.

        Raises:
            ObjectUnreadableError: As for `get`, or the object is too short for the range.
            BucketUnavailableError: As for `get`.
        """
        headers = {"Range": byte_range}
        return await self._get(key, headers, HTTPStatus.PARTIAL_CONTENT, max_bytes)

    async def listing(self, prefix: str) -> AsyncIterator[tuple[str, str]]:
        """Yield key and entity tag of every object whose key begins with `prefix`, in order.

        Raises:
            ObjectUnreadableError: The answer is no listing, or has no end.
            BucketUnavailableError: As for `get`.
        """
        asked = {"list-type": "2", "prefix": prefix}
        for _ in range(_MOST_PAGES):
            page = await self._get("", {}, HTTPStatus.OK, _MAX_LISTING_BYTES, asked)
            listing = _read_listing(page.body, prefix)
            for listed in listing.iterfind("{*}Contents"):
                etag = listed.findtext("{*}ETag", "").strip('"')
                yield listed.findtext("{*}Key", ""), etag
            token = listing.findtext("{*}NextContinuationToken")
            if token is None:
                return
            asked["continuation-token"] = token
        raise ObjectUnreadableError(f"the listing of {prefix} has more than {_MOST_PAGES} pages")

    async def _get(
        self,
        key: str,
        headers: Mapping[str, str],
        expected: HTTPStatus,
        max_bytes: int,
        params: Mapping[str, str] | None = None,
    ) -> S3Object:
        try:
            request = self.client.build_request(
                "GET",
                f"{self.address()}/{key}",
                params=params,
                headers={"Accept-Encoding": "identity", **headers},
            )
            async with asyncio.timeout(self.answer_seconds):
                response = await self.client.send(request, stream=True)
                try:
                    _check_status(response, expected, key)
                    body = await _bounded(response, max_bytes, key)
                finally:
                    await response.aclose()
        except (httpx.HTTPError, TimeoutError, FeedError) as error:
            raise BucketUnavailableError(
                f"S3 did not deliver {key}: {type(error).__name__} {error}"
            ) from None
        return S3Object(body, response.headers.get("ETag", "").strip('"'))


def _read_listing(body: bytes, prefix: str) -> etree._Element:
    try:
        listing = read_xml(body)
    except ParseError as error:
        raise ObjectUnreadableError(f"the listing of {prefix} can't be read: {error}") from None
    if etree.QName(listing).localname != "ListBucketResult":
        raise ObjectUnreadableError(f"<{etree.QName(listing).localname}> is no listing of {prefix}")
    return listing


def _check_status(response: httpx.Response, expected: HTTPStatus, key: str) -> None:
    status = response.status_code
    if status in _UNREADABLE or status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise ObjectUnreadableError(f"S3 answered {status} for {key}")
    if status != expected:
        raise BucketUnavailableError(
            f"S3 answered {status} for {key} where {expected:d} was expected"
        )


async def _bounded(response: httpx.Response, max_bytes: int, key: str) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > max_bytes:
            raise ObjectUnreadableError(f"{key} is larger than {max_bytes} bytes")
    return bytes(body)
