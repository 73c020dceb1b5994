"""Where a provider stamps or numbers its publications, that order decides, not that of arrival."""

import json
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from energy_platform.history.revisions import (
    latest_of_each_revision,
    latest_revision,
    new_revisions,
)
from energy_platform.market.instants import INSTANT, OUR_TIME
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.registry import market_source, market_sources
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.place import Place
from energy_platform.reading.platform import here
from tests.support.sources import NOON
from tests.support.stores import batches_in, hot, land, run_all

STAMPS = {"published_at", "updated_at", "issued_at"}
NUMBERS = {"revision", "revision_number", "revision_no", "version"}

SOURCES = market_sources().values()
STAMPED = [source for source in SOURCES if (STAMPS | NUMBERS) & source.dtypes.keys()]
ORDERED = [source for source in SOURCES if source.revision is not None]


@pytest.mark.parametrize("source", STAMPED, ids=lambda source: source.name)
def test_a_stamp_or_a_number_is_declared(source: MarketSource) -> None:
    """It orders a key's revisions; a number in the key makes each revision a fact of its own."""
    assert source.revision is not None or NUMBERS & set(source.key), (
        f"{source.name} has {(STAMPS | NUMBERS) & source.dtypes.keys()} and no `revision`"
    )


def publications(source: MarketSource, count: int) -> list[pl.DataFrame]:
    """Return one fact as a provider publishes it again and again: each of a later stamp."""
    assert source.revision is not None
    dtypes = market_table(source).dtypes
    blank = pl.DataFrame({name: [None] for name in dtypes}, schema=dtypes)
    event = {name: NOON for name in (*source.key, source.event_time) if dtypes[name] == INSTANT}
    [field, *_] = source.plotted
    return [
        blank.with_columns(
            *(pl.lit(at).cast(INSTANT).alias(name) for name, at in event.items()),
            pl.lit(number).cast(dtypes[field]).alias(field),
            (
                pl.lit(NOON + timedelta(hours=number)).cast(INSTANT)
                if dtypes[source.revision] == INSTANT
                else pl.lit(number, dtype=pl.Int64)
            ).alias(source.revision),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("source", ORDERED, ids=lambda source: source.name)
@pytest.mark.parametrize("batch_rows", [1, 2, 3])
def test_the_last_publication_holds_in_whatever_order_they_arrive(
    source: MarketSource, batch_rows: int
) -> None:
    [field, *_] = source.plotted
    for arrival in permutations(publications(source, 3)):
        said = pl.concat(
            row.with_columns(
                landing_offset=pl.lit(offset, dtype=pl.Int64),
                received_at=pl.lit(OUR_TIME[0] + timedelta(hours=offset)).cast(INSTANT),
            )
            for offset, row in enumerate(arrival)
        )
        stored = said.clear()
        for batch in said.iter_slices(batch_rows):
            known = latest_of_each_revision(stored.lazy(), source).collect()
            stored = stored.vstack(new_revisions(batch, known, source))
        assert latest_revision(stored.lazy(), source).collect()[field].to_list() == [2]


def flow(value: float, status: str, published: str) -> dict[str, object]:
    return {
        "indicator": "Physical Flow",
        "periodType": "hour",
        "periodFrom": "2026-05-06T06:00:00+02:00",
        "periodTo": "2026-05-06T07:00:00+02:00",
        "operatorKey": "DE-TSO-0001",
        "pointKey": "ITP-00096",
        "directionKey": "entry",
        "unit": "kWh/h",
        "value": value,
        "flowStatus": status,
        "lastUpdateDateTime": published,
    }


CONFIRMED = flow(102.0, "Confirmed", "2026-05-08T10:00:00+02:00")
PROVISIONAL = flow(100.0, "Provisional", "2026-05-06T14:10:00+02:00")


@pytest.mark.parametrize(
    "replies",
    [
        pytest.param([[CONFIRMED, PROVISIONAL]], id="in one reply"),
        pytest.param([[CONFIRMED], [PROVISIONAL]], id="in two, the later first"),
        pytest.param([[PROVISIONAL], [CONFIRMED]], id="in two, in order"),
    ],
)
@pytest.mark.parametrize("batch_messages", [1, 2])
def test_a_confirmed_flow_stays_confirmed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    replies: list[list[dict[str, object]]],
    batch_messages: int,
) -> None:
    batches, source = (
        batches_in(tmp_path, batch_messages=batch_messages),
        market_source("entsog_flow"),
    )
    monkeypatch.setattr(Place, "warehouse", lambda _, **__: batches.warehouse)
    messages = [
        RawMessage(body=json.dumps({"operationalData": records}).encode(), received_at=NOON)
        for records in replies
    ]
    land(batches, messages, source=source)
    run_all(batches, source)
    rows = here.load("entsog_flow")
    assert rows["flow_status"].to_list() == ["Confirmed"]
    assert rows["energy_flow_kwh_per_h"].to_list() == [102.0]
    assert hot(batches, source)["energy_flow_kwh_per_h"].to_list() == [102.0]
