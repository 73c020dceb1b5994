"""One update of a follower, and how it is written as text: a line of JSON, rows or Arrow in it."""

import base64
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from typing import Any, Final

import orjson
import polars as pl
import polars.selectors as cs

from energy_platform.market.source import MarketSource
from energy_platform.pipeline.tables import market_table

_INSTANT: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"


class UpdateKind(StrEnum):
    """What an update brings.

    Attributes:
        ROWS: New rows.
        SNAPSHOT: All rows that the follower may have missed, read again. It may have had some.
        GAP: None; rows may be missing, and could not be read again.
    """

    ROWS = "rows"
    SNAPSHOT = "snapshot"
    GAP = "gap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """What `follow` yields.

    Attributes:
        kind: What it brings: "rows", "snapshot" or "gap".
        source: The market source's name.
        rows: Rows of the source's table, with its columns and types, in landing order; every
            revision is a row.
        cursor: Where to resume once this update is handled.
        since: Of a snapshot or a gap, the landing offset from which rows may have been missed.
        reason: Of a gap, why the rows could not be read again.
    """

    kind: UpdateKind
    source: str
    rows: pl.DataFrame
    cursor: str
    since: int | None = None
    reason: str = ""


def json_line(update: Update) -> str:
    """Return an update as one line of JSON; instants are ISO 8601 in UTC."""
    rows = update.rows.with_columns(cs.datetime().dt.strftime(_INSTANT)).write_json()
    return f'{orjson.dumps(_about(update)).decode()[:-1]},"rows":{rows}}}'


def arrow_line(update: Update) -> str:
    """Return an update as one line of JSON, its rows as an Arrow stream in Base64."""
    file = BytesIO()
    update.rows.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
    rows = base64.b64encode(file.getvalue()).decode()
    return orjson.dumps({**_about(update), "arrow": rows}).decode()


def read_arrow_line(line: str, source: MarketSource) -> Update:
    """Return the update of a source that `arrow_line` wrote.

    Raises:
        ValueError: It is none.
    """
    try:
        said = orjson.loads(line)
        rows = pl.read_ipc_stream(BytesIO(base64.b64decode(said["arrow"], validate=True)))
        return Update(
            kind=UpdateKind(said["kind"]),
            source=source.name,
            rows=typed(source, rows),
            cursor=said["cursor"],
            since=said.get("since"),
            reason=said.get("reason", ""),
        )
    except (KeyError, TypeError, pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"not an update: {error}") from None


def typed(source: MarketSource, rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in the columns of this process's version of the source."""
    dtypes = market_table(source).dtypes
    aligned = pl.concat([pl.DataFrame(schema=dtypes), rows], how="diagonal_relaxed")
    return aligned.select(*dtypes).cast(dtypes)  # type: ignore[arg-type] # dict is invariant


def _about(update: Update) -> dict[str, Any]:
    about = {"kind": update.kind, "source": update.source, "cursor": update.cursor}
    told = {} if update.since is None else {"since": update.since, "reason": update.reason}
    return {**about, **told}
