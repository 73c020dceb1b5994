"""What readers know of a source is what it declares, and costs them no feed, parser or check."""

import subprocess
import sys
import textwrap

import polars as pl
import pytest

from energy_platform.errors import UnknownSourceError
from energy_platform.market.registry import market_sources
from energy_platform.marts.catalogue import marts
from energy_platform.pipeline.tables import market_table
from energy_platform.reading.dataset import FILE, dataset, datasets, file_content
from energy_platform.reading.declared import declared_datasets


def test_the_copy_is_what_sources_and_marts_declare() -> None:
    assert dict(datasets()) == dict(declared_datasets())
    assert FILE.read_text("utf-8") == file_content(declared_datasets())
    assert list(datasets()) == sorted(datasets())


@pytest.mark.parametrize("name", sorted(market_sources()))
def test_a_reader_asks_the_table_that_a_batch_writes(name: str) -> None:
    read, written = dataset(name).table, market_table(market_sources()[name])
    assert read.name == written.name
    assert list(read.dtypes.items()) == list(written.dtypes.items())
    assert (read.event_time, read.key) == (written.event_time, written.key)
    assert read.is_large == written.is_large


@pytest.mark.parametrize("name", sorted(marts()))
def test_a_reader_asks_the_table_that_a_mart_is(name: str) -> None:
    read, written = dataset(name).table, marts()[name].table
    assert read.name == written.name
    assert list(read.dtypes.items()) == list(written.dtypes.items())
    assert (read.event_time, read.key) == (written.event_time, written.key)


@pytest.mark.usefixtures("example_known")
def test_a_source_that_is_newer_than_the_copy_is_found() -> None:
    assert dataset("example_price").key == ("bidding_zone", "delivery_start")
    assert dataset("example_price").dtypes["price_eur_per_mwh"] == pl.Float64()
    assert list(datasets()) == sorted([*market_sources(), *marts()])
    assert "example_price" in datasets()


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(UnknownSourceError, match="did you mean ote_day_ahead_price"):
        dataset("ote_day_ahead_prices")
    with pytest.raises(UnknownSourceError, match="energy-platform catalog"):
        dataset("zzz")


def test_knowing_every_source_imports_none() -> None:
    code = """
        import sys
        from energy_platform.reading.dataset import datasets

        for one in datasets().values():
            assert one.table.dtypes
        loaded = {name.partition(".")[0] for name in sys.modules}
        heavy = {"pandera", "zeep", "lxml", "httpx", "aiobotocore", "yaml", "eccodes"}
        print(*sorted(loaded & heavy))
        print(*(name for name in sys.modules if name.startswith("energy_platform.sources.")))
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
