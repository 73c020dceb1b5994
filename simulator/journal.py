"""The simulator's own record of what the markets emitted: what the warehouse must hold in the end.

One JSON line per emission, in the columns of the market source's table, stamped with the wall
time at which it became visible to a client. Tests and benchmarks compare against it; the platform
never reads it.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

Row = Mapping[str, Any]
"""One row in the columns of its source's table, without provenance; instants as datetimes."""

_SUFFIX: Final = ".ndjson"
_ROWS: Final = ',"rows":'
_END: Final = "]}\n"
"""How a line ends that no crash has cut off."""


@dataclass(frozen=True, slots=True)
class Emission:
    """Rows that became visible together.

    Attributes:
        emitted_at: Wall time (UTC) at which a client could first see them.
        market_at: Market time of the same moment.
        rows: The rows; instants as ISO 8601 text.
    """

    emitted_at: datetime
    market_at: datetime
    rows: list[dict[str, Any]]


class Journal:
    """Emissions by market source, in one file each below `folder`, kept over restarts."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def emit(self, source: str, market_at: datetime, rows: Iterable[Row]) -> None:
        """Note that `rows` become visible now. Call it just before they do."""
        line = {"emitted_at": datetime.now(UTC), "market_at": market_at, "rows": list(rows)}
        with (self._folder / f"{source}{_SUFFIX}").open("a+b") as file:
            # A line that a crash cut off ends here, so that it spoils no other.
            file.write((b"\n" if _is_cut_off(file) else b"") + orjson.dumps(line) + b"\n")

    def emissions(self, source: str) -> Iterator[Emission]:
        """Yield what `source` emitted, oldest first; a line cut off by a crash is left out."""
        file = self._folder / f"{source}{_SUFFIX}"
        if not file.exists():
            return
        with file.open() as lines:
            for line in lines:
                try:
                    kept = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                yield Emission(
                    datetime.fromisoformat(kept["emitted_at"]),
                    datetime.fromisoformat(kept["market_at"]),
                    kept["rows"],
                )

    def market_times(self, source: str) -> tuple[datetime, datetime] | None:
        """Return the market times of the oldest and the newest emission; None without any.

        Reads no rows: a provider asks at its start, when its journal may be long.
        """
        file = self._folder / f"{source}{_SUFFIX}"
        if not file.exists():
            return None
        with file.open() as lines:
            heads = [line.partition(_ROWS)[0] for line in lines if line.endswith(_END)]
        times = [datetime.fromisoformat(orjson.loads(head + "}")["market_at"]) for head in heads]
        return (min(times), max(times)) if times else None

    def last_market_at(self, source: str) -> datetime | None:
        """Return the market time of the newest emission: where a restarted provider goes on."""
        times = self.market_times(source)
        return times[1] if times else None


def _is_cut_off(file: BinaryIO) -> bool:
    """Say whether a file's last line has no end."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"
