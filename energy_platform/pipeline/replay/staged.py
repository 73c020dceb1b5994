"""The staged files of one source: the plan, and for each range of it Parquet files side by side.

    _replay/SOURCE/PLAN/plan.json
    _replay/SOURCE/PLAN/<first offset>.rows.parquet         rows that passed every check
    _replay/SOURCE/PLAN/<first offset>.refused.parquet      rows that did not, as they were parsed
    _replay/SOURCE/PLAN/<first offset>.quarantine.parquet   the same for people, and what is no row
    _replay/SOURCE/PLAN/<first offset>.messages.parquet     which messages they are of

The last one is written last and has the digests of the others: without it, or with another digest,
a range counts as not staged. An empty file but the last is not written.
"""

import hashlib
import io
import json
import logging
from collections.abc import Mapping
from typing import Final

import polars as pl
from polars.exceptions import PolarsError

from energy_platform.market.instants import INSTANT
from energy_platform.market.raw_message import LostMessages, RawMessage
from energy_platform.market.source import MarketSource
from energy_platform.pipeline.checks import CheckedRows
from energy_platform.pipeline.replay.plan import Plan
from energy_platform.pipeline.tables import QUARANTINE_DTYPES
from energy_platform.storage.landing import LandingZone

_PLAN: Final = "plan.json"
_MESSAGES: Final = "messages"
_DIGESTS: Final = "energy_platform.digests"
"""The key of the other files' digests in the metadata of the messages' file."""
_MESSAGE_DTYPES: Final = {
    "landing_offset": pl.Int64(),
    "received_at": INSTANT,
    "context": pl.String(),
    "lost_stop": pl.Int64(),
    "lost_reason": pl.String(),
}

_log = logging.getLogger(__name__)


class StagedFiles:
    """What is staged of one source.

    Args:
        zone: The landing zone, whose store keeps the files.
        source_name: The source's name.
    """

    def __init__(self, zone: LandingZone, source_name: str) -> None:
        self.source_name = source_name
        self._staging = zone.staging

    def plan(self) -> Plan | None:
        """Return the newest plan; None if there is none."""
        paths = [path for path in self._staging.sizes(self.source_name) if path.endswith(_PLAN)]
        text = self._staging.read(paths[-1]) if paths else None
        return None if text is None else Plan.from_json(text)

    def begin(self, plan: Plan) -> None:
        """Write a plan, and clear what was staged of others."""
        self._staging.clear(self.source_name)
        self._staging.write(f"{self._folder(plan)}/{_PLAN}", plan.as_json())

    def clear(self) -> None:
        """Remove all that is staged of the source."""
        self._staging.clear(self.source_name)

    def clear_before(self, plan: Plan, offset: int) -> None:
        """Remove the ranges that end at an offset or before it, since they are merged."""
        merged = {one.start for one in plan.ranges if one.stop <= offset}
        paths = self._staging.sizes(self._folder(plan))
        self._staging.remove([path for path in paths if _first(path) in merged])

    def staged(self, plan: Plan) -> list[range]:
        """Return the ranges that are staged, in order."""
        suffix = f".{_MESSAGES}.parquet"
        paths = self._staging.sizes(self._folder(plan))
        firsts = {_first(path) for path in paths if path.endswith(suffix)}
        return [one for one in plan.ranges if one.start in firsts]

    def is_staged(self, plan: Plan, offsets: range) -> bool:
        """Return whether a range is staged, and its files are whole."""
        return self._parts(plan, offsets) is not None

    def write(self, plan: Plan, offsets: range, made: CheckedRows, *, most_bytes: int) -> bool:
        """Write what a range holds; return whether there was room for it.

        Args:
            plan: The plan.
            offsets: One of its ranges.
            made: What the range holds.
            most_bytes: How many bytes the files of all sources have together at most.
        """
        frames = {"rows": made.rows, "refused": made.refused, "quarantine": made.quarantined}
        parts = {name: _parquet(frame, {}) for name, frame in frames.items() if frame.height}
        digests = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
        parts[_MESSAGES] = _parquet(_tabulated(made), {_DIGESTS: json.dumps(digests)})
        size = sum(map(len, parts.values()))
        if (room := most_bytes - sum(self._staging.sizes().values())) < size:
            _log.warning(
                "%s: [%d, %d) is not staged: it has %d bytes, and %d of %d are left for all",
                self.source_name, offsets.start, offsets.stop, size, max(room, 0), most_bytes,
            )  # fmt: skip
            return False
        for name, part in parts.items():
            self._staging.write(self._path(plan, offsets, name), part)
        return True

    def read(self, plan: Plan, offsets: range, source: MarketSource) -> CheckedRows | None:
        """Return what a range holds, as `write` got it; None if it is not staged whole."""
        parts = self._parts(plan, offsets)
        if parts is None:
            return None
        try:
            messages = _messages(pl.read_parquet(parts[_MESSAGES]))
        except PolarsError:
            return None

        def frame(name: str, dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
            part = parts.get(name)
            return pl.DataFrame(schema=dtypes) if part is None else pl.read_parquet(part)

        return CheckedRows(
            messages=messages,
            rows=frame("rows", source.dtypes),
            quarantined=frame("quarantine", QUARANTINE_DTYPES),
            refused=frame("refused", source.dtypes),
        )

    def _parts(self, plan: Plan, offsets: range) -> dict[str, bytes] | None:
        """Return the bytes of a range's files; None if one is missing or damaged."""
        messages = self._staging.read(self._path(plan, offsets, _MESSAGES))
        if messages is None:
            return None
        try:
            digests = json.loads(pl.read_parquet_metadata(messages)[_DIGESTS])
        except (PolarsError, KeyError, ValueError):
            return None
        parts = {_MESSAGES: messages}
        for name, digest in digests.items():
            part = self._staging.read(self._path(plan, offsets, name))
            if part is None or hashlib.sha256(part).hexdigest() != digest:
                return None
            parts[name] = part
        return parts

    def _folder(self, plan: Plan) -> str:
        return f"{self.source_name}/{plan.plan_id}"

    def _path(self, plan: Plan, offsets: range, name: str) -> str:
        return f"{self._folder(plan)}/{offsets.start:020}.{name}.parquet"


def _first(path: str) -> int:
    """Return the first offset that a file's name says; -1 for the plan."""
    number = path.rpartition("/")[2].partition(".")[0]
    return int(number) if number.isdecimal() else -1


def _parquet(frame: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, metadata=metadata)
    return file.getvalue()


def _tabulated(made: CheckedRows) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (
                one.landing_offset,
                one.received_at,
                json.dumps(dict(one.context)),
                None if one.lost is None else one.lost.stop,
                None if one.lost is None else one.lost.reason,
            )
            for one in made.messages
        ],
        schema=_MESSAGE_DTYPES,
        orient="row",
    )


def _messages(table: pl.DataFrame) -> list[RawMessage]:
    return [
        RawMessage(
            body=b"",
            received_at=received_at,
            context=json.loads(context),
            landing_offset=offset,
            lost=None if stop is None else LostMessages(stop, reason),
        )
        for offset, received_at, context, stop, reason in table.iter_rows()
    ]
