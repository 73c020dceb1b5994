"""Trading signals as the platform hands them in to itself: one JSON object with a list of rows."""

import json
from collections.abc import Mapping
from typing import Final

import polars as pl

from energy_platform.encodings.json_reply import FieldType, records
from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import each_message

TIMES: Final = ("delivery_start", "delivery_end", "gate_at", "features_known_at")
NUMBERS: Final = (
    *(f"price_{q}_eur_per_mwh" for q in ("q10", "q50", "q90")),
    *(f"power_{q}_mw" for q in ("q10", "q50", "q90")),
    "chance_above_pct",
)
TEXTS: Final = ("signal", "model_version", "silent_because")
_FIELDS: Final[Mapping[str, FieldType]] = {
    **dict.fromkeys(TEXTS, pl.String()),
    **dict.fromkeys(TIMES, INSTANT),
    **dict.fromkeys(NUMBERS, pl.Float64()),
}


def document(rows: pl.DataFrame) -> bytes:
    """Return rows as a document; columns that they lack are null."""
    texts = rows.with_columns(
        pl.col(name).dt.to_string("iso:strict") for name in TIMES if name in rows.columns
    )
    return json.dumps({"signals": texts.to_dicts()}).encode()


@each_message
def trading_signals(message: RawMessage) -> pl.DataFrame:
    """Parse a document; what is malformed in a row fails that row's checks.

    Raises:
        ParseError: It holds no list of signals.
    """
    return records(message.body, _FIELDS, path=("signals",))
