"""Finds the rows that a newer whole list withdraws, and writes them as rows of that message.

Pure functions over frames. A withdrawing row repeats the row that it withdraws, with `withdrawn`
set and the provenance of the newer list. It is a revision like any other, so `as_of` an earlier
moment still shows what was listed then. The source's `WholeList` says which messages are lists.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from energy_platform.history.revisions import latest_of_each_revision, revision_order
from energy_platform.market.raw_message import RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.market.whole_list import WITHDRAWN, WholeList

_SEPARATOR: Final = "\x1f"
# Columns of this module beside a source's columns, whose names never begin with an underscore.
_LIST: Final = "_list"
_NUMBER: Final = "_number"
_AT: Final = "_at"
_WHOLE: Final = "_whole"
_GONE: Final = "_gone"
_ROW: Final = "_row"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the whole-list rules need to know of one batch of messages.

    Attributes:
        messages: The messages.
        rows: Their good rows, in landing order.
        refused: Their rows that failed a check, in the same columns.
        broken: Landing offsets of messages that could not be read.
    """

    messages: Sequence[RawMessage]
    rows: pl.DataFrame
    refused: pl.DataFrame
    broken: Collection[int]


@dataclass(frozen=True, slots=True)
class Lists:
    """The whole lists of a batch.

    Attributes:
        shown: One row per list and message: `_list`, `_number`, `_at`.
        items: The items of each list: the same columns, and the item's own.
    """

    shown: pl.DataFrame
    items: pl.DataFrame


def may_hold_lists(listing: WholeList, *frames: pl.DataFrame) -> bool:
    """Return whether any of a batch's messages can be a whole list; most batches have none."""
    return bool(listing.asked) or any(
        frame.select(listing.whole.any()).item() for frame in frames if not frame.is_empty()
    )


def whole_lists(source: MarketSource, listing: WholeList, batch: Batch) -> Lists:
    """Return the whole lists among the messages of a batch.

    A row that failed a check, or a part that was refused, still counts as being on its list if its
    item can be told. If the item can't be told, or if all rows of a list failed, the list does not
    count. A message whose rows can't all be assigned to a list does not count as a list at all.
    """
    item = listing.items(source.key)
    rows, refused = (_placed(frame, listing) for frame in (batch.rows, batch.refused))
    said = pl.concat([rows, refused]).filter(_WHOLE, ~pl.col(_AT).is_in([*batch.broken]))
    named, occurrence = _asked(listing, batch.messages), [_LIST, _NUMBER, _AT]
    # The answer to a question for one list is that list, if all of its rows belong to it.
    said = said.join(named.rename({_LIST: "_asked"}), on=_AT, how="left")
    is_other = pl.col("_asked").is_not_null() & pl.col("_asked").ne_missing(pl.col(_LIST))
    has_no_item = pl.any_horizontal(pl.col(name).is_null() for name in item)
    strangers = said.filter(is_other | pl.col(_LIST).is_null())[_AT].unique()
    unclear = said.filter(has_no_item).select(occurrence)
    items = (
        said.filter(~pl.col(_AT).is_in(strangers.implode()))
        .join(unclear, on=occurrence, how="anti")
        .join(rows.filter(_WHOLE), on=occurrence, how="semi")
        .select(*occurrence, *item)
        .unique()
    )
    unread = {*batch.broken, *rows[_AT], *refused[_AT]}
    empty = named.filter(~pl.col(_AT).is_in([*unread])).select(
        _LIST, pl.col(_AT).alias(_NUMBER), _AT
    )
    nothing_is_numbered = empty.clear() if listing.number else empty
    shown = pl.concat([items.select(occurrence), nothing_is_numbered]).unique()
    return Lists(shown=shown, items=items)


def rows_of(
    lists: Lists, source: MarketSource, listing: WholeList, stored: pl.LazyFrame
) -> pl.DataFrame:
    """Return the latest stored row of each key on these lists, withdrawn rows included."""
    of_lists = stored.with_columns(_name(listing).alias(_LIST)).join(
        lists.shown.lazy().select(_LIST).unique(), on=_LIST, how="semi", maintain_order="left"
    )
    return latest_of_each_revision(of_lists.drop(_LIST), source).collect()


