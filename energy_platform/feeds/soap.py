"""SOAP: call operations as the service's own WSDL says, and land the replies as they came.

The WSDL is loaded from the service and cached on disk for a day. If the service can't give it, the
cached copy is used. A fault that blames the question refuses it; any other fault is an outage. A
page with status 200 is no answer.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlencode

import httpx
import zeep
from lxml import etree
from zeep.cache import SqliteCache
from zeep.proxy import AsyncOperationProxy, AsyncServiceProxy
from zeep.wsdl.bindings import Soap11Binding, Soap12Binding
from zeep.wsdl.utils import etree_to_string

from energy_platform.encodings.soap_envelope import SoapFaultError, read_envelope
from energy_platform.encodings.xml_document import read_xml
from energy_platform.errors import FeedError, ParseError, RefusedError
from energy_platform.feeds.http import (
    HttpLimits,
    HttpReply,
    exchange,
    http_client,
    place,
    raise_if_banned,
    unusable,
)
from energy_platform.feeds.polling import Answer, Ask, PollingFeed
from energy_platform.feeds.progress import Marks
from energy_platform.market.feed import FeedSession, UnfitAnswerError, WireProtocol
from energy_platform.market.raw_message import RawMessage

_log = logging.getLogger(__name__)

_WSDL_KEPT: Final = timedelta(days=1)
_WSDL_ERRORS: Final = (
    etree.LxmlError,
    zeep.exceptions.Error,
    # zeep raises these if a document lacks a part, or imports itself.
    AttributeError,
    LookupError,
    RecursionError,
    ValueError,
)


class SoapVersion(Enum):
    """The version of the envelope, and the WSDL binding for it."""

    V1_1 = Soap11Binding
    V1_2 = Soap12Binding


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapRequest:
    """One call; its parameters become the parser's context, so none may be a secret."""

    operation: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Operation and parameters, as in a URL."""
        return f"{self.operation}?{urlencode(self.parameters)}"


@dataclass(frozen=True, kw_only=True)
class SoapFeed(PollingFeed[SoapRequest]):
    """Polls a SOAP service.

    Attributes:
        url: Where operations are called, whatever address the WSDL gives.
        wsdl: The WSDL's address.
        version: The version of the envelope.
        spellings: Parameters that some operations lack or spell differently, and their names; the
            name in the WSDL is sent, none if the WSDL has none.
    """

    protocol: ClassVar[WireProtocol] = WireProtocol.SOAP

    url: str
    wsdl: str
    version: SoapVersion = SoapVersion.V1_1
    spellings: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def context_names(self) -> frozenset[str]:
        """Return the parameters of its calls, and the name of the address."""
        asked = (name for one in self.sample_requests() for name in one.parameters)
        return frozenset({*asked, "operation", "url", "content_type"})

    @asynccontextmanager
    async def connection(self, session: FeedSession) -> AsyncIterator[Ask[SoapRequest]]:
        """Load the WSDL and open a client for the length of a run."""
        async with http_client(self.limits) as client:
            transport = _Transport(
                client,
                self.limits,
                host=httpx.URL(session.address(self.wsdl)).host,
                cache_file=session.state_directory / "wsdl.sqlite",
            )
            # zeep reads a WSDL with blocking calls.
            service = await asyncio.to_thread(self._service, session, transport)

            async def ask(request: SoapRequest, _known: Marks) -> Answer:
                try:
                    operation = service[request.operation]
                    parameters = self._spelled(request.parameters, _known_to(operation))
                    reply = await operation(**parameters)
                except (AttributeError, TypeError, ValueError, zeep.exceptions.Error) as error:
                    raise FeedError(f"the WSDL has no such {request.operation}: {error}") from error
                return self._answer(request, reply, session)

            yield ask

    def _service(self, session: FeedSession, transport: "_Transport") -> AsyncServiceProxy:
        """Return the operations of the WSDL's first binding of the wanted version."""
        settings = zeep.Settings(raw_response=True, forbid_dtd=True, forbid_entities=True)
        wsdl = session.address(self.wsdl)
        try:
            client = zeep.AsyncClient(wsdl, transport=transport, settings=settings)
        except _WSDL_ERRORS as error:
            raise FeedError(f"the WSDL of {place(wsdl)} can't be read: {error}") from error
        for name, binding in client.wsdl.bindings.items():
            if type(binding) is self.version.value:
                service: AsyncServiceProxy = client.create_service(name, session.address(self.url))
                return service
        raise FeedError(f"the WSDL of {place(wsdl)} has no {self.version.value.__name__}")

    def _spelled(self, parameters: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
        """Return parameters by the names that the operation uses."""
        return {
            name: value
            for parameter, value in parameters.items()
            for name in self.spellings.get(parameter, (parameter,))
            if parameter not in self.spellings or name in known
        }

    def _answer(self, request: SoapRequest, reply: HttpReply, session: FeedSession) -> Answer:
        raise_if_banned(reply, self.url, self.provider, session)
        message = self._message(request, reply)
        try:
            read_envelope(reply.body)
        except SoapFaultError as error:
            kind = RefusedError if error.is_ours else FeedError
            raise unusable(reply, self.url, str(error), kind=kind) from error
        except ParseError as error:
            if reply.status == HTTPStatus.OK:
                said = str(unusable(reply, self.url, str(error)))
                raise UnfitAnswerError(said, message) from error
            raise unusable(reply, self.url, str(error)) from error
        if reply.status != HTTPStatus.OK:
            raise unusable(reply, self.url)
        return Answer(message=message)

    def _message(self, request: SoapRequest, reply: HttpReply) -> RawMessage:
        context = {
            **request.parameters,
            "operation": request.operation,
            "url": self.url,
            "content_type": reply.headers.get("Content-Type", ""),
        }
        return RawMessage(body=reply.body, received_at=datetime.now(UTC), context=context)


def _known_to(operation: AsyncOperationProxy) -> set[str]:
    """Return the names of an operation's parameters, as the WSDL has them."""
    body = operation._proxy._binding.get(operation._op_name).input.body  # noqa: SLF001 (zeep has no public name for it)
    return {name for name, _ in body.type.elements}


class _Transport:
    """The transport that zeep uses for documents of the WSDL, and for the reply to an envelope.

    Replies are returned as bytes; zeep's own transport would parse them.
    """

    def __init__(
        self, client: httpx.AsyncClient, limits: HttpLimits, *, host: str, cache_file: Path
    ) -> None:
        self._client = client
        self._limits = limits
        self._host = host
        self._cache_file = cache_file
        self._loop = asyncio.get_running_loop()

    def load(self, url: str) -> bytes:
        """Return a document of the WSDL; called by zeep on a thread of its own.

        Raises:
            FeedError: The document can't be had, and there is no cached copy.
        """
        kept = self._kept(url, _WSDL_KEPT)
        if kept is not None:
            return kept
        loading = asyncio.run_coroutine_threadsafe(self._load(url), self._loop)
        try:
            content = loading.result()
        except FeedError as error:
            kept = self._kept(url, None)
            if kept is None:
                raise
            _log.warning("using the WSDL kept from an earlier day: %s", error)
            return kept
        SqliteCache(str(self._cache_file)).add(url, content)
        return content

    def _kept(self, url: str, longest: timedelta | None) -> bytes | None:
        """Return the cached copy of a document if it is recent; set a damaged file aside."""
        seconds = longest and longest.total_seconds()
        try:
            kept: bytes | None = SqliteCache(str(self._cache_file), timeout=seconds).get(url)
        except sqlite3.OperationalError:
            raise  # the file is busy, or can't be opened
        except sqlite3.DatabaseError as error:
            aside = self._cache_file.with_name(f"{self._cache_file.name}.damaged")
            self._cache_file.replace(aside)
            _log.error(
                "%s is damaged (%s): it is kept as %s and begun anew",
                self._cache_file, error, aside.name,
            )  # fmt: skip
            return None
        return kept

    async def _load(self, url: str) -> bytes:
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or parts.host != self._host:
            raise FeedError(f"the WSDL names a document that is not on its own host: {url}")
        reply = await exchange(self._client, "GET", url, limits=self._limits)
        if reply.status != HTTPStatus.OK:
            raise unusable(reply, url)
        try:
            read_xml(reply.body)
        except ParseError as error:
            raise unusable(reply, url, str(error)) from error
        return reply.body

    async def post_xml(
        self, address: str, envelope: etree._Element, headers: Mapping[str, str]
    ) -> HttpReply:
        """Send an envelope and return the reply to it."""
        return await exchange(
            self._client,
            "POST",
            address,
            limits=self._limits,
            headers=headers,
            content=etree_to_string(envelope),
        )
