"""A consumer of `ep.follow`: writes when each row was received, and when it was here.

    python benchmarks/follower.py SOURCE FILE

`latency` starts it beside the platform of the home that the environment names.
"""

import argparse
import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import energy_platform as ep
from energy_platform.market.instants import microseconds


async def note(source: str, file: Path) -> None:
    """Follow a source for ever, and write a line of two instants in microseconds per row."""
    async with aclosing(ep.follow([source])) as updates:
        async for update in updates:
            here = microseconds(datetime.now(UTC))
            if update.kind == "rows":
                lines = [f"{microseconds(at)},{here}\n" for at in update.rows["received_at"]]
                with file.open("a") as opened:
                    opened.writelines(lines)


def main() -> None:
    """Follow until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("file", type=Path)
    asked = parser.parse_args()
    asyncio.run(note(asked.source, asked.file))


if __name__ == "__main__":
    main()
