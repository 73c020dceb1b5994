"""Nothing that became known after the gate gets into a feature, by declaration or by data."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from energy_platform.errors import LookAheadError
from energy_platform.signals.desk.id3_spread_de import ID3_SPREAD_DE
from energy_platform.signals.desk.imbalance_de import IMBALANCE_DE
from energy_platform.signals.feature_frame import delivery_rows, feature_frame, require_known
from energy_platform.signals.gate import Gate
from energy_platform.signals.german_market import BALANCE, DAY_AHEAD, LOAD_SURPRISE
from energy_platform.signals.histories import SCHEMA, DerivedHistory, Reader
from energy_platform.signals.inputs import AtLag, Newest, values_at_gate
from energy_platform.signals.walk_forward import learnable
from tests.support.signal_world import WorldReader, world_reader

BEGIN = datetime(2026, 3, 27, 23, tzinfo=UTC)
END = datetime(2026, 3, 30, 22, tzinfo=UTC)
"""Three days, the change to summer time among them."""


@pytest.fixture
def reader() -> WorldReader:
    return world_reader()


def test_an_input_that_is_declared_to_be_known_too_late_is_refused() -> None:
    soon = AtLag(history=BALANCE, lag=timedelta(minutes=30))
    with pytest.raises(LookAheadError, match="imbalance_de: input now is known only after"):
        replace(IMBALANCE_DE, inputs={"now": soon}).require_declared_known()
    with pytest.raises(LookAheadError, match="imbalance_de: input now is known only after"):
        feature_frame(replace(IMBALANCE_DE, inputs={"now": soon}), world_reader(), BEGIN, END)
    early = Gate("D-1 12:00 Europe/Berlin")
    with pytest.raises(LookAheadError, match="input price"):
        replace(
            ID3_SPREAD_DE, gate=early, inputs={"price": AtLag(history=DAY_AHEAD)}
        ).require_declared_known()
    old = AtLag(history=BALANCE, lag=timedelta(minutes=90))
    replace(IMBALANCE_DE, inputs={"old": old}).require_declared_known()


def test_values_that_became_known_after_the_gate_are_refused() -> None:
    rows = delivery_rows(IMBALANCE_DE, BEGIN, BEGIN + timedelta(hours=1))
    gate = pl.col("gate_at")
    good = rows.with_columns((gate - timedelta(seconds=1)).alias("x known_at"))
    require_known(good, ["x"])
    with pytest.raises(LookAheadError, match="x of 4 deliveries became known after the gate"):
        require_known(good.with_columns((gate + timedelta(seconds=1)).alias("x known_at")), ["x"])
    with pytest.raises(LookAheadError, match="does not say when"):
        require_known(rows, ["x"])


def test_deliveries_begin_at_multiples_of_their_period() -> None:
    rows = delivery_rows(IMBALANCE_DE, BEGIN + timedelta(seconds=1), BEGIN + timedelta(hours=1))
    minutes = [(start - BEGIN) / timedelta(minutes=1) for start in rows["delivery_start"]]
    assert minutes == [15, 30, 45]


def test_a_feature_that_looks_into_later_rows_is_refused(reader: Reader) -> None:
    leaking = replace(IMBALANCE_DE, features={"next": pl.col("balance").shift(-8)})
    with pytest.raises(LookAheadError, match="next depends on deliveries of later gates"):
        feature_frame(leaking, reader, BEGIN, END)


def test_every_feature_was_known_at_its_gate(reader: Reader) -> None:
    for signal in (IMBALANCE_DE, ID3_SPREAD_DE):
        rows = feature_frame(signal, reader, BEGIN, END)
        assert rows.height == (END - BEGIN) / signal.period
        assert rows.null_count().sum_horizontal().item() == 0
        assert (rows["features_known_at"] <= rows["gate_at"]).all()
    local = feature_frame(ID3_SPREAD_DE, reader, BEGIN, END).with_columns(
        pl.col("gate_at").dt.convert_time_zone("Europe/Berlin")
    )
    assert local["gate_at"].dt.hour().unique().to_list() == [14], "on the short day, too"


def test_a_correction_counts_from_when_it_was_known() -> None:
    event = BEGIN
    rows = delivery_rows(IMBALANCE_DE, BEGIN + timedelta(hours=2), BEGIN + timedelta(hours=4))
    corrected = BEGIN + timedelta(hours=2)
    history = pl.DataFrame({
        "event": [event, event], "value": [1.0, 2.0],
        "known_at": [event + timedelta(minutes=22), corrected],
        "superseded_at": [corrected, None],
    }, schema=SCHEMA)  # fmt: skip
    newest = Newest(history=BALANCE, span=timedelta(minutes=15), oldest=timedelta(hours=3))
    found = values_at_gate(newest, history, rows, IMBALANCE_DE.period).sort("delivery_start")
    assert found["value"].to_list() == [1.0] * 4 + [2.0] * 4, "their gates are an hour earlier"


def test_a_newest_value_that_is_too_old_is_missing() -> None:
    rows = delivery_rows(IMBALANCE_DE, BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=9))
    history = pl.DataFrame({
        "event": [BEGIN], "value": [1.0], "known_at": [BEGIN], "superseded_at": [None],
    }, schema=SCHEMA)  # fmt: skip
    newest = Newest(history=BALANCE, span=timedelta(minutes=15), oldest=timedelta(hours=3))
    found = values_at_gate(newest, history, rows, IMBALANCE_DE.period).sort("delivery_start")
    assert found["delivery_start"].min() == BEGIN + timedelta(hours=1)
    assert found["delivery_start"].max() == BEGIN + timedelta(hours=4), "three hours to its gate"


def test_what_arrives_late_is_missing_and_not_guessed(reader: Reader) -> None:
    def late(own: Reader, start: datetime, end: datetime) -> pl.DataFrame:
        known = LOAD_SURPRISE.read(own, start, end)
        return known.with_columns(pl.col("known_at") + timedelta(hours=3))

    history = DerivedHistory(
        about="late", make=late, sources=frozenset(), step=BALANCE.step,
        known_after=timedelta(minutes=15),
    )  # fmt: skip
    lagged = AtLag(history=history, lag=timedelta(hours=2))
    signal = replace(IMBALANCE_DE, inputs={"x": lagged}, features={"x": pl.col("x")}, last="x")
    assert (
        feature_frame(signal, reader, BEGIN, END)["x"].null_count() == (END - BEGIN) / BALANCE.step
    )


def test_the_target_is_no_feature(reader: Reader) -> None:
    """It is refused by its declaration; one that is declared to be known is not there to be had."""
    now = replace(IMBALANCE_DE, inputs={**IMBALANCE_DE.inputs, "target": AtLag(history=BALANCE)})
    with pytest.raises(LookAheadError, match="input target is known only after the gate"):
        learnable(now, reader, BEGIN, END)
    early = replace(BALANCE, known_after="D-1 12:00 Europe/Berlin")
    inputs = {"target": AtLag(history=early), "balance": IMBALANCE_DE.inputs["balance"]}
    lying = replace(IMBALANCE_DE, inputs=inputs, features={"target": pl.col("target")})
    rows = learnable(lying, reader, BEGIN, END)
    assert rows["target"].null_count() == rows.height
    assert rows["value"].null_count() == 0


def test_a_history_that_lies_about_when_it_was_known_is_refused(reader: Reader) -> None:
    def at_once(own: Reader, start: datetime, end: datetime) -> pl.DataFrame:
        return BALANCE.read(own, start, end).with_columns(known_at=pl.col("event"))

    lie = DerivedHistory(
        about="the balance, said to be known when it begins", make=at_once,
        sources=BALANCE.sources, step=BALANCE.step, known_after=timedelta(),
    )  # fmt: skip
    lying = Newest(history=lie, span=timedelta(minutes=15), oldest=timedelta(hours=3))
    signal = replace(IMBALANCE_DE, inputs={"x": lying}, features={"x": pl.col("x")}, last="x")
    with pytest.raises(LookAheadError, match="x depends on what became known after the gate of"):
        learnable(signal, reader, BEGIN, END)


def test_a_correction_that_is_not_known_yet_is_hidden(reader: Reader) -> None:
    rows = pl.DataFrame({
        "value": [1.0, 2.0], "known_at": [BEGIN, END], "superseded_at": [END, None],
    }, schema_overrides={"superseded_at": SCHEMA["superseded_at"]})  # fmt: skip

    class Corrected(WorldReader):
        def shown(self) -> pl.DataFrame:
            return self._shown(rows)

    corrected = Corrected(platform=reader.platform)
    assert corrected.shown()["value"].to_list() == [1.0, 2.0]
    back = corrected.back_at(BEGIN + timedelta(hours=1)).shown()
    assert back.select("value", "superseded_at").rows() == [(1.0, None)]
