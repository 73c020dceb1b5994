"""What a market says is text in Dagster's UI, and nothing that a browser would act on."""

import json

import pytest
from dagster import (
    BoolMetadataValue,
    FloatMetadataValue,
    IntMetadataValue,
    JsonMetadataValue,
    TextMetadataValue,
    TimestampMetadataValue,
)

from assets.market import batch_metadata, check_results
from energy_platform.pipeline.micro_batch import MicroBatches
from tests.support.hostile_market import TEXTS
from tests.support.sources import EXAMPLE, example_message
from tests.support.stores import land, run_all

SHOWN_AS_TEXT = (
    BoolMetadataValue,
    FloatMetadataValue,
    IntMetadataValue,
    JsonMetadataValue,
    TextMetadataValue,
    TimestampMetadataValue,
)
"""Kinds of metadata that Dagster's UI shows as they are: none is Markdown, a link or a path."""


@pytest.mark.usefixtures("example_known")
def test_market_text_in_metadata_is_no_markup(platform_batches: MicroBatches) -> None:
    bad = [example_message([("CZ", 0, 1.0), *((text, 1, 1.0) for text in TEXTS)])]
    named = [{"zone": "CZ", "quarter": 2, "price": 1.0, text: 1} for text in TEXTS]
    land(platform_batches, [*bad, example_message(json.dumps(named).encode())])
    [report] = run_all(platform_batches)
    assert report.quarantined.height >= len(TEXTS)
    told = [*batch_metadata(report).values()]
    for check in check_results(EXAMPLE, report):
        told += check.metadata.values()
    assert any(TEXTS[0] in str(value.value) for value in told), "the reasons quote the market"
    assert all(isinstance(value, SHOWN_AS_TEXT) for value in told)
