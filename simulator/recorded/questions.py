"""Serves sources that ask by REST or SOAP: each question is answered by a case, in turn.

A case of several payloads is left out: an answer is one payload, and the case does not say which of
its rows belong to which payload.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final

from lxml import etree
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from energy_platform.feeds.rest import RestFeed
from energy_platform.feeds.soap import SoapFeed, SoapVersion
from simulator.recorded.cases import Case, Script
from simulator.recorded.wsdl import wsdl
from simulator.world import World

_TYPES: Final = {
    ".json": "application/json",
    ".xml": "application/xml",
    ".csv": "text/csv",
    ".zip": "application/zip",
}
_SOAP_TYPES: Final = {SoapVersion.V1_1: "text/xml", SoapVersion.V1_2: "application/soap+xml"}


class _Answers:
    """Which case answers which question."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._waiting = [case for case in script.cases if len(case.payloads) == 1]
        self._shown: dict[str, Case] = {}

    def to(self, question: Mapping[str, str]) -> Path | None:
        """Return the payload that answers a question, journalled if it is the first to see it.

        A case that nobody has seen, else the last one that answered this question, else the last
        one that answered any like it; None if no case may answer it.
        """
        key = str(sorted(question.items()))
        for case in self._waiting:
            if case.answers(question):
                self._waiting.remove(case)
                self._script.say(case)
                self._shown.pop(key, None)  # so that the newest is the last
                self._shown[key] = case
                return case.payloads[0]
        like_it = [case for case in self._shown.values() if case.answers(question)]
        shown = self._shown.get(key) or next(reversed(like_it), None)
        return None if shown is None else shown.payloads[0]


class RestStandIn:
    """A REST service that answers with a source's cases; and the token service that it may need."""

    def __init__(self, world: World, script: Script, feed: RestFeed, url: str) -> None:
        del world
        self._answers = _Answers(script)
        self._absent = next(iter(sorted(feed.absent)), HTTPStatus.NOT_FOUND)
        self._url = url

    def addresses(self) -> Mapping[str, str]:
        """Stand in for whatever the source asks."""
        return {f"{scheme}://": f"{self._url}/{scheme}/" for scheme in ("http", "https")}

    def routes(self) -> Sequence[BaseRoute]:
        """Return one route for all that is asked, and one for tokens."""
        return [
            Route("/{scheme}/{place:path}", self._answer),
            Route("/{scheme}/{place:path}", _token, methods=["POST"]),
        ]

    async def run(self) -> None:
        """Do nothing: the routes answer."""

    async def _answer(self, request: Request) -> Response:
        url = f"{request.path_params['scheme']}://{request.path_params['place']}"
        payload = self._answers.to({**request.query_params, "url": url})
        if payload is None:
            return Response("no case answers this", self._absent)
        return Response(payload.read_bytes(), media_type=_TYPES.get(payload.suffix))


async def _token(_request: Request) -> Response:
    return JSONResponse({"access_token": "simulated", "expires_in": 3600, "token_type": "Bearer"})


class SoapStandIn:
    """A SOAP service that answers with a source's cases, and describes itself."""

    def __init__(self, world: World, script: Script, feed: SoapFeed, url: str) -> None:
        self._now = world.clock.now
        self._answers = _Answers(script)
        self._feed = feed
        self._url = url

    def addresses(self) -> Mapping[str, str]:
        """Stand in for the service and for its description, which has an address of its own."""
        return {
            **{f"{scheme}://": f"{self._url}/{scheme}/" for scheme in ("http", "https")},
            self._feed.wsdl: f"{self._url}/wsdl",
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the description, and one route for all calls."""
        return [
            Route("/wsdl", self._description),
            Route("/{scheme}/{place:path}", self._call, methods=["POST"]),
        ]

    async def run(self) -> None:
        """Do nothing: the routes answer."""

    async def _description(self, _request: Request) -> Response:
        now = self._now()
        return Response(wsdl(self._feed, now), media_type="text/xml")

    async def _call(self, request: Request) -> Response:
        body = etree.fromstring(await request.body()).find("{*}Body")
        if body is None or not len(body):
            return Response("no call", HTTPStatus.BAD_REQUEST)
        call = body[0]
        question = {etree.QName(child).localname: child.text or "" for child in call}
        payload = self._answers.to({**question, "operation": etree.QName(call).localname})
        if payload is None:
            return Response("no case answers this", HTTPStatus.NOT_FOUND)
        return Response(payload.read_bytes(), media_type=_SOAP_TYPES[self._feed.version])
