"""The Transparency Platform's REST interface: one path, a token, and eight kinds of documents."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Final

import polars as pl
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from simulator.http_faults import RequestGate, RestDesk
from simulator.http_provider import HttpProvider
from simulator.providers.entsoe import datasets, documents, outages
from simulator.providers.entsoe.codes import AREA_NAMES
from simulator.timeline import run_together
from simulator.world import World

_TOKEN: Final = re.compile(r"simulated|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Any token of the real form, or what stands in for a secret in a simulated market."""
_REQUESTS_PER_MINUTE: Final = 400
_LONGEST: Final = timedelta(days=366)
_PAGE: Final = 200
_XML: Final = "text/xml"
_BAD_VALUE: Final = 999_999.0


class Entsoe(HttpProvider):
    """ENTSO-E, to which all grid operators of Europe report."""

    name = "entsoe"
    hosts = ("https://web-api.tp.entsoe.eu",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        kinds = [
            datasets.prices(world),
            datasets.load(world),
            datasets.load_forecast(world),
            datasets.generation(world),
            datasets.wind_solar_forecast(world),
            datasets.cross_border_flow(world),
            datasets.scheduled_exchange(world),
        ]
        self._datasets = {dataset.table.source: dataset for dataset in kinds}
        self._outages = outages.timeline(world)
        self.models = frozenset({*self._datasets, outages.SOURCE})
        self._desk = RestDesk(
            faults=world.faults,
            gate=RequestGate(
                _REQUESTS_PER_MINUTE / 60, burst=_REQUESTS_PER_MINUTE, speed=world.request_speed
            ),
            server_error=partial(
                PlainTextResponse, "Service Unavailable", HTTPStatus.SERVICE_UNAVAILABLE
            ),
            malformed=partial(HTMLResponse, "<html><body>Under maintenance</body></html>"),
        )

    def routes(self) -> Sequence[BaseRoute]:
        """Return `/api`."""
        return [Route("/api", self.answer)]

    async def run(self) -> None:
        """Publish."""
        async with asyncio.TaskGroup() as tasks:
            for dataset in self._datasets.values():
                tasks.create_task(run_together(dataset.timelines))
            tasks.create_task(self._outages.run())

    async def answer(self, request: Request) -> Response:
        """Answer `/api`."""
        params = request.query_params
        source = self._asked_for(params)
        if not _TOKEN.fullmatch(params.get("securityToken", "")):
            return PlainTextResponse(
                "Unauthorized: Missing or invalid security token", HTTPStatus.UNAUTHORIZED
            )
        if source is None:
            return self._acknowledged("documentType is not known", HTTPStatus.BAD_REQUEST)

        def good() -> Response:
            try:
                return self._document(source, params)
            except (KeyError, ValueError) as error:
                return self._acknowledged(str(error), HTTPStatus.BAD_REQUEST)

        return await self._desk.answer(source, good)

    def _asked_for(self, params: Mapping[str, str]) -> str | None:
        """Return the market source whose documents a question asks for."""
        kind, process = params.get("documentType", ""), params.get("processType")
        if kind in outages.KINDS:
            return outages.SOURCE
        for source, dataset in self._datasets.items():
            if dataset.type == kind and process in dataset.processes:
                return source
        return None

    def _document(self, source: str, params: Mapping[str, str]) -> Response:
        if source == outages.SOURCE:
            return self._outage_archive(params)
        dataset = self._datasets[source]
        start, end = _window(params, "periodStart", "periodEnd")
        wanted = dataset.wanted(params)
        first, last = dataset.window(start, end)
        series = [
            each
            for timeline in dataset.timelines
            if any(wanted.items() <= columns.items() for columns in timeline.series)
            for each in dataset.series(
                timeline, timeline.visible(first, last, shown=None, **wanted)
            )
        ]
        if not series:
            return self._nothing(params)
        if self._desk.bad_row(source):
            series[-1] = replace(series[-1], values=_spoiled(series[-1].values))
        process = params.get("processType")
        elements = {"type": dataset.type, **({"process.processType": process} if process else {})}
        body = documents.series_document(
            dataset.form, elements, (start, end), series, made_at=self._world.clock.now()
        )
        return Response(body, media_type=_XML)

    def _outage_archive(self, params: Mapping[str, str]) -> Response:
        since, until = _window(params, "PeriodStartUpdate", "PeriodEndUpdate")
        area, kind = AREA_NAMES[params["BiddingZone_Domain"]], params["documentType"]
        # The platform shows withdrawn outages only to clients that ask for them.
        statuses = {params["DocStatus"]} if "DocStatus" in params else {"A05", "A09"}
        shown = outages.shown(since, until, statuses)
        notices = self._outages.visible(
            since - outages.REACH, until, shown=shown, area=area, kind=kind
        )
        page = [*outages.outages(notices)][int(params.get("offset", "0")) :][:_PAGE]
        if not page:
            return self._nothing(params)
        if self._desk.bad_row(outages.SOURCE):
            page[-1] = replace(page[-1], revision_number=0)
        members = {
            f"{number:03}-UNAVAILABILITY_OF_PRODUCTION_AND_GENERATION_UNITS_"
            f"{each.stretches[0][0]:%Y%m%d%H%M}-{each.stretches[-1][1]:%Y%m%d%H%M}.xml": (
                documents.outage_document(each)
            )
            for number, each in enumerate(page, start=1)
        }
        return Response(documents.archive(members), media_type="application/zip")

    def _nothing(self, params: Mapping[str, str]) -> Response:
        """Say that there is no data; the platform does so with status 200."""
        areas = ", ".join(value for name, value in params.items() if name.endswith("Domain"))
        kind = params["documentType"]
        text = f"No matching data found for Data item {kind} ({areas}) and the interval asked for."
        return self._acknowledged(text, HTTPStatus.OK)

    def _acknowledged(self, text: str, status: HTTPStatus) -> Response:
        body = documents.acknowledgement(text, made_at=self._world.clock.now())
        return Response(body, status, media_type=_XML)


PROVIDER: Final = Entsoe


def _window(params: Mapping[str, str], start: str, end: str) -> tuple[datetime, datetime]:
    """Read the window that two parameters name.

    Raises:
        ValueError: One is missing or no instant, or it is longer than the platform allows.
    """
    if start not in params or end not in params:
        raise ValueError(f"Mandatory parameter {start} or {end} is missing.")
    first, last = (
        datetime.strptime(params[name], "%Y%m%d%H%M").replace(tzinfo=UTC) for name in (start, end)
    )
    if not timedelta(0) < last - first <= _LONGEST:
        raise ValueError("The requested interval is empty or longer than one year.")
    return first, last


def _spoiled(values: pl.Series) -> pl.Series:
    """Return the values with a last one that fails every check."""
    return pl.concat([values[:-1], pl.Series(values.name, [_BAD_VALUE])])
