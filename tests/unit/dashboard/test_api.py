"""The read API answers as a notebook would be answered, in every form, and errs in JSON."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.errors import WarehouseUnavailableError
from energy_platform.market.registry import market_source, market_sources
from energy_platform.reading.platform import Platform, here
from tests.support.dashboard import Desk
from tests.support.environment import UNUSUAL_HOME, home_at
from tests.support.landed_market import FIRST, LAST, land, late_revisions, the_market

SOURCES = sorted({one.source for one in the_market()})
LATE = LAST + timedelta(days=3)
MOMENTS = [
    None,
    (FIRST + timedelta(hours=30)).isoformat(),
    (LATE + timedelta(seconds=30)).isoformat(),
    "PT1H",
    "D-1 12:00 Europe/Berlin",
]
AS_OF: dict[str | None, Any] = {
    None: None,
    MOMENTS[1]: FIRST + timedelta(hours=30),
    MOMENTS[2]: LATE + timedelta(seconds=30),
    "PT1H": timedelta(hours=1),
    "D-1 12:00 Europe/Berlin": "D-1 12:00 Europe/Berlin",
}


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk over two market days, revisions among them."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("market") / UNUSUAL_HOME
        with home_at(home, patch), closing(Desk(home)) as desk:
            land(desk.batches, [*the_market(), *late_revisions()])
            yield desk


def asked(desk: Desk, source: str, **query: Any) -> httpx.Response:
    return desk.get(f"/api/range/{source}", **{"start": FIRST.isoformat(), **query})


def arrow(answer: httpx.Response) -> pl.DataFrame:
    assert answer.status_code == 200, answer.text
    return pl.read_ipc_stream(BytesIO(answer.content))


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_range_is_what_load_returns(market: Desk, source: str, moment: str | None) -> None:
    query = {} if moment is None else {"as_of": moment}
    answer = arrow(asked(market, source, format="arrow", end=LAST.isoformat(), **query))
    wanted = ep.load(source, start=FIRST, end=LAST, as_of=AS_OF[moment])
    assert_frame_equal(answer, wanted, check_column_order=False)


def test_every_form_says_the_same(market: Desk) -> None:
    wanted = ep.load("energy_charts_price", start=FIRST)
    assert wanted.height > 100
    got = asked(market, "energy_charts_price").json()
    assert (got["source"], got["as_of"], got["cut"]) == ("energy_charts_price", None, False)
    assert len(got["rows"]) == wanted.height
    assert got["rows"][0]["delivery_start"] == FIRST.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert [row["price_eur_per_mwh"] for row in got["rows"]] == wanted[
        "price_eur_per_mwh"
    ].to_list()
    for form, read in (("parquet", pl.read_parquet), ("arrow", pl.read_ipc_stream)):
        answer = asked(market, "energy_charts_price", format=form)
        assert_frame_equal(read(BytesIO(answer.content)), wanted, check_column_order=False)
    text = asked(market, "energy_charts_price", format="csv").text
    lines = pl.read_csv(text.encode(), try_parse_dates=True)
    assert lines["price_eur_per_mwh"].to_list() == wanted["price_eur_per_mwh"].to_list()
    assert lines["delivery_start"].to_list() == wanted["delivery_start"].to_list()
    by_header = httpx.get(
        f"http://127.0.0.1:{market.port}/api/range/energy_charts_price",
        params={"start": FIRST.isoformat()}, headers={"Accept": "text/csv"},
    )  # fmt: skip
    assert by_header.text == text
    assert by_header.headers["content-type"].startswith("text/csv")


def test_only_chosen_columns_and_keys(market: Desk) -> None:
    got = arrow(asked(market, "energy_charts_price", format="arrow", bidding_zone="DE-LU",
                      columns="price_eur_per_mwh"))  # fmt: skip
    assert set(got["bidding_zone"]) == {"DE-LU"}
    assert {"price_eur_per_mwh", "delivery_start", "received_at", "landing_offset"} <= {
        *got.columns
    }
    assert "published_at" not in got.columns


def test_an_answer_that_is_known_is_not_sent_again(market: Desk) -> None:
    first = asked(market, "energy_charts_price")
    again = httpx.get(str(first.url), headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = httpx.get(str(first.url), headers={"If-None-Match": '"another"'})
    assert (other.status_code, other.content) == (200, first.content)


def test_an_answer_that_was_cut_says_so(market: Desk) -> None:
    assert asked(market, "energy_charts_price", limit=3).json()["cut"] is True
    cut = asked(market, "energy_charts_price", limit=3, format="csv")
    assert cut.headers["x-rows-cut"] == "true"
    assert len(cut.text.splitlines()) == 4


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("path", ["range", "latest"])
def test_page_after_page_is_the_whole_answer(market: Desk, path: str, source: str) -> None:
    query = {"start": FIRST.isoformat()} if path == "range" else {"as_of": LAST.isoformat()}
    whole = market.get(f"/api/{path}/{source}", **query).json()["rows"]
    size = max(1, len(whole) // 4)
    page = market.get(f"/api/{path}/{source}", limit=size, **query).json()
    read = page["rows"]
    while "next" in page:
        assert page["cut"] is True
        assert len(page["rows"]) == size
        page = market.get(page["next"]).json()
        read += page["rows"]
    assert page["cut"] is False
    assert read == whole
    # Of gas, nothing of these days is known by then.
    assert whole or source in {"agsi_storage", "entsog_flow"}


def test_a_table_names_its_next_page_in_a_header(market: Desk) -> None:
    whole = asked(market, "energy_charts_price", format="csv").text.splitlines()
    first = asked(market, "energy_charts_price", format="csv", limit=5)
    second = httpx.get(str(first.url.join(first.links["next"]["url"])))
    assert [*first.text.splitlines()[1:], *second.text.splitlines()[1:]] == whole[1:11]
    assert "next" not in asked(market, "energy_charts_price", format="csv").links
    for cursor in ("x", "W10", "!", "bnVsbA"):
        refused = asked(market, "energy_charts_price", cursor=cursor)
        assert (refused.status_code, "cursor" in refused.json()["error"]) == (422, True)


@pytest.mark.parametrize(
    ("path", "query", "status", "said"),
    [
        ("/api/range/nothing", {}, 404, "unknown source"),
        ("/api/latest/nothing", {}, 404, "unknown source"),
        ("/api/lineage/nothing", {"offset": 0}, 404, "unknown source"),
        ("/api/sources/nothing", {}, 404, "no source"),
        ("/api/nothing", {}, 404, "Not Found"),
        ("/api/range/energy_charts_price", {"start": "soon"}, 422, "not an instant"),
        ("/api/range/energy_charts_price", {"as_of": "D-1 25:00 Mars"}, 422, "no such moment"),
        ("/api/range/energy_charts_price", {"as_of": "Px"}, 422, "not a duration"),
        ("/api/range/energy_charts_price", {"columns": "pirce"}, 422, "no column pirce"),
        ("/api/range/energy_charts_price", {"zone": "DE"}, 422, "no parameter 'zone'"),
        ("/api/range/energy_charts_price", {"limit": 0}, 422, "limit"),
        ("/api/range/energy_charts_price", {"format": "xml"}, 422, "format"),
        ("/api/range/energy_charts_price", {"run": "latest"}, 422, "no forecast"),
        ("/api/lineage/energy_charts_price", {}, 422, "say which value"),
        ("/api/book/Mars/NX_1", {}, 422, "no area"),
        ("/api/bars/DE-LU/NX_1", {"every": "PT0S"}, 422, "a second to a day"),
        ("/api/events", {"topics": ""}, 422, "one topic"),
        ("/api/events", {}, 422, "topics"),
    ],
)
def test_what_can_not_be_asked_is_said_in_json(
    market: Desk, path: str, query: dict[str, Any], status: int, said: str
) -> None:
    answer = market.get(path, **query)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "name"}
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("error", "status"), [(WarehouseUnavailableError("it is away"), 503), (ValueError("mine"), 500)]
)
def test_a_failure_shows_no_traceback(
    market: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(*_: Any, **__: Any) -> pl.LazyFrame:
        raise error

    monkeypatch.setattr(Platform, "scan", fail)
    answer = asked(market, "energy_charts_price", end=f"2027-01-01T00:00:{status % 60}")
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "name"}
    assert ("it is away" in answer.text) == (status == 503)
    assert "mine" not in answer.text
    assert "Traceback" not in answer.text


def test_one_question_serves_all_who_ask_it(market: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_by, scan = [], here.scan

    def counted(_: Platform, *arguments: Any, **named: Any) -> pl.LazyFrame:
        asked_by.append(arguments)
        return scan(*arguments, **named)

    monkeypatch.setattr(Platform, "scan", counted)
    answers: list[bytes] = []
    query = {"end": (LAST - timedelta(hours=3)).isoformat()}
    threads = [
        threading.Thread(
            target=lambda: answers.append(asked(market, "energy_charts_price", **query).content)
        )
        for _ in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 10
    assert len(set(answers)) == 1
    assert len(asked_by) < 4


def test_the_latest_row_of_a_series_is_the_one_that_holds_then(market: Desk) -> None:
    moment = FIRST + timedelta(hours=26, minutes=7)
    got = market.get(
        "/api/latest/energy_charts_price", as_of=(LAST + timedelta(days=1)).isoformat()
    ).json()
    assert {row["delivery_start"] for row in got["rows"]} == {
        (LAST - timedelta(minutes=15)).strftime("%Y-%m-%dT%H:%M:%SZ")
    }
    then = market.get("/api/latest/energy_charts_price", as_of=moment.isoformat()).json()
    for row in then["rows"]:
        start = datetime.fromisoformat(row["delivery_start"])
        assert start <= moment < datetime.fromisoformat(row["delivery_end"])
        assert datetime.fromisoformat(row["received_at"]) <= moment


def test_lineage_has_message_and_revisions(market: Desk) -> None:
    start = FIRST + timedelta(hours=30)
    got = market.get("/api/lineage/energy_charts_price", bidding_zone="DE-LU",
                     delivery_start=start.isoformat()).json()  # fmt: skip
    prices = [row["price_eur_per_mwh"] for row in got["revisions"]]
    assert prices[0] == -77.0
    assert len(prices) == 2
    newest = got["revisions"][0]
    assert got["message"]["offset"] == newest["landing_offset"]
    assert got["message"]["received_at"] == newest["received_at"]
    assert got["message"]["size_bytes"] > 0
    assert got["dagster_url"] == "/dagster/assets/energy_charts_price"
    of_message = market.get("/api/lineage/energy_charts_price",
                            offset=newest["landing_offset"]).json()  # fmt: skip
    assert newest in of_message["revisions"]
    assert market.get("/api/lineage/energy_charts_price", offset=10**6).json()["message"] is None


def test_the_catalogue_has_every_source_with_units(market: Desk) -> None:
    got = market.get("/api/catalogue").json()
    told = {one["name"]: one for one in got["sources"]}
    assert set(market_sources()) <= set(told)
    assert got["simulated"] is True
    price = told["energy_charts_price"]
    [column] = [one for one in price["columns"] if one["name"] == "price_eur_per_mwh"]
    assert column["unit"] == "EUR/MWh"
    assert price["key"] == list(market_source("energy_charts_price").key)
    assert market.get("/api/sources/energy_charts_price").json() == price


def test_the_pages_about_the_api_load_nothing_from_elsewhere(market: Desk) -> None:
    page = market.get("/api/docs").text
    assert "/api/range/{source}" in page
    assert "http" not in page.lower().replace("<!doctype html>", "").replace("<html", "")
    paths = market.get("/api/openapi.json").json()["paths"]
    assert {"/api/range/{source}", "/api/latest/{source}", "/api/catalogue"} <= set(paths)


def test_the_dashboards_own_numbers(market: Desk) -> None:
    with market.page(status=None) as page:
        page.until(lambda: page.beats)
        text = market.get("/metrics").text
    assert "energy_platform_dashboard_viewers 1.0" in text
    assert "energy_platform_dashboard_topics 1.0" in text


def test_events_are_the_frames_and_resume(desk: Desk) -> None:
    def events(headers: dict[str, str]) -> Iterator[tuple[str, Any]]:
        url = f"http://127.0.0.1:{desk.port}/api/events"
        with httpx.stream("GET", url, params={"topics": topic}, headers=headers, timeout=30) as got:
            assert got.headers["content-type"].startswith("text/event-stream")
            last = ""
            for line in got.iter_lines():
                if line.startswith("id: "):
                    last = line.removeprefix("id: ")
                elif line.startswith("data: "):
                    yield last, json.loads(line.removeprefix("data: "))

    topic = "frequency:CE"
    now = datetime.now(UTC).replace(microsecond=0)
    at = [pl.DataFrame({"observed_at": [now + timedelta(seconds=n)], "region": ["DE-Freiburg"],
                        "frequency_hz": [50.0 + n / 100]}) for n in range(2)]  # fmt: skip
    desk.show("energy_charts_frequency", at[0])
    last, said = next((last, one) for last, one in events({}) if one["t"] == topic)
    assert said["snap"] == 1
    assert [row["frequency_hz"] for row in said["rows"]] == [50.0]
    desk.show("energy_charts_frequency", at[1])
    resumed = next(one for _, one in events({"Last-Event-ID": last}) if one["t"] == topic)
    assert "snap" not in resumed
    assert [row["frequency_hz"] for row in resumed["rows"]] == [50.01]


SAMPLES = {
    "source": "energy_charts_price", "area": "DE-LU", "contract": "NX_1", "product": "QH",
    "sources": "energy_charts_price", "topics": "source:energy_charts_price", "what": "load",
    "portfolio": "wind", "bidding_zone": "DE-LU",
}  # fmt: skip


def test_openapi_says_what_each_resource_answers(market: Desk) -> None:
    document = market.get("/api/openapi.json").json()
    asked_for = 0
    for path, methods in document["paths"].items():
        if "get" not in methods:
            continue
        said = methods["get"]
        needed = (
            {one["name"]: one["in"] for one in said["parameters"] if one["required"]}
            if ("parameters" in said)
            else {}
        )
        query = {name: SAMPLES[name] for name, place in needed.items() if place == "query"}
        if path.startswith("/api/lineage/"):
            query["bidding_zone"] = "DE-LU"
        url = f"http://127.0.0.1:{market.port}{path.format(**SAMPLES)}"
        with httpx.stream("GET", url, params=query or None, timeout=60) as answer:
            assert answer.status_code == 200, (path, answer.read())
            got = answer.headers["content-type"].partition(";")[0]
        assert got in said["responses"]["200"]["content"], path
        assert said["responses"]["422"]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Problem"
        }
        asked_for += 1
    assert asked_for >= 12
    for path in ("/api/range/{source}", "/api/latest/{source}", "/api/book/{area}/{contract}"):
        forms = document["paths"][path]["get"]["responses"]["200"]["content"]
        assert {"text/csv", "application/vnd.apache.arrow.stream"} <= {*forms}
    refused = market.get("/api/range/nothing").json()
    assert {*refused} == {*document["components"]["schemas"]["Problem"]["properties"]}


def test_grafana_can_ask_with_its_own_times(market: Desk) -> None:
    """Grafana writes the limits of its range with milliseconds and a Z."""
    start, end = (at.strftime("%Y-%m-%dT%H:%M:%S.000Z") for at in (FIRST, LAST))
    answer = asked(market, "energy_charts_price", start=start, end=end, bidding_zone="DE-LU",
                   max_points=2000).json()  # fmt: skip
    assert answer["rows"]
    for row in answer["rows"]:
        assert FIRST <= datetime.fromisoformat(row["delivery_start"]) < LAST
        assert isinstance(row["price_eur_per_mwh"], float)
