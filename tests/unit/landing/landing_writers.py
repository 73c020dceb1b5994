"""What the landing tests write with: small messages, and writers in processes of their own."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingZone

SOURCE = "ote_day_ahead_price"
EPOCH = datetime(2026, 3, 29, tzinfo=UTC)


def message(number: int, *, body: bytes | None = None) -> RawMessage:
    """Return the message that was received `number` seconds into the test's day."""
    return RawMessage(
        body=b"%d" % number if body is None else body,
        received_at=EPOCH + timedelta(seconds=number),
        context={"url": f"https://market.example/{number}"},
    )


def start_writer(url: str) -> subprocess.Popen[str]:
    """Start a process that appends to `SOURCE` until it is fenced or killed.

    For each append it prints, once acknowledged, the offset after the last message.
    """
    return subprocess.Popen(
        [sys.executable, __file__, url],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _append_for_ever(url: str) -> None:
    writer = LandingZone.open(url).writer(SOURCE)
    while True:
        first = writer.end_offset
        # Large enough that a kill often falls inside the write.
        messages = [message(first + i, body=b"%d:" % (first + i) * 20_000) for i in range(3)]
        offsets = writer.append(messages, cursor=str(first + len(messages)))
        print(offsets.stop, flush=True)  # noqa: T201 (the test reads it)


if __name__ == "__main__":
    _append_for_ever(sys.argv[1])
