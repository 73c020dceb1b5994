"""Each question has the same answer from a home, a bare folder of Delta tables, and BigQuery."""

import os
import pickle
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, Final

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import energy_platform as ep
from energy_platform.reading.card import Card
from energy_platform.reading.loading import Estimate
from energy_platform.storage.warehouse.bigquery.client import Clients
from energy_platform.storage.warehouse.bigquery.warehouse import BigQueryWarehouse
from tests.support.bigquery_server import PROJECT, BigQueryServer
from tests.support.questions import HOUR, NOON, PRICES, QUESTIONS, fill, fill_home

OF_A_HOME: Final = {"batch_history", "follow"}
"""What only a home can say."""
OF_THE_LIBRARY: Final = {"areas", "catalog", "productions", "search", "series"}
"""What the library knows by itself."""


@pytest.fixture(scope="module")
def desks(
    emulator: BigQueryServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, ep.Platform]]:
    """The same tables in three places."""
    home = fill_home(tmp_path_factory.mktemp("home"))
    with emulator.dataset() as dataset, pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith("ENERGY_PLATFORM_")]:
            patch.delenv(variable)
        patch.setenv("ENERGY_PLATFORM_BIGQUERY_EMULATOR", emulator.address)
        patch.setenv("ENERGY_PLATFORM_BIGQUERY_EMULATOR_GRPC", emulator.grpc_address)
        clients = Clients.open(
            project=PROJECT,
            dataset=dataset,
            location="EU",
            emulator=emulator.address,
            emulator_grpc=emulator.grpc_address,
        )
        with closing(BigQueryWarehouse(clients)) as far:
            fill(far)
        yield {
            "home": ep.connect(home),
            "folder": ep.connect(home / "warehouse"),
            "bigquery": ep.connect(f"bigquery://{PROJECT}/{dataset}"),
        }


@pytest.mark.parametrize("place", ["folder", "bigquery"])
@pytest.mark.parametrize("name", sorted(QUESTIONS.keys() - OF_A_HOME - OF_THE_LIBRARY))
def test_the_same_answer_everywhere(
    name: str, place: str, desks: Mapping[str, ep.Platform]
) -> None:
    ours, theirs = (parts(QUESTIONS[name](desks[one])) for one in ("home", place))
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(one, pl.DataFrame):
            assert not one.is_empty()
            assert_frame_equal(one, other)
        else:
            assert one == other


def parts(answer: Any) -> list[Any]:
    """Return what an answer says of the rows, whoever stores them; frames by themselves."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, Card):
        return [replace(answer, late_since=None)]
    if isinstance(answer, Estimate):
        return [answer.rows, answer.bytes]
    if isinstance(answer, ep.Changes):
        return [answer.rows, replace(answer, rows=answer.rows.clear()).cursor, answer.is_last]
    return [answer]


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_an_answer_goes_to_another_process(name: str, desks: Mapping[str, ep.Platform]) -> None:
    answer = QUESTIONS[name](desks["home"])
    for one, other in zip(parts(answer), parts(pickle.loads(pickle.dumps(answer))), strict=True):
        if isinstance(one, pl.DataFrame):
            assert_frame_equal(one, other)
        else:
            assert one == other


def test_a_frame_at_the_gate_has_what_a_lag_lets_through(desks: Mapping[str, ep.Platform]) -> None:
    frame = QUESTIONS["frame"](desks["home"])
    assert frame["lagged"].drop_nulls().len() > frame["price"].drop_nulls().len()
    assert QUESTIONS["trades"](desks["home"])["trade_id"].to_list() == ["4", "3", "1"]
    assert QUESTIONS["bars"](desks["home"])["trades"].to_list() == [2]


@pytest.mark.parametrize("place", ["home", "folder", "bigquery"])
def test_an_estimate_is_never_too_low(place: str, desks: Mapping[str, ep.Platform]) -> None:
    desk = desks[place]
    for asked in ({}, {"end": NOON + HOUR}, {"as_of": NOON}, {"where": {"bidding_zone": "FR"}}):
        size = desk.estimate(PRICES, **asked)
        assert desk.load(PRICES, **asked).height <= size.rows <= 192
    assert desk.estimate("smard_price", missing="empty").rows == 0
