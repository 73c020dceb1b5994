"""`energy-platform follow` as a process beside a running platform, and what it has printed."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import polars.selectors as cs

from energy_platform.market.source import MarketSource
from energy_platform.operations.live_bus import live_bus_status
from tests.support.running_platform import RECOVERY_SECONDS, RunningPlatform, script, wait_for

_INSTANT: Final = "%Y-%m-%dT%H:%M:%S%.6fZ"


@dataclass(frozen=True)
class Follower:
    """A follower.

    Attributes:
        process: The command.
        printed: The file with its output.
        begun: For each source an offset after which everything landed once it followed.
    """

    process: "subprocess.Popen[bytes]"
    printed: Path
    begun: dict[str, int]

    def updates(self) -> list[dict[str, Any]]:
        """Return the updates that are printed whole."""
        lines = self.printed.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def missing(self, source: MarketSource, stored: pl.DataFrame) -> pl.DataFrame:
        """Return the landing offsets and keys of stored rows that it was not told."""
        named = ["landing_offset", *(name for name in source.key if name != "landing_offset")]
        wanted = (
            stored.filter(pl.col("landing_offset") >= self.begun[source.name])
            .select(named)
            .with_columns(cs.datetime().dt.strftime(_INSTANT))
        )
        told = [
            {name: row[name] for name in named}
            for update in self.updates()
            if update["source"] == source.name
            for row in update["rows"]
        ]
        heard = pl.DataFrame(told, schema=wanted.schema)
        missed = wanted.join(heard, on=named, how="anti", nulls_equal=True)
        return missed.select(source=pl.lit(source.name), offset="landing_offset")

    def stop(self) -> tuple[int, str]:
        """End it by Ctrl-C; return its exit code and its complaints other than outages."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        said = self.printed.with_suffix(".log").read_text().splitlines()
        return code, "\n".join(line for line in said if "the live bus is down" not in line)


@contextmanager
def following(platform: RunningPlatform, sources: Sequence[str]) -> Iterator[Follower]:
    """Follow some sources of a platform until the context ends."""
    printed = platform.home.parent / "followed.jsonl"

    def is_followed() -> bool:
        status = live_bus_status(platform.settings)
        return status is not None and bool(status.figures.followers)

    with printed.open("wb") as out, printed.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            [script(), "follow", *sources, "--json"],
            stdout=out, stderr=log, env=platform.environment,
        )  # fmt: skip
    try:
        wait_for("follower", is_followed, RECOVERY_SECONDS)
        ends = {name: platform.batches.landing.log(name).end_offset() for name in sources}
        yield Follower(process, printed, ends)
    finally:
        process.kill()
        process.wait()
