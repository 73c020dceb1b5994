"""Starts local-bigquery, run by its own Python: `python bigquery_emulator.py <its arguments>`.

The emulator checks whether an offset of a stream is free and then appends, and whether a table or a
job exists and then creates it; two concurrent callers may both succeed. BigQuery accepts each
offset once, and refuses the second table or job, which the tests check. So this script makes the
calls run one after the other. It ends with the process that started it, even if that was killed.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from local_bigquery import cli
from local_bigquery.catalog import tables
from local_bigquery.grpc import write
from local_bigquery.jobs import runner

_one_at_a_time = threading.RLock()


def _in_turn(call: Callable[..., Any]) -> Callable[..., Any]:
    def taken(*arguments: Any) -> Any:
        with _one_at_a_time:
            return call(*arguments)

    return taken


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    write._append = _in_turn(write._append)
    tables.create = _in_turn(tables.create)
    runner.submit = _in_turn(runner.submit)
    cli.main()
