"""What there is: the catalogue, its search, a table's card, and the values of its columns."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Unpack

import polars as pl

from energy_platform.errors import UsageError
from energy_platform.market.timeliness import lateness
from energy_platform.reading.asking import Asked, taking_all_of
from energy_platform.reading.card import Card
from energy_platform.reading.catalogue import catalogue, listed
from energy_platform.reading.choice import chosen_columns, require_count
from energy_platform.reading.dataset import Dataset, dataset, datasets
from energy_platform.reading.loading import Loading
from energy_platform.reading.search import Hit, hits

_FOUND: Final = pl.Schema(
    {
        "name": pl.String(),
        "kind": pl.String(),
        "provider": pl.String(),
        "description": pl.String(),
        "columns": pl.List(pl.String()),
        "where": pl.List(pl.Struct({"column": pl.String(), "values": pl.List(pl.String())})),
        "example": pl.String(),
    }
)
_NEWEST: Final = timedelta(days=14)
_END: Final = "delivery_end"


class Finding(Loading):
    """Questions about what there is."""

    def catalog(self, search: str = "") -> pl.DataFrame:
        """Return one row per source and mart: name, kind, provider, group, key, columns, terms.

        Args:
            search: Only entries that meet every word, as in `search`, the best first.

        Returns:
            `name`, `kind`, `provider`, `protocol`, `group`, `description`, `key`, `columns` (name,
            type, unit, description, values), `expected_lag_seconds`, `terms`, `needs`, `upstream`.

        Raises:
            UsageError: `search` is no text.

        >>> import energy_platform as ep
        >>> ep.catalog("nord pool trade")["name"][0]
        'nord_pool_intraday_trade'
        """
        _require_text(search)
        everything = pl.DataFrame([listed(entry) for entry in catalogue()])
        found = pl.Series("name", [entry.name for entry in catalogue(search)], dtype=pl.String)
        return found.to_frame().join(everything, on="name", maintain_order="left")

    def search(self, words: str, *, limit: int = 20) -> pl.DataFrame:
        """Find series by what people call them, the best first.

        Each word is met by a table's name, description, provider or columns, or by a value that
        its columns take: a zone, a type of plant, a product. Synonyms, German words, countries and
        the providers' codes count too, and a word that is mistyped a little.

        Args:
            words: What is looked for: "wind DE", "Strompreis", "nuclear outages france", "EXAA".
            limit: How many tables at most.

        Returns:
            `name`, `kind`, `provider` and `description` of each table; `columns` that have one of
            the words; `where`, the values of key columns that have one; and an `example` of a call.
            No rows, if no table has all words.

        Raises:
            UsageError: `words` is no text, or `limit` no number of tables.

        >>> import energy_platform as ep
        >>> print(ep.search("nuclear")["example"][0])
        ep.load('entsoe_generation', where={'production_type': ['Nuclear']})
        """
        _require_text(words)
        require_count(limit, "limit")
        tables = list(datasets().values())
        found = hits(tables, words)[:limit]
        return pl.DataFrame([_line(tables[hit.at], hit) for hit in found], schema=_FOUND)

    def describe(self, name: str) -> Card:
        """Return what a table is and what is stored of it, as a card that notebooks show.

        Args:
            name: A name, as `catalog` lists it.

        Returns:
            A card: the columns with units and known values, how much is stored of which time, how
            long its periods are, when its newest row was received, whether values are late, and a
            call to begin with.

        Raises:
            UnknownSourceError: There is no source or mart of this name.

        >>> import energy_platform as ep
        >>> print(ep.describe("ote_day_ahead_price"))  # doctest: +ELLIPSIS
        ote_day_ahead_price
        What       Prices and volumes of the Czech day-ahead auction, per quarter of an hour.
        ...
        """
        about = dataset(name)
        stored = self.place.warehouse(missing="empty").scan(about.table)
        times = [about.event_time, *(c for c in ("received_at",) if c in about.dtypes)]
        said = stored.select(
            pl.len().alias("rows"),
            pl.col(about.event_time).min().alias("first"),
            pl.col(about.event_time).max().alias("last"),
            pl.col(times[-1]).max().alias("received"),
        ).collect()
        rows, first, last, received = said.row(0)
        late = None
        if about.kind == "source" and last is not None:
            late = lateness(about, last, received, datetime.now(UTC))
        return Card(
            dataset=about,
            rows=rows,
            first_at=first,
            last_at=last,
            received_at=received if "received_at" in about.dtypes else None,
            resolution=None if last is None else _resolution(about, stored, last),
            late_since=None if late is None else late.since,
            example=_example(about, last),
        )

    @taking_all_of(Loading.scan)
    def values(self, name: str, column: str, **asked: Unpack[Asked]) -> pl.DataFrame:
        """Return the distinct values of a column, the most frequent first.

        Args:
            name: A name, as `catalog` lists it.
            column: The column.
            asked: The arguments of `scan`: `start`, `end`, `as_of` and the others.

        Returns:
            The column, and of each value how many `rows` have it, and the event times of its first
            and last row, `first_at` and `last_at`, UTC instants.

        Raises:
            UnknownSourceError: There is no source or mart of this name.
            UsageError: The table has no such column; the message lists near ones.

        >>> import energy_platform as ep
        >>> ep.values("energy_charts_price", "bidding_zone")["bidding_zone"].sort().to_list()
        ['AT', 'DE-LU']
        """
        about = dataset(name)
        chosen_columns(about, [column])
        time = pl.col(about.event_time)
        counted = self.scan(name, **asked).group_by(column)
        found = counted.agg(rows=pl.len(), first_at=time.min(), last_at=time.max())
        return found.sort("rows", column, descending=[True, False]).collect()


def _require_text(words: object) -> None:
    if not isinstance(words, str):
        raise UsageError(f"what is looked for is a text such as 'wind DE', not {words!r}")


def _line(about: Dataset, hit: Hit) -> dict[str, Any]:
    where = {column: list(hit.where[column]) for column in about.key if column in hit.where}
    told = f", where={where!r}" if where else ""
    return {
        "name": about.name,
        "kind": about.kind,
        "provider": about.provider,
        "description": about.description,
        "columns": list(hit.columns),
        "where": [{"column": column, "values": values} for column, values in where.items()],
        "example": f"ep.load({about.name!r}{told})",
    }


def _resolution(about: Dataset, stored: pl.LazyFrame, last: datetime) -> timedelta | None:
    """Return how long most of the newest periods are, or how far apart most values are."""
    time = pl.col(about.event_time)
    newest = stored.filter(time >= last - _NEWEST)
    if _END in about.dtypes:
        lengths = newest.select((pl.col(_END) - time).mode().min())
    else:
        apart = newest.select(time.unique().sort()).select(time.diff().drop_nulls())
        lengths = apart.select(time.mode().min())
    found: timedelta | None = lengths.collect().item()
    return found


def _example(about: Dataset, last: datetime | None) -> str:
    if last is None:
        return f"ep.load({about.name!r})"
    return f"ep.load({about.name!r}, start={f'{last - timedelta(days=1):%Y-%m-%d %H:%MZ}'!r})"