def with_withdrawals(
    batch: Batch, lists: Lists, known: pl.DataFrame, source: MarketSource, listing: WholeList
) -> pl.DataFrame:
    """Return a batch's rows, with the rows that each message withdraws after its own.

    A row of an older list may arrive after the newer list that lacks it. It is then stored as
    withdrawn from the start and is never shown.

    Args:
        batch: The batch; its rows have the column `withdrawn`.
        lists: Its whole lists.
        known: The stored rows of these lists, as `rows_of` returns them.
        source: The source that the rows belong to.
        listing: How the source's lists work.
    """
    fresh = _placed(batch.rows, listing).with_row_index(_ROW)
    old = _placed(known.select(batch.rows.columns), listing).with_columns(
        pl.lit(None, dtype=pl.UInt32).alias(_ROW)
    )
    rows = pl.concat([old.select(fresh.columns), fresh])
    absent = _absences(rows, lists, listing, listing.items(source.key))
    on_arrival = absent.filter(pl.col("_until") == pl.col(_AT), pl.col(_ROW).is_not_null())
    late = pl.col(_ROW).is_in(on_arrival[_ROW].implode())
    arrived = fresh.with_columns(pl.col(WITHDRAWN) | late)
    received = pl.DataFrame(
        [(one.landing_offset, one.received_at) for one in batch.messages],
        schema={"_until": pl.Int64, "_received": batch.rows.schema["received_at"]},
        orient="row",
    )
    taken_back = (
        absent.filter(pl.col("_until") > pl.col(_AT))
        .sort(*revision_order(source), maintain_order=True, nulls_last=False)
        .unique([*source.key, "_until"], keep="last", maintain_order=True)
        .join(received, on="_until", how="left", maintain_order="left")
        .with_columns(
            pl.lit(value=True).alias(WITHDRAWN), landing_offset="_until", received_at="_received"
        )
    )
    columns = batch.rows.columns
    return pl.concat([arrived.select(columns), taken_back.select(columns)]).sort(
        "landing_offset", maintain_order=True
    )


def _absences(
    rows: pl.DataFrame, lists: Lists, listing: WholeList, item: tuple[str, ...]
) -> pl.DataFrame:
    """Return each row with each newer list that lacks its item, absent from `_until` on."""
    absent = _left_out(rows, lists, item)
    if listing.number is not None:
        absent = pl.concat([absent, _late(rows, item).select(absent.columns)])
    return absent.filter(~_last_said_gone(item))


def _left_out(rows: pl.DataFrame, lists: Lists, item: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows that came with a newer list of this batch, or later, and that it lacks."""
    newer = {_NUMBER: "_newer", _AT: "_until"}
    came_before = pl.col(_AT) < pl.col("_until")
    came_with = (pl.col(_AT) == pl.col("_until")) & pl.col(_WHOLE)
    beside = rows.join(lists.shown.rename(newer), on=_LIST, maintain_order="left").filter(
        pl.col(_NUMBER) < pl.col("_newer"), came_before | came_with
    )
    on = [_LIST, "_newer", "_until", *item]
    return beside.join(lists.items.rename(newer), on=on, how="anti", maintain_order="left")


def _late(rows: pl.DataFrame, item: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows of this batch's lists that a higher-numbered list, received before, lacks."""
    whole = rows.filter(_WHOLE).rename({_NUMBER: "_newer"})
    lists = whole.group_by(_LIST, "_newer").agg(_first_at=pl.col(_AT).min())
    items = whole.group_by(_LIST, "_newer", *item).agg(_item_at=pl.col(_AT).min())
    fresh = rows.filter(pl.col(_ROW).is_not_null(), _WHOLE)
    return (
        fresh.join(lists, on=_LIST, maintain_order="left")
        .filter(pl.col(_NUMBER) < pl.col("_newer"), pl.col("_first_at") < pl.col(_AT))
        .join(items, on=[_LIST, "_newer", *item], how="left", maintain_order="left")
        .filter((pl.col("_item_at") < pl.col(_AT)).fill_null(value=False).not_())
        .with_columns(_until=pl.col(_AT))
    )


def _last_said_gone(item: tuple[str, ...]) -> pl.Expr:
    """Return whether the item's last row before a newer list says that the item is gone."""
    last = pl.col(_GONE).sort_by(_NUMBER, _AT).last()
    return last.over(_LIST, *item, "_newer", "_until")


def _placed(rows: pl.DataFrame, listing: WholeList) -> pl.DataFrame:
    """Return rows with the name of their list and their position among the lists of that name."""
    return rows.with_columns(
        _name(listing).alias(_LIST),
        pl.col(listing.number or "landing_offset").alias(_NUMBER),
        pl.col("landing_offset").alias(_AT),
        listing.whole.fill_null(value=False).alias(_WHOLE),
        listing.gone.fill_null(value=False).alias(_GONE),
    )


def _name(listing: WholeList) -> pl.Expr:
    return pl.concat_str(*listing.name.values(), separator=_SEPARATOR)


def _asked(listing: WholeList, messages: Sequence[RawMessage]) -> pl.DataFrame:
    """Return the list that each message was asked for, for messages whose context says it."""
    asked = [
        (message.landing_offset, _SEPARATOR.join(name))
        for message in messages
        if (name := listing.asked_for(message.context)) is not None
    ]
    return pl.DataFrame(asked, schema={_AT: pl.Int64, _LIST: pl.String}, orient="row")
