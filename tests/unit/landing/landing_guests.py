"""An owner and guests of one log, in processes of their own, each counting its messages."""

import subprocess
import sys
import time
from datetime import UTC, datetime

from energy_platform.market.raw_message import RawMessage
from energy_platform.storage.landing import LandingZone

SOURCE = "ote_day_ahead_price"


def start(url: str, role: str, first: int = 0) -> subprocess.Popen[str]:
    """Start a process that appends `role:number`, from `first` on, until it is killed.

    It prints the next number for each append that was acknowledged. The owner's cursor is that
    number.
    """
    return subprocess.Popen(
        [sys.executable, __file__, url, role, str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )


def _append_for_ever(url: str, role: str, number: int) -> None:
    zone = LandingZone.open(url)
    owner = zone.writer(SOURCE) if role == "owner" else None
    guest = zone.guest(SOURCE)
    if owner is not None and owner.cursor is not None:
        number = int(owner.cursor)
    while True:
        messages = [
            RawMessage(body=b"%s:%d" % (role.encode(), n), received_at=datetime.now(UTC))
            for n in range(number, number + 3)
        ]
        number += len(messages)
        if owner is not None:
            owner.append(messages, str(number))
        else:
            guest.append(messages)
        print(number, flush=True)  # noqa: T201 (the test reads it)
        time.sleep(0.005)  # as each waits for its provider; none takes every turn


if __name__ == "__main__":
    _append_for_ever(sys.argv[1], sys.argv[2], int(sys.argv[3]))
