"""Fills a home without end, and says what it counts as done.

    python -m tests.faults.busy_home HOME

Each line is `landed N` or `stored N`: every message before offset N is in the landing zone, or in
the warehouse.
"""

import sys
from itertools import count
from pathlib import Path

from tests.support.sources import EXAMPLE, quote
from tests.support.stores import batches_in

MESSAGES_A_BATCH = 7


def main(home: Path) -> None:
    batches = batches_in(home)
    writer = batches.landing.writer(EXAMPLE.name)
    for number in count():
        landed = writer.append([quote(float(number), quarter=number)], None)
        print(f"landed {landed.stop}", flush=True)
        if number % MESSAGES_A_BATCH == MESSAGES_A_BATCH - 1:
            report = batches.run(EXAMPLE)
            print(f"stored {report.stop}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
